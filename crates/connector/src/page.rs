//! What a reader hands out: pages, withdrawals, and the places where it is safe to stop.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use bytes::Bytes;

use crate::{Error, Form, Position};

/// One step of reading a stream.
#[derive(Debug)]
pub enum Event {
    /// Records.
    Page(Page),
    /// All rows of a scope that came before are no longer so.
    Withdraw(Withdrawal),
    /// Everything since the last checkpoint is complete: it may be committed together with these positions. `None`
    /// forgets a partition. What comes between two checkpoints is committed together or not at all.
    Checkpoint(Vec<(Arc<str>, Option<Position>)>),
    /// What came since the last checkpoint must not be committed (a file turned out bad); reading goes on after it.
    Discard { partition: Arc<str>, error: Error },
    /// What came since the last checkpoint is known already and must not be committed; no error.
    Forget { partition: Arc<str> },
    /// A partition was looked at and had nothing new.
    Unchanged { partition: Arc<str> },
}

/// Records of one partition and scope, in order.
#[derive(Debug, Clone)]
pub struct Page {
    /// What the positions are kept by: a path, a shop, a window.
    pub partition: Arc<str>,
    /// What may be withdrawn as a whole, and what records without a key are numbered in.
    pub scope: Arc<str>,
    /// Orders versions of one record, compared as text; `None` where a column does ([`crate::Stream::version`]).
    pub version: Option<Arc<str>>,
    /// The number of this page's first record within the scope, from 0.
    pub first_record: u64,
    /// How many records the reader counted, decodable or not: the independent count of the ledger.
    pub records: u64,
    /// What the records say of themselves.
    pub op: Op,
    pub data: Data,
}

/// What a record means for the one of its key that came before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Op {
    /// It is, as shown.
    #[default]
    Upsert,
    /// It is no more. Only for streams with a primary key; the record holds the key and, where the stream has a version
    /// column, that one: a deletion counts only if nothing newer is known of the record.
    Delete,
}

impl Op {
    /// As in `_op` of raw tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Upsert => "upsert",
            Self::Delete => "delete",
        }
    }
}

/// The records themselves.
#[derive(Debug, Clone)]
pub enum Data {
    /// Decoded already; columns are matched by name, and text is cast to the stream's types as if it came from bytes.
    Batch(RecordBatch),
    Csv(CsvPage),
    Json(JsonPage),
    /// Records that could not even be cut out of the source.
    Rejected(Vec<Rejected>),
}

/// Whole records of delimited text, without a header; lines end with `\n` or `\r\n`. A quoted field may hold line ends; a
/// line without any byte is no record.
#[derive(Debug, Clone)]
pub struct CsvPage {
    pub bytes: Bytes,
    pub dialect: Arc<CsvDialect>,
    /// Line number of the first record in its file, from 1.
    pub first_line: u64,
}

/// How delimited text is written.
#[derive(Debug, Clone, PartialEq)]
pub struct CsvDialect {
    pub delimiter: u8,
    pub quote: u8,
    pub encoding: &'static encoding_rs::Encoding,
    /// The header: the column's name for each field, in the file's order.
    pub header: Vec<String>,
}

impl CsvDialect {
    /// A quoted field with more line ends than this is taken for one whose quote is not closed.
    pub const MAX_FIELD_LINES: usize = 1_000;
    /// And so is one with more bytes than this.
    pub const MAX_FIELD_BYTES: usize = 1 << 20;
}

/// JSON records, in UTF-8.
#[derive(Debug, Clone)]
pub struct JsonPage {
    pub bytes: Bytes,
    pub shape: JsonShape,
    /// Line number of the first record in its file, from 1 (for lines).
    pub first_line: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonShape {
    /// One object a line; blank lines are no records.
    Lines,
    /// One array of objects.
    Array,
}

/// A record that cannot be taken, with what is needed to find and replay it.
#[derive(Debug, Clone, PartialEq)]
pub struct Rejected {
    /// Its number within the scope, from 0.
    pub record: u64,
    /// Its first line in its file, from 1, where there are lines.
    pub line: Option<u64>,
    pub bytes: Bytes,
    /// Why, in words, without values: ``row has 5 fields, the header has 7``.
    pub error: String,
    /// Whether the bytes are not of the encoding (too many of these make a file bad).
    pub undecodable: bool,
    /// How the bytes are read by themselves; `None` where they are not the whole record.
    pub form: Option<Form>,
}

/// Rows of `scope` are withdrawn, because `partition` now shows something else.
#[derive(Debug, Clone, PartialEq)]
pub struct Withdrawal {
    pub partition: Arc<str>,
    pub scope: Arc<str>,
    /// The scope that takes its place, if any: the framework compares their keys before it withdraws over half of them.
    pub replaced_by: Option<Arc<str>>,
}
