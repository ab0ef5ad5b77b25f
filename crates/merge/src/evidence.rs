//! The rows of `identity.edge`: why two records are one, or are not.
//!
//! A run has millions of them, so that each is a few numbers until its batch is written.

use tributary_engine::{Result, rewrite};
use tributary_lake::{Lake, TableChange};

use crate::batch::{batch, floats, texts};
use crate::records::Records;
use crate::tables::edge;

/// What a row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Certain,
    /// Joined, or already joined by others.
    Likely,
    /// Likely by itself, and contradicted by the other records of the two clusters.
    Cut,
    /// A steward has said so.
    Decided,
    Vetoed(Veto),
    /// Of one record: its value merges nobody.
    Refused(Cap),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Veto {
    Names,
    Validity,
    Ambiguous,
    Unique,
    Steward,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cap {
    Names,
    Records,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Certain => "certain",
            Kind::Likely => "likely",
            Kind::Cut => "cut",
            Kind::Decided => "decided",
            Kind::Vetoed(_) => "vetoed",
            Kind::Refused(_) => "refused",
        }
    }

    fn reason(self) -> Option<&'static str> {
        Some(match self {
            Kind::Certain | Kind::Likely => return None,
            Kind::Cut => "the other records of the two clusters contradict it",
            Kind::Decided => "a steward has said that they are one person",
            Kind::Vetoed(Veto::Names) => "their clear names are unlike",
            Kind::Vetoed(Veto::Validity) => "they held it at different times",
            Kind::Vetoed(Veto::Ambiguous) => "it may belong to several of the others",
            Kind::Vetoed(Veto::Unique) => "a unique identifier keeps them apart",
            Kind::Vetoed(Veto::Steward) => "a steward has said that they are two persons",
            Kind::Refused(Cap::Names) => "more unlike names share it than `max_names`",
            Kind::Refused(Cap::Records) => "more records of one source share it than `max_records_per_source`",
        })
    }
}

/// None of a table's numbers.
pub(crate) const NONE: u32 = u32::MAX;

/// A row: two records by number, and the number of an identifier's type and scope; each may be [`NONE`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub a: u32,
    pub b: u32,
    pub kind: Kind,
    pub identifier: u32,
    pub bits: Option<f32>,
}

const BATCH: usize = 65_536;

/// Writes the rows in place of those that were.
pub(crate) async fn write(
    lake: &Lake,
    records: &Records,
    identifiers: &[(String, String)],
    mut rows: Vec<Row>,
) -> Result<TableChange> {
    rows.sort_unstable_by_key(|row| (row.a, row.b, row.kind, row.identifier));
    let key = |number: u32| records.get(number).map(|record| record.key.text());
    let identifier = |row: &Row| identifiers.get(row.identifier as usize);
    let batches = rows.chunks(BATCH).map(|rows| {
        let columns = vec![
            texts(rows.iter().map(|row| key(row.a))),
            texts(rows.iter().map(|row| key(row.b))),
            texts(rows.iter().map(|row| Some(row.kind.name()))),
            texts(rows.iter().map(|row| identifier(row).map(|(kind, _)| kind))),
            texts(rows.iter().map(|row| identifier(row).map(|(_, scope)| scope))),
            texts(rows.iter().map(|row| row.kind.reason())),
            floats(rows.iter().map(|row| row.bits)),
        ];
        batch(&edge().schema, columns)
    });
    Ok(rewrite(lake, &edge(), true, futures::stream::iter(batches)).await?.0)
}

impl From<crate::cluster::Conflict> for Veto {
    fn from(conflict: crate::cluster::Conflict) -> Self {
        match conflict {
            crate::cluster::Conflict::CannotLink { .. } => Self::Steward,
            _ => Self::Unique,
        }
    }
}
