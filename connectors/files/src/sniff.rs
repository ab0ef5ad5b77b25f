//! Looks at one local file and says what it is: for `tributary init` and for previews.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tributary_connector::{Error, Kind, Sniffed};

use crate::config::{Format, TotalRow};
use crate::csv::{Layout, Options};
use crate::input::Input;
use crate::layout;
use crate::load::Settings;
use crate::pages::Halt;
use crate::shape::Shape;
use crate::text::Text;
use crate::xlsx::{self, Workbook};

/// Rows that are shown.
const ROWS: usize = 10;
/// Where the last row is looked for.
const TAIL: u64 = 64 * 1024;

/// What a file looks like.
#[derive(Debug, Clone, PartialEq)]
pub struct Sniff {
    pub format: Format,
    /// Of text, as its label is written in `encoding`.
    pub encoding: Option<String>,
    /// Of CSV.
    pub delimiter: Option<char>,
    /// What stands above the header, a line or row each; blank ones left out.
    pub title_rows: Vec<String>,
    /// The columns' names; of JSON Lines the outermost ones.
    pub header: Vec<String>,
    /// The cells of a last row that sums up and is left out.
    pub total_row: Option<Vec<String>>,
    /// The first rows in the header's order; empty cells are `None`.
    pub rows: Vec<Vec<Option<String>>>,
}

impl Sniff {
    fn new(format: Format) -> Self {
        let (title_rows, header, rows) = (Vec::new(), Vec::new(), Vec::new());
        Self { format, encoding: None, delimiter: None, title_rows, header, total_row: None, rows }
    }
}

/// Looks at the file at `path`.
///
/// # Errors
/// If it cannot be read, or neither its extension says its format nor it is text.
pub fn sniff(path: &Path) -> Result<Sniff, Error> {
    look(path, &Settings::default())
}

/// The file at `path` as a source with `settings` takes it, in the framework's terms.
///
/// # Errors
/// As [`sniff`].
pub fn described(path: &Path, settings: &Settings) -> Result<Sniffed, Error> {
    let sniff = look(path, settings)?;
    let encoding = sniff.encoding.as_deref().filter(|encoding| *encoding != "utf-8");
    Ok(Sniffed {
        path: path.to_string_lossy().into_owned(),
        format: sniff.format.name().to_owned(),
        config: encoding.map(|encoding| ("encoding".to_owned(), encoding.into())).into_iter().collect(),
        encoding: sniff.encoding,
        delimiter: sniff.delimiter,
        title_rows: sniff.title_rows,
        total_row: sniff.total_row,
    })
}

fn look(path: &Path, settings: &Settings) -> Result<Sniff, Error> {
    let name = path.to_string_lossy();
    let failed = |e: std::io::Error| Error::new(Kind::NotFound, format!("`{name}` could not be read")).source(e);
    let mut file = File::open(path).map_err(failed)?;
    let empty = file.metadata().map_err(failed)?.len() == 0;
    match settings.format.map_or_else(|| Format::of(&name), Ok)? {
        format @ (Format::Csv | Format::Jsonl) => {
            let again = file.try_clone().map_err(failed)?;
            let text = Text::start(Input::new(Box::new(again)), settings.encoding).map_err(failed)?;
            match format {
                Format::Jsonl => Ok(jsonl(&text)),
                _ => csv(&text, &name, &settings.csv, || tail(&mut file).map_err(failed)),
            }
        }
        format if empty => Ok(Sniff::new(format)),
        Format::Parquet => parquet(file).map_err(|e| Error::new(Kind::Data, format!("`{name}` is damaged")).source(e)),
        Format::Xlsx => xlsx(file, &name, &settings.xlsx),
    }
}

fn csv(
    text: &Text,
    name: &str,
    options: &Options,
    tail: impl FnOnce() -> Result<Vec<u8>, Error>,
) -> Result<Sniff, Error> {
    let mut sniff = Sniff { encoding: Some(text.source_encoding.name().to_lowercase()), ..Sniff::new(Format::Csv) };
    let Some(layout) = Layout::find(text, options, name)? else { return Ok(sniff) };
    let sample = text.sample();
    let above = usize::try_from(layout.titles).unwrap_or(usize::MAX);
    let below = above.saturating_add(usize::try_from(layout.header_lines).unwrap_or(usize::MAX));
    let mut rows: Vec<Vec<String>> = layout::rows(&sample, layout.delimiter, options.quote, usize::MAX)
        .into_iter()
        .filter(|row| row.line >= below)
        .map(|row| row.cells)
        .collect();
    let last = if text.is_whole() {
        rows.pop()
    } else {
        let tail = tail()?;
        let (tail, _) = text.source_encoding.decode_without_bom_handling(&tail);
        let line = tail.lines().rev().find(|line| !line.is_empty()).unwrap_or_default();
        layout::rows(line, layout.delimiter, options.quote, 1).pop().map(|row| row.cells)
    };
    match last {
        Some(cells) if sums_up(&cells, layout.header.len(), options.total_row) => sniff.total_row = Some(cells),
        Some(cells) if text.is_whole() => rows.push(cells),
        _ => {}
    }
    let filled = |cell: String| (!cell.is_empty()).then_some(cell);
    sniff.delimiter = Some(char::from(layout.delimiter));
    sniff.title_rows = sample.lines().take(above).map(str::to_owned).filter(|line| !line.trim().is_empty()).collect();
    sniff.header = layout.header;
    sniff.rows = rows.into_iter().take(ROWS).map(|cells| cells.into_iter().map(filled).collect()).collect();
    Ok(sniff)
}

fn sums_up(cells: &[String], width: usize, rule: TotalRow) -> bool {
    match rule {
        TotalRow::Detect => layout::is_total(cells, width),
        TotalRow::Last => true,
        TotalRow::None => false,
    }
}

/// The end of a file; from an even place, so that UTF-16 stays in step.
fn tail(file: &mut File) -> std::io::Result<Vec<u8>> {
    let from = file.metadata()?.len().saturating_sub(TAIL) / 2 * 2;
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.take(TAIL + 2).read_to_end(&mut tail)?;
    Ok(tail)
}

fn jsonl(text: &Text) -> Sniff {
    let sample = text.sample();
    let lines = || sample.lines().filter(|line| !line.trim().is_empty());
    let shape = lines().filter_map(|line| serde_json::from_str::<Shape>(line).ok()).fold(Shape::Null, Shape::or);
    let header: Vec<String> = match shape {
        Shape::Object(names) => names.into_iter().map(|(name, _)| name).collect(),
        _ => Vec::new(),
    };
    let rows = lines().take(ROWS).filter_map(|line| {
        // Exact texts: numbers are not read.
        let record: std::collections::HashMap<String, Box<serde_json::value::RawValue>> =
            serde_json::from_str(line).ok()?;
        let cell = |name: &String| {
            let json = record.get(name)?.get();
            (json != "null").then(|| serde_json::from_str::<String>(json).unwrap_or_else(|_| json.to_owned()))
        };
        Some(header.iter().map(cell).collect())
    });
    let rows = rows.collect();
    Sniff { encoding: Some(text.source_encoding.name().to_lowercase()), header, rows, ..Sniff::new(Format::Jsonl) }
}

fn parquet(file: File) -> Result<Sniff, ArrowError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file)?;
    let header = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
    let mut rows = Vec::new();
    for batch in builder.with_limit(ROWS).build()? {
        rows.extend(texts(&batch?)?);
    }
    Ok(Sniff { header, rows, ..Sniff::new(Format::Parquet) })
}

fn texts(batch: &RecordBatch) -> Result<Vec<Vec<Option<String>>>, ArrowError> {
    let options = FormatOptions::default();
    let columns =
        batch.columns().iter().map(|array| ArrayFormatter::try_new(array, &options)).collect::<Result<Vec<_>, _>>()?;
    let cell =
        |column: usize, row: usize| batch.column(column).is_valid(row).then(|| columns[column].value(row).to_string());
    Ok((0..batch.num_rows()).map(|row| (0..columns.len()).map(|column| cell(column, row)).collect()).collect())
}

fn xlsx(file: File, name: &str, options: &xlsx::Options) -> Result<Sniff, Error> {
    let read = Workbook::open(file, name)?.table(options, |table| {
        let mut sniff = Sniff { header: table.header.values().cloned().collect(), ..Sniff::new(Format::Xlsx) };
        sniff.title_rows.clone_from(&table.title_rows);
        let columns: Vec<u32> = table.header.keys().copied().collect();
        let (rows, total) = table.first(ROWS)?;
        sniff.total_row = total.map(|cells| cells.into_values().collect());
        sniff.rows =
            rows.iter().map(|cells| columns.iter().map(|column| cells.get(column).cloned()).collect()).collect();
        Ok(sniff)
    });
    read.map_err(|halt| match halt {
        Halt::File(e) => e,
        Halt::Closed => Error::new(Kind::Data, format!("`{name}` could not be read")),
    })
}
