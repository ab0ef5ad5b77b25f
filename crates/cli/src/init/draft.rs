//! The pipeline file that `init` writes.

use tributary_connector::Configuration;
use tributary_engine::datafusion::sql::sqlparser::ast::Expr;
use tributary_engine::datafusion::sql::sqlparser::dialect::GenericDialect;
use tributary_engine::datafusion::sql::sqlparser::parser::Parser;
use tributary_engine::datafusion::sql::sqlparser::tokenizer::Token;

use super::guess::{Guess, Map, Value};
use crate::sheet::clip;

/// A source to write, and what is guessed of it.
pub struct Source {
    pub name: String,
    /// Its file, or the pattern of its files.
    pub path: String,
    pub connector: &'static str,
    /// The connector's own keys: where it reads, and how.
    pub config: Configuration,
    pub pinned: Configuration,
    /// What the file looks like, in words.
    pub form: String,
    pub stream: String,
    pub chinese: bool,
    /// `dmy` or `mdy`; `None`: no date needs it.
    pub date_order: Option<&'static str>,
    pub phones: bool,
    /// Whether they look like Chinese mobile numbers.
    pub mobiles: bool,
    pub rows: usize,
    pub guess: Guess,
}

/// The file. `mapped`: whether the mappings are in force or comments.
pub fn render(name: &str, lake: &str, sources: &[Source], mapped: bool) -> String {
    let mut text = format!(
        "# Written by `tributary init`, by the names of columns and the first rows: read it before you run it.\n\n\
         name = {}\nlake = {}\n",
        string(name),
        string(lake)
    );
    sources.iter().for_each(|source| text.push_str(&source_table(source)));
    for source in sources {
        let mut maps = String::new();
        source.guess.maps.iter().for_each(|map| maps.push_str(&map_table(source, map)));
        if !source.guess.unused.is_empty() && !maps.is_empty() {
            maps.push_str(&format!(
                "# Not mapped of `{}`: {}\n",
                source.name,
                comment(&source.guess.unused.join(", "))
            ));
        }
        if maps.is_empty() {
            maps = format!("\n{}", commented(&blank_map(source)));
        }
        text.push_str(&if mapped { maps } else { commented(&maps) });
    }
    if sources
        .iter()
        .flat_map(|source| &source.guess.maps)
        .any(|map| map.identifiers.iter().any(|(kind, ..)| *kind == "external_id"))
    {
        text.push_str("\n# Equal customer numbers of one `scope` are one person.\n[merge.identifiers]\nexternal_id = { strength = \"strong\" }\n");
    }
    text
}

fn source_table(source: &Source) -> String {
    let mut lines = vec![("connector", string(source.connector), "")];
    lines.extend(source.config.iter().chain(&source.pinned).map(|(key, value)| (key.as_str(), toml(value), "")));
    lines.push(match source.chinese {
        true => (
            "timezone",
            string("Asia/Shanghai"),
            "a guess: the zone of times that carry none; phones are +86, sums CNY",
        ),
        false => ("timezone", string("UTC"), "a guess: the zone of times that carry none"),
    });
    match (source.chinese, source.mobiles, source.phones) {
        (false, true, _) => {
            lines.push(("region", string("CN"), "a guess: the country of phone numbers without a prefix"))
        }
        (false, false, true) => {
            lines.push(("# region", string("US"), "the country of phone numbers without a prefix"));
        }
        _ => {}
    }
    match source.date_order {
        Some("") => lines.push(("# date_order", string("dmy"), "or `mdy`: how to read dates such as 03/04/2024")),
        Some(order) => lines.push(("date_order", string(order), "")),
        None => {}
    }
    let key = format!("[{}]", source.guess.primary_key.iter().map(|name| string(name)).collect::<Vec<_>>().join(", "));
    let why = format!("by the first {} rows; does it always name one record?", source.rows);
    match (source.guess.primary_key.is_empty(), source.guess.sure) {
        (true, _) => {
            lines.push(("# primary_key", "[\"…\"]".into(), "none found: a record is known by its place in its file"))
        }
        (false, true) => lines.push(("primary_key", key, "")),
        (false, false) => lines.push(("# primary_key", key, &why)),
    }
    let width = lines.iter().map(|(name, ..)| name.trim_start_matches("# ").len()).max().unwrap_or(0);
    let mut text = format!("\n[sources.{}]\n", source.name);
    for (key, value, why) in lines {
        let why = if why.is_empty() { String::new() } else { format!("  # {why}") };
        let (mark, key) = key.strip_prefix("# ").map_or(("", key), |key| ("# ", key));
        text.push_str(&format!("{mark}{key:<width$} = {value}{why}\n"));
    }
    text
}

fn map_table(source: &Source, map: &Map) -> String {
    let mut text = format!(
        "\n[[map]]\nfrom = {}\nto   = {}\n",
        string(&format!("{}.{}", source.name, source.stream)),
        string(map.to)
    );
    if let Some(each) = &map.each {
        text.push_str(&format!("each = {}\n", string(&path(each))));
    }
    if let Some(key) = &map.key {
        text.push_str(&format!("key  = {}\n", string(&sql(key))));
    }
    let width = map.fields.iter().map(|(field, _)| field.len()).max().unwrap_or(0);
    text.push_str("[map.fields]\n");
    map.fields.iter().for_each(|(field, value)| text.push_str(&format!("{field:<width$} = {}\n", expression(value))));
    for (kind, scope, value) in &map.identifiers {
        text.push_str(&format!("[[map.identifiers]]\ntype  = {}\n", string(kind)));
        if let Some(scope) = scope {
            text.push_str(&format!("scope = {}\n", string(scope)));
        }
        text.push_str(&format!("value = {}\n", expression(value)));
    }
    text
}

/// A mapping to fill in.
fn blank_map(source: &Source) -> String {
    let columns = match source.guess.unused.join(", ") {
        none if none.is_empty() => "it has no columns yet".to_owned(),
        columns => format!("its columns are {}", comment(&columns)),
    };
    format!(
        "What `{0}` is about could not be guessed; {1}\n[[map]]\nfrom = \"{0}.{2}\"\nto   = \"party\"\n\
         [map.fields]\nrecord_id = {{ column = \"…\" }}\n",
        source.name, columns, source.stream
    )
}

fn commented(text: &str) -> String {
    text.lines()
        .map(|line| if line.is_empty() || line.starts_with('#') { format!("{line}\n") } else { format!("# {line}\n") })
        .collect()
}

fn comment(text: &str) -> String {
    clip(text, 400)
}

fn expression(value: &Value) -> String {
    match value {
        Value::Column(name) => format!("{{ column = {} }}", string(name)),
        Value::Constant(text) => format!("{{ constant = {} }}", string(text)),
        value => string(&sql(value)),
    }
}

fn sql(value: &Value) -> String {
    match value {
        Value::Column(name) => path(std::slice::from_ref(name)),
        Value::Path(names) => path(names),
        Value::Moment(date, time) => {
            let column = |name: &String| path(std::slice::from_ref(name));
            format!("concat_ws(' ', {}, {})", column(date), column(time))
        }
        Value::Constant(text) => tributary_clean::literal(text),
    }
}

/// Names as SQL, in quotes where they have to be.
fn path(names: &[String]) -> String {
    let plain = names.join(".");
    let parsed = Parser::new(&GenericDialect {}).try_with_sql(&plain).and_then(|mut parser| {
        let expr = parser.parse_expr()?;
        parser.expect_token(&Token::EOF).map(|_| expr)
    });
    let same = match parsed {
        Ok(Expr::Identifier(part)) => names == [part.value],
        Ok(Expr::CompoundIdentifier(parts)) => parts.into_iter().map(|part| part.value).eq(names.iter().cloned()),
        _ => false,
    };
    if same { plain } else { names.iter().map(|name| tributary_clean::ident(name)).collect::<Vec<_>>().join(".") }
}

fn toml(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => string(text),
        serde_json::Value::Array(values) => format!("[{}]", values.iter().map(toml).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

/// A TOML string; a literal one where that spares escapes.
fn string(text: &str) -> String {
    let plain = |c: char| !c.is_control();
    if text.contains(['"', '\\']) && !text.contains('\'') && text.chars().all(plain) {
        return format!("'{text}'");
    }
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            c if plain(c) => quoted.push(c),
            c => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
        }
    }
    quoted + "\""
}

/// The file without sources.
pub fn template(name: &str) -> String {
    TEMPLATE.replace("NAME", name)
}

const TEMPLATE: &str = r#"# A pipeline of Tributary. `tributary schema` prints the whole form for editors, `tributary connectors files` the options of a
# source of files. Paths are taken from the working directory.

name = "NAME"
lake = "lake/NAME"

# A source: files of one kind.
#
# [sources.members]
# connector   = "files"
# path        = "exports/members_*.csv"
# stream      = "rows"
# timezone    = "Asia/Shanghai"   # of times that carry none
# primary_key = ["会员卡号"]       # what names a record

# What its records are about. A field is a column by its exact name, or SQL over the columns.
#
# [[map]]
# from = "members.rows"
# to   = "party"
# [map.fields]
# record_id = { column = "会员卡号" }
# name      = { column = "姓名" }
# birthday  = { column = "出生日期" }
# joined_at = "coalesce(开卡日期, 创建时间)"
# [[map.identifiers]]
# type  = "phone"
# value = { column = "手机号码" }
# [[map.identifiers]]
# type  = "member_no"
# scope = "programme"
# value = { column = "会员卡号" }

# What makes records one person; the defaults are good for phones, e-mails and member numbers.
#
# [merge.identifiers]
# phone = { strength = "strong", max_names = 3 }
"#;
