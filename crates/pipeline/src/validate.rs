//! Holds a parsed pipeline against what it names: connectors, the customer model, streams, columns, SQL.
//!
//! What is known comes in through traits and nothing is looked up outside, so that a validation writes nothing and can be
//! run by an editor. All is reported; what cannot be known yet (columns of a source nobody has looked at) is passed over.

use tributary_connector::Registry;
use tributary_connector::http::Settings;

use crate::config::tree::{Node, Table, Value};
use crate::config::{
    Checker, FieldExpr, File, Identifier, Map, Merge, Pipeline, Rule, Source, secret, source_keys, suggest,
};
use crate::diagnostic::{self, Diagnostic, Problem, Span, Spanned};

/// The common customer model, as far as names go.
pub trait Model {
    fn entities(&self) -> Vec<&str>;

    /// The fields of an entity that a mapping may give; `None` if there is no such entity.
    fn fields(&self, entity: &str) -> Option<Vec<&str>>;

    fn identifier_types(&self) -> Vec<&str>;

    /// The fields, and groups of fields, of the golden record that survivorship rules may name.
    fn golden_fields(&self) -> Vec<&str>;
}

/// What is known of the sources: declared in the file, or discovered last.
pub trait Columns {
    /// All streams of a source; `None` if nobody has looked yet.
    fn streams(&self, source: &str) -> Option<Vec<String>>;

    /// The columns of a stream; `None` if nobody has looked yet.
    fn columns(&self, source: &str, stream: &str) -> Option<Vec<String>>;
}

/// What is wrong with a SQL expression.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExprError {
    /// Lower case, no full stop, no values.
    pub message: String,
    /// The byte of the expression where it goes wrong; `None`: as a whole.
    pub offset: Option<usize>,
    /// Names that would have been right.
    pub suggestions: Vec<String>,
}

/// Type-checks SQL against the columns of a stream.
pub trait Expressions {
    /// Only called for streams whose columns are known. `each` is the nested list whose elements the expression sees, if
    /// any.
    ///
    /// # Errors
    /// What is wrong, and where in `sql`.
    fn check(&self, source: &str, stream: &str, each: Option<&str>, sql: &str) -> Result<(), ExprError>;
}

/// All that is wrong with a pipeline beyond what [`crate::parse`] says, in the order of the file.
pub fn validate(
    pipeline: &Pipeline,
    registry: &Registry,
    model: &dyn Model,
    columns: &dyn Columns,
    expressions: &dyn Expressions,
) -> Vec<Diagnostic> {
    let mut validator =
        Validator { pipeline, registry, model, columns, expressions, problems: Vec::new(), blanks: Vec::new() };
    pipeline.sources.iter().for_each(|source| validator.source(source));
    pipeline.maps.iter().for_each(|map| validator.map(map));
    pipeline.merge.iter().for_each(|merge| validator.merge(merge));
    validator.engine();
    // Now that the connectors' schemas say what is secret, the rest may be shown.
    let file = pipeline.file.with_blanks(validator.blanks);
    let mut diagnostics = validator.problems.into_iter().map(|problem| file.diagnose(problem)).collect();
    diagnostic::sort(&mut diagnostics);
    diagnostics
}

struct Validator<'a> {
    pipeline: &'a Pipeline,
    registry: &'a Registry,
    model: &'a dyn Model,
    columns: &'a dyn Columns,
    expressions: &'a dyn Expressions,
    problems: Vec<Problem>,
    blanks: Vec<Span>,
}

impl Validator<'_> {
    fn unknown<'k>(&mut self, at: Span, message: String, name: &str, known: impl IntoIterator<Item = &'k str>) {
        self.problems.push(Problem::new(at, message).maybe_help(suggest::help(name, known)));
    }

    fn source(&mut self, source: &Source) {
        let literals: Vec<Span> = secret::literals(&source.table).into_iter().map(|(_, span)| span).collect();
        self.blanks.extend(&literals);
        let ours: Vec<&str> = source_keys().collect();
        let theirs =
            Table(source.table.0.iter().filter(|entry| !ours.contains(&entry.key.as_str())).cloned().collect());
        let node = Node { span: source.span, value: Value::Table(theirs) };
        secret::urls(&node, &mut self.blanks);
        let Ok(factory) = self.registry.get(&source.connector) else {
            secret::scalars(&node, &mut self.blanks);
            if !source.connector.value.is_empty() {
                let name = &source.connector;
                self.unknown(name.span, format!("there is no connector `{name}`"), name, self.registry.names());
            }
            return;
        };

        let schema = factory.schema();
        let mut checker = Checker::new(&schema).besides(ours);
        checker.table(&source.table, source.span, &format!("sources.{}", source.name));
        self.blanks.append(&mut checker.secrets);
        let sound = checker.problems.is_empty() && literals.is_empty();
        // Secrets known by their names have been refused by `parse`.
        self.problems.extend(checker.problems.into_iter().filter(|problem| !literals.contains(&problem.span)));
        if sound {
            let context = source.context(&Settings::default());
            if let Err(error) = factory.build(source.config.clone(), &context) {
                self.problems.push(Problem::new(source.span, error.message).maybe_help(error.hint));
            }
        }
        self.limits(source);
        if let Some(streams) = self.columns.streams(&source.name) {
            for stream in source.streams.iter().flatten().filter(|stream| !streams.contains(&stream.value)) {
                let message = format!("source `{}` has no stream `{stream}`", source.name);
                self.unknown(stream.span, message, stream, streams.iter().map(String::as_str));
            }
        }
    }

    /// Whether the streams that have limits of their own are read.
    fn limits(&mut self, source: &Source) {
        let declared = source.streams.as_ref().map(|names| names.iter().map(|name| name.value.clone()).collect());
        let Some(read): Option<Vec<String>> = declared.or_else(|| self.columns.streams(&source.name)) else { return };
        for (stream, _) in source.max_rejected_of.iter().filter(|(stream, _)| !read.contains(&stream.value)) {
            let message = format!("source `{}` does not read the stream `{stream}`", source.name);
            self.unknown(stream.span, message, stream, read.iter().map(String::as_str));
        }
    }

    fn map(&mut self, map: &Map) {
        let columns = if self.stream(map) { self.columns.columns(&map.from.source, &map.from.stream) } else { None };
        let to = &map.to;
        match self.model.fields(to) {
            Some(fields) => {
                for (target, _) in map.fields.iter().filter(|(target, _)| !fields.contains(&target.as_str())) {
                    let message = format!("`{to}` has no field `{target}`");
                    self.unknown(target.span, message, target, fields.iter().copied());
                }
            }
            None if to.value.is_empty() => {}
            None => {
                let entities = self.model.entities();
                self.unknown(to.span, format!("there is no entity `{to}`"), to, entities);
            }
        }
        for Identifier { type_, .. } in &map.identifiers {
            self.identifier_type(type_, type_.span);
        }
        let Some(columns) = columns else { return };
        if let Some(each) = &map.each {
            self.sql(map, None, each);
        }
        let each = map.each.as_ref().map(|each| each.value.as_str());
        for sql in map.where_.iter().chain(&map.key) {
            self.sql(map, each, sql);
        }
        let of_identifiers = map.identifiers.iter().flat_map(Identifier::expressions);
        for expression in map.fields.iter().map(|(_, expression)| expression).chain(of_identifiers) {
            match expression {
                FieldExpr::Sql(sql) => self.sql(map, each, sql),
                FieldExpr::Column(column) => self.column(map, each, column, &columns),
                FieldExpr::Constant(_) => {}
            }
        }
    }

    /// Whether there is such a stream, as far as is known.
    fn stream(&mut self, map: &Map) -> bool {
        let (source, stream) = (&map.from.source, &map.from.stream);
        let Some(declared) = self.pipeline.source(source) else {
            let names = self.pipeline.sources.iter().map(|source| source.name.value.as_str());
            self.unknown(source.span, format!("there is no source `{source}`"), source, names);
            return false;
        };
        let discovered = self.columns.streams(source);
        if let Some(streams) = &declared.streams
            && !streams.iter().any(|read| read.value == stream.value)
        {
            let names = streams.iter().map(|read| read.value.as_str());
            let known = discovered.is_some_and(|streams| streams.contains(stream));
            let message = format!("source `{source}` does not read the stream `{stream}`");
            if known {
                self.problems
                    .push(Problem::new(stream.span, message).help(format!("add it to `streams` of `{source}`")));
            } else {
                self.unknown(stream.span, message, stream, names);
            }
            return false;
        }
        if let Some(streams) = discovered
            && !streams.contains(stream)
        {
            let message = format!("source `{source}` has no stream `{stream}`");
            self.unknown(stream.span, message, stream, streams.iter().map(String::as_str));
            return false;
        }
        true
    }

    fn column(&mut self, map: &Map, each: Option<&str>, column: &Spanned<String>, columns: &[String]) {
        if each.is_some() {
            // It may be one of the element's.
            let sql = format!("\"{}\"", column.value.replace('"', "\"\""));
            if let Err(error) = self.expressions.check(&map.from.source, &map.from.stream, each, &sql) {
                self.problems.push(Problem::new(column.span, error.message).maybe_help(meant(&error.suggestions)));
            }
        } else if !columns.contains(column) {
            let message = format!("`{}.{}` has no column `{column}`", map.from.source, map.from.stream);
            self.unknown(column.span, message, column, columns.iter().map(String::as_str));
        }
    }

    fn sql(&mut self, map: &Map, each: Option<&str>, sql: &Spanned<String>) {
        if sql.value.trim().is_empty() {
            return;
        }
        if let Err(error) = self.expressions.check(&map.from.source, &map.from.stream, each, sql) {
            let at = error.offset.map_or(sql.span, |offset| word(&self.pipeline.file, sql, offset));
            self.problems.push(Problem::new(at, error.message).maybe_help(meant(&error.suggestions)));
        }
    }

    fn identifier_type(&mut self, name: &str, at: Span) {
        let types = self.model.identifier_types();
        if !types.contains(&name) && !name.is_empty() {
            self.unknown(at, format!("there is no type of identifier `{name}`"), name, types);
        }
    }

    fn merge(&mut self, merge: &Merge) {
        for (name, rule) in &merge.identifiers {
            if let Some(at) = rule.span {
                self.identifier_type(name, at);
            }
        }
        merge.deduplicated.iter().for_each(|source| self.source_of_lake(source));
        let fields = self.model.golden_fields();
        for (field, rule) in &merge.survivorship.fields {
            if !fields.contains(&field.as_str()) {
                self.unknown(
                    field.span,
                    format!("the golden record has no field `{field}`"),
                    field,
                    fields.iter().copied(),
                );
            }
            if let Rule::Prefer(sources) = rule {
                sources.iter().for_each(|source| self.source_of_lake(source));
            }
        }
    }

    /// On a shared lake a source may be another pipeline's.
    fn source_of_lake(&mut self, source: &Spanned<String>) {
        if self.pipeline.source(source).is_none() && self.columns.streams(source).is_none() {
            let names = self.pipeline.sources.iter().map(|source| source.name.value.as_str());
            self.unknown(source.span, format!("there is no source `{source}`"), source, names);
        }
    }

    fn engine(&mut self) {
        let lake = &self.pipeline.lake;
        let everywhere = lake.value.contains("://") || lake.value.starts_with('/');
        let Some(cluster) = &self.pipeline.engine.cluster else { return };
        if !tributary_engine::CLUSTER {
            let problem = Problem::new(cluster.span, "this program was built without clusters");
            self.problems.push(problem.help("build it with `--features cluster`, or leave `cluster` out"));
        }
        if !everywhere && !lake.value.is_empty() {
            let problem = Problem::new(lake.span, "a cluster cannot read a lake at a relative path");
            self.problems
                .push(problem.help("an absolute path that all machines share, or a URL such as `s3://bucket/prefix`"));
        }
    }
}

fn meant(suggestions: &[String]) -> Option<String> {
    let names: Vec<_> = suggestions.iter().map(|name| format!("`{name}`")).collect();
    (!names.is_empty()).then(|| format!("did you mean {}?", names.join(" or ")))
}

/// The place of the word, quoted name or sign that starts at a byte of an expression.
fn word(file: &File, sql: &Spanned<String>, offset: usize) -> Span {
    let mut at = offset.min(sql.value.len());
    while !sql.value.is_char_boundary(at) {
        at -= 1;
    }
    let rest = sql.value.get(at..).unwrap_or("");
    let length = match rest.chars().next() {
        Some(quote @ ('"' | '\'')) => rest.get(1..).and_then(|rest| rest.find(quote)).map_or(rest.len(), |end| end + 2),
        Some(first) => {
            let part = |c: char| c.is_alphanumeric() || c == '_';
            rest.find(|c| !part(c)).unwrap_or(rest.len()).max(first.len_utf8())
        }
        None => 0,
    };
    file.inside(sql.span, at..at + length)
}
