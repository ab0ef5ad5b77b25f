//! What `clean` changed since the last merge: rows of `match.change`.

use std::collections::BTreeMap;

use tributary_engine::{Result, Session};
use tributary_lake::TableName;

use crate::batch::Cursor;
use crate::id::RecordKey;
use crate::profile::{COLUMNS, Gathered, Identifier, Profile};
use crate::records::stub_key;
use crate::rules::Rules;

/// Records that may have changed.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// Parties as they are now, packed; of those that are gone, nothing.
    pub parties: BTreeMap<RecordKey, Option<Vec<u8>>>,
    /// Stubs, packed, and by how many more (or less) they are named than before.
    pub stubs: BTreeMap<RecordKey, (Vec<u8>, i64)>,
}

impl News {
    /// What came after the commit `from` of the stage `clean`, up to `to`. `None` where that is not told.
    pub async fn read(session: &Session, rules: &Rules, from: i64, to: i64) -> Result<Option<Self>> {
        if from == to {
            return Ok(Some(Self::default()));
        }
        if from > to || session.load(&TableName::new("match", "change")).await?.is_none() {
            return Ok(None);
        }
        let doing = "read what changed";
        let range = format!("number > {from} AND number <= {to}");
        let sql = format!(
            "SELECT number, count(*) - 1 AS found, min(rows) AS told, count(rows) AS commits, \
             coalesce(bool_or(what = 'all'), false) AS whole FROM match.change WHERE {range} GROUP BY number ORDER BY number"
        );
        let mut cursor = Cursor::new(session.stream(doing, &sql).await?, doing);
        let mut next = from + 1;
        while let Some((rows, row)) = cursor.peek().await? {
            let number = |column| rows.number(column, row);
            let told = number(0) == Some(next) && number(1) == number(2) && number(3) == Some(1);
            if !told || rows.flag(4, row) {
                return Ok(None);
            }
            next += 1;
            cursor.advance();
        }
        if next != to + 1 {
            return Ok(None);
        }
        Self::rows(session, rules, &range).await
    }

    async fn rows(session: &Session, rules: &Rules, range: &str) -> Result<Option<Self>> {
        let doing = "read what changed";
        let columns: String = COLUMNS.iter().map(|column| format!(", CAST({column} AS VARCHAR) AS {column}")).collect();
        let sql = format!(
            "SELECT number, what, CASE WHEN what IN ('event', 'event_gone') THEN {} ELSE record_key END AS of, source, name, \
             name_masked, type, scope, value, masked, valid_from, valid_to{columns} FROM match.change WHERE {range} \
             AND (what IN ('party', 'gone', 'identifier') OR (what IN ('event', 'event_gone') AND NOT masked AND type IN ({}))) \
             ORDER BY of, number, what",
            stub_key(session.lake()),
            rules.kinds_sql()
        );
        let mut cursor = Cursor::new(session.stream(doing, &sql).await?, doing);
        let mut news = Self::default();
        // Rows of one record and commit come together: what is gone, then its identifiers, then the party.
        let mut gathered = Gathered::default();
        let mut at = None;
        let mut parties = 0;
        while let Some((rows, row)) = cursor.peek().await? {
            let text = |column| rows.text(column, row).unwrap_or_default();
            let key = RecordKey::new(text(2))?;
            let group = (key, rows.number(0, row));
            if at != Some(group) {
                at = Some(group);
                gathered.clear();
                parties = 0;
            }
            let [kind, scope, value] = [text(6), text(7), text(8)];
            let (from, to) = (rows.number(10, row), rows.number(11, row));
            let masked = rows.flag(9, row);
            let identifier = Identifier { kind, scope, masked, ended: to.is_some(), value, from, to };
            match text(1) {
                "identifier" => gathered.take(&identifier),
                "gone" => _ = news.parties.insert(key, None),
                "party" => {
                    parties += 1;
                    if parties > 1 {
                        // Two records of one key: everything is looked at, and says so.
                        return Ok(None);
                    }
                    let profile = Profile {
                        source: text(3),
                        name: rows.text(4, row),
                        masked: rows.flag(5, row),
                        columns: std::array::from_fn(|at| rows.text(12 + at, row)),
                        identifiers: gathered.sorted(),
                    };
                    news.parties.insert(key, Some(profile.packed()));
                }
                what => {
                    let stub = Profile {
                        identifiers: vec![Identifier { kind, scope, value, ..Identifier::default() }],
                        ..Profile::default()
                    };
                    let named = news.stubs.entry(key).or_insert_with(|| (stub.packed(), 0));
                    named.1 += if what == "event" { 1 } else { -1 };
                }
            }
            cursor.advance();
        }
        Ok(Some(news))
    }

    pub fn len(&self) -> usize {
        self.parties.len() + self.stubs.len()
    }
}
