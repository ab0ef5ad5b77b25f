//! All stand-ins over one retailer, as the person who starts them meets them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

#[path = "../support/wire.rs"]
mod wire;

use std::net::TcpListener;
use std::path::Path;

use serde_json::json;
use tributary_sandbox::http::{Fault, Rule, Scenario};
use tributary_sandbox::{Sandbox, SandboxOptions, read_truth};

use wire::send;

fn options() -> SandboxOptions {
    SandboxOptions { people: 300, ..SandboxOptions::default() }
}

#[test]
fn the_printed_values_let_one_in_everywhere() {
    let sandbox = Sandbox::start(options()).unwrap();
    let places = sandbox.places();
    assert_eq!(places.iter().map(|place| place.name).collect::<Vec<_>>(), ["zoho", "fxiaoke", "sample"]);
    let value = |name: &str| {
        let all = places.iter().flat_map(|place| &place.environment);
        all.clone().find(|(known, _)| *known == name).map(|(_, value)| value.clone()).unwrap()
    };
    assert_eq!(value("ZOHO_URL"), sandbox.zoho.url());
    let query = format!(
        "grant_type=refresh_token&client_id={}&client_secret={}&refresh_token={}",
        value("ZOHO_CLIENT_ID"),
        value("ZOHO_CLIENT_SECRET"),
        value("ZOHO_REFRESH_TOKEN")
    );
    let token = send(sandbox.zoho.address(), "POST", &format!("/oauth/v2/token?{query}"), &[], b"").json();
    assert!(token["access_token"].is_string());
    let body = json!({
        "appId": value("FXIAOKE_APP_ID"), "appSecret": value("FXIAOKE_APP_SECRET"),
        "permanentCode": value("FXIAOKE_PERMANENT_CODE"), "grantType": "app_secret",
    });
    let token = send(sandbox.fxiaoke.address(), "POST", "/oauth2.0/token", &[], body.to_string().as_bytes()).json();
    assert_eq!((&token["errorCode"], token["accessToken"].is_string()), (&0.into(), true));
    let key = format!("Bearer {}", value("SAMPLE_API_KEY"));
    let headers = [("authorization", key.as_str())];
    assert_eq!(send(sandbox.sample.address(), "GET", "/v1/customers", &headers, b"").status, 200);
}

#[test]
fn one_truth_holds_for_all_and_for_the_files() {
    let sandbox = Sandbox::start(options()).unwrap();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("together");
    sandbox.write(&folder).unwrap();
    let (truth, files) = (sandbox.truth(), read_truth(&folder).unwrap());
    assert_eq!(truth.people, files.people);
    assert_eq!(truth.records["crm.contacts"], files.records["crm.contacts"]);
    assert_eq!(sandbox.fxiaoke.with(|tenant| tenant.truth().people), files.people);
    for stream in ["crm.leads", "fx.ContactObj", "fx.MemberObj", "sample.customers"] {
        assert!(truth.records[stream].len() > 20, "{stream}");
    }
    assert!(truth.orders.contains_key("fx.SalesOrderObj") && truth.orders.contains_key("sample.orders"));
}

#[test]
fn all_worlds_go_on_together_or_each_by_its_control() {
    let sandbox = Sandbox::start(SandboxOptions { speed: 0.0, ..options() }).unwrap();
    let advanced = sandbox.advance(3_600, 40);
    assert_eq!(advanced.keys().copied().collect::<Vec<_>>(), ["fxiaoke", "sample", "zoho"]);
    for done in advanced.values() {
        assert_eq!((done.changes(), done.time.as_str()), (40, "2026-07-01T01:00:00+08:00"));
    }
    for address in [sandbox.zoho.address(), sandbox.fxiaoke.address(), sandbox.sample.address()] {
        let done = send(address, "POST", "/_sandbox/advance", &[], br#"{"seconds":60,"changes":3}"#).json();
        assert_eq!(done["time"], "2026-07-01T01:01:00+08:00");
    }
}

#[test]
fn ports_are_taken_in_a_row_and_a_scenario_holds_for_each() {
    let scenario = Scenario::default().with(Rule::once("*", Fault::Html { status: 503 }));
    let started = (0..20).find_map(|_| {
        let ports = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let scenario = Some(scenario.clone());
        Some((ports, Sandbox::start(SandboxOptions { ports, scenario, people: 10, ..options() }).ok()?))
    });
    let (ports, sandbox) = started.expect("three free ports in a row");
    let addresses = [sandbox.zoho.address(), sandbox.fxiaoke.address(), sandbox.sample.address()];
    assert_eq!(addresses.map(|address| address.port()), [ports, ports + 1, ports + 2]);
    for address in addresses {
        let [first, second] = [1, 2].map(|_| send(address, "GET", "/", &[], b""));
        assert!(first.status == 503 && first.header("content-type").unwrap().starts_with("text/html"));
        assert!(second.status != 503 && second.header("content-type").unwrap().starts_with("application/json"));
    }
    // Dropped, they leave the ports.
    drop(sandbox);
    assert!(TcpListener::bind(("127.0.0.1", ports)).is_ok());
}
