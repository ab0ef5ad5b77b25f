//! What the connector promises, held against the sample shop: everything the suite asks, and a defect planted for each.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::sync::Arc;

use chrono::{DateTime, Utc};
use custom_connector::CustomConnector;
use serde_json::{Value, json};
use tributary_conformance::{
    Change, Credentials, Declared, DeclaredStream, Deletes, SecretFiles, Size, Subject, Unsupported, World, all,
    mutations, wire::Reply,
};
use tributary_connector::AnyFactory;
use tributary_sandbox::{http::Handle, http::Scenario, sample::Alteration, sample::Options, sample::Shop};

const KEY: &str = "canary-key";
const PAGE: usize = 10;

struct SampleShop;

impl Subject for SampleShop {
    fn factory(&self) -> Arc<dyn AnyFactory> {
        Arc::new(CustomConnector)
    }

    fn declared(&self) -> Declared {
        let stream = |name, path, text| DeclaredStream {
            cursor: Some("updated_at"),
            incremental: true,
            deletes: Deletes::Feed,
            text: Some(text),
            none: Reply::json(200, &json!({ "data": [], "next_page_token": null })),
            ..DeclaredStream::new(name, &["id"], path, PAGE)
        };
        Declared::new([stream("customers", "/v1/customers", "name"), stream("orders", "/v1/orders", "status")])
    }

    fn world(&self, size: Size) -> Result<Box<dyn World>, Box<dyn std::error::Error + Send + Sync>> {
        let people = if size == Size::Small { 40 } else { 600 };
        let mut shop = Shop::new(Options { people, api_key: KEY.into(), served: PAGE, ..Options::default() })?;
        for table in ["customers", "orders"] {
            // As imports leave them: of the newest, each three have one time.
            (0..8).try_for_each(|_| shop.alter(table, &Alteration::Tie { records: 3 }).map(drop))?;
        }
        Ok(Box::new(Street(shop.serve(Scenario::default(), 0)?, SecretFiles::new()?)))
    }
}

struct Street(Handle<Shop>, SecretFiles);

impl World for Street {
    fn origins(&self) -> Vec<String> {
        vec![self.0.url()]
    }

    fn config(&self, credentials: Credentials) -> Value {
        let key = match credentials {
            Credentials::Good => self.1.put("key", KEY).unwrap(),
            Credentials::Wrong => self.1.put("wrong", &format!("wrong-{KEY}")).unwrap(),
            Credentials::Missing => self.1.missing("key"),
        };
        json!({ "url": self.0.url(), "api_key": key })
    }

    fn truth(&mut self, stream: &str) -> Vec<Value> {
        self.0.with(|shop| shop.snapshot(stream))
    }

    fn change(&mut self, stream: &str, change: &Change) -> Result<(), Unsupported> {
        let alteration = match change.clone() {
            Change::Insert { records } => Alteration::Insert { records },
            Change::Update { records } => Alteration::Update { records },
            Change::Tie { records } => Alteration::Tie { records },
            Change::TieAgain { records } => Alteration::TieAgain { records },
            Change::Delete { records } => Alteration::Delete { records },
            Change::Restore { records } => Alteration::Restore { records },
            Change::AddField { name } => Alteration::AddField { name },
            Change::ChangeType => Alteration::ChangeType,
            _ => return Err(Unsupported::new("the shop dates a row when it changes, and its keys do not end")),
        };
        self.0.with(|shop| shop.alter(stream, &alteration)).map(drop).map_err(Unsupported::new)
    }

    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.0.with(|shop| shop.clock().milliseconds())).unwrap()
    }

    fn advance(&mut self, to: DateTime<Utc>) {
        let now = self.now();
        self.0.with(|shop| shop.clock().set_milliseconds(to.max(now).timestamp_millis()));
    }

    fn secrets(&self) -> Vec<String> {
        vec![KEY.into()]
    }
}

#[test]
fn conforms() {
    // The shop dates a row when it changes, shows all since a time, gives keys in place of tokens, and tells no limit.
    all(&SampleShop).assert(&[
        "null cursors",
        "late updates",
        "windows",
        "expired token",
        "budget",
        "shared credential",
    ]);
}

#[test]
fn each_defect_is_seen() {
    // Ids are text here, and what is skipped above sees nothing.
    let harmless = ["id through a float", "late update passed over", "null cursor dropped"];
    mutations::all(&SampleShop).assert(
        &[
            harmless.as_slice(),
            &["budget overspent", "refresh raced", "window ignored", "window's first tick left out"],
        ]
        .concat(),
    );
}
