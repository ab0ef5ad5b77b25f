//! Certain edges: what the holders of equal identifiers say.
//!
//! Holders are gathered record by record, as hashes of what they hold, and sorted; a block is those of one hash.

use std::collections::{BTreeMap, HashMap};

use tributary_lake::Lake;
use xxhash_rust::xxh3::xxh3_64;

use crate::certain::{self, Outcome, Refusal};
use crate::cluster::{Edge, Unique};
use crate::evidence::{self, Cap, Kind, NONE};
use crate::profile::{Profile, held};
use crate::records::Record;
use crate::rules::Rules;

/// The seed of hashes of identifiers.
pub(crate) fn seed(lake: &Lake) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = lake.key("held");
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// Types and scopes, by number.
#[derive(Debug, Default)]
pub(crate) struct Kinds {
    pub names: Vec<(String, String)>,
    numbers: HashMap<u64, u32>,
}

impl Kinds {
    pub fn number(&mut self, kind: &str, scope: &str) -> u32 {
        let hash = xxh3_64(kind.as_bytes()) ^ xxh3_64(scope.as_bytes()).rotate_left(1);
        *self.numbers.entry(hash).or_insert_with(|| {
            self.names.push((kind.to_owned(), scope.to_owned()));
            u32::try_from(self.names.len() - 1).unwrap_or(NONE)
        })
    }
}

/// A record that holds a value, since when and until when, in days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Holder {
    pub hash: u128,
    pub record: u32,
    /// The number of its type and scope.
    pub identifier: u32,
    pub from: i32,
    pub to: i32,
}

/// Who holds which identifier of those that count.
pub(crate) struct Holders {
    seed: u64,
    pub kinds: Kinds,
    pub all: Vec<Holder>,
}

impl Holders {
    pub fn new(lake: &Lake) -> Self {
        Self { seed: seed(lake), kinds: Kinds::default(), all: vec![] }
    }

    pub fn take(&mut self, rules: &Rules, record: u32, profile: &Profile) {
        const DAY: i64 = 86_400_000_000;
        let day = |micros: i64| i32::try_from(micros.div_euclid(DAY)).ok();
        for of in profile.identifiers.iter().filter(|of| of.counts(rules)) {
            self.all.push(Holder {
                hash: held(self.seed, of.kind, of.scope, of.value),
                record,
                identifier: self.kinds.number(of.kind, of.scope),
                from: of.from.and_then(day).unwrap_or(i32::MIN),
                to: of.to.and_then(day).unwrap_or(i32::MAX),
            });
        }
    }
}

/// What the strong and the unique identifiers say.
#[derive(Debug, Default)]
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
}

/// What a type of identifier is called where it was refused for a cap.
fn refused_as(kind: &str, cap: Cap) -> String {
    let cap = match cap {
        Cap::Names => "max_names",
        Cap::Records => "max_records_per_source",
    };
    format!("{kind}: {cap}")
}

impl Certain {
    /// The edges, and what kept records apart, as rows.
    pub fn rows(&self) -> impl Iterator<Item = evidence::Row> + '_ {
        let row = |(edge, by): (&Edge, &u32)| evidence::Row {
            a: edge.a.min(edge.b),
            b: edge.a.max(edge.b),
            kind: Kind::Certain,
            identifier: *by,
            bits: None,
        };
        self.edges.iter().zip(&self.by).map(row).chain(self.against.iter().copied())
    }

    /// Takes the blocks of all holders.
    pub fn of<'a>(
        rules: &Rules,
        kinds: &Kinds,
        mut holders: Vec<Holder>,
        record: impl Fn(u32) -> Option<&'a Record>,
    ) -> Self {
        let mut found = Self::default();
        let rule_of: Vec<Option<usize>> =
            kinds.names.iter().map(|(kind, _)| rules.identifiers.iter().position(|rule| rule.kind == *kind)).collect();
        let rule = |identifier: u32| {
            let at = rule_of.get(identifier as usize).copied().flatten()?;
            Some((at, rules.identifiers.get(at)?))
        };
        found.unique = unique(rules, kinds, &holders);
        drop_single(&mut holders);
        holders.sort_unstable();
        for block in holders.chunk_by(|a, b| a.hash == b.hash).filter(|block| block.len() > 1) {
            let Some((at, rule)) = block.first().and_then(|first| rule(first.identifier)) else { continue };
            if rule.strong {
                let (kind, _) = &kinds.names[block[0].identifier as usize];
                found.block(kind, at, &rule.rule, block, &record);
            }
        }
        found
    }

    /// Takes the holders of one value; the type's place among the rules is its strength.
    fn block<'a>(
        &mut self,
        kind: &str,
        at: usize,
        rule: &certain::Rule,
        block: &[Holder],
        record: impl Fn(u32) -> Option<&'a Record>,
    ) {
        let members: Vec<certain::Member> = block
            .iter()
            .filter_map(|holder| {
                let record = record(holder.record)?;
                Some(certain::Member {
                    record: holder.record,
                    source: record.source,
                    stub: record.stub,
                    name: record.name.as_deref(),
                    name_masked: record.masked,
                    valid_from: (holder.from != i32::MIN).then_some(holder.from),
                    valid_to: (holder.to != i32::MAX).then_some(holder.to),
                })
            })
            .collect();
        let identifier = block.first().map_or(NONE, |holder| holder.identifier);
        let Outcome { edges, vetoed, refused } = certain::block_edges(&members, rule);
        let strength = strength(at);
        self.by.extend(edges.iter().map(|_| identifier));
        self.edges.extend(edges.into_iter().map(|(a, b)| Edge { a, b, strength }));
        let row = |a, b, kind| evidence::Row { a, b, kind, identifier, bits: None };
        self.against.extend(vetoed.into_iter().map(|(a, b, veto)| row(a, b, Kind::Vetoed(veto.into()))));
        if let Some(refusal) = refused {
            let cap = match refusal {
                Refusal::TooManyNames { .. } => Cap::Names,
                Refusal::TooManyRecords { .. } => Cap::Records,
            };
            *self.refused.entry(refused_as(kind, cap)).or_default() += 1;
            let mut of: Vec<(u32, bool)> = members.iter().map(|member| (member.record, member.stub)).collect();
            of.dedup();
            self.shared.extend(of.iter().filter(|(_, stub)| *stub).map(|(record, _)| *record));
            self.against.extend(of.iter().map(|(record, _)| row(*record, NONE, Kind::Refused(cap))));
        }
    }
}

/// What the holders have of which a person has one only.
pub(crate) fn unique(rules: &Rules, kinds: &Kinds, holders: &[Holder]) -> Vec<Unique> {
    let is_unique =
        |(kind, _): &(String, String)| rules.identifiers.iter().any(|rule| rule.kind == *kind && rule.unique);
    let of: Vec<bool> = kinds.names.iter().map(is_unique).collect();
    let unique = holders.iter().filter(|holder| of.get(holder.identifier as usize).is_some_and(|unique| *unique));
    unique.map(|holder| (holder.record, holder.identifier, holder.hash as u64)).collect()
}

/// Types named first are stronger: they are joined first where a constraint lets only one of two.
pub(crate) fn strength(at: usize) -> u8 {
    u8::try_from(255usize.saturating_sub(at)).unwrap_or_default()
}

/// Leaves out most holders of values that nobody else holds, without sorting.
fn drop_single(holders: &mut Vec<Holder>) {
    let bits = (holders.len() * 8).next_power_of_two().max(64);
    let (mut once, mut twice) = (vec![0u64; bits / 64], vec![0u64; bits / 64]);
    let place = |holder: &Holder| {
        let at = holder.hash as usize & (bits - 1);
        (at / 64, 1u64 << (at % 64))
    };
    for (at, bit) in holders.iter().map(place) {
        twice[at] |= once[at] & bit;
        once[at] |= bit;
    }
    holders.retain(|holder| {
        let (at, bit) = place(holder);
        twice[at] & bit != 0
    });
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
