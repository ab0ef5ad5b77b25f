//! Reads one file, whatever its format, and makes sure that it stayed the same meanwhile.

use std::panic::{AssertUnwindSafe, catch_unwind};

use encoding_rs::Encoding;
use tokio::runtime::Handle;
use tributary_connector::{Error, Kind};

use crate::config::{Config, Format, OnChange, Order, TotalRow};
use crate::csv::Layout;
use crate::input::{self, Input};
use crate::pages::{Halt, Pages};
use crate::place::{Entry, Stat};
use crate::text::Text;
use crate::xlsx::Workbook;
use crate::{csv, encoding, jsonl, parquet, xlsx};

/// Bytes of text in a page.
const PAGE_BYTES: usize = 2 << 20;

/// The configuration, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    pub format: Option<Format>,
    pub encoding: Option<&'static Encoding>,
    pub csv: csv::Options,
    pub xlsx: xlsx::Options,
    pub order: Order,
    pub on_change: OnChange,
    /// Whether a column orders versions, and not the files.
    pub version_column: bool,
    pub page_bytes: usize,
}

impl Default for Settings {
    /// What holds where nothing is configured.
    fn default() -> Self {
        let (skip_rows, header, total_row) = (None, None, TotalRow::default());
        Self {
            format: None,
            encoding: None,
            csv: csv::Options { delimiter: None, quote: b'"', skip_rows, header: None, total_row },
            xlsx: xlsx::Options { sheet: None, skip_rows, header, total_row },
            order: Order::default(),
            on_change: OnChange::default(),
            version_column: false,
            page_bytes: PAGE_BYTES,
        }
    }
}

impl Settings {
    /// # Errors
    /// [`Kind::Config`] for values that cannot be.
    pub fn new(config: &Config) -> Result<Self, Error> {
        let quote = byte("quote", &config.quote)?;
        let delimiter = config.delimiter.as_deref().map(|text| byte("delimiter", text)).transpose()?;
        if delimiter == Some(quote) {
            return Err(Error::new(Kind::Config, "`delimiter` and `quote` are the same"));
        }
        if config.header.as_ref().is_some_and(Vec::is_empty) {
            return Err(
                Error::new(Kind::Config, "`header` is empty").hint("leave it out if the files have a header row")
            );
        }
        let (skip_rows, header, total_row) = (config.skip_rows, config.header.clone(), config.total_row);
        Ok(Self {
            format: config.format,
            encoding: config.encoding.as_deref().map(encoding::by_label).transpose()?,
            csv: csv::Options { delimiter, quote, skip_rows, header: header.clone(), total_row },
            xlsx: xlsx::Options { sheet: config.sheet.clone(), skip_rows, header, total_row },
            order: config.order,
            on_change: config.on_change,
            version_column: config.version.is_some(),
            page_bytes: PAGE_BYTES,
        })
    }

    /// The format of `entry`'s file.
    ///
    /// # Errors
    /// [`Kind::Config`] if nothing says.
    pub fn format_of(&self, entry: &Entry) -> Result<Format, Error> {
        self.format.map_or_else(|| Format::of(&entry.partition), Ok)
    }
}

fn byte(name: &str, text: &str) -> Result<u8, Error> {
    match text.as_bytes() {
        &[byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r' | 0) => Ok(byte),
        _ => Err(Error::new(Kind::Config, format!("`{name}` is not one ASCII character"))
            .hint("such as `,` `;` `|` or `\\t`; several bytes or line ends are not possible")),
    }
}

/// Reads `entry`'s file into `pages`; gives how it was and the hash of its content.
///
/// # Errors
/// If the file cannot be read, or changed or vanished meanwhile: its pages must not be used then.
pub fn load(
    entry: &Entry,
    settings: &Settings,
    runtime: &Handle,
    pages: &mut Pages<'_>,
) -> Result<(Stat, String), Halt> {
    let format = settings.format_of(entry)?;
    let (stat, hash) = match format {
        Format::Csv | Format::Jsonl => text(entry, format, settings, runtime, pages)?,
        Format::Parquet | Format::Xlsx => {
            let (stat, file, hash) = input::whole(entry, runtime)?;
            // A damaged file must not end the run, whatever it does to its parser.
            let read = catch_unwind(AssertUnwindSafe(|| match format {
                _ if stat.size == 0 => Ok(()),
                Format::Parquet => parquet::read(file, pages),
                _ => Workbook::open(file, &entry.partition)?.table(&settings.xlsx, |table| table.read(pages)),
            }));
            read.unwrap_or_else(|_| Err(Error::new(Kind::Data, format!("`{}` is damaged", entry.partition)).into()))?;
            (stat, hash)
        }
    };
    input::check(entry, &stat, runtime)?;
    Ok((stat, hash))
}

fn text(
    entry: &Entry,
    format: Format,
    settings: &Settings,
    runtime: &Handle,
    pages: &mut Pages<'_>,
) -> Result<(Stat, String), Halt> {
    let (stat, input) = Input::open(entry, runtime)?;
    let start = if format == Format::Jsonl { Text::start_utf8 } else { Text::start };
    let mut text = start(input, settings.encoding).map_err(|e| input::unreadable(entry, e))?;
    if format == Format::Jsonl {
        jsonl::read(&mut text, settings.page_bytes, pages)?;
    } else if let Some(layout) = Layout::find(&text, &settings.csv, &entry.partition)? {
        csv::read(&mut text, layout, &settings.csv, settings.page_bytes, pages)?;
    }
    let (bytes, hash) = text.finish().map_err(|e| input::unreadable(entry, e))?;
    if bytes != stat.size {
        return Err(Error::new(Kind::Data, format!("`{}` changed while it was read", entry.partition))
            .hint("it is read again next time; let the exporter write under another name and rename when done")
            .into());
    }
    Ok((stat, hash))
}
