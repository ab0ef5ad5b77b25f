//! The shop as a subject.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tributary_conformance::wire::Reply;
use tributary_conformance::{
    Budget, Change, Credentials, Declared, DeclaredStream, Deletes, SecretFiles, Size, Subject, Unsupported, World,
};
use tributary_connector::AnyFactory;
use tributary_sandbox::http::{Handle, Scenario, serve};

use super::api::{PAGE, Store};
use super::connector::{LOOKBACK, ShopFactory};

pub struct Shop;

struct Shopping {
    server: Handle<Store>,
    secrets: SecretFiles,
}

impl Subject for Shop {
    fn factory(&self) -> Arc<dyn AnyFactory> {
        Arc::new(ShopFactory)
    }

    fn declared(&self) -> Declared {
        let stream = |name, pages, deletes| DeclaredStream {
            cursor: Some("updated_at"),
            incremental: true,
            deletes,
            lookback: LOOKBACK,
            text: Some("name"),
            none: Reply::json(200, &json!({ "data": [], "has_more": false })),
            ..DeclaredStream::new(name, &["id"], pages, PAGE)
        };
        let streams =
            [stream("customers", "/v1/customers", Deletes::Feed), stream("orders", "/v1/orders", Deletes::Never)];
        Declared {
            tokens: Some("/oauth/token"),
            budgets: vec![Budget {
                cost: |request| u64::from(request.path.starts_with("/v1/")),
                ..Budget::of_requests("calls", 60, Duration::from_secs(10))
            }],
            ..Declared::new(streams)
        }
    }

    fn world(&self, size: Size) -> Result<Box<dyn World>, Box<dyn Error + Send + Sync>> {
        let records = if size == Size::Small { 70 } else { 700 };
        let server = serve(0, Scenario::default(), |_| Ok(Store::new(records)))?;
        Ok(Box::new(Shopping { server, secrets: SecretFiles::new()? }))
    }
}

impl World for Shopping {
    fn origins(&self) -> Vec<String> {
        vec![self.server.url()]
    }

    fn config(&self, credentials: Credentials) -> Value {
        let secret = |name: &str, value: &str| match credentials {
            Credentials::Good => self.secrets.put(name, value).unwrap(),
            Credentials::Wrong => self.secrets.put(&format!("wrong-{name}"), &format!("wrong-{value}")).unwrap(),
            Credentials::Missing => self.secrets.missing(name),
        };
        json!({
            "base_url": self.server.url(),
            "client_id": format!("{credentials:?}"),
            "client_secret": secret("secret", "canary-client-secret"),
            "refresh_token": secret("refresh", "canary-refresh-token"),
        })
    }

    fn truth(&mut self, stream: &str) -> Vec<Value> {
        self.server.with(|store| store.truth(stream))
    }

    fn change(&mut self, stream: &str, change: &Change) -> Result<(), Unsupported> {
        self.server.with(|store| store.change(stream, change))
    }

    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.server.with(|store| store.now), 0).unwrap()
    }

    fn advance(&mut self, to: DateTime<Utc>) {
        self.server.with(|store| store.now = store.now.max(to.timestamp()));
    }

    fn secrets(&self) -> Vec<String> {
        ["", "wrong-"]
            .iter()
            .flat_map(|kind| [format!("{kind}canary-client-secret"), format!("{kind}canary-refresh-token")])
            .collect()
    }
}
