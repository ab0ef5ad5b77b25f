//! Every key of a pipeline file that is ours, with its type, default and meaning: the one place that says so.
//!
//! Files are checked against it, editors get it ([`super::schema`]), and the reference page is made from it. What a value
//! must be beyond its type (a cron line, a time zone) is known to the reader of that value.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

/// The whole file. A source may have other keys too: its connector's.
pub static PIPELINE: LazyLock<Value> = LazyLock::new(|| {
    table(
        &["name", "lake"],
        json!({
            "name": text("The pipeline's name: letters, digits, `-` and `_`.", "omnichannel"),
            "lake": text("Where the tables lie: a directory, relative to the working directory, or a URL such as `s3://bucket/prefix`.", "lake/omnichannel"),
            "seed": described(json!({ "type": "string", "minLength": 1 }), "The seed of the lake's keyed hashes. For tests: a lake makes its own."),
            "single_writer": described(json!({ "type": "boolean", "default": false }), "Promises that one process at a time writes to the lake: for a store that does not keep create-only writes apart."),
            "schedule": schedule(),
            "sources": {
                "type": "object",
                "description": "The sources, by name: lower-case letters, digits and `_`.",
                "propertyNames": { "pattern": "^[a-z][a-z0-9_]{0,62}$" },
                "additionalProperties": *SOURCE,
            },
            "map": { "type": "array", "items": map(), "description": "Mappings of streams to the common customer model, besides those that connectors ship." },
            "merge": merge(),
            "mart": mart(),
            "engine": engine(),
            "http": http(),
        }),
    )
});

/// A source's keys that are ours; all others go to its connector.
pub static SOURCE: LazyLock<Value> = LazyLock::new(|| {
    let mut source = table(
        &["connector"],
        json!({
            "connector": text("The connector that reads it.", "files"),
            "streams": described(json!({ "type": "array", "items": { "type": "string", "minLength": 1 }, "minItems": 1 }), "The streams to read. Default: all."),
            "renamed_from": text("What the source was called when the lake first read it. It goes on from there, and its records keep their keys and ids. Stays in the file.", "tills"),
            "timezone": described(json!({ "type": "string", "default": "UTC" }), "The IANA zone of times that carry none."),
            "region": described(json!({ "type": "string" }), "The ISO 3166 country of phone numbers without a prefix, such as `CN`. Default: `CN` in China's zones, else none."),
            "date_order": described(json!({ "type": "string", "enum": ["ymd", "mdy", "dmy"], "default": "ymd" }), "How to read dates such as `03/04/2024`."),
            "currency": described(json!({ "type": "string" }), "The ISO 4217 currency of amounts without one. Default: the region's."),
            "cron": text("The source's own rhythm, in place of the pipeline's.", "0 3 * * *"),
            "max_rejected": max_rejected(),
            "schema": described(json!({ "type": "string", "enum": ["evolve", "extra", "fail"], "default": "evolve" }), "What becomes of columns that the source shows for the first time or with another type: `evolve`: they become columns; `extra`: they are kept in `_extra`; `fail`: the stream is not read."),
            "batch_rows": described(json!({ "type": "integer", "minimum": 1, "default": 1_000_000 }), "Rows committed together. A larger batch makes fewer files and more to read again after a failure."),
        }),
    );
    if let Some(source) = source.as_object_mut() {
        source.insert("additionalProperties".to_owned(), Value::Bool(true));
    }
    source
});

/// The names in [`PIPELINE`].
pub fn of_pipeline() -> impl Iterator<Item = &'static str> {
    names(&PIPELINE)
}

/// The names in [`SOURCE`].
pub fn of_source() -> impl Iterator<Item = &'static str> {
    names(&SOURCE)
}

fn names(schema: &'static Value) -> impl Iterator<Item = &'static str> {
    schema.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::keys).map(String::as_str)
}

fn max_rejected() -> Value {
    let limit = [json!({ "type": "string" }), json!({ "type": "integer", "minimum": 0 })];
    let [share, count] = limit.clone();
    let by_stream = json!({ "type": "object", "additionalProperties": { "anyOf": limit, "examples": ["1%"] } });
    described(
        json!({ "anyOf": [share, count, by_stream], "examples": ["1%"] }),
        "Stop before anything is made of what was read when more records of a stream than this are rejected: a share of those read (`\"1%\"`) or a count; or a table of streams with a limit each, where `\"*\"` stands for the others. Default: no limit.",
    )
}

fn schedule() -> Value {
    let schedule = table(
        &["cron"],
        json!({
            "cron": text("When to run: minute, hour, day, month, weekday.", "*/30 * * * *"),
            "timezone": described(json!({ "type": "string", "default": "UTC" }), "The IANA zone of `cron`."),
        }),
    );
    described(schedule, "When `tributary serve` runs the pipeline. Default: only by hand.")
}

fn map() -> Value {
    let key = json!({ "anyOf": [
        { "type": "string", "minLength": 1 },
        { "type": "array", "items": { "type": "string", "minLength": 1 }, "minItems": 1 },
    ] });
    let fields = json!({ "type": "object", "additionalProperties": expression() });
    let identifier = table(
        &["type", "value"],
        json!({
            "type": text("What kind of identifier: `phone`, `member_no`, `unionid`, …", "phone"),
            "scope": described(expression(), "Where it holds: a shop, an app, a programme. A string is that very text. Default: everywhere."),
            "value": described(expression(), "The identifier."),
            "valid_from": described(expression(), "Since when it is this person's."),
            "valid_to": described(expression(), "Until when it is this person's."),
        }),
    );
    table(
        &["from", "to"],
        json!({
            "from": text("`<source>.<stream>`.", "stores.members"),
            "to": text("The entity of the common customer model.", "party"),
            "where": described(json!({ "type": "string", "minLength": 1 }), "Which rows, as SQL. Default: all."),
            "key": described(key, "What names a row of the target, as SQL. Default: the stream's key."),
            "each": described(json!({ "type": "string", "minLength": 1 }), "A nested list: one row per element."),
            "fields": described(fields, "The target's fields. A string is SQL over the stream's columns."),
            "identifiers": { "type": "array", "items": identifier, "description": "What names the person." },
        }),
    )
}

fn expression() -> Value {
    json!({ "anyOf": [
        { "type": "string", "minLength": 1 },
        {
            "type": "object",
            "additionalProperties": false,
            "maxProperties": 1,
            "properties": {
                "column": { "type": "string", "minLength": 1, "description": "A column, whatever its name." },
                "sql": { "type": "string", "minLength": 1, "description": "SQL over the stream's columns." },
                "constant": { "type": ["string", "integer", "number", "boolean"], "description": "The same value for every row." },
                "value": { "type": ["string", "integer", "number", "boolean"], "description": "Another name for `constant`." },
            },
        },
    ] })
}

fn merge() -> Value {
    let rule = table(
        &[],
        json!({
            "strength": described(json!({ "type": "string", "enum": ["strong", "weak", "none"] }), "`strong`: equal values make one person; `weak`: they count as evidence; `none`: they are not looked at."),
            "max_names": described(json!({ "type": "integer", "minimum": 1 }), "A value that more unlike names share is nobody's: a till, a shop's own phone."),
            "max_records_per_source": described(json!({ "type": "integer", "minimum": 1 }), "A value that more records of one source have is nobody's."),
            "unique": described(json!({ "type": "boolean", "default": false }), "A person has one only: two unlike values keep people apart."),
            "names_must_agree": described(json!({ "type": "boolean" }), "Unlike clear names keep equal values from making one person. Default: for phones."),
        }),
    );
    let survivor = json!({ "anyOf": [
        { "type": "string", "enum": super::merge::Strategy::NAMES },
        {
            "type": "object",
            "additionalProperties": false,
            "required": ["prefer"],
            "properties": { "prefer": {
                "type": "array",
                "items": { "type": "string", "minLength": 1 },
                "minItems": 1,
                "description": "Sources, the best first; among equals and the rest, the default decides.",
            } },
        },
    ] });
    let survivorship = json!({
        "type": "object",
        "description": "Which value wins, by field of the golden record.",
        "properties": { "default": {
            "type": "string",
            "enum": super::merge::Strategy::NAMES,
            "default": "most_recent",
            "description": "For fields without a rule of their own.",
        } },
        "additionalProperties": survivor,
    });
    let identifiers = json!({
        "type": "object",
        "description": "Rules by type of identifier; those named first come first. Types not named keep their defaults.",
        "additionalProperties": rule,
    });
    let probability = json!({ "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1, "default": 0.5 });
    let sources = json!({ "type": "array", "items": { "type": "string", "minLength": 1 } });
    let merge = table(
        &[],
        json!({
            "likely": described(json!({ "type": "boolean", "default": true }), "Whether likeness makes one person too (names, birthday, address, …, weighed by a model that is trained once there are 200 records), not only an equal identifier."),
            "threshold": described(probability, "Two records are one person from this match probability on."),
            "deduplicated": described(sources, "Sources that have each person once: no two of their records become one customer."),
            "identifiers": identifiers,
            "survivorship": survivorship,
        }),
    );
    described(
        merge,
        "How records become people. On a shared lake, the pipeline that has this owns the stage; empty will do.",
    )
}

fn mart() -> Value {
    let share = json!({ "type": "number", "exclusiveMinimum": 0, "maximum": 1 });
    let rfm = table(
        &[],
        json!({ "window_days": described(json!({ "type": "integer", "minimum": 1, "default": 365 }), "Orders of so many days count.") }),
    );
    let summary = table(
        &["cut"],
        json!({
            "cut": text("Purchases up to this date estimate the model; later ones are held back to test it.", "1997-09-30"),
            "unit": described(json!({ "type": "string", "enum": ["day", "week", "month"], "default": "day" }), "The unit of time."),
        }),
    );
    let lifecycle = table(
        &[],
        json!({
            "new_days": described(json!({ "type": "integer", "minimum": 1, "default": 30 }), "New: the first order is at most so many days old."),
            "loyal_orders": described(json!({ "type": "integer", "minimum": 1, "default": 3 }), "Loyal: active, and so many orders."),
            "at_risk_quantile": described(with(&share, "default", json!(0.8)), "At risk: silent for longer than this share of all gaps between orders."),
            "churned_quantile": described(with(&share, "default", json!(0.95)), "Churned: silent for longer than this share."),
        }),
    );
    let mart = table(
        &[],
        json!({
            "as_of": described(json!({ "type": "string", "default": "run_date" }), "The day the tables are of: `run_date`, `max_event` or a date."),
            "rfm": described(rfm, "Recency, frequency, monetary value."),
            "summary": described(summary, "The purchase summary that value and churn are estimated from."),
            "lifecycle": described(lifecycle, "Stages from new to churned."),
        }),
    );
    described(
        mart,
        "The tables made for use. On a shared lake, the pipeline that has this owns the stage; empty will do.",
    )
}

fn engine() -> Value {
    let engine = table(
        &[],
        json!({
            "memory": described(json!({ "anyOf": [{ "type": "string" }, { "type": "integer", "minimum": 1 }], "examples": ["512MB"] }), "What queries may use: `\"512MB\"`, `\"2GiB\"` or bytes. Default: by the machine."),
            "partitions": described(json!({ "type": "integer", "minimum": 1 }), "How many parts a plan runs in. Default: as many as this machine has cores; on a cluster, best as many as all executors have."),
            "cluster": described(json!({ "type": "string" }), "A Ballista scheduler, `df://host:50050`. Default: this process."),
        }),
    );
    described(engine, "Where and with what the stages run.")
}

fn http() -> Value {
    let secret = json!({
        "type": "object",
        "additionalProperties": false,
        "minProperties": 1,
        "maxProperties": 1,
        "properties": {
            "env": { "type": "string", "minLength": 1, "description": "An environment variable." },
            "file": { "type": "string", "minLength": 1, "description": "A file that holds nothing else." },
            "command": { "type": "array", "items": { "type": "string" }, "minItems": 1, "description": "A program that prints it, and its arguments." },
        },
    });
    let http = table(
        &[],
        json!({
            "token_key": described(secret, "A reference to the key that access tokens are encrypted with where processes share them: at least 32 characters. Default: each process gets its own tokens."),
        }),
    );
    described(http, "How sources are read over the network.")
}

/// A closed table.
fn table(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "additionalProperties": false, "required": required, "properties": properties })
}

fn text(description: &str, example: &str) -> Value {
    json!({ "type": "string", "minLength": 1, "description": description, "examples": [example] })
}

fn described(schema: Value, description: &str) -> Value {
    with(&schema, "description", description.into())
}

fn with(schema: &Value, key: &str, value: Value) -> Value {
    let mut schema = schema.clone();
    if let Some(schema) = schema.as_object_mut() {
        schema.insert(key.to_owned(), value);
    }
    schema
}
