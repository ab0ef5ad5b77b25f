//! A pipeline file made ready to run: connectors built, streams discovered, mappings checked and turned into what the stages
//! take. Reads headers and descriptions of the sources and the schemas of the lake; writes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use chrono::NaiveDate;
use tributary_clean::{Checker, Expr, IdentifierMapping, Mapping};
use tributary_connector::http::Settings;
use tributary_connector::{Connector, Error as ConnectorError, Registry, Stream};
use tributary_lake::{Lake, Location};
use tributary_mart::{AsOf, Parameters};
use tributary_merge::certain::Rule;
use tributary_merge::{FieldRule, IdentifierRule, Likely, Rules};

use crate::config::{self, FieldExpr, Map, Merge, Parsed, Pipeline, Source, Strength};
use crate::diagnostic::{self, Diagnostic};
use crate::evolve::{self, Policy};
use crate::{Columns, ExprError, Expressions, Model, raw, shipped, validate};

/// A pipeline, checked and ready.
pub struct Project {
    pub pipeline: Pipeline,
    pub sources: Vec<ReadySource>,
    pub mappings: Vec<Mapping>,
    /// Mapping → line of its `[[map]]`; a connector's own has none.
    pub lines: BTreeMap<String, usize>,
    pub rules: Rules,
    /// What could not be checked because nobody has seen the stream yet.
    pub unchecked: Vec<String>,
    /// What connectors' own mappings leave out, because a source lacks the columns.
    pub left_out: Vec<String>,
}

/// A source with its connector and streams.
pub struct ReadySource {
    pub name: String,
    /// Its name in the lake.
    pub in_lake: String,
    pub connector: Box<dyn Connector>,
    pub streams: Vec<Stream>,
    pub batch_rows: u64,
    /// What becomes of columns that are new or have another type.
    pub schema: Policy,
    /// Why its streams are not known.
    pub undiscovered: Option<tributary_connector::Error>,
}

/// The day that `as_of = "run_date"` stands for.
#[derive(Debug, Clone, Copy, Default)]
pub enum RunDate {
    #[default]
    Today,
    Given(NaiveDate),
}

impl Project {
    /// Loads, parses and checks a pipeline file.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of the file.
    pub async fn open(path: &Path, registry: &Registry, http: &Settings) -> Result<Self, Vec<Diagnostic>> {
        Self::ready(config::load(path), registry, http).await
    }

    /// The same for a pipeline that is not, or not yet, in a file.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn ready(parsed: Parsed, registry: &Registry, http: &Settings) -> Result<Self, Vec<Diagnostic>> {
        let mut diagnostics = parsed.diagnostics;
        let Some(pipeline) = parsed.pipeline else { return Err(diagnostics) };
        let lake = match Location::parse(&pipeline.lake.value) {
            Ok(location) => Lake::open(location).await.ok(),
            Err(e) => {
                diagnostics.push(pipeline.diagnostic(pipeline.lake.span, e.to_string()));
                None
            }
        };
        let http = &with_key(&pipeline, http, &mut diagnostics).await;
        let mut known = Known::default();
        let mut sources = Vec::new();
        let mut shipped_maps = Vec::new();
        for source in &pipeline.sources {
            let mapped = pipeline.maps.iter().filter(|map| map.from.source.value == source.name.value);
            let mut mapped: BTreeSet<&str> = mapped.map(|map| map.from.stream.value.as_str()).collect();
            let shipped = match registry.get(&source.connector.value) {
                Ok(factory) => shipped::maps(source, factory.as_ref(), &pipeline.maps).unwrap_or_else(|why| {
                    diagnostics.push(pipeline.diagnostic(source.connector.span, why));
                    Vec::new()
                }),
                Err(_) => Vec::new(),
            };
            mapped.extend(shipped::streams(&shipped));
            let ready = ready(source, &mapped, registry, http, lake.as_ref(), &mut known).await;
            shipped_maps.extend(shipped);
            if let Some(ready) = ready {
                sources.push(ready);
            }
        }
        for source in &sources {
            for (first, second) in collisions(&sources, source) {
                let message = format!("streams `{first}` and `{second}` would share a table");
                let span = pipeline.source(&source.name).map_or(pipeline.name.span, |source| source.name.span);
                diagnostics.push(pipeline.diagnostic(span, message).help("give one of the sources another name"));
            }
        }
        let checker = Checker::new(known.schemas.clone());
        let expressions = Checked(&checker);
        diagnostics.extend(validate(&pipeline, registry, &CustomerModel, &known, &expressions));
        diagnostic::sort(&mut diagnostics);
        if !diagnostics.is_empty() {
            return Err(diagnostics);
        }
        let mut lines = BTreeMap::new();
        let mut mappings: Vec<Mapping> = Vec::new();
        let mut unchecked = Vec::new();
        let mut left_out = Vec::new();
        let mut fitted = Vec::new();
        for map in shipped_maps {
            let stream = (map.from.source.value.clone(), map.from.stream.value.clone());
            if known.schemas.contains_key(&stream) {
                let (map, out) = shipped::fit(map, &checker);
                left_out.extend(out);
                fitted.extend(map);
            }
        }
        for (map, own) in pipeline.maps.iter().map(|map| (map, true)).chain(fitted.iter().map(|map| (map, false))) {
            let Some(mut mapping) = mapping(map, &pipeline, &known) else { continue };
            let same = mappings
                .iter()
                .filter(|other| other.id == mapping.id || other.id.starts_with(&format!("{} (", mapping.id)));
            let count = same.count();
            if count > 0 {
                mapping.id = format!("{} ({})", mapping.id, count + 1);
            }
            if !known.schemas.contains_key(&(mapping.source.clone(), mapping.stream.clone())) {
                unchecked.push(format!("line {}: {}", pipeline.line(map.span), mapping.id));
            }
            if own {
                lines.insert(mapping.id.clone(), pipeline.line(map.span));
            }
            mappings.push(mapping);
        }
        let rules = rules(&pipeline);
        Ok(Self { pipeline, sources, mappings, lines, rules, unchecked, left_out })
    }

    /// The parameters of the marts on a day.
    pub fn parameters(&self, date: RunDate) -> Parameters {
        let default = config::Mart::default();
        let mart = self.pipeline.mart.as_ref().unwrap_or(&default);
        let zone = match &self.pipeline.schedule {
            Some(schedule) => schedule.timezone,
            None => self.pipeline.sources.first().map_or(chrono_tz::UTC, |source| source.timezone),
        };
        let today = match date {
            RunDate::Today => chrono::Utc::now().with_timezone(&zone).date_naive(),
            RunDate::Given(date) => date,
        };
        Parameters {
            as_of: match mart.as_of {
                config::AsOf::RunDate => AsOf::Date(today),
                config::AsOf::MaxEvent => AsOf::MaxEvent,
                config::AsOf::Date(date) => AsOf::Date(date),
            },
            rfm_window_days: mart.rfm.window_days,
            cut: mart.summary.map(|summary| summary.cut),
            new_days: mart.lifecycle.new_days,
            loyal_orders: mart.lifecycle.loyal_orders,
            at_risk_quantile: mart.lifecycle.at_risk_quantile,
            churned_quantile: mart.lifecycle.churned_quantile,
        }
    }
}

/// Streams of other sources, and of the same, whose tables would be one.
fn collisions(sources: &[ReadySource], source: &ReadySource) -> Vec<(String, String)> {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let mut found = Vec::new();
    let all = sources.iter().flat_map(|other| other.streams.iter().map(move |stream| (other, &stream.name)));
    for (other, stream) in all {
        let name = &other.name;
        let table = raw::table_name(&other.in_lake, stream).name.to_lowercase();
        let full = format!("{name}.{stream}");
        match seen.get(&table) {
            Some(first) if *name == source.name => found.push((first.clone(), full)),
            Some(_) => {}
            None => {
                seen.insert(table, full);
            }
        }
    }
    found
}

/// What is known of the streams' columns.
#[derive(Default)]
struct Known {
    streams: BTreeMap<String, Vec<String>>,
    schemas: BTreeMap<(String, String), SchemaRef>,
    keyed: BTreeSet<(String, String)>,
}

impl Columns for Known {
    fn streams(&self, source: &str) -> Option<Vec<String>> {
        self.streams.get(source).cloned()
    }

    fn columns(&self, source: &str, stream: &str) -> Option<Vec<String>> {
        let schema = self.schemas.get(&(source.to_owned(), stream.to_owned()))?;
        Some(schema.fields().iter().map(|field| field.name().clone()).collect())
    }
}

struct Checked<'a>(&'a Checker);

impl Expressions for Checked<'_> {
    fn check(&self, source: &str, stream: &str, each: Option<&str>, sql: &str) -> Result<(), ExprError> {
        self.0.check(source, stream, each, sql).map(drop).map_err(|e| ExprError {
            message: e.message,
            offset: None,
            suggestions: e.suggestions,
        })
    }
}

/// The names of the customer model.
pub struct CustomerModel;

impl Model for CustomerModel {
    fn entities(&self) -> Vec<&str> {
        tributary_model::ENTITIES.iter().map(|entity| entity.name).collect()
    }

    fn fields(&self, entity: &str) -> Option<Vec<&str>> {
        let entity = tributary_model::entity(entity)?;
        Some(entity.fields.iter().filter(|field| field.mapped()).map(|field| field.name).collect())
    }

    fn identifier_types(&self) -> Vec<&str> {
        tributary_model::IDENTIFIER_TYPES.to_vec()
    }

    fn golden_fields(&self) -> Vec<&str> {
        vec!["name", "gender", "birthday", "phone", "email", "member_no", "company", "language", "segment", "address"]
    }
}

/// How this pipeline does HTTP: with the key that it names for stored tokens.
async fn with_key(pipeline: &Pipeline, http: &Settings, diagnostics: &mut Vec<Diagnostic>) -> Settings {
    let mut http = http.clone();
    if let Some(key) = &pipeline.token_key {
        match key.resolve().await {
            Ok(key) => http.token_key = Some(key),
            Err(ConnectorError { message, hint, .. }) => {
                let mut diagnostic = pipeline.diagnostic(pipeline.name.span, format!("`http.token_key`: {message}"));
                if let Some(hint) = hint {
                    diagnostic = diagnostic.help(hint);
                }
                diagnostics.push(diagnostic);
            }
        }
    }
    http
}

async fn ready(
    source: &Source,
    mapped: &BTreeSet<&str>,
    registry: &Registry,
    http: &Settings,
    lake: Option<&Lake>,
    known: &mut Known,
) -> Option<ReadySource> {
    let name = source.name.value.clone();
    let factory = registry.get(&source.connector.value).ok()?;
    let context = source.context(http);
    // What is wrong with the configuration is said by the validation, with its place. What is right in it may be enough to
    // know the columns, so that mistakes in a mapping are said with it.
    let connector = match factory.build(source.config.clone(), &context) {
        Ok(connector) => connector,
        Err(_) => factory.build(known_part(&source.config, &factory.schema()), &context).ok()?,
    };
    let (mut streams, undiscovered) = match connector.discover().await {
        Ok(streams) => (streams, None),
        Err(e) => (Vec::new(), Some(e)),
    };
    if undiscovered.is_none() {
        known.streams.insert(name.clone(), streams.iter().map(|stream| stream.name.clone()).collect());
    }
    if let Some(lake) = lake {
        // What was discovered last is in the lake.
        for stream in mapped.iter().filter(|stream| !streams.iter().any(|shown| shown.name == **stream)) {
            if let Ok(Some(table)) = lake.table(&raw::table_name(source.in_lake(), stream)).await {
                let schema = Schema::new(raw::own_columns(table.schema()));
                let id = (name.clone(), (*stream).to_owned());
                known.schemas.insert(id.clone(), Arc::new(schema));
                // Not known from here; to look for older versions of records is right in either case.
                known.keyed.insert(id);
            }
        }
    }
    if let Some(wanted) = &source.streams {
        streams.retain(|stream| wanted.iter().any(|name| name.value == stream.name));
    }
    for stream in &streams {
        let table = match lake {
            Some(lake) => lake.table(&raw::table_name(source.in_lake(), &stream.name)).await.ok().flatten(),
            None => None,
        };
        let table = table.as_ref().map(|table| table.schema().as_ref());
        // What the policy refuses is said by the run, for that stream alone.
        let layout = evolve::fit(stream, table, source.schema).or_else(|_| evolve::fit(stream, table, Policy::Extra));
        let Ok(layout) = layout else { continue };
        let layout = match table {
            Some(table) => layout.adopt(table),
            None => layout,
        };
        let id = (name.clone(), stream.name.clone());
        known.schemas.insert(id.clone(), layout.table);
        if !stream.primary_key.is_empty() {
            known.keyed.insert(id);
        }
    }
    let batch_rows = source.batch_rows;
    Some(ReadySource {
        name,
        in_lake: source.in_lake().to_owned(),
        connector,
        streams,
        batch_rows,
        schema: source.schema,
        undiscovered,
    })
}

/// A configuration without the keys its schema does not know.
fn known_part(config: &serde_json::Value, schema: &serde_json::Value) -> serde_json::Value {
    let known = |key: &str| schema["properties"].get(key).is_some();
    let kept = config.as_object().into_iter().flatten().filter(|(key, _)| known(key));
    serde_json::Value::Object(kept.map(|(key, value)| (key.clone(), value.clone())).collect())
}

fn expr(expr: &FieldExpr) -> Expr {
    match expr {
        FieldExpr::Sql(text) => Expr::Sql(text.value.clone()),
        FieldExpr::Column(name) => Expr::Column(name.value.clone()),
        FieldExpr::Constant(text) => Expr::Constant(text.value.clone()),
    }
}

fn mapping(map: &Map, pipeline: &Pipeline, known: &Known) -> Option<Mapping> {
    let entity = tributary_model::entity(&map.to.value)?;
    let (source, stream) = (map.from.source.value.clone(), map.from.stream.value.clone());
    let config = pipeline.source(&source)?;
    let sql = |text: &diagnostic::Spanned<String>| Expr::Sql(text.value.clone());
    let identifiers = map.identifiers.iter().map(|identifier| {
        let kind = identifier.type_.value.clone();
        // A phone or an address of mail is the same everywhere; a number holds where it was given.
        let everywhere = matches!(kind.as_str(), "phone" | "email" | "unionid");
        let scope = match &identifier.scope {
            Some(scope) => expr(scope),
            None => Expr::Constant(if everywhere { String::new() } else { config.in_lake().to_owned() }),
        };
        IdentifierMapping {
            kind,
            scope,
            value: expr(&identifier.value),
            valid_from: identifier.valid_from.as_ref().map(expr),
            valid_to: identifier.valid_to.as_ref().map(expr),
        }
    });
    Some(Mapping {
        id: format!("{source}.{stream} → {}", entity.name),
        raw: raw::table_name(config.in_lake(), &stream),
        in_lake: config.in_lake().to_owned(),
        entity,
        keyed: known.keyed.contains(&(source.clone(), stream.clone())),
        filter: map.where_.as_ref().map(sql),
        key: map.key.iter().map(sql).collect(),
        each: map.each.as_ref().map(sql),
        fields: map.fields.iter().map(|(name, value)| (name.value.clone(), expr(value))).collect(),
        identifiers: identifiers.collect(),
        options: format!(
            "{}|{}|{}",
            config.region.as_deref().unwrap_or_default(),
            config.timezone.name(),
            config.date_order.as_str()
        ),
        timezone: config.timezone,
        currency: config.currency.clone(),
        retracted: Vec::new(),
        source,
        stream,
    })
}

fn rules(pipeline: &Pipeline) -> Rules {
    let default = Merge::default();
    let merge = pipeline.merge.as_ref().unwrap_or(&default);
    let in_lake = |source: &crate::Spanned<String>| match pipeline.source(source) {
        Some(source) => source.in_lake().to_owned(),
        None => source.value.clone(),
    };
    let mut identifiers: Vec<_> = merge.identifiers.iter().collect();
    identifiers.sort_by_key(|(_, rule)| rule.priority);
    let identifiers = identifiers.into_iter().map(|(kind, rule)| IdentifierRule {
        kind: kind.clone(),
        strong: rule.strength == Strength::Strong,
        unique: rule.unique,
        evidence: rule.strength != Strength::None,
        rule: Rule {
            max_names: rule.max_names.map(|most| most as usize),
            max_records_per_source: rule.max_records_per_source.map(|most| most as usize),
            names_must_agree: rule.names_must_agree.unwrap_or(kind == "phone"),
        },
    });
    let strategy = |strategy: config::Strategy| match strategy {
        config::Strategy::MostRecent => FieldRule::MostRecent,
        config::Strategy::MostComplete => FieldRule::MostComplete,
        config::Strategy::MostFrequent => FieldRule::MostFrequent,
    };
    let fields = merge.survivorship.fields.iter().map(|(field, rule)| {
        let rule = match rule {
            config::Rule::Strategy(of) => strategy(*of),
            config::Rule::Prefer(sources) => FieldRule::Prefer(sources.iter().map(in_lake).collect()),
        };
        (field.value.clone(), rule)
    });
    Rules {
        likely: merge.likely.then_some(Likely { threshold: merge.threshold, retrain: false }),
        deduplicated: merge.deduplicated.iter().map(in_lake).collect(),
        identifiers: identifiers.collect(),
        default: strategy(merge.survivorship.default),
        fields: fields.collect(),
    }
}
