//! `merge dedupe`: which records of one file are one person, without a pipeline. It is one all the same: written by what the file
//! looks like, run in a folder that is thrown away.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::StreamExt;
use parquet::arrow::ArrowWriter;
use tributary_connector::Registry;
use tributary_engine::{Options, Session};
use tributary_lake::{Lake, TableName};
use tributary_pipeline::{Project, RunOptions, Summary, raw};

use crate::init::draft::{self, Source};
use crate::init::guess::{Map, Value};
use crate::progress::Progress;
use crate::query::{Csv, ask, texts, to_json_line};
use crate::sheet::clip;
use crate::{Exit, evaluate, init, lakes, report, tell};

/// What is asked.
pub struct Task<'a> {
    pub file: &'a Path,
    /// `field=column`, over what is guessed; `field=` leaves a field out.
    pub maps: &'a [String],
    pub output: &'a Path,
    pub force: bool,
    /// A column that says which person each record is, to hold the result against.
    pub truth: Option<&'a str>,
    /// The folder in which the pipeline and its lake stay.
    pub keep: Option<&'a Path>,
    pub colour: bool,
}

/// A result that could not be written, and why.
type Written<T> = Result<T, Box<dyn std::error::Error>>;

pub async fn dedupe(task: Task<'_>, registry: &Registry) -> Exit {
    match go(&task, registry).await {
        Ok(exit) | Err(exit) => exit,
    }
}

fn wrong(what: &str, hint: &str) -> Exit {
    eprintln!("error: {what}\n  hint: {hint}");
    Exit::Input
}

async fn go(task: &Task<'_>, registry: &Registry) -> Result<Exit, Exit> {
    let Some(format) = Format::of(task.output) else {
        let what = format!("`{}` says no format", task.output.display());
        return Err(wrong(&what, "its name ends with `.csv`, `.jsonl` or `.parquet`"));
    };
    if task.output.exists() && !task.force {
        let what = format!("`{}` is there already", task.output.display());
        return Err(wrong(&what, "`--force` writes over it"));
    }
    // A pipeline that is kept may be run from elsewhere.
    let file = match task.keep {
        Some(_) => std::path::absolute(task.file).map_err(|e| tell(&e, None))?,
        None => task.file.to_owned(),
    };
    let mut sources = init::look(&[file], registry).await?;
    let Some(source) = sources.first_mut() else { return Err(Exit::Input) };
    persons(source, task)?;
    let fields: Vec<String> = described(source);
    eprintln!("compared: {}", fields.join(", "));
    if !source.guess.unused.is_empty() {
        eprintln!(
            "not looked at: {} (`--map FIELD=COLUMN` says otherwise)",
            clip(&source.guess.unused.join(", "), 200)
        );
    }

    let scratch = tempfile::tempdir().map_err(|e| tell(&e, None))?;
    let folder = std::path::absolute(task.keep.unwrap_or(scratch.path())).map_err(|e| tell(&e, None))?;
    if task.keep.is_some() && folder.exists() {
        return Err(wrong(&format!("`{}` is there already", folder.display()), "`--keep` makes a folder of its own"));
    }
    std::fs::create_dir_all(&folder).map_err(|e| tell(&e, None))?;
    let mut text = draft::render("dedupe", &folder.join("lake").to_string_lossy(), &sources, true);
    text.push_str(&many_records(&text));
    let path = folder.join("pipeline.toml");
    std::fs::write(&path, &text).map_err(|e| tell(&e, None))?;
    let project = evaluate::of_text(&path, &text, registry, task.colour).await?;
    let progress = Progress::new();
    let done = tributary_pipeline::run(&project, &RunOptions::default(), &progress).await;
    progress.finish();
    let summary = done.map_err(|e| {
        let hint = e.hint();
        tell(&e, hint)
    })?;
    if let Some(error) = summary.errors.first() {
        eprintln!("error: {error}");
        return Err(Exit::Failed);
    }
    let lake = lakes::open(&project.pipeline.lake.value).await.map_err(|e| tell(&e, None))?;
    let source = &sources[0];
    let table = raw::table_name(&source.name, &source.stream);
    let rows = write(&lake, &table, task.output, format).await.map_err(|e| tell(e.as_ref(), None))?;
    tell_all(&summary, task, rows);
    if let Some(column) = task.truth {
        compare(&lake, &project, &table, column).await?;
    }
    if task.keep.is_some() {
        let (folder, path) = (folder.display(), path.display());
        eprintln!("kept: {path} and its lake; `tributary why {folder}/lake CUSTOMER` tells why");
    }
    Ok(Exit::Done)
}

/// Makes every row of the file a record of a person.
fn persons(source: &mut Source, task: &Task<'_>) -> Result<(), Exit> {
    let guess = &mut source.guess;
    let known = std::mem::take(&mut guess.maps).into_iter().find(|map| map.to == "party");
    let mut map = known.unwrap_or_else(|| Map { to: "party", ..Map::default() });
    // A key would fold rows into one record before they are compared.
    (map.key, guess.primary_key) = (None, vec![]);
    let party = tributary_model::entity("party");
    let fields: Vec<&'static str> = party
        .into_iter()
        .flat_map(|party| party.fields)
        .filter(|field| field.mapped())
        .map(|field| field.name)
        .collect();
    let types = tributary_model::IDENTIFIER_TYPES;
    for pair in task.maps {
        let Some((field, column)) = pair.split_once('=') else {
            return Err(wrong(
                &format!("`{pair}` is no mapping"),
                "`--map field=column`, such as `--map phone=mobile`",
            ));
        };
        let value = (!column.is_empty()).then(|| Value::Column(column.to_owned()));
        if let Some(field) = fields.iter().find(|known| **known == field) {
            map.fields.retain(|(known, _)| known != field);
            map.fields.extend(value.map(|value| (*field, value)));
        } else if let Some(kind) = types.iter().find(|known| **known == field) {
            map.identifiers.retain(|(known, ..)| known != kind);
            map.identifiers.extend(value.map(|value| (*kind, None, value)));
        } else {
            let known: Vec<_> = fields.iter().chain(types).copied().collect();
            return Err(wrong(&format!("a person has no field `{field}`"), &format!("known: {}", known.join(", "))));
        }
    }
    if let Some(truth) = task.truth {
        let is_truth = |value: &Value| matches!(value, Value::Column(name) if name == truth);
        map.fields.retain(|(_, value)| !is_truth(value));
        map.identifiers.retain(|(.., value)| !is_truth(value));
    }
    if map.fields.is_empty() && map.identifiers.is_empty() {
        let what = format!("which columns of `{}` tell of a person could not be guessed", task.file.display());
        return Err(wrong(&what, "`--map name=COLUMN --map phone=COLUMN …` says which"));
    }
    let mapped =
        |column: &String| task.maps.iter().any(|pair| pair.split_once('=').is_some_and(|(_, name)| name == column));
    guess.unused.retain(|column| !mapped(column) && task.truth != Some(column));
    guess.maps = vec![map];
    Ok(())
}

/// A source with each person many times: unlike names still say that a phone is a till's, many records do not.
fn many_records(text: &str) -> String {
    let header = if text.contains("[merge.identifiers]") { "" } else { "\n[merge.identifiers]\n" };
    let rule = "{ strength = \"strong\", max_records_per_source = 1000 }";
    format!("{header}phone = {rule}\nemail = {rule}\n")
}

fn described(source: &Source) -> Vec<String> {
    let column = |value: &Value| match value {
        Value::Column(name) => name.clone(),
        Value::Path(path) => path.join("."),
        Value::Moment(date, time) => format!("{date} and {time}"),
        Value::Constant(text) => format!("\"{text}\""),
    };
    let of_map = |map: &Map| {
        let fields = map.fields.iter().map(|(field, value)| format!("{field} = {}", column(value)));
        fields
            .chain(map.identifiers.iter().map(|(kind, _, value)| format!("{kind} = {}", column(value))))
            .collect::<Vec<_>>()
    };
    source.guess.maps.iter().flat_map(of_map).collect()
}

fn tell_all(summary: &Summary, task: &Task<'_>, rows: u64) {
    use crate::grid::count;
    let identity = &summary.identity;
    let output = task.output.display();
    eprintln!("{} records → {} persons; wrote {output}", count(identity.parties), count(identity.customers));
    let rejected: u64 = summary.streams.iter().map(|report| report.counts.rejected).sum();
    if rejected > 0 {
        eprintln!("warning: {} records could not be read and are not in {output}", count(rejected));
    }
    for (issue, rows) in summary.clean.values().flat_map(|counts| &counts.issues) {
        eprintln!("warning: lost in {} records: {issue}", count(*rows));
    }
    for (what, values) in &identity.refused {
        eprintln!("warning: {} values are shared by too many and make nobody one person: {what}", count(*values));
    }
    if identity.likely.is_none() {
        eprintln!(
            "warning: with fewer than 200 records only equal identifiers make one person: no likeness was weighed"
        );
    }
    if rows != identity.parties {
        eprintln!("warning: {} records are in {output}", count(rows));
    }
    report::remarks(summary).iter().for_each(|remark| eprintln!("warning: {remark}"));
}

async fn compare(lake: &Lake, project: &Project, table: &TableName, column: &str) -> Result<(), Exit> {
    let column = tributary_clean::ident(&raw::column_name(column));
    let table = format!("\"{}\".\"{}\"", table.layer, table.name);
    let sql = format!(
        "SELECT _source_key, CAST({column} AS VARCHAR) FROM {table} WHERE _op = 'upsert' AND {column} IS NOT NULL"
    );
    let failed = |e: tributary_engine::Error| tell(&e, None);
    let rows = texts(&ask(lake, &sql).await.map_err(failed)?);
    let labels: Vec<(String, String)> = rows
        .into_iter()
        .filter_map(|row| {
            let [key, person] = <[_; 2]>::try_from(row).ok()?;
            Some((key?, person?))
        })
        .collect();
    let evaluated = evaluate::measure(lake, &project.rules, &labels).await.map_err(failed)?;
    crate::print(&evaluate::render(&evaluated, false));
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    JsonLines,
    Parquet,
}

impl Format {
    fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "csv" => Some(Self::Csv),
            "jsonl" | "ndjson" => Some(Self::JsonLines),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }
}

enum Output {
    Csv(BufWriter<File>, Csv),
    JsonLines(BufWriter<File>),
    Parquet(Box<ArrowWriter<File>>),
}

impl Output {
    fn write(&mut self, batch: &RecordBatch) -> Written<()> {
        match self {
            Self::Csv(file, csv) => file.write_all(csv.rows(batch)?.as_bytes())?,
            Self::JsonLines(file) => {
                for row in 0..batch.num_rows() {
                    writeln!(file, "{}", to_json_line(batch, row)?)?;
                }
            }
            Self::Parquet(writer) => writer.write(batch)?,
        }
        Ok(())
    }

    fn finish(self) -> Written<()> {
        match self {
            Self::Csv(mut file, _) | Self::JsonLines(mut file) => file.flush()?,
            Self::Parquet(writer) => _ = writer.close()?,
        }
        Ok(())
    }
}

/// Writes the file's rows in their order, each with its customer's id and how many records that customer has.
async fn write(lake: &Lake, table: &TableName, output: &Path, format: Format) -> Written<u64> {
    let session = Session::new(lake, &Options::default())?;
    session.load(&TableName::new("identity", "member")).await?;
    let Some(loaded) = session.load(table).await? else { return Err(format!("`{table}` is gone").into()) };
    let columns: Vec<String> = raw::own_columns(loaded.schema()).iter().map(|field| field.name().clone()).collect();
    let name = |wanted: &str| {
        let mut name = wanted.to_owned();
        while columns.contains(&name) {
            name.push('_');
        }
        tributary_clean::ident(&name)
    };
    let shown = |column: &String| {
        let (ident, source) = (tributary_clean::ident(column), tributary_clean::ident(&raw::source_name(column)));
        format!(", r.{ident} AS {source}")
    };
    let sql = format!(
        "SELECT m.customer_id AS {}, count(*) OVER (PARTITION BY m.customer_id) AS {}{} FROM \"{}\".\"{}\" r \
         JOIN identity.member m ON m.record_key = r._source_key WHERE r._op = 'upsert' ORDER BY r._commit, r._row",
        name("customer_id"),
        name("customer_records"),
        columns.iter().map(shown).collect::<String>(),
        table.layer,
        table.name,
    );
    let mut stream = session.stream("put the result together", &sql).await?;
    let part = PathBuf::from(format!("{}.part", output.display()));
    let file = File::create(&part)?;
    let mut out = match format {
        Format::Csv => {
            let mut file = BufWriter::new(file);
            let csv = Csv::new(&stream.schema());
            file.write_all(csv.header().as_bytes())?;
            Output::Csv(file, csv)
        }
        Format::JsonLines => Output::JsonLines(BufWriter::new(file)),
        Format::Parquet => Output::Parquet(Box::new(ArrowWriter::try_new(file, plain(&stream.schema()), None)?)),
    };
    let schema = plain(&stream.schema());
    let mut rows = 0;
    while let Some(batch) = stream.next().await {
        let batch = RecordBatch::try_new(schema.clone(), batch?.columns().to_vec())?;
        rows += batch.num_rows() as u64;
        out.write(&batch)?;
    }
    out.finish()?;
    std::fs::rename(&part, output)?;
    Ok(rows)
}

/// The schema without what only a lake has use for.
fn plain(schema: &arrow::datatypes::SchemaRef) -> arrow::datatypes::SchemaRef {
    let field =
        |field: &Arc<arrow::datatypes::Field>| field.as_ref().clone().with_metadata([].into()).with_nullable(true);
    Arc::new(arrow::datatypes::Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>()))
}
