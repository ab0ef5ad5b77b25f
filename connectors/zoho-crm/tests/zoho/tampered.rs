//! A token goes to the vendor and to nobody else, whatever an answer says.

use serde_json::json;
use tributary_connector::{Kind, State};
use tributary_sandbox::http::{Fault, Rule, Scenario};

use crate::source::{Source, server, without_coql};

#[tokio::test]
async fn a_token_for_another_host_is_not_used() {
    let (real, other) = (server(), server());
    let body = json!({ "access_token": "1000.stolen", "api_domain": other.url(), "expires_in": 3_600 }).to_string();
    let tampered = Fault::Answer { status: 200, content_type: "application/json".into(), body };
    real.misbehave(Scenario::default().with(Rule::once("/oauth/v2/token", tampered).always()));
    let config = json!({ "accounts_url": real.url(), "data_center": "us" });
    let source = Source::configured(config, None).unwrap();
    let error = source.connector.check().await.unwrap_err();
    assert_eq!(error.kind, Kind::Refused);
    assert!(error.message.contains("none of Zoho's") && !error.message.contains("stolen"), "{}", error.message);
    // With an address of its own the configuration is believed, and not the answer.
    assert!(Source::new(&real).connector.check().await.is_err());
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn a_redirect_elsewhere_is_not_followed() {
    let other = server();
    let location = format!("{}/crm/v8/Contacts", other.url());
    for (path, from) in [("/crm/v8/settings/fields", 1), ("/crm/v8/coql", 1), ("/crm/v8/Contacts/deleted", 1)] {
        let real = server();
        let source = Source::new(&real);
        let stream = source.stream("Contacts").await;
        let redirect = Fault::Redirect { location: location.clone() };
        real.misbehave(Scenario::default().with(Rule::once(path, redirect).from(from)));
        let error = source.take(&stream, &State::default()).await.error.unwrap();
        assert!(matches!(error.kind, Kind::Refused | Kind::Protocol), "{path}: {error}");
    }
    let real = tributary_sandbox::zoho::serve(without_coql(), Scenario::default(), 0).unwrap();
    let source = Source::new(&real);
    let stream = source.stream("Contacts").await;
    real.misbehave(Scenario::default().with(Rule::once("/crm/v8/Contacts", Fault::Redirect { location })));
    assert_eq!(source.take(&stream, &State::default()).await.error.unwrap().kind, Kind::Refused);
    assert!(other.requests().is_empty());
}
