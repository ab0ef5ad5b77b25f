//! Certain edges: which records that hold one value of a strong identifier are one person.
//!
//! A block is all records with one value (one phone number, one unionid). That they share it is proof, unless
//! - too many do: forty unlike names at one number are a till, two hundred records of one source a placeholder. Then the
//!   whole block is refused, stubs included;
//! - they held it at different times: intervals that do not overlap give no edge;
//! - the identifier can change hands (`names_must_agree`, for phones) and their names are unlike.
//!
//! The members of a block are first parted into groups: by class of name (see [`crate::names::classes()`]) where names must
//! agree, and within a class by time. Then those who tell less join, and only where there is no doubt: a record without a
//! name, or without an interval, joins the one group that it does not contradict. If there are several it stays alone; so
//! an order's phone never decides between a number's old and new owner, nor ties them together. Each group gets a spanning
//! tree of edges, not all pairs: a star round its lowest record, or, where some intervals in it only overlap by way of
//! others, a tree of overlapping pairs.
//!
//! The cost is that of sorting, and of comparing names until a cap is passed.
//!
//! Not done: conflicts of unique identifiers and stewards' decisions, which [`crate::cluster`] sees for whole clusters.
//! A veto here means that this value proves nothing about two records. It is not a reason against another edge.

mod groups;
#[cfg(test)]
mod tests;

use crate::names::{self, Standing};

/// What the holders of one value must satisfy. The default has no caps and asks for no names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    /// So many unlike names may share a value. Stubs and records without a name do not count.
    pub max_names: Option<usize>,
    /// So many records of one source may share a value. Stubs do not count.
    pub max_records_per_source: Option<usize>,
    /// Whether records with unlike names get no edge: true for what is handed on, such as a phone number. A block with more
    /// than [`names::MOST_SPELLINGS`] spellings is then refused even without `max_names`.
    pub names_must_agree: bool,
}

/// One record that holds the value. A record may come several times, with several intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member<'a> {
    pub record: u32,
    pub source: u32,
    /// Whether the record is but an identifier seen on an order. Its name, if any, is not looked at.
    pub stub: bool,
    pub name: Option<&'a str>,
    pub name_masked: bool,
    /// First day, counted from 1970-01-01, on which the record held the value.
    pub valid_from: Option<i32>,
    /// Last day, itself included. An interval that ends before it begins is no interval.
    pub valid_to: Option<i32>,
}

/// Why a block gives no edge at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Counting stopped at `names`: there may be more.
    TooManyNames { names: usize },
    /// The lowest source number with too many, and how many it has.
    TooManyRecords { source: u32, records: usize },
}

/// Why a record is not tied to the block's first group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Veto {
    /// Their names are unlike.
    Names,
    /// They held the value at different times.
    Validity,
    /// The record could belong to several groups, or contradicts some name of each.
    Ambiguous,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Lower record first, sorted, each once: a spanning tree of each group.
    pub edges: Vec<(u32, u32)>,
    pub refused: Option<Refusal>,
    /// For explanation: the lowest record of each further group, and each record left alone, with the block's lowest
    /// grouped record. Lower record first; sorted.
    pub vetoed: Vec<(u32, u32, Veto)>,
}

/// The certain edges of one block. The order of `members` does not matter.
pub fn block_edges(members: &[Member], rule: &Rule) -> Outcome {
    // Most values are held by one record.
    if members.len() < 2 {
        return Outcome::default();
    }
    let mut members = members.to_vec();
    members.sort_unstable();
    members.dedup();
    if let Some(refusal) = too_many_records(&members, rule) {
        return Outcome { refused: Some(refusal), ..Outcome::default() };
    }
    match name_classes(&members, rule) {
        Ok(standings) => groups::tie(&members, &standings),
        Err(names) => Outcome { refused: Some(Refusal::TooManyNames { names }), ..Outcome::default() },
    }
}

fn too_many_records(members: &[Member], rule: &Rule) -> Option<Refusal> {
    let most = rule.max_records_per_source?;
    if members.len() <= most {
        return None;
    }
    let counted = members.iter().filter(|m| !m.stub);
    let mut records: Vec<(u32, u32)> = counted.map(|m| (m.source, m.record)).collect();
    records.sort_unstable();
    records.dedup();
    let mut by_source = records.chunk_by(|a, b| a.0 == b.0);
    let (source, records) = by_source.find(|of| of.len() > most).map(|of| (of[0].0, of.len()))?;
    Some(Refusal::TooManyRecords { source, records })
}

/// The name class of each member; where names need not agree, one class for all, once the cap has been checked.
fn name_classes(members: &[Member], rule: &Rule) -> Result<Vec<Standing>, usize> {
    let together = || vec![Standing::Class(0); members.len()];
    if rule.max_names.is_none() && !rule.names_must_agree {
        return Ok(together());
    }
    let names: Vec<(&str, bool)> = members
        .iter()
        .map(|m| if m.stub { ("", false) } else { (m.name.unwrap_or_default(), m.name_masked) })
        .collect();
    let classes = names::classes(&names, rule.max_names.unwrap_or(usize::MAX))?;
    Ok(if rule.names_must_agree { classes.of } else { together() })
}
