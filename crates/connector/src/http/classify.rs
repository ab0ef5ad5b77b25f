//! What an answer means: one table per vendor, as data.
//!
//! Status codes alone do not tell. One vendor answers 200 to everything and puts the error into the body, another sends a
//! login page with 200 or a throttling page with 400. So a vendor's rules look at status, body, content type and headers
//! together; the first that fits decides, and what no rule speaks of is judged by [`by_status`], the way of APIs that keep to
//! HTTP. In doubt an answer is an error: one that is not understood is never taken for "no records".

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::time::Duration;

use chrono::{DateTime, NaiveTime, Utc};
use chrono_tz::Tz;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap};

use super::budget::next_reset;
use super::clock::later;
use super::locate::{self, Value};
use super::request::Expects;
use crate::{Error, Kind};

/// What is to be done about an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    Ok,
    /// This is how the vendor says that there is nothing.
    Empty,
    NotModified,
    /// The access token is spent: get another one and try once more.
    RefreshToken,
    /// Too many requests. Waits as the answer says, else by back-off.
    RateLimited,
    /// No more requests until then.
    Quota {
        until: Until,
    },
    /// A passing fault of the server.
    Retry,
    Fatal {
        kind: Kind,
        hint: Cow<'static, str>,
    },
}

/// When a quota is filled up again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Until {
    After(Duration),
    /// The next time that the clocks of a zone show this.
    Daily(NaiveTime, Tz),
}

impl Until {
    pub(super) fn instant(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::After(wait) => later(now, wait),
            Self::Daily(time, zone) => next_reset(now, time, zone),
        }
    }
}

/// Tests of an answer; all must hold.
#[derive(Debug, Clone, Default)]
pub struct When {
    statuses: Vec<RangeInclusive<u16>>,
    fields: Vec<(Cow<'static, str>, Test)>,
    content_type: Option<Cow<'static, str>>,
    first_byte: Option<u8>,
    header: Option<(Cow<'static, str>, Cow<'static, str>)>,
    empty: Option<bool>,
}

#[derive(Debug, Clone)]
enum Test {
    Is(Vec<Cow<'static, str>>),
    There(bool),
}

impl When {
    pub fn any() -> Self {
        Self::default()
    }

    pub fn status(status: u16) -> Self {
        Self::any().or_status(status)
    }

    pub fn statuses(range: RangeInclusive<u16>) -> Self {
        Self { statuses: vec![range], ..Self::default() }
    }

    pub fn or_status(mut self, status: u16) -> Self {
        self.statuses.push(status..=status);
        self
    }

    /// The scalar at `path` ([`locate()`](super::locate())) has one of these texts, be it a number or a string.
    pub fn field<V: Into<Cow<'static, str>>>(
        mut self,
        path: impl Into<Cow<'static, str>>,
        one_of: impl IntoIterator<Item = V>,
    ) -> Self {
        self.fields.push((path.into(), Test::Is(one_of.into_iter().map(Into::into).collect())));
        self
    }

    /// There is something other than null at `path`.
    pub fn has(mut self, path: impl Into<Cow<'static, str>>) -> Self {
        self.fields.push((path.into(), Test::There(true)));
        self
    }

    pub fn lacks(mut self, path: impl Into<Cow<'static, str>>) -> Self {
        self.fields.push((path.into(), Test::There(false)));
        self
    }

    /// The content type starts like this, whatever its case.
    pub fn content_type(mut self, prefix: impl Into<Cow<'static, str>>) -> Self {
        self.content_type = Some(prefix.into());
        self
    }

    /// The first byte of the body that is not white space.
    pub fn first_byte(mut self, byte: u8) -> Self {
        self.first_byte = Some(byte);
        self
    }

    pub fn header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Cow<'static, str>>) -> Self {
        self.header = Some((name.into(), value.into()));
        self
    }

    /// Whether the body is empty, white space aside.
    pub fn body_empty(mut self, empty: bool) -> Self {
        self.empty = Some(empty);
        self
    }

    fn fits(&self, seen: &Seen, value: impl Fn(&str) -> Option<Value>) -> bool {
        (self.statuses.is_empty() || self.statuses.iter().any(|range| range.contains(&seen.status.as_u16())))
            && self.content_type.as_ref().is_none_or(|prefix| starts_like(seen.content_type(), prefix))
            && self.first_byte.is_none_or(|byte| seen.first_byte() == Some(byte))
            && self.empty.is_none_or(|empty| seen.first_byte().is_none() == empty)
            && self.header.as_ref().is_none_or(|(name, wanted)| {
                seen.headers.get(name.as_ref()).is_some_and(|value| value.as_bytes() == wanted.as_bytes())
            })
            && self.fields.iter().all(|(path, test)| match (test, value(path)) {
                (Test::Is(texts), Some(value)) => {
                    value.text().is_some_and(|text| texts.iter().any(|wanted| wanted == text))
                }
                (Test::Is(_), None) => false,
                (Test::There(wanted), value) => value.is_some_and(|value| value != Value::Null) == *wanted,
            })
    }
}

/// A vendor's table.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    rules: Vec<(When, Verdict)>,
    codes: Vec<Cow<'static, str>>,
}

/// What a verdict goes by.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    pub status: StatusCode,
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
    pub expects: Expects,
    /// Whether the request asked for what is newer only.
    pub conditional: bool,
}

/// A verdict, and the vendor's own code for it.
#[derive(Debug)]
pub struct Judged {
    pub verdict: Verdict,
    pub code: Option<String>,
}

impl Rules {
    /// The rules of HTTP and no others.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a rule; earlier ones go first.
    pub fn on(mut self, when: When, verdict: Verdict) -> Self {
        self.rules.push((when, verdict));
        self
    }

    /// These rules, then `others`.
    pub fn or(mut self, others: Self) -> Self {
        self.rules.extend(others.rules);
        self.codes.extend(others.codes);
        self
    }

    /// Where the vendor puts its error code, which is then told in messages.
    pub fn code_at(mut self, path: impl Into<Cow<'static, str>>) -> Self {
        self.codes.push(path.into());
        self
    }

    /// # Errors
    /// If the answer would do, but is not whole or not what was expected.
    pub fn judge(&self, seen: &Seen) -> Result<Judged, Error> {
        let paths: Vec<&str> = self
            .rules
            .iter()
            .flat_map(|(when, _)| when.fields.iter().map(|(path, _)| path.as_ref()))
            .chain(self.codes.iter().map(AsRef::as_ref))
            .collect();
        let is_json = seen.expects == Expects::Json && !matches!(seen.first_byte(), None | Some(b'<'));
        let scanned = is_json.then(|| locate::scan(seen.body, &paths)).transpose();
        let value = |path: &str| {
            let found = scanned.as_ref().ok()?.as_ref()?;
            let at = paths.iter().position(|known| *known == path)?;
            found.get(at)?.clone()
        };
        let code =
            self.codes.iter().find_map(|path| value(path)?.text().filter(|text| is_code(text)).map(str::to_owned));
        let ruled = self.rules.iter().find(|(when, _)| when.fits(seen, value)).map(|(_, verdict)| verdict.clone());
        let mut verdict = ruled.unwrap_or_else(|| by_status(seen));
        if verdict == Verdict::Ok && seen.expects == Expects::Json && !is_json {
            // A rule that is too generous does not make data of a web page, or of nothing.
            verdict = by_status(&Seen { status: StatusCode::OK, ..*seen });
        }
        if verdict == Verdict::Ok
            && let Err(error) = scanned
        {
            return Err(error);
        }
        Ok(Judged { verdict, code })
    }
}

/// Short and of plain letters, so that it cannot be somebody's data.
fn is_code(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-. ".contains(&byte))
}

/// The verdict of HTTP itself, stricter in one thing: where JSON is expected, neither an empty body nor a page for people is
/// a good answer, whatever the status.
pub fn by_status(seen: &Seen) -> Verdict {
    let fatal = |kind, hint: &'static str| Verdict::Fatal { kind, hint: hint.into() };
    match seen.status.as_u16() {
        200..=299 if seen.expects == Expects::Anything => Verdict::Ok,
        200..=299 => match seen.first_byte() {
            None => fatal(Kind::Protocol, "the body is empty, which nothing says to mean \"no records\""),
            Some(b'<') => fatal(
                Kind::Protocol,
                "this is a web page, not data: a login, a maintenance notice, or the wrong address",
            ),
            _ if starts_like(seen.content_type(), "text/html") => {
                fatal(Kind::Protocol, "the content type is that of a web page, not of data")
            }
            _ if seen.body.trim_ascii() == b"null" => {
                fatal(Kind::Protocol, "the body is `null`, which nothing says to mean \"no records\"")
            }
            _ => Verdict::Ok,
        },
        304 if seen.conditional => Verdict::NotModified,
        401 => Verdict::RefreshToken,
        403 => fatal(Kind::Auth, "the credential may not do this: look at its scopes"),
        404 | 410 => fatal(Kind::NotFound, "there is no such thing at this address"),
        407 | 511 => fatal(Kind::Config, "something between here and the source wants a login of its own"),
        429 => Verdict::RateLimited,
        408 | 421 | 425 | 500 | 502..=504 | 506..=599 => Verdict::Retry,
        _ => fatal(Kind::Protocol, "the source does not take the request as it is"),
    }
}

impl Seen<'_> {
    fn first_byte(&self) -> Option<u8> {
        let body = self.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(self.body);
        body.iter().copied().find(|byte| !byte.is_ascii_whitespace())
    }

    fn content_type(&self) -> &str {
        self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

fn starts_like(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(rules: &Rules, status: u16, content_type: &str, body: &str) -> Result<Judged, Error> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
        rules.judge(&Seen {
            status: StatusCode::from_u16(status).unwrap(),
            headers: &headers,
            body: body.as_bytes(),
            expects: Expects::Json,
            conditional: false,
        })
    }

    fn verdict(rules: &Rules, status: u16, body: &str) -> Verdict {
        judge(rules, status, "application/json", body).unwrap().verdict
    }

    fn kind(verdict: Verdict) -> Kind {
        match verdict {
            Verdict::Fatal { kind, .. } => kind,
            other => panic!("{other:?}"),
        }
    }

    /// A vendor that answers 200 to everything.
    fn always_200() -> Rules {
        Rules::new()
            .code_at("errorCode")
            .on(When::any().field("errorCode", ["0"]), Verdict::Ok)
            .on(When::any().field("errorCode", ["20016"]), Verdict::RefreshToken)
            .on(When::any().field("errorCode", ["30004", "14001"]), Verdict::RateLimited)
            .on(
                When::any().field("errorCode", ["30002"]),
                Verdict::Quota { until: Until::Daily(NaiveTime::MIN, chrono_tz::Asia::Shanghai) },
            )
            .on(When::any().field("errorCode", ["-1", "50009"]), Verdict::Retry)
            .on(When::any().has("errorCode"), Verdict::Fatal { kind: Kind::Protocol, hint: "see the code".into() })
            .on(When::statuses(200..=299), Verdict::Fatal { kind: Kind::Protocol, hint: "no `errorCode`".into() })
    }

    #[test]
    fn a_vendor_that_answers_200_to_everything_is_judged_by_its_body() {
        let rules = always_200();
        assert_eq!(verdict(&rules, 200, r#"{"errorCode":0,"data":{"dataList":[]}}"#), Verdict::Ok);
        assert_eq!(verdict(&rules, 200, r#"{"errorCode":20016}"#), Verdict::RefreshToken);
        assert_eq!(verdict(&rules, 200, r#"{"errorCode":"30004"}"#), Verdict::RateLimited);
        assert_eq!(verdict(&rules, 200, r#"{"errorCode":-1}"#), Verdict::Retry);
        assert!(matches!(verdict(&rules, 200, r#"{"errorCode":30002}"#), Verdict::Quota { .. }));
        assert_eq!(kind(verdict(&rules, 200, r#"{"data":[]}"#)), Kind::Protocol);
        assert_eq!(kind(verdict(&rules, 200, "<html>moved</html>")), Kind::Protocol);
        assert_eq!(verdict(&rules, 502, "<html>bad gateway</html>"), Verdict::Retry);
        let judged = judge(&rules, 200, "application/json", r#"{"errorCode":10006,"errorMessage":"x"}"#).unwrap();
        assert_eq!((kind(judged.verdict), judged.code.as_deref()), (Kind::Protocol, Some("10006")));
    }

    #[test]
    fn a_page_for_people_is_never_data() {
        let rules = Rules::new();
        assert_eq!(kind(verdict(&rules, 200, "  <!doctype html>")), Kind::Protocol);
        assert_eq!(kind(judge(&rules, 200, "Text/HTML; charset=utf-8", "[]").unwrap().verdict), Kind::Protocol);
        let generous = Rules::new().on(When::status(200), Verdict::Ok);
        assert_eq!(kind(verdict(&generous, 200, "<html>")), Kind::Protocol);
        assert_eq!(kind(verdict(&generous, 200, "")), Kind::Protocol);
        let zoho = Rules::new().on(When::status(400).first_byte(b'<'), Verdict::RateLimited);
        assert_eq!(verdict(&zoho, 400, "<html>throttled</html>"), Verdict::RateLimited);
        assert_eq!(kind(verdict(&zoho, 400, "{}")), Kind::Protocol);
    }

    #[test]
    fn nothing_is_no_records_only_where_a_rule_says_so() {
        let rules = Rules::new();
        for (status, body) in [(204, ""), (200, ""), (200, " \n"), (200, "null"), (304, "")] {
            assert_eq!(kind(verdict(&rules, status, body)), Kind::Protocol, "{status} `{body}`");
        }
        assert_eq!(verdict(&rules, 200, "[]"), Verdict::Ok);
        let says_so = Rules::new().on(When::status(204), Verdict::Empty);
        assert_eq!(verdict(&says_so, 204, ""), Verdict::Empty);
    }

    #[test]
    fn a_good_answer_that_breaks_off_is_to_be_fetched_again_whatever_the_rules_saw() {
        let error = judge(&Rules::new(), 200, "application/json", r#"{"data":[1,2"#).unwrap_err();
        assert_eq!(error.kind, Kind::Transport);
        assert_eq!(judge(&Rules::new(), 200, "application/json", "id,name").unwrap_err().kind, Kind::Protocol);
        assert_eq!(verdict(&Rules::new(), 503, r#"{"data":[1,2"#), Verdict::Retry);
    }

    #[test]
    fn a_code_is_told_only_if_it_can_be_one() {
        let rules = Rules::new().code_at("code").code_at("data.0.code");
        let code = |body| judge(&rules, 400, "application/json", body).unwrap().code;
        assert_eq!(code(r#"{"code":"INVALID_MODULE"}"#).as_deref(), Some("INVALID_MODULE"));
        assert_eq!(code(r#"{"data":[{"code":"A.B"}]}"#).as_deref(), Some("A.B"));
        assert_eq!(code(r#"{"code":"no such person: li@example.com"}"#), None);
    }
}
