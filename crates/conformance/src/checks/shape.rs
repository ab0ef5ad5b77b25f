//! What a connector says of itself: configuration, check, streams.

use std::collections::BTreeSet;

use serde_json::Value;
use tributary_connector::{Connector, Error, Kind, Retry, Stream};

use super::once;
use crate::clock::locked;
use crate::ledger::Ledger;
use crate::stage::{Ended, Go, Stage, described, run};
use crate::{Credentials, Deletes, Failure, Passed, Size, Subject};

/// The configuration's schema documents each field; an unknown key is refused by its name; secrets are references and nothing else.
///
/// # Errors
/// What is not so.
pub fn spec(subject: &dyn Subject) -> Result<Passed, Failure> {
    once(super::SPEC, || {
        let stage = Stage::new(subject, Size::Small)?;
        let schema = stage.factory.schema();
        let mut undocumented = Vec::new();
        let fields = documented(&schema, "", &mut undocumented);
        if fields == 0 {
            return Err(Failure::new("a schema with fields", "none").hint("derive `JsonSchema` for the configuration"));
        }
        if !undocumented.is_empty() {
            return Err(Failure::new(
                "each field to be documented",
                format!("no words for {}", undocumented.join(", ")),
            )
            .hint("a doc comment at the field of the configuration becomes its documentation"));
        }
        let good = stage.config(Credentials::Good);
        build(&stage, good.clone())
            .map_err(|e| Failure::new("the world's configuration to be taken", described(&e)))?;
        let mut unknown = good.clone();
        if let Some(fields) = unknown.as_object_mut() {
            fields.insert("tributary_unknown".to_owned(), Value::Bool(true));
        }
        match build(&stage, unknown) {
            Err(e) if e.kind == Kind::Config && described(&e).contains("tributary_unknown") => {}
            Err(e) => return Err(Failure::new("an unknown key to be refused by its name", described(&e))),
            Ok(_) => {
                return Err(Failure::new("an unknown key to be refused", "it was taken")
                    .hint("`#[serde(deny_unknown_fields)]` at the configuration"));
            }
        }
        let text = good.to_string();
        if locked(&stage.world).secrets().iter().any(|secret| text.contains(secret.as_str())) {
            return Err(Failure::new("references to secrets in the configuration", "a secret itself")
                .hint("`World::config` gives references; `SecretFiles` makes some"));
        }
        let mut references = 0;
        for literal in literals(&good) {
            references += 1;
            if build(&stage, literal).is_ok() {
                return Err(Failure::new("a literal in place of a secret's reference to be refused", "it was taken")
                    .hint("the field's type is `SecretRef`"));
            }
        }
        Ok(Passed::with(format!("{fields} fields, {references} secrets")))
    })
}

fn build(stage: &Stage, config: Value) -> Result<Box<dyn Connector>, Error> {
    stage.factory.build(config, &stage.context())
}

/// Counts the fields of a schema, and notes those without words.
fn documented(schema: &Value, path: &str, undocumented: &mut Vec<String>) -> usize {
    let mut fields = 0;
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        for (name, field) in properties {
            fields += 1;
            let path = format!("{path}{name}");
            let words = field.get("description").and_then(Value::as_str).unwrap_or_default();
            if words.trim().is_empty() {
                undocumented.push(format!("`{path}`"));
            }
            fields += documented(field, &format!("{path}."), undocumented);
        }
    }
    let definitions = schema.get("$defs").and_then(Value::as_object);
    for (name, definition) in definitions.into_iter().flatten() {
        fields += documented(definition, &format!("{name}."), undocumented);
    }
    fields
}

/// The configuration with one reference to a secret replaced by a text, for each reference.
fn literals(config: &Value) -> Vec<Value> {
    let is_reference = |value: &Value| {
        value.as_object().is_some_and(|fields| {
            fields.len() == 1 && fields.keys().all(|key| matches!(key.as_str(), "env" | "file" | "command"))
        })
    };
    let Some(fields) = config.as_object() else { return Vec::new() };
    let mut found = Vec::new();
    for (name, value) in fields {
        let replacements = if is_reference(value) { vec![Value::from("literal")] } else { literals(value) };
        for replacement in replacements {
            let mut config = fields.clone();
            config.insert(name.clone(), replacement);
            found.push(Value::Object(config));
        }
    }
    found
}

/// A check with good credentials passes; with wrong or missing ones it says so, with the mend, and reading does as well.
///
/// # Errors
/// What is not so.
pub fn check(subject: &dyn Subject) -> Result<Passed, Failure> {
    once(super::CHECK, || {
        let stage = Stage::new(subject, Size::Small)?;
        run(async {
            stage.connector()?.check().await.map_err(|e| Failure::new("good credentials to do", described(&e)))
        })?;
        if !stage.has_http() {
            return Ok(Passed::with("no credentials"));
        }
        for credentials in [Credentials::Wrong, Credentials::Missing] {
            // On a stage of its own: a token that is good is shared.
            let stage = Stage::new(subject, Size::Small)?;
            refused(&stage, credentials)
                .map_err(|failure| failure.during(format!("{credentials:?} credentials").to_lowercase()))?;
        }
        Ok(Passed::with(""))
    })
}

fn refused(stage: &Stage, credentials: Credentials) -> Result<(), Failure> {
    let wanted: &[Kind] = match credentials {
        Credentials::Missing => &[Kind::Auth, Kind::Config],
        _ => &[Kind::Auth],
    };
    let typed = |error: &Error, doing: &str| {
        if !wanted.contains(&error.kind) || error.retry != Retry::Never {
            let found = format!("{} (retry: {:?})", described(error), error.retry);
            return Err(Failure::new(format!("{doing} to fail with kind `Auth`, never to be retried"), found));
        }
        if error.hint.is_none() {
            return Err(Failure::new(format!("a hint when {doing} fails"), described(error)));
        }
        Ok(())
    };
    run(async {
        let built = build(stage, stage.config(credentials));
        let connector = match built {
            Ok(connector) => connector,
            Err(error) => return typed(&error, "building"),
        };
        match connector.check().await {
            Ok(()) => return Err(Failure::new("the check to fail", "it passed")),
            Err(error) => typed(&error, "the check")?,
        }
        for declared in &stage.declared.streams {
            let stream = stage.stream(declared.name).await;
            // Whoever discovers with the good ones has a good token, which is shared; so this is on yet another stage.
            let Ok(stream) = stream else { continue };
            if stage.declared.tokens.is_some() {
                continue;
            }
            let mut ledger = Ledger::default();
            let ended = stage.read(&*connector, declared, &stream, &mut ledger, |_| Go::On).await?;
            if let Ended::Broken(error) = ended {
                typed(&error, "reading")?;
            } else {
                return Err(Failure::new("reading to fail", "it ended as if all were well").of(declared.name));
            }
        }
        Ok(())
    })
}

/// All that is said of a stream.
fn said(stream: &Stream) -> impl PartialEq {
    let Stream { name, schema, primary_key, cursor, deletes, version } = stream.clone();
    (name, schema, primary_key, cursor, deletes, version)
}

/// Streams are there as declared, whole, with key, cursor and version among their columns; and the same each time.
///
/// # Errors
/// What is not so.
pub fn discover(subject: &dyn Subject) -> Result<Passed, Failure> {
    once(super::DISCOVER, || {
        let stage = Stage::new(subject, Size::Small)?;
        let read = || {
            run(async {
                let found = stage.connector()?.discover().await;
                found.map_err(|e| Failure::new("streams to be discovered", described(&e)))
            })
        };
        let (first, second) = (read()?, read()?);
        if !first.iter().map(said).eq(second.iter().map(said)) {
            return Err(Failure::new("the same streams each time", "others the second time"));
        }
        let names: BTreeSet<_> = first.iter().map(|stream| stream.name.as_str()).collect();
        if names.len() != first.len() || first.is_empty() {
            return Err(Failure::new(
                "streams of different names",
                format!("{} of {} names", first.len(), names.len()),
            ));
        }
        for stream in &first {
            let named = stream.primary_key.iter().chain(&stream.version);
            let cursor = match &stream.cursor {
                tributary_connector::Cursor::Column(name) => Some(name),
                _ => None,
            };
            for column in named.chain(cursor) {
                if stream.schema.column_with_name(column).is_none() {
                    return Err(
                        Failure::new(format!("a column `{column}`, which the stream names"), "none").of(&stream.name)
                    );
                }
            }
        }
        let capabilities = stage.factory.capabilities();
        for declared in &stage.declared.streams {
            let Some(stream) = first.iter().find(|stream| stream.name == declared.name) else {
                return Err(Failure::new("the stream, as declared", format!("only {names:?}")).of(declared.name));
            };
            let wrong = |what: &str, found: String| Err(Failure::new(what, found).of(declared.name));
            if stream.schema.fields().is_empty() {
                return wrong("columns", "none".to_owned());
            }
            if stream.primary_key != declared.key {
                return wrong("the key that was declared", format!("{:?}", stream.primary_key));
            }
            let tells = stream.deletes != tributary_connector::Deletes::Never;
            if tells != (declared.deletes != Deletes::Never) {
                return wrong("the deletions that were declared", format!("{:?}", stream.deletes));
            }
            if (tells && !capabilities.deletes) || (declared.incremental && !capabilities.incremental) {
                return wrong("the connector to be capable of what the stream is", format!("{capabilities:?}"));
            }
            if declared.cursor.is_some_and(|cursor| stream.schema.column_with_name(cursor).is_none()) {
                return wrong("a column of the declared cursor", "none".to_owned());
            }
        }
        if stage.has_http() != capabilities.remote {
            return Err(Failure::new("`remote` for what is read by HTTP", format!("{capabilities:?}")));
        }
        Ok(Passed::with(format!("{} streams", first.len())))
    })
}
