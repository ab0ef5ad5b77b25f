//! Both ways of coming in, what a token is worth and for how long, and how much may be called.

use serde_json::{Value, json};
use tributary_sandbox::fxiaoke::Limits;
use tributary_sandbox::http::{Fault, Rule, Scenario};

use crate::client::{Client, legacy_token, new_token, post};
use crate::{limited, misbehaving, server};

const QUERY: &str = "/cgi/crm/v2/data/query";

fn one_row() -> Value {
    json!({ "limit": 1 })
}

#[test]
fn a_token_is_the_same_until_its_last_ten_minutes_and_the_old_one_lives_on() {
    let server = server();
    for ask in [new_token, legacy_token] {
        let start = server.with(|tenant| tenant.clock().now());
        let token = |reply: &Value| reply.get("accessToken").or(reply.get("corpAccessToken")).unwrap().clone();
        let first = ask(&server).json();
        assert_eq!(first["expiresIn"], 7_200);
        server.with(|tenant| tenant.clock().set(start + 116));
        let again = ask(&server).json();
        assert_eq!((token(&again), again["expiresIn"].clone()), (token(&first), 7_084.into()));
        server.with(|tenant| tenant.clock().set(start + 6_599));
        assert_eq!(token(&ask(&server).json()), token(&first));
        server.with(|tenant| tenant.clock().set(start + 6_600));
        let second = ask(&server).json();
        assert!(token(&second) != token(&first) && second["expiresIn"] == 7_200);
        server.with(|tenant| tenant.clock().set(start + 7_000));
        assert_eq!(token(&ask(&server).json()), token(&second));
    }
}

#[test]
fn a_token_lives_two_hours() {
    let server = server();
    let (new, legacy) = (Client::new(&server), Client::legacy(&server));
    server.with(|tenant| tenant.clock().pass(7_199));
    assert_eq!([&new, &legacy].map(|client| client.query("ContactObj", one_row()).code()), [0, 0]);
    server.with(|tenant| tenant.clock().pass(1));
    assert_eq!([&new, &legacy].map(|client| client.query("ContactObj", one_row()).code()), [20_016, 20_016]);
    assert_eq!(Client::new(&server).query("ContactObj", one_row()).code(), 0);
}

#[test]
fn the_envelopes_of_both_token_calls_name_the_tenant() {
    let server = server();
    let (new, legacy) = (new_token(&server).json(), legacy_token(&server).json());
    assert_eq!((&new["ea"], &new["appId"], &new["errorCode"]), (&"sandbox".into(), &"FSAID_sandbox".into(), &0.into()));
    assert!(new["openUserId"].is_string() && new.get("corpAccessToken").is_none());
    assert_eq!((&legacy["corpId"], &legacy["errorMessage"]), (&"FSCID_sandbox".into(), &"success".into()));
}

#[test]
fn what_is_wrong_with_a_credential_is_said_with_status_200() {
    let server = server();
    let client = Client::new(&server);
    let secret = json!({ "appId": "FSAID_sandbox", "appSecret": "wrong", "permanentCode": "code" });
    let refused = post(&server, "/cgi/corpAccessToken/get/V2", &secret);
    assert_eq!(refused.code(), 10_006);
    assert_eq!(refused.json()["errorMessage"], "the parameter appSecret is missing or illegal");
    let body = json!({ "data": { "dataObjectApiName": "ContactObj", "search_query_info": { "limit": 1 } } });
    assert_eq!(post(&server, QUERY, &body).code(), 20_017);
    let with = |token: &str, user: &str, legacy: bool| {
        Client { server: &server, token: token.into(), user: user.into(), legacy }.query("ContactObj", one_row()).code()
    };
    assert_eq!(with("forged", "1000", false), 20_016);
    assert_eq!(with(&client.token, "1999", false), 30_027);
    // The two generations do not mix.
    assert_eq!(with(&client.token, "1000", true), 20_016);
    assert_eq!(with(&Client::legacy(&server).token, "1000", false), 20_016);
    let unknown = client.call("/cgi/crm/v2/data/search", &json!({}));
    assert_eq!(unknown.code(), 10_006);
    assert_eq!(unknown.json()["errorMessage"], "the request uri=[/cgi/crm/v2/data/search] is not exists");
    assert_eq!(server.requests().last().unwrap().failure, Some(10_006));
}

#[test]
fn an_open_user_id_is_found_by_mobile() {
    let server = server();
    let legacy = Client::legacy(&server);
    let found = legacy.call("/cgi/user/getByMobile", &json!({ "mobile": "13800138000" })).json();
    assert_eq!(found["empList"][0]["openUserId"], legacy.user);
    assert!(legacy.user.starts_with("FSUID_"));
    assert_eq!(legacy.call("/cgi/user/getByMobile", &json!({ "mobile": "1" })).json()["empList"], json!([]));
}

#[test]
fn the_eleventh_token_call_of_a_minute_is_refused() {
    let server = server();
    for call in 0..10 {
        assert_eq!(if call % 2 == 0 { new_token(&server) } else { legacy_token(&server) }.code(), 0);
    }
    assert_eq!(new_token(&server).code(), 14_001);
    server.with(|tenant| tenant.clock().pass(60));
    assert_eq!(new_token(&server).code(), 0);
}

#[test]
fn token_calls_at_the_same_time_are_refused() {
    let slow = Rule::once("/oauth2.0/token", Fault::Delay { milliseconds: 400 }).always();
    let server = misbehaving(Scenario::default().with(slow));
    let codes: Vec<i64> = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..3).map(|_| scope.spawn(|| new_token(&server).code())).collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    assert_eq!(codes.iter().filter(|&&code| code == 0).count(), 1, "{codes:?}");
    assert_eq!(codes.iter().filter(|&&code| code == 14_001).count(), 2, "{codes:?}");
}

#[test]
fn an_interface_takes_a_hundred_calls_in_twenty_seconds() {
    let server = server();
    let client = Client::new(&server);
    (0..100).for_each(|_| assert_eq!(client.query("ContactObj", one_row()).code(), 0));
    let refused = client.query("AccountObj", one_row());
    assert_eq!((refused.code(), refused.header("retry-after")), (30_004, None));
    // Another interface has a window of its own.
    assert_eq!(client.call("/cgi/crm/v2/object/list", &json!({})).code(), 0);
    server.with(|tenant| tenant.clock().pass(20));
    assert_eq!(client.query("ContactObj", one_row()).code(), 0);
}

#[test]
fn the_quota_of_a_day_ends_at_midnight_in_shanghai() {
    let server = limited(Limits { calls_per_day: 2, ..Limits::default() });
    // Midnight is when the clock starts: an hour later it is 01:00.
    server.with(|tenant| tenant.clock().pass(3_600));
    let codes = |count: usize| {
        let client = Client::new(&server);
        (0..count).map(|_| client.query("ContactObj", one_row()).code()).collect::<Vec<_>>()
    };
    assert_eq!(codes(3), [0, 0, 30_002]);
    server.with(|tenant| tenant.clock().pass(22 * 3_600 + 3_599));
    assert_eq!(codes(1), [30_002]);
    server.with(|tenant| tenant.clock().pass(1));
    assert_eq!(codes(1), [0]);
    let nothing = limited(Limits { calls_per_day: 0, ..Limits::default() });
    assert_eq!(Client::new(&nothing).query("ContactObj", one_row()).code(), 30_003);
}

#[test]
fn the_log_names_tokens_and_objects_and_holds_no_secret() {
    let server = server();
    let client = Client::legacy(&server);
    client.query("ContactObj", json!({ "limit": 50, "offset": 100 }));
    let log = server.requests();
    assert_eq!((log[1].credential.as_deref(), log[1].table.as_deref()), (Some("legacy/1"), Some("ContactObj")));
    assert_eq!((log[1].page.as_deref(), log[1].failure), (Some("limit 50 offset 100"), None));
    let shown = crate::client::send(server.address(), "GET", "/_sandbox/requests", &[], b"").text();
    assert!(!shown.contains(&client.token) && !shown.contains("secret"), "{shown}");
}
