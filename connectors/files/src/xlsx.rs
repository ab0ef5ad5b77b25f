//! Reads one sheet of a workbook, row by row: everything as text, as a person sees it.
//!
//! Whole numbers are without `.0`, others as Excel shows them (15 digits), dates in ISO form. The table in the sheet is found
//! as in delimited text. Nothing of a sheet's claimed size is believed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::BufReader;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use calamine::{DataRef, ExcelDateTime, Reader, Xlsx, XlsxCellReader};
use tributary_connector::{Data, Error, Kind};

use crate::archive;
use crate::config::TotalRow;
use crate::layout;
use crate::pages::{Halt, Pages};

const MAX_CELLS: u64 = 10_000_000;
const MAX_CELL_BYTES: usize = 1 << 20;
const BATCH_ROWS: usize = 4_096;
const BATCH_BYTES: usize = 8 << 20;

/// What is configured of workbooks.
#[derive(Debug, Clone)]
pub struct Options {
    pub sheet: Option<String>,
    pub skip_rows: Option<u64>,
    pub header: Option<Vec<String>>,
    pub total_row: TotalRow,
}

/// A workbook, checked and open.
pub struct Workbook {
    xlsx: Xlsx<BufReader<File>>,
    name: String,
}

impl Workbook {
    /// # Errors
    /// [`Kind::Data`] if the file is no workbook or too large a one.
    pub fn open(mut file: File, name: &str) -> Result<Self, Error> {
        archive::check(&mut file, name)?;
        let xlsx = Xlsx::new(BufReader::new(file)).map_err(|e| damaged(name, e))?;
        Ok(Self { xlsx, name: name.to_owned() })
    }

    /// Finds the table in the sheet and gives it to `table`.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if there is no such sheet.
    pub fn table<T>(&mut self, options: &Options, table: impl FnOnce(Table<'_>) -> Result<T, Halt>) -> Result<T, Halt> {
        let sheets = self.xlsx.sheet_names();
        let sheet = match &options.sheet {
            Some(sheet) => sheets.iter().find(|name| *name == sheet),
            None => sheets.first(),
        };
        let Some(sheet) = sheet.cloned() else {
            let known: Vec<_> = sheets.iter().map(|name| format!("`{name}`")).collect();
            let wanted = options.sheet.as_deref().unwrap_or_default();
            return Err(Error::new(Kind::NotFound, format!("`{}` has no sheet `{wanted}`", self.name))
                .hint(format!("its sheets: {}", known.join(", ")))
                .into());
        };
        let cells = self.xlsx.worksheet_cells_reader(&sheet).map_err(|e| damaged(&self.name, e))?;
        let mut rows = Rows { cells, name: &self.name, count: 0, pending: None, ended: false };
        let mut sample = Vec::new();
        while sample.len() < layout::ROWS
            && let Some(row) = rows.next()?
        {
            sample.push(row);
        }
        table(Table::find(sample, rows, options))
    }
}

fn damaged(name: &str, e: calamine::XlsxError) -> Error {
    Error::new(Kind::Data, format!("`{name}` is damaged")).source(e)
}

/// A row's filled cells by column, from 0.
pub type Cells = BTreeMap<u32, String>;

/// One row: its number in the sheet, from 0, and its cells.
type SheetRow = (u32, Cells);

struct Rows<'a, 'b> {
    cells: XlsxCellReader<'a, BufReader<File>>,
    name: &'b str,
    count: u64,
    /// The first cell of the next row.
    pending: Option<(u32, u32, String)>,
    ended: bool,
}

impl Rows<'_, '_> {
    /// The next row with a filled cell.
    fn next(&mut self) -> Result<Option<SheetRow>, Error> {
        let mut current: Option<SheetRow> =
            self.pending.take().map(|(row, column, text)| (row, Cells::from([(column, text)])));
        while !self.ended {
            let Some(cell) = self.cells.next_cell().map_err(|e| damaged(self.name, e))? else {
                self.ended = true;
                break;
            };
            self.count += 1;
            if self.count > MAX_CELLS {
                return Err(Error::new(Kind::Data, format!("`{}` has over 10,000,000 cells", self.name))
                    .hint("export it as CSV"));
            }
            let (row, column) = cell.get_position();
            let text = text(cell.get_value());
            if text.trim().is_empty() {
                continue;
            }
            if text.len() > MAX_CELL_BYTES {
                return Err(Error::new(
                    Kind::Data,
                    format!("`{}` has a cell of over 1 MiB in row {}", self.name, row + 1),
                ));
            }
            match &mut current {
                Some((number, cells)) if *number == row => {
                    cells.insert(column, text);
                }
                Some(_) => {
                    self.pending = Some((row, column, text));
                    break;
                }
                None => current = Some((row, Cells::from([(column, text)]))),
            }
        }
        Ok(current)
    }
}

/// A table in a sheet.
pub struct Table<'a> {
    /// Names by column.
    pub header: BTreeMap<u32, String>,
    /// The filled rows above the header, their cells one after another.
    pub title_rows: Vec<String>,
    /// Rows read already.
    sample: Vec<SheetRow>,
    header_cells: Cells,
    width: usize,
    rows: Rows<'a, 'a>,
    total_row: TotalRow,
}

impl<'a> Table<'a> {
    fn find(mut sample: Vec<SheetRow>, rows: Rows<'a, 'a>, options: &Options) -> Self {
        if let Some(skip) = options.skip_rows {
            sample.retain(|(row, _)| u64::from(*row) >= skip);
        }
        let (header, header_cells, total_row) = (BTreeMap::new(), Cells::new(), options.total_row);
        let mut table =
            Self { header, title_rows: Vec::new(), sample: Vec::new(), header_cells, width: 0, rows, total_row };
        if let Some(names) = &options.header {
            table.header = (0u32..).zip(layout::names(names)).collect();
        } else {
            let dense: Vec<Vec<String>> = sample.iter().map(|(_, cells)| dense(cells)).collect();
            let place = match options.skip_rows {
                Some(_) => (!dense.is_empty()).then_some(0),
                None => layout::header(&dense.iter().map(Vec::as_slice).collect::<Vec<_>>()),
            };
            if let Some(place) = place {
                table.header_cells.clone_from(&sample[place].1);
                let names = (0u32..).zip(layout::names(&dense[place]));
                table.header = names.filter(|(column, _)| table.header_cells.contains_key(column)).collect();
                let above = sample.drain(..=place).take(place);
                table.title_rows = above.map(|(_, cells)| cells.into_values().collect::<Vec<_>>().join(" ")).collect();
            }
        }
        table.width = table.header.len();
        table.sample = sample;
        table
    }

    /// Hands out all rows in batches; the header, where it comes again, and a total at the end are no records.
    ///
    /// # Errors
    /// If the workbook is damaged or too large, or nobody listens any more.
    pub fn read(mut self, pages: &mut Pages<'_>) -> Result<(), Halt> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        let header = std::mem::take(&mut self.header);
        let total = self.each(|cells| {
            bytes += cells.values().map(String::len).sum::<usize>();
            batch.push(cells);
            if batch.len() >= BATCH_ROWS || bytes > BATCH_BYTES {
                send(&header, &std::mem::take(&mut batch), pages)?;
                bytes = 0;
            }
            Ok(())
        })?;
        if let Some((row, _)) = total {
            tracing::info!(file = pages.partition(), row = row + 1, "left out the total row at the end");
        }
        send(&header, &batch, pages)
    }

    /// The first rows, and the total at the end if there is one.
    ///
    /// # Errors
    /// If the workbook is damaged or too large.
    pub fn first(self, limit: usize) -> Result<(Vec<Cells>, Option<Cells>), Halt> {
        let mut rows = Vec::new();
        let total = self.each(|cells| {
            if rows.len() < limit {
                rows.push(cells);
            }
            Ok(())
        })?;
        Ok((rows, total.map(|(_, cells)| cells)))
    }

    /// Calls `record` for each record; gives the total at the end if there is one.
    fn each(mut self, mut record: impl FnMut(Cells) -> Result<(), Halt>) -> Result<Option<SheetRow>, Halt> {
        let mut sample = std::mem::take(&mut self.sample).into_iter();
        let mut held: Option<SheetRow> = None;
        loop {
            let next = match sample.next() {
                Some(row) => Some(row),
                None => self.rows.next()?,
            };
            let Some(row) = next else { break };
            if row.1 != self.header_cells
                && let Some((_, cells)) = held.replace(row)
            {
                record(cells)?;
            }
        }
        match held {
            Some((row, cells)) if self.is_total(&cells) => Ok(Some((row, cells))),
            Some((_, cells)) => record(cells).map(|()| None),
            None => Ok(None),
        }
    }

    fn is_total(&self, cells: &Cells) -> bool {
        match self.total_row {
            TotalRow::None => false,
            TotalRow::Last => true,
            TotalRow::Detect => layout::is_total(&dense(cells), self.width),
        }
    }
}

fn send(header: &BTreeMap<u32, String>, rows: &[Cells], pages: &mut Pages<'_>) -> Result<(), Halt> {
    if rows.is_empty() {
        return Ok(());
    }
    let columns: BTreeSet<u32> =
        header.keys().copied().chain(rows.iter().flat_map(|row| row.keys().copied())).collect();
    let (mut fields, mut arrays) = (Vec::new(), Vec::<ArrayRef>::new());
    for column in columns {
        let name = header.get(&column).cloned().unwrap_or_else(|| format!("column_{}", column + 1));
        let mut texts = StringBuilder::new();
        rows.iter().for_each(|row| texts.append_option(row.get(&column)));
        fields.push(Field::new(name, DataType::Utf8, true));
        arrays.push(Arc::new(texts.finish()));
    }
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
        .map_err(|e| Error::new(Kind::Data, format!("`{}` does not make a table", pages.partition())).source(e))?;
    pages.send(Data::Batch(batch), rows.len() as u64)
}

fn dense(cells: &Cells) -> Vec<String> {
    let width = cells.keys().next_back().map_or(0, |&last| last + 1);
    (0..width).map(|column| cells.get(&column).cloned().unwrap_or_default()).collect()
}

fn text(value: &DataRef<'_>) -> String {
    match value {
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => number_text(*number),
        DataRef::String(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Bool(truth) => truth.to_string(),
        DataRef::DateTime(time) => time_text(time),
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.clone(),
        DataRef::Error(error) => error.to_string(),
        DataRef::Empty => String::new(),
    }
}

/// As Excel shows it: 15 digits, so that what was typed as 0.3 and is stored as 0.30000000000000004 is 0.3.
fn number_text(number: f64) -> String {
    if number == number.trunc() && number.abs() < 1e15 {
        return format!("{}", number as i64);
    }
    let rounded: f64 = format!("{number:.14e}").parse().unwrap_or(number);
    rounded.to_string()
}

fn time_text(time: &ExcelDateTime) -> String {
    if time.is_duration() {
        let seconds = (time.as_f64() * 86_400.0).round() as i64;
        let (sign, seconds) = if seconds < 0 { ("-", -seconds) } else { ("", seconds) };
        return format!("{sign}{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    }
    let (year, month, day, hour, minute, second, milli) = time.to_ymd_hms_milli();
    let clock = if milli == 0 {
        format!("{hour:02}:{minute:02}:{second:02}")
    } else {
        format!("{hour:02}:{minute:02}:{second:02}.{milli:03}")
    };
    match time.as_f64() {
        serial if (0.0..1.0).contains(&serial) => clock,
        _ if (hour, minute, second, milli) == (0, 0, 0, 0) => format!("{year:04}-{month:02}-{day:02}"),
        _ => format!("{year:04}-{month:02}-{day:02} {clock}"),
    }
}

#[cfg(test)]
mod tests {
    use calamine::ExcelDateTimeType;

    use super::*;

    #[test]
    fn cells_read_as_a_person_sees_them() {
        assert_eq!(number_text(13_800_138_000.0), "13800138000");
        assert_eq!(number_text(0.1 + 0.2), "0.3");
        assert_eq!(number_text(-1149.5), "-1149.5");
        assert_eq!(number_text(4.503_599_627_370_496e15), "4503599627370500");
        let time = |serial, kind, is_1904| time_text(&ExcelDateTime::new(serial, kind, is_1904));
        assert_eq!(time(45658.0, ExcelDateTimeType::DateTime, false), "2025-01-01");
        assert_eq!(time(45658.5, ExcelDateTimeType::DateTime, false), "2025-01-01 12:00:00");
        assert_eq!(time(39267.0, ExcelDateTimeType::DateTime, true), "2011-07-05");
        assert_eq!(time(0.75, ExcelDateTimeType::DateTime, false), "18:00:00");
        assert_eq!(time(1.25, ExcelDateTimeType::TimeDelta, false), "30:00:00");
    }
}
