//! A source: which connector, what to read, and how to understand dates, phones and amounts that do not say.

use std::collections::BTreeSet;
use std::fmt;

use chrono_tz::Tz;
use serde_json::json;
use tributary_connector::Context;
use tributary_connector::http::Settings;

use super::fingerprint;
use super::keys;
use super::reader::Reader;
use super::tree::{Entry, Table};
use crate::diagnostic::{Span, Spanned};
use crate::evolve::Policy;

/// A source of the pipeline. Its debug form leaves the configuration out: a secret may be written there until it is refused.
#[derive(Clone)]
pub struct Source {
    pub name: Spanned<String>,
    /// What it was called when the lake first read it.
    pub renamed_from: Option<Spanned<String>>,
    /// Empty if the file has none.
    pub connector: Spanned<String>,
    /// `None`: all.
    pub streams: Option<Vec<Spanned<String>>>,
    /// The zone of times that carry none.
    pub timezone: Tz,
    /// Whether the file says so; else it is UTC.
    pub zoned: bool,
    /// ISO 3166 country of phone numbers without a prefix.
    pub region: Option<String>,
    pub date_order: DateOrder,
    /// ISO 4217 currency of amounts without one.
    pub currency: Option<String>,
    /// Its own rhythm, in place of the pipeline's.
    pub cron: Option<Spanned<String>>,
    /// For each stream that has no limit of its own.
    pub max_rejected: Option<MaxRejected>,
    /// Limits of single streams.
    pub max_rejected_of: Vec<(Spanned<String>, MaxRejected)>,
    /// What becomes of columns that are new or have another type.
    pub schema: Policy,
    /// The unit of commit: rows that become visible together.
    pub batch_rows: u64,
    /// All other keys, for the connector.
    pub config: serde_json::Value,
    /// The whole table with its places.
    pub table: Table,
    /// The header.
    pub span: Span,
}

/// How to read `03/04/2024`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DateOrder {
    #[default]
    Ymd,
    Mdy,
    Dmy,
}

/// The name that stands for all streams without a limit of their own.
pub const OTHERS: &str = "*";

/// How many rejected records stop a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MaxRejected {
    /// More than this share of the records read, from 0 to 1.
    Share(f64),
    /// More than so many.
    Count(u64),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Source");
        out.field("name", &self.name.value).field("connector", &self.connector.value).finish_non_exhaustive()
    }
}

impl DateOrder {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ymd => "ymd",
            Self::Mdy => "mdy",
            Self::Dmy => "dmy",
        }
    }
}

impl Source {
    /// Its name in the lake: in tables of `raw`, positions and keys.
    pub fn in_lake(&self) -> &str {
        &self.renamed_from.as_ref().unwrap_or(&self.name).value
    }

    /// The place of a key, or of the source if it does not have it.
    pub fn key_span(&self, key: &str) -> Span {
        self.table.get(key).map_or(self.span, |entry| entry.key_span)
    }

    /// The place of a key's value, or of the source if it does not have it.
    pub fn value_span(&self, key: &str) -> Span {
        self.table.get(key).map_or(self.span, |entry| entry.node.span)
    }

    /// How many of a stream's records may be rejected.
    pub fn limit(&self, stream: &str) -> Option<MaxRejected> {
        let own = self.max_rejected_of.iter().find(|(name, _)| name.value == stream);
        own.map(|(_, limit)| *limit).or(self.max_rejected)
    }

    /// What its connector is told.
    pub fn context(&self, http: &Settings) -> Context {
        let streams = self.streams.as_ref().map(|streams| streams.iter().map(|name| name.value.clone()).collect());
        Context { source: self.name.value.clone(), timezone: self.timezone, streams, http: http.clone() }
    }

    /// What the normalisers are told, in canonical form: a change means to clean the source's records again.
    pub fn fingerprint(&self) -> String {
        fingerprint::canonical(&json!({
            "timezone": self.timezone.name(),
            "region": self.region,
            "date_order": self.date_order.as_str(),
            "currency": self.currency,
        }))
    }
}

pub(super) fn read(entry: &Entry, reader: &mut Reader<'_>) -> Option<Source> {
    let table = entry.node.as_table()?;
    let name = Spanned::new(entry.key.clone(), entry.key_span);
    check_name(&name, reader);
    let renamed_from = reader.text(table, "renamed_from");
    renamed_from.iter().for_each(|name| check_name(name, reader));
    let span = entry.node.span;
    let declared = reader.timezone(table);
    let timezone = declared.as_ref().map_or(Tz::UTC, |zone| zone.value);
    let region = region(table, reader).or_else(|| region_of(timezone).map(str::to_owned));
    let currency = currency(table, reader).or_else(|| currency_of(region.as_deref()?).map(str::to_owned));
    let (max_rejected, max_rejected_of) = limits(table, reader);
    let ours: BTreeSet<&str> = keys::of_source().collect();
    let theirs = table.0.iter().filter(|entry| !ours.contains(entry.key.as_str()));
    Some(Source {
        renamed_from,
        connector: reader.required(table, "connector", span),
        streams: reader.texts(table, "streams"),
        timezone,
        zoned: declared.is_some(),
        region,
        date_order: match reader.text(table, "date_order").as_ref().map(|text| text.value.as_str()) {
            Some("mdy") => DateOrder::Mdy,
            Some("dmy") => DateOrder::Dmy,
            _ => DateOrder::Ymd,
        },
        currency,
        schema: match reader.text(table, "schema").as_ref().map(|text| text.value.as_str()) {
            Some("extra") => Policy::Extra,
            Some("fail") => Policy::Fail,
            _ => Policy::Evolve,
        },
        cron: reader.cron(table),
        max_rejected,
        max_rejected_of,
        batch_rows: reader.integer(table, "batch_rows").map_or(1_000_000, |rows| rows.value.max(1)),
        config: theirs.map(|entry| (entry.key.clone(), entry.node.to_json())).collect(),
        table: table.clone(),
        name,
        span,
    })
}

/// The name becomes part of a table's: `raw.<source>_<stream>`.
fn check_name(name: &Spanned<String>, reader: &mut Reader<'_>) {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let starts = name.value.starts_with(|c: char| c.is_ascii_lowercase());
    if starts && name.value.chars().all(fits) && name.value.len() <= 63 {
        return;
    }
    let better: String =
        name.value.to_ascii_lowercase().chars().map(|c| if fits(c) { c } else { '_' }).take(63).collect();
    let rule = "a lower-case letter, then lower-case letters, digits and `_`, at most 63";
    let telling = better.starts_with(|c: char| c.is_ascii_lowercase());
    let help = if telling { format!("{rule}: `{better}`") } else { rule.to_owned() };
    reader.problem(name.span, format!("`{name}` cannot be a source's name"), help);
}

fn region(table: &Table, reader: &mut Reader<'_>) -> Option<String> {
    let text = reader.text(table, "region")?;
    if text.value.len() == 2 && REGIONS.split(' ').any(|code| code == text.value) {
        return Some(text.value);
    }
    let upper = text.value.to_uppercase();
    let meant = match upper.as_str() {
        "UK" => Some("GB"),
        "CHN" | "CHINA" => Some("CN"),
        "HKG" => Some("HK"),
        "TWN" => Some("TW"),
        "USA" => Some("US"),
        upper => REGIONS.split(' ').find(|code| *code == upper),
    };
    let help = meant.map_or("an ISO 3166 code: `CN`, `HK`, `US`".to_owned(), |code| format!("did you mean `{code}`?"));
    reader.problem(text.span, format!("there is no country `{text}`"), help);
    None
}

fn currency(table: &Table, reader: &mut Reader<'_>) -> Option<String> {
    let text = reader.text(table, "currency")?;
    let upper = text.value.to_uppercase();
    let code = text.value.len() == 3 && text.value.bytes().all(|byte| byte.is_ascii_uppercase());
    if code && upper != "RMB" {
        return Some(text.value);
    }
    let meant = match upper.as_str() {
        "RMB" | "YUAN" | "¥" | "元" | "人民币" => Some("CNY".to_owned()),
        upper if upper.len() == 3 && upper.bytes().all(|byte| byte.is_ascii_uppercase()) => Some(upper.to_owned()),
        _ => None,
    };
    let help =
        meant.map_or("an ISO 4217 code: `CNY`, `HKD`, `USD`".to_owned(), |code| format!("did you mean `{code}`?"));
    reader.problem(text.span, format!("there is no currency `{text}`"), help);
    None
}

/// One limit for all streams, or a table of them.
fn limits(table: &Table, reader: &mut Reader<'_>) -> (Option<MaxRejected>, Vec<(Spanned<String>, MaxRejected)>) {
    let Some((_, by_stream)) = reader.table(table, "max_rejected") else {
        return (limit(table, "max_rejected", reader), Vec::new());
    };
    let (mut others, mut own) = (None, Vec::new());
    for entry in &by_stream.0 {
        match limit(by_stream, &entry.key, reader) {
            Some(limit) if entry.key == OTHERS => others = Some(limit),
            Some(limit) => own.push((Spanned::new(entry.key.clone(), entry.key_span), limit)),
            None => {}
        }
    }
    (others, own)
}

fn limit(table: &Table, key: &str, reader: &mut Reader<'_>) -> Option<MaxRejected> {
    if let Some(count) = reader.integer(table, key) {
        return Some(MaxRejected::Count(count.value));
    }
    let text = reader.text(table, key)?;
    let value = text.value.trim();
    let share = value.strip_suffix('%').and_then(|percent| percent.trim().parse::<f64>().ok());
    let limit = match share {
        Some(percent) => (0.0..=100.0).contains(&percent).then_some(MaxRejected::Share(percent / 100.0)),
        None => value.parse().ok().map(MaxRejected::Count),
    };
    if limit.is_none() {
        reader.problem(text.span, format!("`{text}` is neither a share nor a count"), "`\"1%\"` or `100`");
    }
    limit
}

fn region_of(timezone: Tz) -> Option<&'static str> {
    match timezone.name() {
        "Asia/Shanghai" | "Asia/Chongqing" | "Asia/Chungking" | "Asia/Harbin" | "Asia/Urumqi" | "Asia/Kashgar"
        | "PRC" => Some("CN"),
        _ => None,
    }
}

fn currency_of(region: &str) -> Option<&'static str> {
    Some(match region {
        "CN" => "CNY",
        "HK" => "HKD",
        "MO" => "MOP",
        "TW" => "TWD",
        "JP" => "JPY",
        "KR" => "KRW",
        "SG" => "SGD",
        "MY" => "MYR",
        "TH" => "THB",
        "US" => "USD",
        "GB" => "GBP",
        _ => return None,
    })
}

/// ISO 3166-1, alpha-2.
const REGIONS: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT \
BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO \
FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE \
KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW \
MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE \
SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE \
VG VI VN VU WF WS YE YT ZA ZM ZW";
