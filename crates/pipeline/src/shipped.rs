//! The mappings that connectors ship, fitted to what a source really has.
//!
//! An organisation that lacks a column loses that field of the mapping and no more; a pipeline's own `[[map]]` of a stream to
//! the same entity takes the place of the shipped one.

use std::collections::BTreeSet;
use std::path::Path;

use tributary_clean::Checker;
use tributary_connector::AnyFactory;

use crate::config::{self, FieldExpr, Map, Source};
use crate::diagnostic::Spanned;

/// The maps that a connector ships for a source, less those that `own` replaces.
///
/// # Errors
/// If the connector's mapping is not of its form, which is the connector's mistake.
pub fn maps(source: &Source, factory: &dyn AnyFactory, own: &[Map]) -> Result<Vec<Map>, String> {
    let text = factory.mapping();
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let name = &source.name.value;
    let mut file =
        format!("name = \"shipped\"\nlake = \"none\"\n[sources.{name}]\nconnector = \"{}\"\n", factory.name());
    for line in text.lines() {
        match line.strip_prefix("from").and_then(|rest| rest.trim_start().strip_prefix('=')) {
            Some(value) => file.push_str(&format!("from = \"{name}.{}\"\n", value.trim().trim_matches('"'))),
            None => {
                file.push_str(line);
                file.push('\n');
            }
        }
    }
    let parsed = config::parse(Path::new("mapping.toml"), &file);
    if let Some(first) = parsed.diagnostics.first() {
        return Err(format!("the mapping that `{}` ships is wrong: {}", factory.name(), first.message));
    }
    let maps = parsed.pipeline.map(|pipeline| pipeline.maps).unwrap_or_default();
    for map in &maps {
        let wrong = |what: String| Err(format!("the mapping that `{}` ships is wrong: {what}", factory.name()));
        let Some(entity) = tributary_model::entity(&map.to) else {
            return wrong(format!("there is no entity `{}`", map.to));
        };
        for (field, _) in &map.fields {
            if !entity.field(field).is_some_and(tributary_model::Field::mapped) {
                return wrong(format!("`{}` has no field `{field}`", map.to));
            }
        }
        for identifier in &map.identifiers {
            if !tributary_model::IDENTIFIER_TYPES.contains(&identifier.type_.value.as_str()) {
                return wrong(format!("there is no type of identifier `{}`", identifier.type_));
            }
        }
    }
    let replaced = |map: &Map| {
        own.iter()
            .any(|own| own.from.source == map.from.source && own.from.stream == map.from.stream && own.to == map.to)
    };
    Ok(maps.into_iter().filter(|map| !replaced(map)).collect())
}

/// The streams that a source's shipped maps are of.
pub fn streams(maps: &[Map]) -> BTreeSet<&str> {
    maps.iter().map(|map| map.from.stream.value.as_str()).collect()
}

/// What is left of a map where a source lacks columns: `None` if it cannot be told which rows there are; and what was left out.
pub fn fit(map: Map, checker: &Checker) -> (Option<Map>, Vec<String>) {
    let (source, stream) = (map.from.source.value.clone(), map.from.stream.value.clone());
    let each = map.each.as_ref().map(|each| each.value.clone());
    let columns = checker.columns(&source, &stream).unwrap_or_default();
    let good = |sql: &str, each: Option<&str>| checker.check(&source, &stream, each, sql).is_ok();
    let fits = |expr: &FieldExpr| match expr {
        FieldExpr::Sql(sql) => good(&sql.value, each.as_deref()),
        FieldExpr::Column(column) => columns.contains(&column.value),
        FieldExpr::Constant(_) => true,
    };
    let told = |what: &Spanned<String>| format!("`{what}` of {source}.{stream} → {}", map.to.value);
    let whole = each.as_ref().is_none_or(|each| good(each, None))
        && map.where_.iter().chain(&map.key).all(|sql| good(&sql.value, each.as_deref()));
    if !whole {
        return (None, vec![format!("{source}.{stream} → {}", map.to.value)]);
    }
    let mut out = Vec::new();
    let mut fitted = map.clone();
    fitted.fields.retain(|(name, expr)| {
        let fits = fits(expr);
        if !fits {
            out.push(told(name));
        }
        fits
    });
    fitted.identifiers.retain(|identifier| {
        let fits = identifier.expressions().all(&fits);
        if !fits {
            out.push(told(&identifier.type_));
        }
        fits
    });
    (Some(fitted), out)
}
