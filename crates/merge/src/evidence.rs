//! The rows of `identity.edge`: why two records are one, or are not.
//!
//! A run has millions of them, so that each is a few numbers until its batch is written.

use futures::StreamExt;
use tributary_engine::{Error, Result, Session, rewrite};
use tributary_lake::{Lake, TableChange};

use crate::batch::{Rows, batch, floats, keys, texts};
use crate::id::RecordKey;
use crate::identifiers::Kinds;
use crate::people::STAGE;
use crate::records::rows_of;
use crate::tables::edge;

/// What a row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Veto {
    Names,
    Validity,
    Ambiguous,
    Unique,
    Steward,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Cap {
    Names,
    Records,
}

impl Kind {
    /// Those that have a reason of their own.
    const WITH_REASON: [Kind; 7] = [
        Kind::Vetoed(Veto::Names),
        Kind::Vetoed(Veto::Validity),
        Kind::Vetoed(Veto::Ambiguous),
        Kind::Vetoed(Veto::Unique),
        Kind::Vetoed(Veto::Steward),
        Kind::Refused(Cap::Names),
        Kind::Refused(Cap::Records),
    ];

    /// Whether the row comes of clusters as wholes, not of the two records alone.
    pub fn of_clusters(self) -> bool {
        matches!(self, Kind::Likely | Kind::Cut | Kind::Vetoed(Veto::Unique | Veto::Steward))
    }

    /// Whether it says that the two may be one.
    pub fn ties(self) -> bool {
        matches!(self, Kind::Certain | Kind::Likely | Kind::Cut | Kind::Decided)
    }

    fn of(name: &str, reason: Option<&str>) -> Option<Self> {
        match name {
            "certain" => Some(Kind::Certain),
            "likely" => Some(Kind::Likely),
            "cut" => Some(Kind::Cut),
            "decided" => Some(Kind::Decided),
            _ => Self::WITH_REASON.into_iter().find(|kind| kind.name() == name && kind.reason() == reason),
        }
    }

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
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Row {
    pub a: u32,
    pub b: u32,
    pub kind: Kind,
    pub identifier: u32,
    pub bits: Option<f32>,
}

const BATCH: usize = 65_536;

/// Sorts rows as they are written best.
pub(crate) fn sort(rows: &mut [Row]) {
    rows.sort_unstable_by_key(|row| (row.a, row.b, row.kind, row.identifier));
}

/// Writes the rows in place of those that were; `key` gives a record's by its number.
pub(crate) async fn write(
    lake: &Lake,
    key: impl Fn(u32) -> Option<RecordKey> + Send,
    kinds: &Kinds,
    rows: Vec<Row>,
) -> Result<TableChange> {
    let identifier = |row: &Row| kinds.names.get(row.identifier as usize);
    let batches = rows.chunks(BATCH).map(|rows| {
        // Looked up by themselves: what one misses in memory, the next need not wait for.
        let ends = |end: fn(&Row) -> u32| {
            let found: Vec<Option<RecordKey>> = rows.iter().map(|row| key(end(row))).collect();
            keys(found.into_iter().map(|key| key.map(RecordKey::text)))
        };
        let columns = vec![
            ends(|row| row.a)?,
            ends(|row| row.b)?,
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

/// Reads all rows; `numbers` gives those of records by their keys, [`NONE`] for what is no record.
pub(crate) async fn read(
    session: &Session,
    numbers: impl Fn(&[RecordKey]) -> Vec<u32>,
    kinds: &mut Kinds,
) -> Result<Vec<Row>> {
    let doing = "read the edges of before";
    let sql = "SELECT a, b, kind, type, scope, reason, bits FROM identity.edge";
    let mut stream = session.stream(doing, sql).await?;
    let mut all = Vec::with_capacity(rows_of(session, &edge()).await?);
    let unknown = |what: &str| {
        let why = format!("an edge of before has {what} that is not known");
        Error::Ledger { stage: STAGE.into(), why }
    };
    while let Some(batch) = stream.next().await {
        let found = Rows::new(&batch.map_err(Error::query(doing))?)?;
        let ends = |column: usize| -> Result<Vec<u32>> {
            let key = |row| found.text(column, row).map_or(Ok(RecordKey::default()), RecordKey::new);
            Ok(numbers(&(0..found.len).map(key).collect::<Result<Vec<_>>>()?))
        };
        for (row, (a, b)) in ends(0)?.into_iter().zip(ends(1)?).enumerate() {
            let kind = Kind::of(found.text(2, row).unwrap_or_default(), found.text(5, row));
            let kind = kind.ok_or_else(|| unknown("a kind"))?;
            if a == NONE || (b == NONE && !matches!(kind, Kind::Refused(_))) {
                return Err(unknown("a record"));
            }
            let identifier = match (found.text(3, row), found.text(4, row)) {
                (Some(kind), scope) => kinds.number(kind, scope.unwrap_or_default()),
                (None, _) => NONE,
            };
            all.push(Row { a, b, kind, identifier, bits: found.float(6, row).map(|bits| bits as f32) });
        }
    }
    Ok(all)
}

impl From<crate::cluster::Conflict> for Veto {
    fn from(conflict: crate::cluster::Conflict) -> Self {
        match conflict {
            crate::cluster::Conflict::CannotLink { .. } => Self::Steward,
            _ => Self::Unique,
        }
    }
}
