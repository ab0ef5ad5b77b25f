//! Two made-up connectors, a small model, and a little of what is known about columns.

#![allow(dead_code)]

use std::path::Path;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use tributary_connector::{
    Capabilities, Configuration, Connector, Context, CsvDialect, Error, Factory, Kind, ReadRequest, Reader, Registry,
    SecretRef, Sniffed, Stream,
};
use tributary_pipeline::{Columns, Diagnostic, ExprError, Expressions, Model, Pipeline, diagnostic, parse, validate};

/// Reads files.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FilesConfig {
    /// Which files.
    pub path: String,
    /// The stream's name.
    #[serde(default)]
    pub stream: Option<String>,
    #[serde(default)]
    pub encoding: Option<Encoding>,
    #[serde(default)]
    pub header_rows: Option<u8>,
    #[serde(default)]
    pub format: Option<Format>,
    #[serde(default)]
    pub columns: Option<Vec<String>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// As most.
    Utf8,
    /// As in China.
    Gb18030,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Format {
    Csv { delimiter: Option<String> },
    Json { lines: bool },
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ZohoConfig {
    #[serde(default)]
    pub data_center: DataCenter,
    pub client_id: SecretRef,
    pub client_secret: SecretRef,
    pub refresh_token: Option<SecretRef>,
    #[serde(default)]
    pub headers: std::collections::BTreeMap<String, SecretRef>,
    #[serde(default)]
    pub page_size: Option<u16>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DataCenter {
    #[default]
    Com,
    Cn,
    Eu,
}

struct Files;
struct Zoho;
struct Nothing;

#[async_trait]
impl Connector for Nothing {
    async fn check(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn discover(&self) -> Result<Vec<Stream>, Error> {
        Ok(Vec::new())
    }

    async fn sniff(&self) -> Result<Option<Sniffed>, Error> {
        Ok(None)
    }

    async fn read(&self, _: ReadRequest) -> Result<Box<dyn Reader>, Error> {
        Err(Error::new(Kind::NotFound, "nothing here"))
    }

    fn dialect(&self, _: &[u8], then: CsvDialect) -> CsvDialect {
        then
    }
}

impl Factory for Files {
    type Config = FilesConfig;

    fn name(&self) -> &'static str {
        "files"
    }

    fn summary(&self) -> &'static str {
        "Files of delimited text, JSON or spreadsheets."
    }

    fn mapping(&self) -> &'static str {
        ""
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    fn configure(&self, _: &str) -> Option<Result<Configuration, Error>> {
        None
    }

    fn build(&self, config: FilesConfig, _: &Context) -> Result<Box<dyn Connector>, Error> {
        if config.path.contains("..") {
            return Err(Error::new(Kind::Config, "`path` leaves its directory").hint("give it from the root"));
        }
        Ok(Box::new(Nothing))
    }
}

impl Factory for Zoho {
    type Config = ZohoConfig;

    fn name(&self) -> &'static str {
        "zoho-crm"
    }

    fn summary(&self) -> &'static str {
        "Zoho CRM."
    }

    fn mapping(&self) -> &'static str {
        ""
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    fn configure(&self, _: &str) -> Option<Result<Configuration, Error>> {
        None
    }

    fn build(&self, _: ZohoConfig, _: &Context) -> Result<Box<dyn Connector>, Error> {
        Ok(Box::new(Nothing))
    }
}

pub fn registry() -> Registry {
    let mut registry = Registry::new();
    registry.register(Files);
    registry.register(Zoho);
    registry
}

/// Parties and order lines; the columns of `stores.members`; SQL that knows names and nothing else.
pub struct World;

impl Model for World {
    fn entities(&self) -> Vec<&str> {
        vec!["party", "order", "order_line"]
    }

    fn fields(&self, entity: &str) -> Option<Vec<&str>> {
        match entity {
            "party" => Some(vec!["name", "birthday", "gender", "source_ts"]),
            "order" => Some(vec!["ordered_at", "amount", "currency"]),
            "order_line" => Some(vec!["sku", "quantity"]),
            _ => None,
        }
    }

    fn identifier_types(&self) -> Vec<&str> {
        vec!["phone", "email", "member_no", "ouid", "unionid", "openid"]
    }

    fn golden_fields(&self) -> Vec<&str> {
        vec!["name", "birthday", "phone", "email", "address"]
    }
}

const MEMBERS: [&str; 6] = ["card_no", "姓名(必填)", "birth", "mobile", "status", "updated"];

impl Columns for World {
    fn streams(&self, source: &str) -> Option<Vec<String>> {
        match source {
            "stores" => Some(vec!["members".to_owned(), "tickets".to_owned()]),
            "elsewhere" => Some(Vec::new()),
            _ => None,
        }
    }

    fn columns(&self, source: &str, stream: &str) -> Option<Vec<String>> {
        match (source, stream) {
            ("stores", "members") => Some(MEMBERS.map(str::to_owned).to_vec()),
            ("stores", "tickets") => Some(vec!["lines".to_owned()]),
            _ => None,
        }
    }
}

impl Expressions for World {
    /// Every bare word outside quotes has to be a column.
    fn check(&self, _: &str, stream: &str, each: Option<&str>, sql: &str) -> Result<(), ExprError> {
        let known: &[&str] = match (stream, each) {
            ("members", _) => &MEMBERS,
            (_, Some(_)) => &["sku", "qty"],
            _ => &["lines"],
        };
        let mut at = 0;
        for word in sql.split_inclusive(|c: char| !(c.is_alphanumeric() || c == '_' || c == '\'')) {
            let name = word.trim_end_matches(|c: char| !(c.is_alphanumeric() || c == '_'));
            if !name.is_empty() && !name.starts_with('\'') && !known.contains(&name) {
                let suggestions: Vec<String> = known
                    .iter()
                    .filter(|known| known.starts_with(&name[..1]))
                    .map(|known| (*known).to_owned())
                    .collect();
                return Err(ExprError {
                    message: format!("there is no column `{name}`"),
                    offset: Some(at),
                    suggestions,
                });
            }
            at += word.len();
        }
        Ok(())
    }
}

pub fn parsed(text: &str) -> String {
    diagnostic::render(&parse(Path::new("p.toml"), text).diagnostics, false)
}

/// What a user sees: both stages together.
pub fn both(text: &str) -> Vec<Diagnostic> {
    let parsed = parse(Path::new("p.toml"), text);
    let mut diagnostics = parsed.diagnostics;
    if let Some(pipeline) = &parsed.pipeline {
        diagnostics.extend(validate(pipeline, &registry(), &World, &World, &World));
    }
    diagnostic::sort(&mut diagnostics);
    diagnostics
}

pub fn checked(text: &str) -> String {
    diagnostic::render(&both(text), false)
}

pub fn pipeline(text: &str) -> Pipeline {
    let parsed = parse(Path::new("p.toml"), text);
    assert_eq!(diagnostic::render(&parsed.diagnostics, false), "");
    let Some(pipeline) = parsed.pipeline else { unreachable!("a pipeline without diagnostics") };
    pipeline
}

/// Renders many small cases into one text that a person can judge.
pub fn cases(render: fn(&str) -> String, cases: &[(&str, &str)]) -> String {
    let mut out = String::new();
    for (title, text) in cases {
        let shown = render(text);
        assert_ne!(shown, "", "{title}: nothing was reported");
        out.push_str(&format!("## {title}\n\n{shown}\n"));
    }
    out
}
