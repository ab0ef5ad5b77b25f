//! What is taken out of a cassette before it is written: by the names of headers, fields and parameters, and by the look of values.

use std::collections::BTreeMap;
use std::sync::Mutex;

use url::form_urlencoded;

use super::scan::scalars;
use super::{Answered, Asked, Body, fake};
use crate::clock::locked;
use crate::wire::globbed;

/// Names of what is secret. In a replay any value fits.
const SECRET: [&str; 11] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "*token*",
    "*secret*",
    "*password*",
    "*api*key*",
    "sign",
    "signature",
    "*credential*",
];

/// Names of what is personal.
const PERSONAL: [&str; 14] = [
    "*phone*",
    "*mobile*",
    "*email*",
    "*first*name*",
    "*last*name*",
    "*full*name*",
    "*nick*name*",
    "*birth*",
    "*address*",
    "*street*",
    "*id*card*",
    "*wechat*",
    "*openid*",
    "*unionid*",
];

/// Names that look like secrets and are none: places in a list.
const PLAIN: [&str; 4] = ["*page*token*", "token_type", "*cursor*", "*expir*"];

/// A secret shorter than this is not looked for elsewhere: it may be any word.
const SHORTEST: usize = 8;

/// What is redacted, by name (`*` stands for any text; case does not matter), and how.
pub struct Redaction {
    secret: Vec<String>,
    personal: Vec<String>,
    plain: Vec<String>,
    key: [u8; 32],
    /// Secrets met so far, and their fakes: they are replaced wherever they come again.
    known: Mutex<BTreeMap<String, String>>,
}

impl std::fmt::Debug for Redaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redaction")
            .field("secret", &self.secret)
            .field("personal", &self.personal)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Secret,
    Personal,
    Other,
}

impl Default for Redaction {
    fn default() -> Self {
        Self::new()
    }
}

impl Redaction {
    /// The usual names, with fakes that are the same within one recording only.
    pub fn new() -> Self {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let mut key = [0; 32];
        key.fill_with(|| fastrand::u8(..));
        Self { secret: owned(&SECRET), personal: owned(&PERSONAL), plain: owned(&PLAIN), key, known: Mutex::default() }
    }

    /// One more name of something secret.
    pub fn secret(mut self, name: &str) -> Self {
        self.secret.push(name.to_lowercase());
        self
    }

    /// One more name of something personal; what is below it is personal as well.
    pub fn personal(mut self, name: &str) -> Self {
        self.personal.push(name.to_lowercase());
        self
    }

    /// A name of something that is neither. Goes before the others.
    pub fn plain(mut self, name: &str) -> Self {
        self.plain.push(name.to_lowercase());
        self
    }

    /// What fakes are made with, so that several recordings have the same. Whoever has it can try values out.
    pub fn key(mut self, key: [u8; 32]) -> Self {
        self.key = key;
        self
    }

    fn kind(&self, name: &str) -> Kind {
        let name = name.to_lowercase();
        let is_among = |patterns: &[String]| patterns.iter().any(|pattern| globbed(pattern, &name));
        if is_among(&self.plain) {
            Kind::Other
        } else if is_among(&self.secret) {
            Kind::Secret
        } else if is_among(&self.personal) {
            Kind::Personal
        } else {
            Kind::Other
        }
    }

    /// Whether a replay takes any value under this name.
    pub(super) fn any_value_fits(&self, name: &str) -> bool {
        self.kind(name) == Kind::Secret
    }

    fn fake(&self, kind: Kind, value: &str) -> String {
        match kind {
            _ if value.is_empty() => String::new(),
            Kind::Other => self.by_look(value),
            Kind::Personal => fake::of(value, &self.key),
            Kind::Secret => {
                // Of `Bearer abc` the word before is none.
                let (scheme, value) = value.rsplit_once(' ').map_or(("", value), |(scheme, value)| (scheme, value));
                let fake = fake::of(value, &self.key);
                if value.len() >= SHORTEST {
                    locked(&self.known).insert(value.to_owned(), fake.clone());
                }
                if scheme.is_empty() { fake } else { format!("{scheme} {fake}") }
            }
        }
    }

    /// E-mail addresses, mobile numbers and identity cards within a text are replaced.
    fn by_look(&self, text: &str) -> String {
        let is_part = |c: char| c.is_ascii_alphanumeric() || "@._+-".contains(c);
        let (mut out, mut rest) = (String::with_capacity(text.len()), text);
        while let Some(start) = rest.find(is_part) {
            out.push_str(&rest[..start]);
            let word = &rest[start..];
            let end = word.find(|c: char| !is_part(c)).unwrap_or(word.len());
            let (word, after) = word.split_at(end);
            let trimmed = word.trim_end_matches(['.', '-']);
            if is_telling(trimmed) {
                out.push_str(&fake::of_pattern(trimmed, &self.key));
                out.push_str(&word[trimmed.len()..]);
            } else {
                out.push_str(word);
            }
            rest = after;
        }
        out + rest
    }

    fn pairs(&self, pairs: &mut [(String, String)]) {
        for (name, value) in pairs {
            *value = self.fake(self.kind(name), value);
        }
    }

    fn body(&self, body: &mut Body, content_type: &str) {
        let Body::Text(text) = body else { return };
        if content_type.starts_with("application/x-www-form-urlencoded") {
            let mut pairs: Vec<(String, String)> = form_urlencoded::parse(text.as_bytes()).into_owned().collect();
            self.pairs(&mut pairs);
            *text = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
            return;
        }
        let Some(found) = scalars(text) else {
            *text = self.by_look(text);
            return;
        };
        let (mut out, mut at) = (String::with_capacity(text.len()), 0);
        for scalar in found {
            out.push_str(&text[at..scalar.range.start]);
            at = scalar.range.end;
            let json = &text[scalar.range];
            // The innermost name that says something; a personal address makes its street personal, too.
            let kinds = scalar.names.iter().rev().map(|name| self.kind(name));
            let kind = kinds.into_iter().find(|kind| *kind != Kind::Other).unwrap_or(Kind::Other);
            let plain = scalar.names.last().is_some_and(|name| self.is_plain(name));
            let kind = if plain { Kind::Other } else { kind };
            match (scalar.is_text, serde_json::from_str::<String>(json)) {
                (true, Ok(value)) => {
                    let fake = self.fake(kind, &value);
                    let same = fake == value;
                    out.push_str(&if same { json.to_owned() } else { serde_json::Value::from(fake).to_string() });
                }
                _ if kind != Kind::Other => out.push_str(&fake::of_number(json, &self.key)),
                _ => out.push_str(json),
            }
        }
        *text = out + &text[at..];
    }

    fn is_plain(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        self.plain.iter().any(|pattern| globbed(pattern, &name))
    }

    pub(super) fn request(&self, asked: &mut Asked) {
        let content_type = content_type(&asked.headers);
        self.pairs(&mut asked.headers);
        self.pairs(&mut asked.query);
        self.body(&mut asked.body, &content_type);
        asked.path = self.by_look(&asked.path);
        self.known_in(&mut asked.path);
        asked.query.iter_mut().chain(&mut asked.headers).for_each(|(_, value)| self.known_in(value));
        self.known_in_body(&mut asked.body);
    }

    pub(super) fn reply(&self, answered: &mut Answered) {
        let content_type = content_type(&answered.headers);
        self.pairs(&mut answered.headers);
        self.body(&mut answered.body, &content_type);
        answered.headers.iter_mut().for_each(|(_, value)| self.known_in(value));
        self.known_in_body(&mut answered.body);
    }

    fn known_in_body(&self, body: &mut Body) {
        if let Body::Text(text) = body {
            self.known_in(text);
        }
    }

    fn known_in(&self, text: &mut String) {
        for (secret, fake) in locked(&self.known).iter() {
            if text.contains(secret.as_str()) {
                *text = text.replace(secret, fake);
            }
        }
    }
}

fn content_type(headers: &[(String, String)]) -> String {
    let found = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    found.map(|(_, value)| value.to_ascii_lowercase()).unwrap_or_default()
}

/// Whether a word looks like somebody's address, mobile number or identity card.
fn is_telling(word: &str) -> bool {
    if let Some((name, host)) = word.split_once('@') {
        return !name.is_empty() && host.contains('.');
    }
    let digits = word.bytes().all(|byte| byte.is_ascii_digit());
    match word.as_bytes() {
        [b'1', b'3'..=b'9', ..] if word.len() == 11 => digits,
        [rest @ .., b'0'..=b'9' | b'X' | b'x'] if word.len() == 18 => {
            // With a year of birth where there is one: other numbers are as long.
            rest.iter().all(u8::is_ascii_digit) && matches!(&word[6..8], "19" | "20")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(text: &str) -> String {
        let redaction = Redaction::new().key([1; 32]).personal("*Owner*").plain("Product_Name");
        let mut answered = Answered { status: 200, headers: Vec::new(), body: Body::Text(text.to_owned()) };
        redaction.reply(&mut answered);
        String::from_utf8(answered.body.bytes().to_vec()).unwrap()
    }

    #[test]
    fn names_and_looks_are_replaced_and_all_else_stays_byte_by_byte() {
        let text = r#"{ "id":4876876000000624001, "Mobile":13805710571, "due":12.30, "due":1e400, "Owner":{"name":"王", "id":"7"},
            "note":"ring 13805710571 or san@corp.cn.", "access_token":"1000.abcdef", "Product_Name":"Phone"}"#;
        let found = redacted(text);
        for gone in ["13805710571", "san@corp.cn", "1000.abcdef", "王", "\"7\""] {
            assert!(!found.contains(gone), "{gone}: {found}");
        }
        for kept in
            ["{ \"id\":4876876000000624001, ", "\"due\":12.30, \"due\":1e400, ", "@example.com.\"", "\"Phone\"}"]
        {
            assert!(found.contains(kept), "{kept}: {found}");
        }
    }

    #[test]
    fn numbers_stay_numbers() {
        for number in ["-10", "0.5", "1e5", "13805710571", "-0"] {
            let found = redacted(&format!(r#"{{"phone":{number}}}"#));
            assert!(serde_json::from_str::<serde_json::Value>(&found).is_ok(), "{found}");
        }
    }

    #[test]
    fn a_secret_is_found_again_where_no_name_tells() {
        let redaction = Redaction::new();
        let mut asked = Asked {
            method: "GET".into(),
            path: "/x/1000.abcdef".into(),
            query: vec![("page_token".into(), "p.2".into()), ("trace".into(), "1000.abcdef".into())],
            headers: vec![("authorization".into(), "Zoho-oauthtoken 1000.abcdef".into())],
            body: Body::default(),
        };
        redaction.request(&mut asked);
        let said = format!("{asked:?}");
        assert!(!said.contains("1000.abcdef") && said.contains("p.2") && said.contains("Zoho-oauthtoken "), "{said}");
        let Some((_, fake)) = asked.headers[0].1.split_once(' ') else { unreachable!() };
        assert_eq!((asked.path, asked.query[1].1.as_str()), (format!("/x/{fake}"), fake));
    }

    #[test]
    fn words_that_tell_of_a_person() {
        for telling in ["13805710571", "a@b.cn", "330106199001011234", "33010620050101123X"] {
            assert!(is_telling(telling), "{telling}");
        }
        for other in ["12805710571", "138057105710", "a@b", "487687600000062400", "20260701", "v1.2"] {
            assert!(!is_telling(other), "{other}");
        }
    }
}
