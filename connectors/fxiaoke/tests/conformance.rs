//! What the connector promises, held against the stand-in: preset objects and one of the tenant's own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

use std::error::Error;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tributary_conformance::wire::Reply;
use tributary_conformance::{
    Budget, Change, Credentials, Declared, DeclaredStream, Deletes, SecretFiles, Size, Subject, Unsupported, World,
    all, mutations,
};
use tributary_connector::AnyFactory;
use tributary_fxiaoke::FxiaokeFactory;
use tributary_sandbox::fxiaoke::{Alteration, Credential, Limits, Options, Tenant};
use tributary_sandbox::http::{Handle, Scenario};

/// Rows of a page: fewer than the vendor shows, so that a small world has several.
const PAGE: usize = 6;
const OBJECTS: [&str; 3] = ["ContactObj", "SalesOrderObj", "object_Vk3Qd__c"];
const SECRETS: [(&str, &str); 2] = [("app_secret", "canary-app-secret"), ("permanent_code", "canary-permanent-code")];

const QUERY: &str = "/cgi/crm/v2/data/query";
const CUSTOM_QUERY: &str = "/cgi/crm/custom/v2/data/query";

/// These objects of a tenant.
struct Fxiaoke(&'static [&'static str]);

impl Subject for Fxiaoke {
    fn factory(&self) -> Arc<dyn AnyFactory> {
        Arc::new(FxiaokeFactory)
    }

    fn declared(&self) -> Declared {
        let object = |name: &&'static str| DeclaredStream {
            cursor: Some("last_modified_time"),
            incremental: true,
            deletes: Deletes::Reconcile(Duration::from_secs(86_400)),
            lookback: Duration::from_secs(120),
            text: Some("lock_status"),
            none: said(0, json!({ "dataList": [], "limit": 100, "offset": 0, "total": 0 })),
            ..DeclaredStream::new(name, &["_id"], if name.ends_with("__c") { CUSTOM_QUERY } else { QUERY }, PAGE)
        };
        let window = Budget::of_requests("calls", 100, Duration::from_secs(20));
        Declared {
            tokens: Some("/oauth2.0/token"),
            budgets: vec![
                Budget { cost: |request| u64::from(request.path == QUERY), ..window.clone() },
                Budget { cost: |request| u64::from(request.path == CUSTOM_QUERY), ..window },
                Budget {
                    cost: |request| u64::from(request.path == "/oauth2.0/token"),
                    ..Budget::of_requests("token calls", 10, Duration::from_secs(60))
                },
            ],
            throttled: said(30_004, Value::Null),
            failed: said(-1, Value::Null),
            ..Declared::new(self.0.iter().map(object))
        }
    }

    fn world(&self, size: Size) -> Result<Box<dyn World>, Box<dyn Error + Send + Sync>> {
        static READY: [OnceLock<Tenant>; 2] = [OnceLock::new(), OnceLock::new()];
        let tenant = READY[usize::from(size == Size::Large)].get_or_init(|| ready(size).unwrap()).clone();
        Ok(Box::new(Company { server: tenant.serve(Scenario::default(), 0)?, secrets: SecretFiles::new()? }))
    }
}

/// An answer in the vendor's envelope.
fn said(code: i64, data: Value) -> Reply {
    let message = if code == 0 { "OK" } else { "no" };
    Reply::json(200, &json!({ "errorCode": code, "errorMessage": message, "traceId": "E-O.x", "data": data }))
}

/// A tenant with so many records of each object, every few of one millisecond, as imports leave them.
fn ready(size: Size) -> Result<Tenant, Box<dyn Error>> {
    let (people, records) = if size == Size::Small { (40, 20) } else { (400, 200) };
    let [app_secret, permanent_code] = SECRETS.map(|(_, value)| value.to_owned());
    let credential = Credential { app_secret, permanent_code, ..Credential::default() };
    let limits = Limits { served: PAGE, ..Limits::default() };
    // Where void records are hidden they are as good as deleted, and can come back.
    let mut tenant = Tenant::new(Options { people, credential, limits, shows_invalid: false, ..Options::default() })?;
    for object in OBJECTS {
        while tenant.ids(object).len() < records {
            tenant.alter(object, &Alteration::Tie { records: 6 })?;
            tenant.clock().pass(600);
        }
    }
    Ok(tenant)
}

struct Company {
    server: Handle<Tenant>,
    secrets: SecretFiles,
}

impl World for Company {
    fn origins(&self) -> Vec<String> {
        vec![self.server.url()]
    }

    fn config(&self, credentials: Credentials) -> Value {
        let mut config = json!({ "base_url": self.server.url(), "app_id": "FSAID_sandbox", "user": "1000" });
        for (name, value) in SECRETS {
            config[name] = match credentials {
                Credentials::Good => self.secrets.put(name, value).unwrap(),
                Credentials::Wrong => self.secrets.put(&format!("wrong-{name}"), &format!("wrong-{value}")).unwrap(),
                Credentials::Missing => self.secrets.missing(name),
            };
        }
        config
    }

    fn truth(&mut self, stream: &str) -> Vec<Value> {
        self.server.with(|tenant| tenant.snapshot(stream))
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
        self.server.with(|tenant| tenant.alter(stream, &alteration)).map(drop).map_err(Unsupported::new)
    }

    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.server.with(|tenant| tenant.clock().milliseconds())).unwrap()
    }

    fn advance(&mut self, to: DateTime<Utc>) {
        let to = to.max(self.now());
        self.server.with(|tenant| tenant.clock().set_milliseconds(to.timestamp_millis()));
    }

    fn secrets(&self) -> Vec<String> {
        SECRETS.iter().flat_map(|(_, value)| [(*value).to_owned(), format!("wrong-{value}")]).collect()
    }
}

#[test]
fn conforms() {
    // The vendor keeps the time of change of every record.
    all(&Fxiaoke(&OBJECTS)).assert(&["null cursors"]);
}

#[test]
fn each_defect_is_seen() {
    // Ids are no numbers, times are.
    let harmless = ["null cursor dropped", "id through a float", "offset of times dropped"];
    mutations::all(&Fxiaoke(&["SalesOrderObj"])).assert(&harmless);
}
