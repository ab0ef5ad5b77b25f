//! A made-up Chinese omnichannel retailer whose truth is known.
//!
//! [`write()`] makes the exports of one retailer: members and till tickets of its stores, the contacts of its CRM, the orders
//! of its web shop, the answers to its survey, each in the form in which such files really come, with a fixed amount of
//! noise; and beside them, under `truth/`, which record and which order belongs to which person. [`read_truth`] reads that
//! back, so that a test can score what a merge made of it.
//!
//! The same [`Config`] gives the same bytes. Rows are written as they are drawn; what stays in memory is one small struct per
//! person, party record, ticket and order, some 0.35 GB for a million people.
//!
//! [`zoho`], [`fxiaoke`] and [`sample`] are stand-ins for vendors' APIs over the same people: real HTTP servers whose world goes
//! on when it is told to, which misbehave by a scenario ([`http`]) and whose truth is known as well. [`Sandbox::start`] starts
//! them all.
//!
//! What it does not do: it depends on nothing of ours, so that it shares no mistake with the code under test; it does not
//! clear the folder it writes to; it does not score; and files do not change over time (each run is one export).
#![forbid(unsafe_code)]

mod alteration;
mod catalog;
mod chance;
mod clock;
mod crm;
mod error;
pub mod fxiaoke;
pub mod http;
mod names;
mod noise;
mod output;
mod parties;
mod people;
mod phones;
mod places;
pub mod sample;
mod shop;
mod sounds;
mod standin;
mod step;
mod stores;
mod summary;
mod survey;
mod tickets;
mod together;
mod truth;
mod world;
pub mod zoho;

use std::path::Path;

use chrono::{Datelike, NaiveDate};

pub use alteration::{Alteration, Altered};
pub use clock::Clock;
pub use error::Error;
pub use step::{Advanced, Step};
pub use summary::{FileCount, NoiseCounts, Summary};
pub use together::{Place, Sandbox, SandboxOptions};
pub use truth::{TruePerson, Truth, read_truth};

/// The most people for whom the survey still fits on one Excel sheet.
const MOST_PEOPLE: usize = 3_000_000;

/// What to make. Two equal configurations give the same bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How many persons live in the made-up world; at most 3,000,000. Default 2,000.
    pub people: usize,
    /// Where all chance comes from. Default 1.
    pub seed: u64,
    /// The day of the export, in the years 2000 to 2199: nothing is newer, and the tickets and orders are those of its month
    /// and of the five before. Default 2026-06-30.
    pub as_of: NaiveDate,
}

impl Default for Config {
    fn default() -> Self {
        Self { people: 2_000, seed: 1, as_of: NaiveDate::from_ymd_opt(2026, 6, 30).unwrap_or_default() }
    }
}

impl Config {
    fn check(&self) -> Result<(), Error> {
        if self.people > MOST_PEOPLE {
            return Err(Error::Config { field: "people", reason: "at most `3000000` fit on one survey sheet" });
        }
        if !(2000..2200).contains(&self.as_of.year()) {
            return Err(Error::Config { field: "as_of", reason: "the year must lie in `2000` to `2199`" });
        }
        Ok(())
    }
}

/// Writes the retailer's files under `folder`, which is made if it is not there; files of the same names are replaced and
/// others left alone. Answers what was written.
///
/// # Errors
///
/// [`Error::Config`] when the configuration is out of range, before anything is written; otherwise the file that could not
/// be written and why. Files written until then stay.
pub fn write(config: &Config, folder: &Path) -> Result<Summary, Error> {
    config.check()?;
    let names = names::Names::new();
    let mut phones = phones::Phones::default();
    let mut people = people::draw(config, &names, &mut phones);
    let parties = parties::draw(config, &mut people, &mut phones);

    let mut summary = Summary { people: people.len() as u64, ..Summary::default() };
    parties.count(&mut summary.noise);
    truth::write_people(folder, config, &people, &mut summary)?;
    let mut records = truth::RecordsFile::create(folder)?;
    stores::write(folder, config, &people, &parties, &names, &mut phones, &mut records, &mut summary)?;
    crm::write(folder, config, &people, &parties, &names, &mut phones, &mut records, &mut summary)?;
    records.finish(&mut summary)?;
    let mut orders = truth::OrdersFile::create(folder)?;
    tickets::write(folder, config, &people, &parties, &mut orders, &mut summary)?;
    shop::write(folder, config, &people, &mut orders, &mut summary)?;
    orders.finish(&mut summary)?;
    survey::write(folder, config, &people, &mut summary)?;
    Ok(summary)
}
