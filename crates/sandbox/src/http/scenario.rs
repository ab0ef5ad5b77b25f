//! How a stand-in misbehaves: rules that a request must match, and what then happens to it.
//!
//! ```toml
//! [[rule]]
//! path  = "/crm/v8/Contacts"      # `*` stands for any text
//! from  = 2                       # the second matching request, counted by this rule
//! times = 3                       # and the two after it; left out: all after it
//! fault = { throttle = { retry_after = { seconds = 2 } } }
//!
//! [[rule]]
//! path  = "/crm/v8/*"
//! from  = 5
//! times = 1
//! fault = { disturb = { move_rows = { changes = 20 } } }
//! ```
//!
//! All rules that match a request apply, in their order; of several whole answers the first is given.

use serde::{Deserialize, Serialize};

use crate::Error;

/// All that goes wrong; nothing by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// In the order in which they apply.
    #[serde(default, rename = "rule")]
    pub rules: Vec<Rule>,
}

impl Scenario {
    /// Reads a scenario in TOML.
    ///
    /// # Errors
    ///
    /// [`Error::Scenario`] with line and column when it is none.
    pub fn from_toml(text: &str) -> Result<Self, Error> {
        toml::from_str(text).map_err(|error| Error::Scenario { reason: error.to_string() })
    }

    /// The same with a rule added.
    pub fn with(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }
}

/// One thing that goes wrong, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The request's path; `*` stands for any text, also none.
    pub path: String,
    /// Its method. Default: any.
    #[serde(default)]
    pub method: Option<String>,
    /// The table it is about, for vendors whose paths do not say. Default: any.
    #[serde(default)]
    pub table: Option<String>,
    /// The first request that it applies to, of those that match, from one. Default 1.
    #[serde(default = "one")]
    pub from: u64,
    /// To how many in a row. Default: all.
    #[serde(default)]
    pub times: Option<u64>,
    /// What happens.
    pub fault: Fault,
    /// Requests matched so far.
    #[serde(skip)]
    pub(super) seen: u64,
}

impl Rule {
    /// A rule for the first matching request only.
    pub fn once(path: &str, fault: Fault) -> Self {
        Self { path: path.into(), method: None, table: None, from: 1, times: Some(1), fault, seen: 0 }
    }

    /// The same for requests about this table.
    pub fn about(self, table: &str) -> Self {
        Self { table: Some(table.into()), ..self }
    }

    /// The same from the n-th matching request on.
    pub fn from(self, from: u64) -> Self {
        Self { from, ..self }
    }

    /// The same for so many requests in a row.
    pub fn times(self, times: u64) -> Self {
        Self { times: Some(times), ..self }
    }

    /// The same for all requests from there on.
    pub fn always(self) -> Self {
        Self { times: None, ..self }
    }

    /// Counts the request if it matches; answers whether the fault applies to it.
    pub(super) fn applies(&mut self, method: &str, path: &str, table: Option<&str>) -> bool {
        let other_method = self.method.as_deref().is_some_and(|wanted| wanted != method);
        let other_table = self.table.is_some() && self.table.as_deref() != table;
        if other_method || other_table || !matches(&self.path, path) {
            return false;
        }
        self.seen += 1;
        self.seen >= self.from && self.times.is_none_or(|times| self.seen - self.from < times)
    }
}

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// The vendor's 429.
    Throttle {
        /// Its `Retry-After`; left out (`{ throttle = {} }`), there is none.
        #[serde(default)]
        retry_after: Option<RetryAfter>,
    },
    /// The vendor's failure.
    ServerError {
        /// 500 or more.
        status: u16,
    },
    /// A page for people, where JSON was to be.
    Html {
        /// Often 200.
        status: u16,
    },
    /// Any other answer in place of the vendor's.
    Answer {
        /// The status.
        status: u16,
        /// The type of the body.
        content_type: String,
        /// The body.
        body: String,
    },
    /// A redirect, perhaps to a place where no credential should go.
    Redirect {
        /// The `Location`.
        location: String,
    },
    /// The connection is reset in the middle of the body.
    Reset {
        /// After so many bytes of it; left out: half.
        #[serde(default)]
        after: Option<usize>,
    },
    /// The body stops coming, the connection stays.
    Silence {
        /// After so many bytes of it; left out: half.
        #[serde(default)]
        after: Option<usize>,
    },
    /// The body comes byte by byte.
    Drip {
        /// Between two bytes.
        milliseconds: u64,
    },
    /// The answer waits, and counts as being answered meanwhile.
    Delay {
        /// How long.
        milliseconds: u64,
    },
    /// The body is gzip and ends in the middle, though the HTTP message is whole.
    TruncatedGzip,
    /// The body is good gzip, with so much white space after the JSON.
    GzipBomb {
        /// MiB, decoded.
        mebibytes: usize,
    },
    /// White space follows the body without end.
    EndlessBody,
    /// `Content-Length` is wrong.
    DeclaredLength {
        /// What it says too much, or too little where negative.
        plus: i64,
    },
    /// The last good answer of this path comes again, whatever was asked.
    RepeatPage,
    /// Before the first `"key":` of the body another one is put, with this JSON value.
    DuplicateKey {
        /// The key.
        key: String,
        /// The value of the first of the two.
        value: String,
    },
    /// Bytes are put in after the first occurrence of a text.
    Splice {
        /// The text.
        after: String,
        /// The bytes, two digits each.
        hex: String,
    },
    /// The stand-in's data or credentials change, before it answers.
    Disturb(Disturbance),
}

/// How a `Retry-After` is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfter {
    /// A number.
    Seconds(i64),
    /// The HTTP date so many seconds from now, by this machine's clock.
    DateIn(i64),
    /// Anything, sense or not.
    Text(String),
}

/// What may happen behind a reader's back. A module is a table of the stand-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Disturbance {
    /// Rows are made, changed and removed at this moment, so that pages shift.
    MoveRows {
        /// How many changes.
        changes: usize,
    },
    /// All access tokens expire.
    ExpireTokens,
    /// All refresh tokens are revoked.
    RevokeTokens,
    /// A text field appears, filled in every row.
    AddField {
        /// The module.
        module: String,
        /// The field's name.
        field: String,
    },
    /// A field becomes text, in the metadata and in every row.
    ChangeType {
        /// The module.
        module: String,
        /// The field's name.
        field: String,
    },
    /// A field goes, from the metadata and from every row.
    DropField {
        /// The module.
        module: String,
        /// The field's name.
        field: String,
    },
    /// Some rows get a value that the metadata does not list.
    UnknownEnum {
        /// The module.
        module: String,
        /// The field's name.
        field: String,
        /// The value.
        value: String,
    },
    /// The export jobs that are not finished yet fail.
    FailJobs,
    /// The stand-in's clock goes on.
    Pass {
        /// By so much.
        seconds: i64,
    },
}

fn one() -> u64 {
    1
}

/// Whether the pattern, in which `*` stands for any text, is the whole path.
fn matches(pattern: &str, path: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == path;
    };
    path.strip_prefix(head)
        .is_some_and(|tail| (0..=tail.len()).any(|at| tail.get(at..).is_some_and(|t| matches(rest, t))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        assert!(matches("/crm/v8/*", "/crm/v8/Contacts"));
        assert!(matches("/crm/*/read/*/result", "/crm/bulk/v8/read/17/result"));
        assert!(!matches("/crm/v8/Contacts", "/crm/v8/Contacts/1"));
        assert!(matches("*", ""));
    }

    #[test]
    fn a_rule_counts_what_it_matches_only() {
        let mut rule = Rule::once("/a", Fault::RepeatPage).from(2).times(2);
        let asked = ["/a", "/b", "/a", "/a", "/a"];
        let applied: Vec<_> = asked.iter().map(|path| rule.applies("GET", path, None)).collect();
        assert_eq!(applied, [false, false, true, true, false]);
        let mut rule = Rule::once("*", Fault::RepeatPage).about("Orders");
        let asked = [None, Some("Leads"), Some("Orders")];
        assert_eq!(asked.map(|table| rule.applies("GET", "/a", table)), [false, false, true]);
    }

    #[test]
    fn a_scenario_is_toml() {
        let text = r#"
            [[rule]]
            path = "/crm/v8/*"
            fault = { throttle = { retry_after = { date_in = 5 } } }
            [[rule]]
            path = "*"
            method = "GET"
            from = 2
            times = 1
            fault = "repeat_page"
            [[rule]]
            path = "*"
            fault = { disturb = { add_field = { module = "Leads", field = "Shoe_Size" } } }
            [[rule]]
            path = "*"
            fault = { disturb = "expire_tokens" }
        "#;
        let scenario = Scenario::from_toml(text).unwrap();
        assert_eq!(scenario.rules.len(), 4);
        assert_eq!(
            scenario.rules[1],
            Rule { method: Some("GET".into()), ..Rule::once("*", Fault::RepeatPage).from(2) }
        );
        let error = Scenario::from_toml("[[rule]]\npath = \"*\"\nfault = \"explode\"").unwrap_err().to_string();
        assert!(error.contains("explode"), "{error}");
    }
}
