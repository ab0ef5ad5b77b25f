//! Tokens, scopes, credits and requests at a time.

use tributary_sandbox::http::{Fault, Rule, Scenario};
use tributary_sandbox::zoho::{Credential, Edition, Limits, Options, serve};

use crate::client::{Client, access_token, refresh, send};
use crate::{limited, server};

const LIST: &str = "/crm/v8/Leads?fields=Last_Name&per_page=1";

#[test]
fn parameters_are_taken_from_query_form_and_multipart() {
    let server = server();
    let form = "refresh_token=refresh&client_id=client&client_secret=secret&grant_type=refresh_token";
    let by_query = refresh(&server, "refresh").json();
    assert_eq!(by_query["api_domain"], server.url());
    assert_eq!((&by_query["token_type"], &by_query["expires_in"]), (&"Bearer".into(), &3_600.into()));
    assert!(by_query.get("refresh_token").is_none());

    let kind = [("content-type", "application/x-www-form-urlencoded")];
    let by_form = send(server.address(), "POST", "/oauth/v2/token", &kind, form.as_bytes()).json();
    let parts: String = form
        .split('&')
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(name, value)| format!("--xx\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"))
        .collect();
    let kind = [("content-type", "multipart/form-data; boundary=xx")];
    let body = format!("{parts}--xx--\r\n");
    let by_parts = send(server.address(), "POST", "/oauth/v2/token", &kind, body.as_bytes()).json();
    let tokens = [&by_query, &by_form, &by_parts].map(|reply| reply["access_token"].as_str().unwrap().to_owned());
    assert!(tokens[0] != tokens[1] && tokens[1] != tokens[2]);
    for token in tokens {
        assert_eq!(Client { server: &server, token }.get(LIST).status, 200);
    }
}

#[test]
fn a_bad_refresh_token_is_an_error_with_status_200() {
    let reply = refresh(&server(), "wrong");
    assert_eq!((reply.status, reply.json()), (200, serde_json::json!({ "error": "invalid_code" })));
}

#[test]
fn the_eleventh_token_of_ten_minutes_is_refused_and_trying_on_prolongs_it() {
    let server = server();
    (0..10).for_each(|_| drop(access_token(&server, "refresh")));
    let refused = refresh(&server, "refresh");
    assert_eq!((refused.status, refused.json()["error"].clone()), (200, "Access Denied".into()));
    server.with(|crm| crm.clock().pass(599));
    assert_eq!(refresh(&server, "refresh").json()["error"], "Access Denied");
    server.with(|crm| crm.clock().pass(599));
    assert_eq!(refresh(&server, "refresh").json()["error"], "Access Denied");
    server.with(|crm| crm.clock().pass(600));
    assert!(refresh(&server, "refresh").json()["access_token"].is_string());
}

#[test]
fn the_sixteenth_live_token_kills_the_oldest() {
    let server = server();
    let oldest = Client::new(&server);
    (0..9).for_each(|_| drop(access_token(&server, "refresh")));
    server.with(|crm| crm.clock().pass(600));
    (0..5).for_each(|_| drop(access_token(&server, "refresh")));
    assert_eq!(oldest.get(LIST).status, 200);
    let newest = Client::new(&server);
    assert_eq!(oldest.get(LIST).error(), (401, "INVALID_TOKEN".into()));
    assert_eq!(newest.get(LIST).status, 200);
}

#[test]
fn an_access_token_lives_an_hour() {
    let server = server();
    let client = Client::new(&server);
    server.with(|crm| crm.clock().pass(3_599));
    assert_eq!(client.get(LIST).status, 200);
    server.with(|crm| crm.clock().pass(1));
    assert_eq!(client.get(LIST).error(), (401, "INVALID_TOKEN".into()));
    assert_eq!(Client::new(&server).get(LIST).status, 200);
}

#[test]
fn another_header_is_no_authentication() {
    let server = server();
    let token = access_token(&server, "refresh");
    for headers in [vec![], vec![("authorization", format!("Bearer {token}"))]] {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let reply = send(server.address(), "GET", LIST, &headers, b"");
        assert_eq!(reply.error(), (401, "AUTHENTICATION_FAILURE".into()));
    }
}

#[test]
fn a_scope_that_is_missing_is_named_as_such() {
    let scope = "ZohoCRM.modules.Leads.READ,ZohoCRM.coql.READ".to_owned();
    let credentials = vec![Credential { scope, ..Credential::default() }];
    let options = Options { people: 100, credentials, ..Options::default() };
    let server = serve(options, Scenario::default(), 0).unwrap();
    let client = Client::new(&server);
    assert_eq!(client.get(LIST).status, 200);
    let mismatch = (401, "OAUTH_SCOPE_MISMATCH".to_owned());
    assert_eq!(client.get("/crm/v8/Contacts?fields=Last_Name").error(), mismatch);
    assert_eq!(client.get("/crm/v8/settings/modules").error(), mismatch);
    assert_eq!(client.query("select id from Contacts where id is not null").error(), mismatch);
    assert_eq!(client.query("select id from Leads where id is not null").status, 200);
}

#[test]
fn credits_run_out_and_come_back_a_day_later() {
    let server = limited(Limits { credits: Some(6), ..Limits::default() });
    let client = Client::new(&server);
    assert_eq!(client.get(LIST).header("x-api-credits-remaining"), None);
    assert_eq!(client.get("/crm/v8/Leads/deleted").header("x-api-credits-remaining"), Some("3"));
    (0..3).for_each(|_| assert_eq!(client.get(LIST).status, 200));
    let refused = client.get(LIST);
    assert_eq!(refused.error(), (429, "TOO_MANY_REQUESTS".into()));
    assert_eq!(refused.header("retry-after"), None);
    server.with(|crm| crm.clock().pass(86_400));
    let client = Client::new(&server);
    assert_eq!(client.get(LIST).status, 200);
}

#[test]
fn requests_beside_too_many_others_are_refused() {
    let slow = Rule::once("/crm/v8/Leads", Fault::Delay { milliseconds: 400 }).always();
    let options = Options { people: 100, edition: Edition::Free, ..Options::default() };
    let server = serve(options, Scenario::default().with(slow), 0).unwrap();
    let client = Client::new(&server);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..7).map(|_| scope.spawn(|| client.get(LIST).status)).collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|&&status| status == 200).count(), 5, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|&&status| status == 429).count(), 2, "{statuses:?}");
    assert_eq!(client.get(LIST).status, 200);
}

#[test]
fn the_log_names_credentials_and_holds_no_secret() {
    let server = server();
    let client = Client::new(&server);
    client.get("/crm/v8/Leads?fields=Last_Name&per_page=2&page=3");
    client.query("select id from Leads where Email = 'secret@mail.example.com' limit 20 offset 40");
    let log = server.requests();
    assert_eq!(log.len(), 3);
    assert_eq!((log[1].page.as_deref(), log[1].credential.as_deref()), (Some("3"), Some("0/1")));
    assert_eq!(log[2].page.as_deref(), Some("limit 20 offset 40"));
    let shown = send(server.address(), "GET", "/_sandbox/requests", &[], b"").text();
    assert!(shown.contains("/crm/v8/coql") && shown.contains("2026-07-01T00:00:00+08:00"), "{shown}");
    assert!(!shown.contains(&client.token) && !shown.contains("refresh_token=") && !shown.contains("secret"));
    assert_eq!(send(server.address(), "DELETE", "/_sandbox/requests", &[], b"").status, 204);
    assert!(server.requests().is_empty());
}
