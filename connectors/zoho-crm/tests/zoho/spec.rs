//! What a user is told: the configuration, and what is wrong with a credential.

use serde_json::{Value, json};
use tributary_connector::{Error, Kind, Registry};
use tributary_sandbox::http::{Disturbance, Fault, Handle, Rule, Scenario};
use tributary_sandbox::zoho::{Credential, Crm, Options, serve};

use crate::source::{Source, server};

fn secret(value: &str) -> Value {
    json!({ "command": ["printf", value] })
}

async fn refused(server: &Handle<Crm>, more: Value, streams: Option<Vec<String>>) -> Error {
    let mut config = json!({ "accounts_url": server.url(), "api_url": server.url() });
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let source = match Source::configured(config, streams) {
        Ok(source) => source,
        Err(error) => return error,
    };
    source.connector.check().await.unwrap_err()
}

#[tokio::test]
async fn a_good_credential_passes() {
    let server = server();
    let config = json!({ "accounts_url": server.url(), "api_url": server.url() });
    let streams = Some(vec!["Contacts".to_owned(), "Users".to_owned()]);
    Source::configured(config, streams).unwrap().connector.check().await.unwrap();
    let records =
        server.requests().iter().any(|entry| entry.path == "/crm/v8/Contacts" || entry.path.ends_with("coql"));
    assert!(!records, "a check reads no record");
}

#[tokio::test]
async fn each_wrong_part_of_a_credential_is_named() {
    let server = server();
    for (key, said) in
        [("client_id", "client id"), ("client_secret", "client secret"), ("refresh_token", "refresh token")]
    {
        let error = refused(&server, json!({ key: secret("canary-value") }), None).await;
        assert_eq!(error.kind, Kind::Auth);
        let text = format!("{error} {:?}", error.hint);
        assert!(text.contains(said) && !text.contains("canary"), "{text}");
    }
    let error = refused(&server, json!({ "client_id": { "env": "TRIBUTARY_NO_SUCH" } }), None).await;
    assert_eq!(error.message, "environment variable `TRIBUTARY_NO_SUCH` is not set");
}

#[tokio::test]
async fn a_missing_scope_is_told_from_a_bad_credential() {
    let scope = "ZohoCRM.modules.ALL ZohoCRM.org.READ".to_owned();
    let credentials = vec![Credential { scope, ..Credential::default() }];
    let server = serve(Options { people: 50, credentials, ..Options::default() }, Scenario::default(), 0).unwrap();
    let error = refused(&server, json!({}), None).await;
    assert_eq!(error.kind, Kind::Auth);
    assert!(error.message.contains("OAUTH_SCOPE_MISMATCH"), "{}", error.message);
    let hint = error.hint.unwrap();
    assert!(hint.contains("the credential is good") && hint.contains("ZohoCRM.settings.READ"), "{hint}");
}

#[tokio::test]
async fn a_revoked_token_and_too_many_tokens_are_told() {
    let server = server();
    let source = Source::new(&server);
    source.connector.check().await.unwrap();
    let revoke = Rule::once("/crm/v8/settings/modules", Fault::Disturb(Disturbance::RevokeTokens));
    server.misbehave(Scenario::default().with(revoke));
    let error = source.connector.check().await.unwrap_err();
    assert_eq!(error.kind, Kind::Auth);
    assert!(error.hint.unwrap().contains("revoked"));

    let limits = tributary_sandbox::zoho::Limits { tokens: 0, ..Default::default() };
    let server = serve(Options { people: 50, limits, ..Options::default() }, Scenario::default(), 0).unwrap();
    let error = refused(&server, json!({}), None).await;
    assert_eq!(error.kind, Kind::Quota);
    let asked = server.requests().len();
    assert_eq!(asked, 1, "each further attempt prolongs the lock-out");
}

#[tokio::test]
async fn a_module_that_is_not_there_is_named_with_those_that_are() {
    let server = server();
    let error = refused(&server, json!({}), Some(vec!["Contact".to_owned()])).await;
    assert_eq!(
        (error.kind, error.message.as_str()),
        (Kind::Config, "there is no module `Contact`, or it may not be seen")
    );
    assert!(error.hint.unwrap().contains("`Contacts`"));
}

#[tokio::test]
async fn what_does_not_fit_is_said_before_anything_is_asked() {
    let server = server();
    let build = |config: Value| Source::configured(config, None).map(drop).unwrap_err();
    assert_eq!(build(json!({})).message, "`data_center` is not set");
    assert!(build(json!({ "data_center": "mars" })).message.contains("`us`"));
    assert!(build(json!({ "data_center": "us", "client_id": "literal" })).message.starts_with("source `crm`"));
    assert_eq!(build(json!({ "data_center": "us", "api_url": "http://example.com" })).kind, Kind::Config);
    assert_eq!(build(json!({ "data_center": "us", "lookback": "soon" })).kind, Kind::Config);
    assert!(server.requests().is_empty());
}

#[test]
fn every_option_is_documented() {
    let mut registry = Registry::new();
    tributary_zoho_crm::register(&mut registry);
    let schema = registry.get("zoho-crm").unwrap().schema();
    let properties = schema["properties"].as_object().unwrap();
    assert_eq!(properties.len(), 12);
    for (name, property) in properties {
        let text = property["description"].as_str().unwrap_or_default();
        let required = schema["required"].as_array().unwrap().iter().any(|other| other == name);
        assert!(text.contains("Default: ") || text.contains("Must be given") || required, "{name}: {text}");
    }
}

#[tokio::test]
async fn the_mapping_names_columns_that_streams_have() {
    let mut registry = Registry::new();
    tributary_zoho_crm::register(&mut registry);
    let mapping: toml::Table = toml::from_str(registry.get("zoho-crm").unwrap().mapping()).unwrap();
    let server = server();
    let streams = Source::new(&server).streams().await;
    let maps = mapping["map"].as_array().unwrap();
    let mapped: Vec<_> = maps.iter().map(|map| (map["from"].as_str().unwrap(), map["to"].as_str().unwrap())).collect();
    for wanted in [("Contacts", "party"), ("Leads", "party"), ("Cases", "feedback"), ("Sales_Orders", "order")] {
        assert!(mapped.contains(&wanted), "{wanted:?}");
    }
    for map in maps {
        let Some(stream) = streams.get(map["from"].as_str().unwrap()) else { continue };
        let columns = map["fields"].as_table().unwrap().values().filter_map(|field| field.get("column")?.as_str());
        let known = columns.filter(|column| stream.schema.field_with_name(column).is_ok()).count();
        assert!(known > 0, "{map}");
    }
}
