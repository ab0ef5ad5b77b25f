//! What a stream is: its schema, key, cursor and how it tells of deletions. All of it is data that the framework asks for.

use arrow::datatypes::{Field, SchemaRef};

/// Metadata key of an Arrow field that says how personal its values are; see [`Personal`].
pub const PERSONAL: &str = "tributary.personal";

/// Metadata key of a timestamp field that names the zone of its times that carry no offset, such as `Asia/Shanghai`; UTC
/// where it is missing. A connector sets it from [`crate::Context::timezone`], so that decoding needs nothing but the schema.
pub const TIMEZONE: &str = "tributary.timezone";

/// Metadata key of a text field, or of a list of texts, that names a member: where a value is a JSON object, the text of that member
/// is taken and the rest is not kept. So `{"name": "…", "id": "7"}`, `{"id": "7"}` and `"7"` are the same with the member `id`,
/// for vendors that show one reference in several shapes. An object without the member does not fit.
pub const MEMBER: &str = "tributary.member";

/// Metadata key of a list of texts that says what stands between its values where they come as one text, such as `;` in a CSV
/// file. Such a list cannot be empty: it is null then, because a text does not tell the two apart.
pub const SEPARATOR: &str = "tributary.separator";

/// Metadata key of a date or timestamp field whose values may come as a number of units since 1970 in UTC: `s`, `ms` or `us`.
/// A date is then the day on the clocks of [`TIMEZONE`] at that time. Times in text are read as ever.
pub const EPOCH: &str = "tributary.epoch";

/// How personal a column's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Personal {
    None,
    /// Narrows down who it is, with others: a birthday, a city.
    Quasi,
    /// Says who it is: a name, a phone number. What nobody has declared counts as this.
    Identifier,
    /// Needs a reason of its own: health, religion.
    Sensitive,
}

impl Personal {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Quasi => "quasi",
            Self::Identifier => "identifier",
            Self::Sensitive => "sensitive",
        }
    }

    /// What a field says of itself; an identifier unless it says otherwise.
    pub fn of(field: &Field) -> Self {
        match field.metadata().get(PERSONAL).map(String::as_str) {
            Some("none") => Self::None,
            Some("quasi") => Self::Quasi,
            Some("sensitive") => Self::Sensitive,
            _ => Self::Identifier,
        }
    }
}

/// How a stream is read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cursor {
    /// All of it, each time.
    None,
    /// By a column that grows; the boundary is inclusive.
    Column(String),
    /// By positions that only the connector understands, one per partition.
    Positions,
    /// By what each partition, such as a file, holds: one that was read is read again only if it holds something else.
    Contents,
}

/// How a stream tells of deleted records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deletes {
    /// It does not.
    Never,
    /// By records of their own ([`crate::Op::Delete`]).
    Feed,
    /// By a column of its records that is true where the record is no more.
    Column(String),
    /// By withdrawing a scope, such as a file's rows, when it shows other content.
    Scope,
}

/// A stream of a source.
#[derive(Debug, Clone)]
pub struct Stream {
    pub name: String,
    /// Typed columns as the source declares them; text where it declares none.
    pub schema: SchemaRef,
    /// Columns that name a record within the stream; empty: records are known by scope and ordinal.
    pub primary_key: Vec<String>,
    pub cursor: Cursor,
    pub deletes: Deletes,
    /// The column that orders a record's versions; `None`: the page says ([`crate::Page::version`]).
    pub version: Option<String>,
}

/// What a connector can do, as data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// Reading resumes after the last checkpoint.
    pub resumes: bool,
    /// A later read shows only what is new or changed.
    pub incremental: bool,
    /// Deletions are seen.
    pub deletes: bool,
    /// Reads over a network.
    pub remote: bool,
    /// Reads a window of a stream's cursor where it is asked for one ([`crate::ReadRequest::window`]).
    pub windows: bool,
}
