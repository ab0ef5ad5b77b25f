//! What the vendor's answers mean. It says 200 to everything, so success is `errorCode` 0 and nothing else.
//!
//! The published table of codes and the gateway disagree (10006, 10013 and 20017 are about parameters and missing tokens); what
//! is here goes by what the gateway was seen to do. `errorMessage` is for people and is neither looked at nor passed on.

use chrono::NaiveTime;
use chrono_tz::Asia::Shanghai;
use tributary_connector::http::{Rules, Until, Verdict, When};
use tributary_connector::{Error, Kind, Retry};

/// For all calls but those that get tokens.
pub fn rules() -> Rules {
    common()
        .on(code(["20016"]), Verdict::RefreshToken)
        .on(
            code(["20017"]),
            fatal(Kind::Auth, "the source misses the access token: `auth` may be of the other generation than the app"),
        )
        .on(
            code(["10006"]),
            fatal(Kind::Protocol, "a parameter is missing or illegal, there is no such path, or no such object"),
        )
        .on(code(["10013", "32000"]), fatal(Kind::Protocol, "a parameter is out of range or illegal"))
        .or(last())
}

/// For the calls that get tokens.
pub fn token_rules() -> Rules {
    let wrong = "the credential is refused: look at `app_id`, `app_secret` and `permanent_code`, and whether the tenant still \
                 has the app";
    common().on(code(["10006", "10013", "20016", "20017", "20005", "20006"]), fatal(Kind::Auth, wrong)).or(last())
}

fn common() -> Rules {
    Rules::new()
        .code_at("errorCode")
        .on(When::statuses(200..=299).field("errorCode", ["0"]), Verdict::Ok)
        .on(code(["30004", "14001"]), Verdict::RateLimited)
        .on(code(["30002"]), Verdict::Quota { until: Until::Daily(NaiveTime::MIN, Shanghai) })
        .on(
            code(["30003"]),
            fatal(Kind::Quota, "the tenant has no calls: its administrator buys packs of them with the vendor"),
        )
        .on(code(["-1", "-2", "50009"]), Verdict::Retry)
        .on(
            code(["15003", "20014", "20020", "20021", "20022", "20023"]),
            fatal(
                Kind::Auth,
                "permission is missing: give the app the right to the object, and the employee in whose name is read a role \
                 that may see it",
            ),
        )
        .on(
            code(["30007", "30027"]),
            fatal(Kind::Config, "the tenant has no such employee: look at `user`, `open_user_id` or `mobile`"),
        )
}

fn last() -> Rules {
    Rules::new()
        .on(
            When::statuses(200..=299).has("errorCode"),
            fatal(Kind::Protocol, "a code that this connector does not know: see the vendor's list of codes"),
        )
        .on(
            When::statuses(200..=299).first_byte(b'{').lacks("errorCode"),
            fatal(Kind::Protocol, "an answer without `errorCode`: `host` may be the wrong cloud"),
        )
}

fn code<const N: usize>(codes: [&'static str; N]) -> When {
    When::any().field("errorCode", codes)
}

fn fatal(kind: Kind, hint: &'static str) -> Verdict {
    Verdict::Fatal { kind, hint: hint.into() }
}

/// An error in reading an object. A quota that was never bought does not come back by itself.
pub fn of(object: &str, error: Error) -> Error {
    let retry = match (error.kind, error.retry) {
        (Kind::Quota, Retry::BackOff) => Retry::Never,
        (_, retry) => retry,
    };
    Error { message: format!("`{object}`: {}", error.message), ..error }.retry(retry)
}

/// The vendor answered, but not as it should.
pub fn protocol(message: impl Into<String>) -> Error {
    Error::new(Kind::Protocol, message)
}

#[cfg(test)]
mod tests {
    use tributary_connector::http::header::HeaderMap;
    use tributary_connector::http::{Expects, Seen, StatusCode};

    use super::*;

    fn verdict(rules: &Rules, status: u16, body: &str) -> Verdict {
        let seen = Seen {
            status: StatusCode::from_u16(status).unwrap(),
            headers: &HeaderMap::new(),
            body: body.as_bytes(),
            expects: Expects::Json,
            conditional: false,
        };
        rules.judge(&seen).unwrap().verdict
    }

    fn kind(rules: &Rules, code: i64) -> Option<Kind> {
        match verdict(rules, 200, &format!("{{\"errorCode\":{code}}}")) {
            Verdict::Fatal { kind, .. } => Some(kind),
            _ => None,
        }
    }

    #[test]
    fn only_zero_is_success() {
        let rules = rules();
        assert_eq!(verdict(&rules, 200, r#"{"errorCode":0,"data":{}}"#), Verdict::Ok);
        assert_eq!(verdict(&rules, 200, r#"{"errorCode":20016}"#), Verdict::RefreshToken);
        assert_eq!(verdict(&rules, 200, r#"{"errorCode":30004}"#), Verdict::RateLimited);
        assert_eq!(verdict(&rules, 200, r#"{"errorCode":"14001"}"#), Verdict::RateLimited);
        assert!(matches!(verdict(&rules, 200, r#"{"errorCode":30002}"#), Verdict::Quota { .. }));
        for retried in [-1, -2, 50_009] {
            assert_eq!(verdict(&rules, 200, &format!("{{\"errorCode\":{retried}}}")), Verdict::Retry);
        }
        for (code, expected) in [
            (20_017, Kind::Auth),
            (30_003, Kind::Quota),
            (20_014, Kind::Auth),
            (20_023, Kind::Auth),
            (30_027, Kind::Config),
            (10_013, Kind::Protocol),
            (10_006, Kind::Protocol),
            (77_777, Kind::Protocol),
        ] {
            assert_eq!(kind(&rules, code), Some(expected), "{code}");
        }
        for nothing in ["{}", r#"{"data":{"dataList":[]}}"#, r#"{"errorCode":null}"#] {
            assert!(matches!(verdict(&rules, 200, nothing), Verdict::Fatal { kind: Kind::Protocol, .. }), "{nothing}");
        }
    }

    #[test]
    fn a_status_counts_where_there_is_one_after_all() {
        let rules = rules();
        assert_eq!(verdict(&rules, 429, r#"{"errorCode":0}"#), Verdict::RateLimited);
        assert_eq!(verdict(&rules, 401, "<html>"), Verdict::RefreshToken);
        assert_eq!(verdict(&rules, 502, "<html>"), Verdict::Retry);
        assert!(matches!(verdict(&rules, 403, "{}"), Verdict::Fatal { kind: Kind::Auth, .. }));
        assert!(matches!(verdict(&rules, 200, "<html>"), Verdict::Fatal { kind: Kind::Protocol, .. }));
    }

    #[test]
    fn a_wrong_secret_is_told_from_a_wrong_parameter() {
        assert_eq!(kind(&token_rules(), 10_006), Some(Kind::Auth));
        assert_eq!(kind(&token_rules(), 99), Some(Kind::Protocol));
        assert_eq!(verdict(&token_rules(), 200, r#"{"errorCode":14001}"#), Verdict::RateLimited);
    }

    #[test]
    fn a_quota_that_was_never_bought_is_not_tried_again() {
        let never = of("AccountObj", Error::new(Kind::Quota, "x"));
        assert_eq!((never.retry, never.message.as_str()), (Retry::Never, "`AccountObj`: x"));
        let after = Retry::After(std::time::Duration::from_secs(60));
        assert_eq!(of("AccountObj", Error::new(Kind::Quota, "x").retry(after)).retry, after);
    }
}
