//! What the connector promises, held against the stand-in: modules that are read by changes, a custom one, and one that is read whole.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

use std::error::Error;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use tributary_conformance::wire::{Reply, Request};
use tributary_conformance::{
    Budget, Change, Credentials, Declared, DeclaredStream, Deletes, Failure, Passed, SecretFiles, Size, Subject,
    Unsupported, World, all, checks, mutations,
};
use tributary_connector::AnyFactory;
use tributary_sandbox::http::{Handle, Scenario};
use tributary_sandbox::zoho::{Alteration, Credential, Crm, Limits, Options};
use tributary_zoho_crm::ZohoCrmFactory;

/// Records of a page: fewer than the vendor shows, so that a small world has several.
const PAGE: usize = 10;
const MODULES: [&str; 4] = ["Contacts", "Leads", "Loyalty_Cards", "Family_Members"];
const SECRETS: [(&str, &str); 3] = [
    ("client_id", "canary-client-id"),
    ("client_secret", "canary-client-secret"),
    ("refresh_token", "canary-refresh-token"),
];

const LESSER: &str = "canary-lesser-client-id";

/// What a single record shows besides: rows and links, which are streams of their own, and what is no field.
const NO_COLUMNS: [&str; 4] = ["Family_Members", "Other_Accounts", "Layout", "Record_Image"];

/// Modules, and the way in which they are read.
struct Zoho(&'static [&'static str], Way);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Queries,
    /// The credential may not query.
    Lists,
    /// First loads are exports.
    Exports,
}

impl Subject for Zoho {
    fn factory(&self) -> Arc<dyn AnyFactory> {
        Arc::new(ZohoCrmFactory)
    }

    fn declared(&self) -> Declared {
        let module = |name: &&'static str| {
            let (pages, text) = match *name {
                // The file of an export is a zip, which nothing can be put into.
                _ if self.1 == Way::Exports => ("POST /crm/v8/coql | GET /crm/bulk/v8/read/*/result", None),
                "Contacts" => ("POST /crm/v8/coql | GET /crm/v8/Contacts/deleted", Some("Last_Name")),
                "Leads" => ("POST /crm/v8/coql | GET /crm/v8/Leads | GET /crm/v8/Leads/deleted", Some("Last_Name")),
                "Loyalty_Cards" => ("POST /crm/v8/coql | GET /crm/v8/Loyalty_Cards", Some("Name")),
                _ => ("POST /crm/v8/coql | GET /crm/v8/Family_Members", Some("Name")),
            };
            DeclaredStream {
                cursor: Some("Modified_Time"),
                // Rows of subforms are read whole.
                incremental: *name != "Family_Members",
                deletes: Deletes::Feed,
                lookback: Duration::from_secs(120),
                text,
                none: Reply::empty(204),
                ..DeclaredStream::new(name, &["id"], pages, PAGE)
            }
        };
        let error = |status, code: &str| {
            Reply::json(status, &json!({ "code": code, "details": {}, "message": "no", "status": "error" }))
        };
        Declared {
            tokens: Some("POST /oauth/v2/token"),
            budgets: vec![
                Budget { cost: credits, ..Budget::of_requests("credits", 50_000, Duration::from_secs(86_400)) },
                Budget {
                    cost: |request| u64::from(request.path == "/oauth/v2/token"),
                    ..Budget::of_requests("tokens", 10, Duration::from_secs(600))
                },
                Budget {
                    cost: |request| u64::from(request.path.ends_with("/result")),
                    ..Budget::of_requests("downloads", 10, Duration::from_secs(60))
                },
            ],
            at_once: Some(20),
            throttled: error(429, "TOO_MANY_REQUESTS"),
            failed: error(500, "INTERNAL_ERROR"),
            ..Declared::new(self.0.iter().map(module))
        }
    }

    fn world(&self, size: Size) -> Result<Box<dyn World>, Box<dyn Error + Send + Sync>> {
        static READY: [OnceLock<Crm>; 2] = [OnceLock::new(), OnceLock::new()];
        let crm = READY[usize::from(size == Size::Large)].get_or_init(|| ready(size).unwrap()).clone();
        let (server, secrets) = (crm.serve(Scenario::default(), 0)?, SecretFiles::new()?);
        Ok(Box::new(Company { server, secrets, way: self.1 }))
    }
}

/// What a request costs, as the vendor's documents say.
fn credits(request: &Request) -> u64 {
    let body = String::from_utf8_lossy(&request.body);
    match request.path.as_str() {
        path if !path.starts_with("/crm/") || path.starts_with("/crm/v8/settings/") => 0,
        "/crm/v8/coql" if body.contains(" limit 200\"") => 1,
        "/crm/v8/coql" => 3,
        path if path.ends_with("/deleted") => 2,
        "/crm/bulk/v8/read" => 50,
        _ => 1,
    }
}

/// A company with so many records of each module, every few of one second, as imports leave them.
fn ready(size: Size) -> Result<Crm, Box<dyn Error>> {
    let (people, records) = if size == Size::Small { (50, 36) } else { (500, 360) };
    let [client_id, client_secret, refresh_token] = SECRETS.map(|(_, value)| value.to_owned());
    let credential = Credential { client_id, client_secret, refresh_token, ..Credential::default() };
    // The same user by another client, which was given less.
    let scope = "ZohoCRM.modules.ALL ZohoCRM.settings.ALL ZohoCRM.users.READ ZohoCRM.org.READ".to_owned();
    let lesser = Credential { client_id: LESSER.to_owned(), scope, ..credential.clone() };
    let (credentials, limits) =
        (vec![credential, lesser], Limits { served: PAGE, bulk_rows: PAGE, ..Limits::default() });
    let mut crm = Crm::new(Options { people, credentials, limits, ..Options::default() }, "")?;
    for module in MODULES {
        while crm.ids(module).len() < records {
            crm.alter(module, &Alteration::Tie { records: 6 })?;
            crm.clock().pass(600);
        }
    }
    Ok(crm)
}

struct Company {
    server: Handle<Crm>,
    secrets: SecretFiles,
    way: Way,
}

impl World for Company {
    fn origins(&self) -> Vec<String> {
        vec![self.server.url()]
    }

    fn config(&self, credentials: Credentials) -> Value {
        let url = self.server.url();
        let bulk = if self.way == Way::Exports { "always" } else { "never" };
        let mut config = json!({ "accounts_url": url, "api_url": url, "edition": "enterprise", "bulk": bulk });
        for (name, value) in SECRETS {
            let value = if self.way == Way::Lists && name == "client_id" { LESSER } else { value };
            config[name] = match credentials {
                Credentials::Good => self.secrets.put(name, value).unwrap(),
                Credentials::Wrong => self.secrets.put(&format!("wrong-{name}"), &format!("wrong-{value}")).unwrap(),
                Credentials::Missing => self.secrets.missing(name),
            };
        }
        config
    }

    fn truth(&mut self, stream: &str) -> Vec<Value> {
        self.server.with(|crm| crm.snapshot(stream)).into_iter().map(shown).collect()
    }

    fn change(&mut self, stream: &str, change: &Change) -> Result<(), Unsupported> {
        let alteration = match change.clone() {
            Change::Insert { records } => Alteration::Insert { records },
            Change::Update { records } => Alteration::Update { records },
            Change::Tie { records } => Alteration::Tie { records },
            Change::TieAgain { records } => Alteration::TieAgain { records },
            Change::Delete { records } => Alteration::Delete { records },
            Change::Restore { records } => Alteration::Restore { records },
            Change::Late { records, by } => Alteration::Late { records, seconds: by.as_secs().cast_signed() },
            Change::NullCursor { records } => Alteration::NullCursor { records },
            Change::AddField { name } => Alteration::AddField { name },
            Change::ChangeType => Alteration::ChangeType,
            Change::ExpireTokens => Alteration::ExpireTokens,
        };
        self.server.with(|crm| crm.alter(stream, &alteration)).map(drop).map_err(Unsupported::new)
    }

    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.server.with(|crm| crm.clock().milliseconds())).unwrap()
    }

    fn advance(&mut self, to: DateTime<Utc>) {
        let to = to.max(self.now());
        self.server.with(|crm| crm.clock().set_milliseconds(to.timestamp_millis()));
    }

    fn secrets(&self) -> Vec<String> {
        let known = SECRETS.iter().map(|(_, value)| *value).chain([LESSER]);
        known.flat_map(|value| [value.to_owned(), format!("wrong-{value}")]).collect()
    }
}

/// A record with the columns of its module: references are their ids, tags their names, and no value among several is null.
fn shown(record: Value) -> Value {
    let Value::Object(fields) = record else { return record };
    let mut shown = Map::new();
    for (name, value) in fields {
        let value = match value {
            _ if name.starts_with('$') || NO_COLUMNS.contains(&name.as_str()) => continue,
            Value::Object(reference) => reference["id"].clone(),
            Value::Array(none) if none.is_empty() => Value::Null,
            Value::Array(tags) if name == "Tag" => tags.iter().map(|tag| tag["name"].clone()).collect(),
            value => value,
        };
        shown.insert(name, value);
    }
    shown.into()
}

#[test]
fn conforms() {
    // The vendor keeps the time of change of every record.
    all(&Zoho(&MODULES, Way::Queries)).assert(&["null cursors"]);
}

type Check = fn(&dyn Subject) -> Result<Passed, Failure>;

/// What depends on the way of reading; the other checks ask the same of all ways.
fn pass(subject: &Zoho, more: &[Check]) {
    let all: [Check; 5] =
        [checks::full_read, checks::resume, checks::incremental, checks::change_while_reading, checks::faults];
    for check in all.iter().chain(more) {
        match check(subject) {
            Ok(Passed::Yes(_)) => {}
            Ok(Passed::Skipped(reason)) => panic!("skipped: {reason}"),
            Err(failure) => panic!("{failure}"),
        }
    }
}

#[test]
fn lists_conform() {
    let more =
        [checks::unknown_fields, checks::bad_records, checks::cursor_ties, checks::late_updates, checks::deletes];
    pass(&Zoho(&["Leads", "Family_Members"], Way::Lists), &more);
}

#[test]
fn exports_conform() {
    pass(&Zoho(&["Contacts"], Way::Exports), &[checks::expired_token, checks::retry_after]);
}

#[test]
fn each_defect_is_seen() {
    // Nobody spends the credits of a day in a test.
    let harmless = ["null cursor dropped", "budget overspent"];
    mutations::all(&Zoho(&["Contacts"], Way::Queries)).assert(&harmless);
}
