//! What a scenario does: each fault as a client meets it.

use std::collections::HashSet;
use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use chrono::DateTime;
use tributary_sandbox::http::{Disturbance, Fault, RetryAfter, Rule, Scenario};

use crate::client::{Client, Reply, access_token, refresh, send};
use crate::misbehaving;

const PATH: &str = "/crm/v8/Contacts";
const LIST: &str = "/crm/v8/Contacts?fields=Last_Name,Gender,Visits&per_page=50";

/// The answer to the first list read under a fault, and to the second.
fn met(fault: Fault) -> (Reply, Reply) {
    let server = misbehaving(Scenario::default().with(Rule::once(PATH, fault)));
    let client = Client::new(&server);
    (client.get(LIST), client.get(LIST))
}

#[test]
fn throttling_comes_with_each_kind_of_hint_or_none() {
    let hinted = |retry_after| met(Fault::Throttle { retry_after }).0;
    let bare = hinted(None);
    assert_eq!(bare.error(), (429, "TOO_MANY_REQUESTS".into()));
    assert_eq!(bare.header("retry-after"), None);
    assert_eq!(hinted(Some(RetryAfter::Seconds(-3))).header("retry-after"), Some("-3"));
    assert_eq!(hinted(Some(RetryAfter::Text("soon".into()))).header("retry-after"), Some("soon"));
    let dated = hinted(Some(RetryAfter::DateIn(90)));
    let [date, until] =
        ["date", "retry-after"].map(|name| DateTime::parse_from_rfc2822(dated.header(name).unwrap()).unwrap());
    assert_eq!((until - date).num_seconds(), 90);
}

#[test]
fn a_burst_of_failures_ends() {
    let rule = Rule::once(PATH, Fault::ServerError { status: 503 }).from(2).times(3);
    let server = misbehaving(Scenario::default().with(rule));
    let client = Client::new(&server);
    let statuses: Vec<u16> = (0..6).map(|_| client.get(LIST).status).collect();
    assert_eq!(statuses, [200, 503, 503, 503, 200, 200]);
    let faults: Vec<_> = server.requests().iter().map(|entry| entry.faults.join(",")).collect();
    assert_eq!(faults, ["", "", "server_error", "server_error", "server_error", "", ""]);
}

#[test]
fn a_body_is_reset_or_stops_in_the_middle() {
    let (reset, whole) = met(Fault::Reset { after: Some(1_024) });
    assert_eq!((reset.status, reset.broken), (200, Some(ErrorKind::ConnectionReset)));
    assert!(reset.body.len() <= 1_024);
    assert_eq!(whole.ids().len(), 50);
    let (silent, _) = met(Fault::Silence { after: None });
    assert!(matches!(silent.broken, Some(ErrorKind::WouldBlock | ErrorKind::TimedOut)), "{:?}", silent.broken);
    assert_eq!(silent.body, whole.body[..whole.body.len() / 2]);
}

#[test]
fn a_body_comes_slowly_or_late() {
    let server = misbehaving(Scenario::default().with(Rule::once("/crm/v8/org", Fault::Drip { milliseconds: 1 })));
    let started = Instant::now();
    assert_eq!(Client::new(&server).get("/crm/v8/org").status, 200);
    assert!(started.elapsed() > Duration::from_millis(300));
    let started = Instant::now();
    assert_eq!(met(Fault::Delay { milliseconds: 200 }).0.status, 200);
    assert!(started.elapsed() > Duration::from_millis(200));
}

#[test]
fn gzip_ends_early_or_swells() {
    let (cut, whole) = met(Fault::TruncatedGzip);
    assert_eq!((cut.header("content-encoding"), cut.broken), (Some("gzip"), None));
    let mut text = Vec::new();
    assert!(flate2::read::GzDecoder::new(&cut.body[..]).read_to_end(&mut text).is_err());
    assert!(whole.body.starts_with(&text[..text.len().min(100)]));
    let (bomb, _) = met(Fault::GzipBomb { mebibytes: 4 });
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(&bomb.body[..]).read_to_end(&mut text).unwrap();
    assert!(text.len() > 4 << 20 && bomb.body.len() < 1 << 20);
}

#[test]
fn lengths_lie_and_bodies_have_no_end() {
    assert_eq!(met(Fault::DeclaredLength { plus: 100 }).0.broken, Some(ErrorKind::UnexpectedEof));
    let (short, whole) = met(Fault::DeclaredLength { plus: -10 });
    assert_eq!((short.body.len(), short.broken), (whole.body.len() - 10, None));
    let (endless, _) = met(Fault::EndlessBody);
    assert!(endless.body.len() > 4 << 20);
}

#[test]
fn other_answers_stand_in_place_of_the_vendors() {
    let (html, _) = met(Fault::Html { status: 200 });
    assert!(html.status == 200 && html.text().starts_with("<!DOCTYPE html>"));
    assert!(html.header("content-type").unwrap().starts_with("text/html"));
    let (redirect, _) = met(Fault::Redirect { location: "http://127.0.0.1:9/steal".into() });
    assert_eq!((redirect.status, redirect.header("location")), (302, Some("http://127.0.0.1:9/steal")));
    let body = r#"{"error":"Access Denied"}"#.to_owned();
    let quota = met(Fault::Answer { status: 200, content_type: "application/json".into(), body: body.clone() }).0;
    assert_eq!((quota.status, quota.text()), (200, body));
}

#[test]
fn a_page_is_repeated_whatever_is_asked() {
    let rule = Rule::once(PATH, Fault::RepeatPage).from(2);
    let server = misbehaving(Scenario::default().with(rule));
    let client = Client::new(&server);
    let first = client.get(LIST);
    let token = first.json()["info"]["next_page_token"].as_str().unwrap().to_owned();
    let next = format!("{LIST}&page_token={token}");
    assert_eq!(client.get(&next).body, first.body);
    assert_ne!(client.get(&next).ids(), first.ids());
}

#[test]
fn rows_move_while_they_are_paged() {
    let rule = Rule::once(PATH, Fault::Disturb(Disturbance::MoveRows { changes: 40 })).from(2).always();
    let server = misbehaving(Scenario::default().with(rule));
    let client = Client::new(&server);
    let before: HashSet<String> = server.with(|crm| crm.ids("Contacts")).into_iter().collect();
    let walked = client.walk(LIST);
    let after: HashSet<String> = server.with(|crm| crm.ids("Contacts")).into_iter().collect();
    let seen: HashSet<String> = walked.iter().cloned().collect();
    let lost = before.intersection(&after).filter(|id| !seen.contains(*id)).count();
    assert!(seen.len() < walked.len() || lost > 0, "paging by place met no moved row");
}

#[test]
fn tokens_expire_between_pages_and_refresh_tokens_are_revoked() {
    let expire = Rule::once(PATH, Fault::Disturb(Disturbance::ExpireTokens)).from(2);
    let server = misbehaving(Scenario::default().with(expire));
    let client = Client::new(&server);
    assert_eq!(client.get(LIST).status, 200);
    assert_eq!(client.get(LIST).error(), (401, "INVALID_TOKEN".into()));
    let client = Client { server: &server, token: access_token(&server, "refresh") };
    assert_eq!(client.get(LIST).status, 200);
    server.misbehave(Scenario::default().with(Rule::once(PATH, Fault::Disturb(Disturbance::RevokeTokens))));
    assert_eq!(client.get(LIST).error(), (401, "INVALID_TOKEN".into()));
    assert_eq!(refresh(&server, "refresh").json()["error"], "invalid_code");
}

#[test]
fn the_schema_drifts() {
    let (module, field) = (|| "Contacts".to_owned(), |name: &str| name.to_owned());
    let disturb = |disturbance| Rule::once(PATH, Fault::Disturb(disturbance)).from(2);
    let scenario = Scenario::default()
        .with(disturb(Disturbance::AddField { module: module(), field: field("Shoe_Size") }))
        .with(disturb(Disturbance::ChangeType { module: module(), field: field("Visits") }))
        .with(disturb(Disturbance::DropField { module: module(), field: field("Points") }))
        .with(disturb(Disturbance::UnknownEnum {
            module: module(),
            field: field("Gender"),
            value: field("Undisclosed"),
        }));
    let server = misbehaving(scenario);
    let client = Client::new(&server);
    let list = "/crm/v8/Contacts?fields=Shoe_Size,Visits,Points,Gender&per_page=50";
    let (before, after) = (client.get(list).json()["data"][0].clone(), client.get(list).json()["data"][0].clone());
    assert!(before.get("Shoe_Size").is_none() && after["Shoe_Size"].is_string());
    assert!(before["Visits"].is_number() && after["Visits"].is_string());
    assert!(before["Points"].is_string() && after.get("Points").is_none());
    assert_eq!(after["Gender"], "Undisclosed");
    let fields = client.get("/crm/v8/settings/fields?module=Contacts").json();
    let fields = fields["fields"].as_array().unwrap();
    let of = |name: &str| fields.iter().find(|field| field["api_name"] == name).map(|field| field["data_type"].clone());
    assert_eq!((of("Shoe_Size"), of("Visits"), of("Points")), (Some("text".into()), Some("text".into()), None));
}

#[test]
fn keys_come_twice_and_bytes_are_no_text() {
    let (twice, _) = met(Fault::DuplicateKey { key: "Last_Name".into(), value: "\"first\"".into() });
    assert!(twice.text().contains("\"Last_Name\":\"first\",\"Last_Name\":"));
    let (broken, _) = met(Fault::Splice { after: "\"Last_Name\":\"".into(), hex: "ff fe".into() });
    assert!(std::str::from_utf8(&broken.body).is_err());
}

#[test]
fn a_scenario_in_toml_is_taken_over_http() {
    let server = misbehaving(Scenario::default());
    let client = Client::new(&server);
    let scenario = "[[rule]]\npath = \"/crm/v8/*\"\nfault = { throttle = { retry_after = { seconds = 1 } } }\n";
    let put = |body: &str| send(server.address(), "PUT", "/_sandbox/scenario", &[], body.as_bytes());
    assert_eq!(put(scenario).status, 204);
    assert_eq!((client.get(LIST).status, client.get("/crm/v8/org").status), (429, 429));
    assert_eq!(put("[[rule]]\npath = 1").status, 400);
    let unknown =
        send(server.address(), "POST", "/_sandbox/disturb", &[], br#"{"add_field":{"module":"X","field":"Y"}}"#);
    assert_eq!((unknown.status, unknown.text()), (400, r#"{"error":"there is no module `X`"}"#.into()));
}
