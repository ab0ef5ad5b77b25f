//! What the vendor's answers mean: its codes as rules of the client, and as errors with a mend.
//!
//! The client settles by itself what is to be asked again. What else the API refuses comes back as an answer, and with it the
//! code, because some codes only say which other way to go: no scope for queries, a column that queries do not have.

use std::borrow::Cow;
use std::time::Duration;

use tributary_connector::http::{RefreshGrant, Rules, Until, Verdict, When, scan};
use tributary_connector::{Error, Kind};

/// The answers of the accounts server, whose errors come with any status, 200 among them.
pub(crate) fn token_rules() -> Rules {
    let auth = |hint: &'static str| Verdict::Fatal { kind: Kind::Auth, hint: hint.into() };
    // Each further attempt prolongs this lock-out, so that nothing is sent before it is over.
    let locked = Verdict::Quota { until: Until::After(Duration::from_secs(600)) };
    Rules::new()
        .on(When::any().has("access_token"), Verdict::Ok)
        .on(When::any().field("error", ["Access Denied", "access_denied"]), locked)
        .on(
            When::any().field("error", ["invalid_code", "invalid_grant"]),
            auth(
                "the refresh token is not known there: it is wrong, revoked, or of another data centre; look at \
                 `data_center`, then authorise the client again",
            ),
        )
        .on(
            When::any().field("error", ["invalid_client"]),
            auth("the client id is not known there: it is wrong, or of another data centre; look at `data_center`"),
        )
        .on(
            When::any().field("error", ["invalid_client_secret"]),
            auth("the client secret does not belong to the client id; copy it again from the API console"),
        )
        .on(When::status(400).first_byte(b'<'), Verdict::RateLimited)
        .or(RefreshGrant::rules())
}

/// The answers of the API.
pub(crate) fn rules() -> Rules {
    // Only where the header says so is it the credits of the day that are gone; else a 429 may be one of three things.
    let spent = Verdict::Quota { until: Until::After(Duration::from_secs(3_600)) };
    Rules::new()
        .code_at("code")
        .on(When::status(204), Verdict::Empty)
        .on(When::status(429).header("x-api-credits-remaining", "0"), spent)
        .on(When::status(429), Verdict::RateLimited)
        .on(When::status(400).first_byte(b'<'), Verdict::RateLimited)
        .on(When::statuses(400..=499).field("code", ["TOO_MANY_REQUESTS"]), Verdict::RateLimited)
        // The credential is good, and another token would not have the scope either.
        .on(When::status(401).field("code", ["OAUTH_SCOPE_MISMATCH"]), Verdict::Ok)
        .on(When::statuses(400..=499).field("code", ["INVALID_TOKEN", "AUTHENTICATION_FAILURE"]), Verdict::RefreshToken)
        .on(When::status(401), Verdict::RefreshToken)
        .on(When::statuses(500..=599), Verdict::Retry)
        .on(When::statuses(400..=499).field("code", ["INTERNAL_ERROR", "INTERNAL_SERVER_ERROR"]), Verdict::Retry)
        .on(When::statuses(400..=499).has("code"), Verdict::Ok)
}

/// What the API refused.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub status: u16,
    pub code: String,
    /// The field or parameter that it is about, if the vendor names one.
    pub field: Option<String>,
    /// What was asked, in words.
    what: String,
}

/// Why there is no answer to go on with.
#[derive(Debug)]
pub(crate) enum Failed {
    Refused(Refusal),
    Other(Error),
}

impl Failed {
    /// Whether it was refused with one of these codes.
    pub(crate) fn is(&self, codes: &[&str]) -> bool {
        matches!(self, Self::Refused(refusal) if codes.contains(&refusal.code.as_str()))
    }

    /// Whether this way of reading is closed, to this credential or for this module.
    pub(crate) fn is_closed(&self) -> bool {
        self.is(&[
            "OAUTH_SCOPE_MISMATCH",
            "NO_PERMISSION",
            "INVALID_MODULE",
            "NOT_SUPPORTED",
            "MODULE_NOT_SUPPORTED",
            "INVALID_URL_PATTERN",
            "INVALID_REQUEST_METHOD",
            "FEATURE_NOT_SUPPORTED",
            "FEATURE_PERMISSION",
        ])
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        let Refusal { status, code, field, what } = match failed {
            Failed::Refused(refusal) => refusal,
            Failed::Other(error) => return error,
        };
        let about = field.map(|field| format!(", about `{field}`")).unwrap_or_default();
        let (kind, hint) = meaning(&code);
        Self::new(kind, format!("could not {what}: the source answered {status} `{code}`{about}")).hint(hint)
    }
}

/// The refusal that an answer is; `None` if it is a good one.
///
/// # Errors
/// If the answer is not whole.
pub(crate) fn refusal(status: u16, bytes: &[u8], what: &str) -> Result<Option<Refusal>, Error> {
    let paths = ["status", "code", "details.column_name", "details.api_name", "details.param_name", "details.clause"];
    let found = scan(bytes, &paths)?;
    let text = |at: usize| found.get(at).and_then(Option::as_ref).and_then(|value| value.text()).filter(|t| is_name(t));
    if status < 400 && text(0) != Some("error") {
        return Ok(None);
    }
    let field = (2..paths.len()).find_map(text).map(str::to_owned);
    let code = text(1).unwrap_or("no code").to_owned();
    Ok(Some(Refusal { status, code, field, what: what.to_owned() }))
}

/// Short and of plain letters, so that it is a name and cannot be somebody's data.
fn is_name(text: &str) -> bool {
    (1..=100).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.$ ".contains(&b))
}

fn meaning(code: &str) -> (Kind, Cow<'static, str>) {
    let (kind, hint) = match code {
        "OAUTH_SCOPE_MISMATCH" => (
            Kind::Auth,
            "the credential is good, but lacks a scope: authorise the client again with `ZohoCRM.modules.READ`, \
             `ZohoCRM.settings.READ`, `ZohoCRM.coql.READ`, `ZohoCRM.bulk.READ`, `ZohoCRM.users.READ` and `ZohoCRM.org.READ`",
        ),
        "NO_PERMISSION" | "AUTHORIZATION_FAILED" | "FEATURE_PERMISSION" => {
            (Kind::Auth, "the user who authorised the client may not see this: look at the user's profile in the CRM")
        }
        "INVALID_MODULE" => {
            (Kind::Config, "there is no such module, or it cannot be read by the API: look at `streams`")
        }
        "NOT_SUPPORTED" | "MODULE_NOT_SUPPORTED" | "FEATURE_NOT_SUPPORTED" | "OPERATION_NOT_SUPPORTED" => {
            (Kind::Config, "the source does not offer this for this module or edition")
        }
        "INVALID_HOST" => (Kind::Config, "this is not the host of the API: look at `api_url` and `data_center`"),
        "INVALID_URL_PATTERN" | "INVALID_REQUEST_METHOD" | "MEDIA_TYPE_NOT_SUPPORTED" => {
            (Kind::Protocol, "the API is not as it is documented, or `api_url` leads to something else")
        }
        "RESOURCE_NOT_FOUND" => (Kind::NotFound, "it may have expired at the source: run again"),
        "EXPIRED_VALUE" | "TOKEN_BOUND_DATA_MISMATCH" => {
            (Kind::Protocol, "a walk through pages took too long, or changed on its way: run again")
        }
        "DISCRETE_PAGINATION_LIMIT_EXCEEDED" | "PAGINATION_LIMIT_EXCEEDED" | "PAGE_RANGE_EXCEEDED" => (
            Kind::Refused,
            "there are more records than this way of reading shows: authorise the client with `ZohoCRM.coql.READ` too",
        ),
        "INVALID_QUERY" | "SYNTAX_ERROR" | "FIELD_NOT_AVAILABLE" | "FIELD_NOT_SUPPORTED" => {
            (Kind::Protocol, "a field may have been changed meanwhile: run again")
        }
        "LIMIT_EXCEEDED"
        | "REQUIRED_PARAM_MISSING"
        | "INVALID_DATA"
        | "MANDATORY_NOT_FOUND"
        | "AMBIGUITY_DURING_PROCESSING" => (Kind::Protocol, "the source does not take the request as it is documented"),
        _ => (Kind::Protocol, "the source does not take the request as it is"),
    };
    (kind, hint.into())
}

#[cfg(test)]
mod tests {
    use tributary_connector::http::{Expects, Seen, StatusCode, header};

    use super::*;

    fn verdict(rules: &Rules, status: u16, body: &str) -> Verdict {
        let headers = [(header::CONTENT_TYPE, "application/json".parse().unwrap())].into_iter().collect();
        let seen = Seen {
            status: StatusCode::from_u16(status).unwrap(),
            headers: &headers,
            body: body.as_bytes(),
            expects: Expects::Json,
            conditional: false,
        };
        rules.judge(&seen).unwrap().verdict
    }

    fn code(code: &str) -> String {
        format!(r#"{{"code":"{code}","details":{{}},"message":"m","status":"error"}}"#)
    }

    #[test]
    fn stale_tokens_scopes_throttles_and_faults_are_told_apart() {
        let of = |status, name: &str| verdict(&rules(), status, &code(name));
        assert_eq!(of(401, "INVALID_TOKEN"), Verdict::RefreshToken);
        assert_eq!(of(401, "AUTHENTICATION_FAILURE"), Verdict::RefreshToken);
        assert_eq!(of(401, "OAUTH_SCOPE_MISMATCH"), Verdict::Ok);
        assert_eq!(of(429, "TOO_MANY_REQUESTS"), Verdict::RateLimited);
        assert_eq!(of(400, "TOO_MANY_REQUESTS"), Verdict::RateLimited);
        assert_eq!(of(500, "INTERNAL_ERROR"), Verdict::Retry);
        assert_eq!(of(400, "INVALID_QUERY"), Verdict::Ok);
        assert_eq!(verdict(&rules(), 400, "<html>slow down</html>"), Verdict::RateLimited);
        assert_eq!(verdict(&rules(), 204, ""), Verdict::Empty);
        assert!(matches!(verdict(&rules(), 200, "<html>login</html>"), Verdict::Fatal { .. }));
        assert!(matches!(verdict(&rules(), 200, ""), Verdict::Fatal { .. }));
    }

    #[test]
    fn a_token_is_there_or_it_is_not_whatever_the_status() {
        let of = |status, body: &str| verdict(&token_rules(), status, body);
        assert_eq!(of(200, r#"{"access_token":"x"}"#), Verdict::Ok);
        let locked = r#"{"error":"Access Denied","status":"failure"}"#;
        assert!(matches!(of(200, locked), Verdict::Quota { .. }) && matches!(of(400, locked), Verdict::Quota { .. }));
        for (error, said) in [
            ("invalid_code", "refresh token"),
            ("invalid_client", "client id"),
            ("invalid_client_secret", "client secret"),
        ] {
            match of(200, &format!(r#"{{"error":"{error}"}}"#)) {
                Verdict::Fatal { kind: Kind::Auth, hint } => assert!(hint.contains(said), "{hint}"),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_refusal_names_what_was_asked_the_code_and_the_field() {
        let body = br#"{"code":"INVALID_QUERY","details":{"column_name":"Nope"},"message":"m","status":"error"}"#;
        let refused = refusal(400, body, "query `Contacts`").unwrap().unwrap();
        assert_eq!(refused.field.as_deref(), Some("Nope"));
        let error = Error::from(Failed::Refused(refused));
        assert_eq!(error.message, "could not query `Contacts`: the source answered 400 `INVALID_QUERY`, about `Nope`");
        assert!(refusal(200, br#"{"data":[],"info":{}}"#, "x").unwrap().is_none());
        let odd = br#"{"code":"X","details":{"api_name":"some person's <value>"},"status":"error"}"#;
        assert_eq!(refusal(400, odd, "x").unwrap().unwrap().field, None);
    }
}
