//! All stand-ins together over one retailer: what a person who tries the whole thing starts, and a test of more than one source.
//!
//! Each stand-in draws the people anew from the same configuration, and they are the same; so are those of the files that
//! [`Sandbox::write`] writes. The clocks start at the same midnight and run equally fast, but are three: setting one sets no
//! other.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::NaiveDate;

use crate::http::{Handle, Scenario};
use crate::{Advanced, Config, Error, Step, Summary, Truth, fxiaoke, sample, zoho};

/// What to start.
#[derive(Debug, Clone, PartialEq)]
pub struct SandboxOptions {
    /// As in [`Config`]. Default 2,000.
    pub people: usize,
    /// As in [`Config`]. Default 1.
    pub seed: u64,
    /// As in [`Config`]; the clocks start at the midnight after it, in Shanghai.
    pub as_of: NaiveDate,
    /// The port of the first stand-in, the others take the next ones; 0 for any that are free. Default 0.
    pub ports: u16,
    /// How each of them misbehaves; each counts for itself. Default: not at all.
    pub scenario: Option<Scenario>,
    /// Seconds of their clocks for each that passes. Default 1.
    pub speed: f64,
}

impl Default for SandboxOptions {
    fn default() -> Self {
        let Config { people, seed, as_of } = Config::default();
        Self { people, seed, as_of, ports: 0, scenario: None, speed: 1.0 }
    }
}

/// The stand-ins, which run until this is dropped.
#[derive(Debug)]
pub struct Sandbox {
    /// Zoho CRM.
    pub zoho: Handle<zoho::Crm>,
    /// 纷享销客.
    pub fxiaoke: Handle<fxiaoke::Tenant>,
    /// The API that a first connector is written against.
    pub sample: Handle<sample::Shop>,
    config: Config,
}

/// One stand-in, as a person is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// `zoho`, `fxiaoke`, `sample`.
    pub name: &'static str,
    /// `http://127.0.0.1:port`.
    pub url: String,
    /// Names of environment variables, and values of which none is a secret: the address, and what lets one in.
    pub environment: Vec<(&'static str, String)>,
}

impl Sandbox {
    /// Starts them all.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] when the retailer cannot be made, [`Error::Serve`] when a port cannot be had; none runs then.
    pub fn start(options: SandboxOptions) -> Result<Self, Error> {
        let SandboxOptions { people, seed, as_of, ports, scenario, speed } = options;
        let scenario = scenario.unwrap_or_default();
        let port = |number: u16| if ports == 0 { 0 } else { ports.saturating_add(number) };
        let zoho = zoho::Options { people, seed, as_of, speed, ..zoho::Options::default() };
        let fxiaoke = fxiaoke::Options { people, seed, as_of, speed, ..fxiaoke::Options::default() };
        let sample = sample::Options { people, seed, as_of, speed, ..sample::Options::default() };
        Ok(Self {
            zoho: zoho::serve(zoho, scenario.clone(), port(0))?,
            fxiaoke: fxiaoke::serve(fxiaoke, scenario.clone(), port(1))?,
            sample: sample::serve(sample, scenario, port(2))?,
            config: Config { people, seed, as_of },
        })
    }

    /// Where each of them is, and how one comes in.
    pub fn places(&self) -> Vec<Place> {
        let (crm, app) = (zoho::Credential::default(), fxiaoke::Credential::default());
        let place = |name, url: String, address, environment: Vec<(&'static str, String)>| Place {
            name,
            environment: [vec![(address, url.clone())], environment].concat(),
            url,
        };
        vec![
            place(
                "zoho",
                self.zoho.url(),
                "ZOHO_URL",
                vec![
                    ("ZOHO_CLIENT_ID", crm.client_id),
                    ("ZOHO_CLIENT_SECRET", crm.client_secret),
                    ("ZOHO_REFRESH_TOKEN", crm.refresh_token),
                ],
            ),
            place(
                "fxiaoke",
                self.fxiaoke.url(),
                "FXIAOKE_URL",
                vec![
                    ("FXIAOKE_APP_ID", app.app_id),
                    ("FXIAOKE_APP_SECRET", app.app_secret),
                    ("FXIAOKE_PERMANENT_CODE", app.permanent_code),
                    ("FXIAOKE_USER_ID", "1000".into()),
                ],
            ),
            place(
                "sample",
                self.sample.url(),
                "SAMPLE_URL",
                vec![("SAMPLE_API_KEY", sample::Options::default().api_key)],
            ),
        ]
    }

    /// Lets each world go on by so many seconds and changes; answers what was done in each, by name.
    pub fn advance(&self, seconds: i64, changes: usize) -> BTreeMap<&'static str, Advanced> {
        let step = Step { seconds, changes, ..Step::default() };
        BTreeMap::from([
            ("zoho", self.zoho.with(|crm| crm.advance(&step))),
            ("fxiaoke", self.fxiaoke.with(|tenant| tenant.advance(&step))),
            ("sample", self.sample.with(|shop| shop.advance(&step))),
        ])
    }

    /// The truth of all of them.
    pub fn truth(&self) -> Truth {
        let mut truth = self.zoho.with(|crm| crm.truth());
        for other in [self.fxiaoke.with(|tenant| tenant.truth()), self.sample.with(|shop| shop.truth())] {
            truth.records.extend(other.records);
            truth.orders.extend(other.orders);
        }
        truth
    }

    /// Writes the files of the same retailer, as [`write()`](crate::write()) does: they are as of the start, whatever the
    /// stand-ins have done since.
    ///
    /// # Errors
    ///
    /// Those of [`write()`](crate::write()).
    pub fn write(&self, folder: &Path) -> Result<Summary, Error> {
        crate::write(&self.config, folder)
    }

    /// Waits until they end, which they do only if a thread of theirs dies.
    pub fn wait(self) {
        self.zoho.wait();
        self.fxiaoke.wait();
        self.sample.wait();
    }
}
