//! Certain edges of a lake: identifiers come sorted by value, and one block is held at a time.

use std::collections::BTreeMap;

use tributary_engine::{Result, Session};

use crate::batch::Cursor;
use crate::certain::{self, Refusal};
use crate::cluster::{Edge, Unique};
use crate::evidence::{self, Cap, Kind, NONE};
use crate::id::RecordKey;
use crate::records::{Records, stub_key};
use crate::rules::Rules;

/// What the strong and the unique identifiers say.
#[derive(Default)]
pub(crate) struct Certain {
    pub edges: Vec<Edge>,
    /// For each edge the number of its identifier.
    pub by: Vec<u32>,
    pub unique: Vec<Unique>,
    /// What kept records apart.
    pub against: Vec<evidence::Row>,
    /// Blocks that were refused, by type and cap.
    pub refused: BTreeMap<String, u64>,
    /// Stubs of refused values.
    pub shared: Vec<u32>,
    /// Types and scopes, by number.
    pub identifiers: Vec<(String, String)>,
}

/// A record that holds the value at hand, since when and until when.
type Holder = (u32, Option<i64>, Option<i64>);

impl Certain {
    pub async fn read(session: &Session, rules: &Rules, records: &Records) -> Result<Self> {
        let kinds = rules.kinds_sql();
        let sql = format!(
            "SELECT type, scope, value, record_key, valid_from, valid_to FROM (SELECT DISTINCT type, scope, value, record_key, \
             valid_from, valid_to FROM clean.party_identifier WHERE NOT masked AND type IN ({kinds}) UNION ALL SELECT DISTINCT \
             type, scope, value, {} AS record_key, CAST(NULL AS TIMESTAMP WITH TIME ZONE) AS valid_from, \
             CAST(NULL AS TIMESTAMP WITH TIME ZONE) AS valid_to FROM clean.event_identifier \
             WHERE NOT masked AND type IN ({kinds})) ORDER BY type, scope, value, record_key",
            stub_key(session.lake())
        );
        let doing = "read the identifiers to merge by";
        let mut cursor = Cursor::new(session.stream(doing, &sql).await?, doing);
        let mut found = Self::default();
        let mut block: Vec<Holder> = Vec::new();
        let mut value: Option<String> = None;
        while let Some((rows, row)) = cursor.peek().await? {
            let part = |column| rows.text(column, row).unwrap_or_default();
            let named = found.identifiers.last().is_some_and(|(kind, scope)| kind == part(0) && scope == part(1));
            if !named || value.as_deref() != Some(part(2)) {
                found.take(rules, records, &block, value.as_deref());
                block.clear();
                value = Some(part(2).to_owned());
            }
            if !named {
                found.identifiers.push((part(0).to_owned(), part(1).to_owned()));
            }
            if let Some(record) = records.number(RecordKey::new(part(3))?) {
                block.push((record, rows.number(4, row), rows.number(5, row)));
            }
            cursor.advance();
        }
        found.take(rules, records, &block, value.as_deref());
        Ok(found)
    }

    /// Takes the holders of one value of the identifier that came last.
    fn take(&mut self, rules: &Rules, records: &Records, block: &[Holder], value: Option<&str>) {
        let (Some((kind, _)), Some(value)) = (self.identifiers.last(), value) else { return };
        let identifier = u32::try_from(self.identifiers.len() - 1).unwrap_or(NONE);
        let Some((at, rule)) = rules.identifiers.iter().enumerate().find(|(_, rule)| rule.kind == *kind) else {
            return;
        };
        if rule.unique {
            let [a, b, c, d, e, f, g, h, ..] = *blake3::hash(value.as_bytes()).as_bytes();
            let hash = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
            self.unique.extend(block.iter().map(|(record, ..)| (*record, identifier, hash)));
        }
        if !rule.strong || block.len() < 2 {
            return;
        }
        const DAY: i64 = 86_400_000_000;
        let day = |micros: Option<i64>| micros.and_then(|micros| i32::try_from(micros.div_euclid(DAY)).ok());
        let members: Vec<certain::Member> = block
            .iter()
            .filter_map(|(number, from, to)| {
                let record = records.get(*number)?;
                Some(certain::Member {
                    record: *number,
                    source: record.source,
                    stub: record.stub,
                    name: record.name.as_deref(),
                    name_masked: record.masked,
                    valid_from: day(*from),
                    valid_to: day(*to),
                })
            })
            .collect();
        let outcome = certain::block_edges(&members, &rule.rule);
        // Types named first are stronger: they are joined first where a constraint lets only one of two.
        let strength = u8::try_from(255usize.saturating_sub(at)).unwrap_or_default();
        self.by.extend(outcome.edges.iter().map(|_| identifier));
        self.edges.extend(outcome.edges.into_iter().map(|(a, b)| Edge { a, b, strength }));
        let row = |a, b, kind| evidence::Row { a, b, kind, identifier, bits: None };
        self.against.extend(outcome.vetoed.into_iter().map(|(a, b, veto)| row(a, b, Kind::Vetoed(veto.into()))));
        if let Some(refusal) = outcome.refused {
            let (cap, name) = match refusal {
                Refusal::TooManyNames { .. } => (Cap::Names, "max_names"),
                Refusal::TooManyRecords { .. } => (Cap::Records, "max_records_per_source"),
            };
            *self.refused.entry(format!("{kind}: {name}")).or_default() += 1;
            self.shared.extend(members.iter().filter(|member| member.stub).map(|member| member.record));
            self.against.extend(members.iter().map(|member| row(member.record, NONE, Kind::Refused(cap))));
        }
    }
}

impl From<certain::Veto> for evidence::Veto {
    fn from(veto: certain::Veto) -> Self {
        match veto {
            certain::Veto::Names => Self::Names,
            certain::Veto::Validity => Self::Validity,
            certain::Veto::Ambiguous => Self::Ambiguous,
        }
    }
}
