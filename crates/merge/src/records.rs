//! The records that are merged: those of persons, and stubs, which are identifiers that orders and the like name.
//!
//! Numbered in the order of their keys. Of each there is kept what certain edges look at; what likely edges look at goes on to
//! a [`Reader`] as it comes by.

use std::collections::HashMap;

use tributary_engine::{Error, Result, Session};
use tributary_lake::Lake;

use crate::batch::Cursor;
use crate::id::RecordKey;
use crate::likely::{self, Reader};
use crate::people::STAGE;
use crate::rules::Rules;

pub(crate) struct Record {
    pub key: RecordKey,
    pub source: u32,
    pub name: Option<Box<str>>,
    pub masked: bool,
    pub stub: bool,
}

#[derive(Default)]
pub(crate) struct Records {
    /// Sorted by key.
    pub all: Vec<Record>,
    pub sources: Vec<String>,
    numbers: HashMap<String, u32>,
}

/// A stub's key, in SQL.
pub(crate) fn stub_key(lake: &Lake) -> String {
    let secret: String = lake.key("record key").iter().map(|byte| format!("{byte:02x}")).collect();
    format!("key_of('{secret}', 'stub', type, scope, value)")
}

impl Records {
    pub async fn read(session: &Session, rules: &Rules, mut likely: Option<&mut Reader>) -> Result<Self> {
        let columns = if likely.is_some() { likely::COLUMNS } else { &[] };
        let of_party: String = columns.iter().map(|column| format!(", {}", likely::sql(column))).collect();
        let of_stub = ", CAST(NULL AS VARCHAR)".repeat(columns.len());
        let sql = format!(
            "SELECT * FROM (SELECT record_key, source, name, name_masked, false AS stub{of_party} FROM clean.party \
             UNION ALL SELECT DISTINCT {} AS record_key, '' AS source, CAST(NULL AS VARCHAR) AS name, \
             false AS name_masked, true AS stub{of_stub} FROM clean.event_identifier \
             WHERE NOT masked AND type IN ({})) ORDER BY record_key, stub",
            stub_key(session.lake()),
            rules.kinds_sql()
        );
        let doing = "read the records to merge";
        let mut cursor = Cursor::new(session.stream(doing, &sql).await?, doing);
        let mut records = Self::default();
        while let Some((rows, row)) = cursor.peek().await? {
            let record = Record {
                key: RecordKey::new(rows.text(0, row).unwrap_or_default())?,
                source: records.source(rows.text(1, row).unwrap_or_default()),
                name: rows.text(2, row).map(Box::from),
                masked: rows.flag(3, row),
                stub: rows.flag(4, row),
            };
            if records.all.last().is_some_and(|last| last.key == record.key) {
                let why =
                    "two records have one key; two maps of one stream to `party` need keys that differ".to_owned();
                return Err(Error::Ledger { stage: STAGE.into(), why });
            }
            if let Some(reader) = likely.as_deref_mut().filter(|_| !record.stub) {
                reader.take(&record, records.len(), rows, row, 5).await?;
            }
            records.all.push(record);
            cursor.advance();
        }
        Ok(records)
    }

    pub fn len(&self) -> u32 {
        u32::try_from(self.all.len()).unwrap_or(u32::MAX)
    }

    /// The number of a source.
    pub fn source(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = u32::try_from(self.sources.len()).unwrap_or(u32::MAX);
        self.sources.push(name.to_owned());
        self.numbers.insert(name.to_owned(), number);
        number
    }

    pub fn number(&self, key: RecordKey) -> Option<u32> {
        let at = self.all.binary_search_by_key(&key, |record| record.key).ok()?;
        u32::try_from(at).ok()
    }

    pub fn get(&self, number: u32) -> Option<&Record> {
        self.all.get(number as usize)
    }
}
