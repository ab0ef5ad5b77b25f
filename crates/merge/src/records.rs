//! The records that are merged: those of persons, and stubs, which are identifiers that orders and the like name.
//!
//! Read in the order of their keys, each with its identifiers, and numbered so. Of each there is kept what certain edges look at;
//! what likely edges look at goes on as it comes by, and so does what the index keeps.

use std::collections::HashMap;

use tributary_engine::{Error, Result, Session};
use tributary_lake::{Lake, TableSpec};

use crate::batch::Cursor;
use crate::id::RecordKey;
use crate::identifiers::Holders;
use crate::index;
use crate::likely::Comparing;
use crate::people::STAGE;
use crate::profile::{COLUMNS, Gathered, Identifier, Profile};
use crate::rules::Rules;

#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub key: RecordKey,
    pub source: u32,
    pub name: Option<Box<str>>,
    pub masked: bool,
    pub stub: bool,
}

/// Numbers for sources.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    pub names: Vec<String>,
    numbers: HashMap<String, u32>,
}

impl Sources {
    pub fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(name.to_owned());
        self.numbers.insert(name.to_owned(), number);
        number
    }

    /// The number of a source that has one.
    pub fn known(&self, name: &str) -> u32 {
        self.numbers.get(name).copied().unwrap_or(u32::MAX)
    }

    pub fn name(&self, number: u32) -> &str {
        self.names.get(number as usize).map_or("", String::as_str)
    }
}

#[derive(Default)]
pub(crate) struct Records {
    /// Sorted by key.
    pub all: Vec<Record>,
    pub sources: Sources,
}

/// How many rows a table has.
pub(crate) async fn rows_of(session: &Session, spec: &TableSpec) -> Result<usize> {
    let rows = match session.lake().table(&spec.name).await? {
        Some(table) => table.rows()?,
        None => 0,
    };
    Ok(usize::try_from(rows).unwrap_or_default())
}

/// A stub's key, in SQL.
pub(crate) fn stub_key(lake: &Lake) -> String {
    let secret: String = lake.key("record key").iter().map(|byte| format!("{byte:02x}")).collect();
    format!("key_of('{secret}', 'stub', type, scope, value)")
}

/// Reads records, and with each its identifiers.
pub(crate) struct Reader {
    records: Cursor,
    identifiers: Cursor,
    gathered: Gathered,
    begun: bool,
}

/// A record as it comes by.
pub(crate) struct Read<'a> {
    pub key: RecordKey,
    pub stub: bool,
    /// Of a stub, how many orders and the like name it.
    pub named: i64,
    pub profile: Profile<'a>,
}

/// A column of [`COLUMNS`] as text.
fn as_text(column: &str) -> String {
    format!(", CAST({column} AS VARCHAR) AS {column}")
}

impl Reader {
    /// All records.
    pub async fn open(session: &Session, rules: &Rules) -> Result<Self> {
        let of_stub = ", CAST(NULL AS VARCHAR)".repeat(COLUMNS.len());
        let stubs = format!(
            " UNION ALL SELECT {} AS record_key, '' AS source, CAST(NULL AS VARCHAR) AS name, false AS name_masked, \
             true AS stub, type, scope, value, count(*) AS named{of_stub} FROM clean.event_identifier \
             WHERE NOT masked AND type IN ({}) GROUP BY type, scope, value",
            stub_key(session.lake()),
            rules.kinds_sql()
        );
        Self::of(session, "", &stubs).await
    }

    /// Parties that an SQL condition, with its `WHERE`, names by their keys.
    pub async fn some(session: &Session, which: &str) -> Result<Self> {
        Self::of(session, which, "").await
    }

    async fn of(session: &Session, which: &str, stubs: &str) -> Result<Self> {
        let doing = "read the records to merge";
        let columns: String = COLUMNS.iter().map(|column| as_text(column)).collect();
        let sql = format!(
            "SELECT * FROM (SELECT record_key, source, name, name_masked, false AS stub, CAST(NULL AS VARCHAR) AS type, \
             CAST(NULL AS VARCHAR) AS scope, CAST(NULL AS VARCHAR) AS value, 0 AS named{columns} FROM clean.party \
             {which}{stubs}) ORDER BY record_key, stub"
        );
        let records = Cursor::new(session.stream(doing, &sql).await?, doing);
        let doing = "read the identifiers to merge by";
        let sql = format!(
            "SELECT record_key, type, scope, value, masked, valid_from, valid_to FROM clean.party_identifier {which} \
             ORDER BY record_key"
        );
        let identifiers = Cursor::new(session.stream(doing, &sql).await?, doing);
        Ok(Self { records, identifiers, gathered: Gathered::default(), begun: false })
    }

    /// The next record, in the order of their keys.
    pub async fn next(&mut self) -> Result<Option<Read<'_>>> {
        if std::mem::replace(&mut self.begun, true) {
            self.records.advance();
        }
        let Some((rows, row)) = self.records.peek().await? else { return Ok(None) };
        let key = RecordKey::new(rows.text(0, row).unwrap_or_default())?;
        let stub = rows.flag(4, row);
        let text = |column| rows.text(column, row).unwrap_or_default();
        self.gathered.clear();
        while let Some((rows, row)) = self.identifiers.peek().await? {
            let text = |column| rows.text(column, row).unwrap_or_default();
            let of = RecordKey::new(text(0))?;
            if of > key {
                break;
            }
            if of == key {
                let (from, to) = (rows.number(5, row), rows.number(6, row));
                let [kind, scope, value] = [text(1), text(2), text(3)];
                let masked = rows.flag(4, row);
                self.gathered.take(&Identifier { kind, scope, masked, ended: to.is_some(), value, from, to });
            }
            self.identifiers.advance();
        }
        if stub {
            let [kind, scope, value] = [text(5), text(6), text(7)];
            self.gathered.take(&Identifier { kind, scope, value, ..Identifier::default() });
        }
        let profile = Profile {
            source: text(1),
            name: rows.text(2, row),
            masked: rows.flag(3, row),
            columns: std::array::from_fn(|at| rows.text(9 + at, row)),
            identifiers: self.gathered.sorted(),
        };
        Ok(Some(Read { key, stub, named: rows.number(8, row).unwrap_or_default(), profile }))
    }
}

impl Records {
    /// Reads all records; what holds identifiers is gathered beside them.
    pub async fn read(
        session: &Session,
        rules: &Rules,
        mut comparing: Option<&mut Comparing>,
        mut index: Option<&mut index::Writer>,
    ) -> Result<(Self, Holders)> {
        let mut reader = Reader::open(session, rules).await?;
        let mut records = Self::default();
        let mut holders = Holders::new(session.lake());
        while let Some(Read { key, stub, named, profile }) = reader.next().await? {
            if records.all.last().is_some_and(|last| last.key == key) {
                let why =
                    "two records have one key; two maps of one stream to `party` need keys that differ".to_owned();
                return Err(Error::Ledger { stage: STAGE.into(), why });
            }
            let number = records.len();
            let source = records.sources.number(profile.source);
            holders.take(rules, number, &profile);
            if let Some(comparing) = comparing.as_deref_mut().filter(|_| !stub) {
                comparing.take(number, key, source, &profile);
            }
            if let Some(index) = index.as_deref_mut() {
                index.record(key, stub.then_some(named), &profile).await?;
            }
            let name = profile.name.map(Box::from);
            records.all.push(Record { key, source, name, masked: profile.masked, stub });
        }
        Ok((records, holders))
    }

    pub fn len(&self) -> u32 {
        u32::try_from(self.all.len()).unwrap_or(u32::MAX)
    }

    pub fn number(&self, key: RecordKey) -> Option<u32> {
        let at = self.all.binary_search_by_key(&key, |record| record.key).ok()?;
        u32::try_from(at).ok()
    }

    pub fn get(&self, number: u32) -> Option<&Record> {
        self.all.get(number as usize)
    }

    pub fn key(&self, number: u32) -> Option<RecordKey> {
        self.get(number).map(|record| record.key)
    }
}
