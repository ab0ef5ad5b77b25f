//! Errors of the lake: what, why and the mend. No values of records are in them.

/// A result of the lake.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong with a lake.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("`{location}` cannot be used as a lake: {why}")]
    Location { location: String, why: String },

    /// The store cannot keep two writers apart.
    #[error("`{location}` cannot be used as a lake: {why}")]
    Racy { location: String, why: String },

    #[error("there is no lake at `{location}`")]
    NoLake { location: String },

    #[error("there is no table `{0}`")]
    NoTable(String),

    #[error("could not {doing} `{what}`")]
    Store {
        doing: &'static str,
        what: String,
        #[source]
        source: object_store::Error,
    },

    #[error("could not {doing} table `{table}`")]
    Delta {
        doing: &'static str,
        table: String,
        #[source]
        source: Box<deltalake::DeltaTableError>,
    },

    #[error("could not {doing} a data file of `{table}`")]
    Parquet {
        doing: &'static str,
        table: String,
        #[source]
        source: Box<parquet::errors::ParquetError>,
    },

    /// Someone else has gone on from where we started: what we hold must not be committed.
    #[error("another run has overtaken this one on `{0}`; nothing of this one's batch was committed")]
    Overtaken(String),

    /// We were away for longer than our lease ran.
    #[error("another run has taken over `{0}` while this one stood still; nothing more of this one was committed")]
    Lost(String),

    #[error("`{what}` is held by {holder} until {until}")]
    Held { what: String, holder: String, until: String },

    /// Something that was written is not there or is not what was written: a person has to look.
    #[error("`{what}` is damaged: {why}")]
    Damaged { what: String, why: String },

    #[error("`{what}` was written by a newer version (format {format})")]
    Format { what: String, format: u32 },

    #[error(transparent)]
    Arrow(#[from] arrow::error::ArrowError),

    #[error("a planted fault")]
    Planted,
}

impl Error {
    pub(crate) fn delta(doing: &'static str, table: impl ToString) -> impl FnOnce(deltalake::DeltaTableError) -> Self {
        let table = table.to_string();
        move |source| Self::Delta { doing, table, source: Box::new(source) }
    }

    pub(crate) fn store(doing: &'static str, what: impl ToString) -> impl FnOnce(object_store::Error) -> Self {
        let what = what.to_string();
        move |source| Self::Store { doing, what, source }
    }

    pub(crate) fn parquet(
        doing: &'static str,
        table: impl ToString,
    ) -> impl FnOnce(parquet::errors::ParquetError) -> Self {
        let table = table.to_string();
        move |source| Self::Parquet { doing, table, source: Box::new(source) }
    }

    /// What a user can do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Racy { .. } => Some(
                "if only one process at a time ever writes to this lake, say so: `single_writer = true` in each of its pipelines".into(),
            ),
            Self::NoLake { .. } => Some("a lake is made by the first `tributary run`".into()),
            Self::Held { .. } => Some("wait for that run to end, or for its lease to run out".into()),
            Self::Overtaken(_) | Self::Lost(_) => Some("run again: it goes on from where the other one is".into()),
            Self::Damaged { .. } => Some("restore it from a backup; nothing is guessed here".into()),
            Self::Format { .. } => Some("upgrade tributary".into()),
            _ => None,
        }
    }
}
