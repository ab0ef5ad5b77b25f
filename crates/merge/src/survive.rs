//! Survivorship: which record's value the golden record shows.
//!
//! Asked once for each group of fields that belong together (the lines of an address), so that no customer gets one
//! record's street and another's town. A value in the clear beats a masked one under every strategy, source priority
//! included: a masked value is of no use to the one who reads it. A blank value is none.
//!
//! The order of candidates is total: where a strategy finds them equal the more recent wins (an undated value is older than
//! any dated one), then the more complete, then the lower record, then source and text. So the order in which candidates
//! are given does not matter.
//!
//! Not done: composing a value from several records, and judging whether a value is right.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::HashMap;

/// How a field group chooses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Strategy {
    /// The newest.
    MostRecent,
    /// The one with most fields of the group filled.
    MostComplete,
    /// The value most candidates have; of these the most recent candidate.
    MostFrequent,
    /// By source, the first in the list first, sources not in it last; within a source the most recent.
    Prefer(Vec<u32>),
}

/// One record's value of the field group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate<'a> {
    pub record: u32,
    pub source: u32,
    /// When the source last changed it, in microseconds since 1970-01-01 UTC.
    pub at: Option<i64>,
    /// The group's value as text; compared, not shown.
    pub value: &'a str,
    pub masked: bool,
    /// How many fields of the group are filled.
    pub completeness: u32,
}

/// The place of the winner among `candidates`, or none if no candidate has a value.
pub fn choose(strategy: &Strategy, candidates: &[Candidate]) -> Option<usize> {
    let has_value = |candidate: &Candidate| !candidate.value.trim().is_empty();
    let any_clear = candidates.iter().any(|c| has_value(c) && !c.masked);
    let eligible = || candidates.iter().enumerate().filter(|(_, c)| has_value(c) && !(any_clear && c.masked));

    let mut times: HashMap<&str, u64> = HashMap::new();
    if *strategy == Strategy::MostFrequent {
        eligible().for_each(|(_, candidate)| *times.entry(candidate.value).or_default() += 1);
    }
    // The larger, the better.
    let merit = |candidate: &Candidate| -> u64 {
        match strategy {
            Strategy::MostRecent => 0,
            Strategy::MostComplete => u64::from(candidate.completeness),
            Strategy::MostFrequent => times.get(candidate.value).copied().unwrap_or_default(),
            Strategy::Prefer(sources) => {
                let place = sources.iter().position(|source| *source == candidate.source).unwrap_or(sources.len());
                (sources.len() - place) as u64
            }
        }
    };
    let rank = |c: &Candidate| (merit(c), c.at, c.completeness, Reverse((c.record, c.source)));
    let best = eligible().max_by(|(_, a), (_, b)| rank(a).cmp(&rank(b)).then_with(|| b.value.cmp(a.value)));
    best.map(|(place, _)| place)
}
