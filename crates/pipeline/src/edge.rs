//! The edge of a stream: what its newest rows were, so that a cursor whose boundary is inclusive does not write them again; and
//! what was rejected last, which may have neither key nor version.
//!
//! Kept beside the positions of a stream that has a key and a version column, under names that no connector uses.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The name among a stream's positions.
pub const NAME: &str = "tributary:edge";
/// The name of the rejected records among a stream's positions.
const REJECTED: &str = "tributary:edge-rejected";
/// How many rows are remembered, and how many rejected records.
const KEPT: usize = 500;
/// Looked through at most before the oldest are dropped; rows of one version are not parted below this.
const MOST: usize = 4 * KEPT;

/// Of the rows with the highest versions: half a key, version and a hash of the content.
#[derive(Debug, Clone, Default)]
pub struct Edge {
    rows: HashMap<u64, (Arc<str>, u64)>,
    /// What is older is of no interest.
    floor: Option<Arc<str>>,
    /// The version that came last: the next row often has the same.
    last: Option<Arc<str>>,
    /// Hashes of rejected records, the newest last; as often as they came, since one may come twice.
    rejected: Vec<u64>,
}

impl Edge {
    /// # Errors
    /// None: what cannot be read is as if nothing was remembered, and rows are then written once more and superseded.
    pub fn read(positions: &BTreeMap<String, Value>) -> Self {
        let rows: Vec<(u64, String, u64)> = known(positions, NAME);
        Self {
            rows: rows.into_iter().map(|(key, version, content)| (key, (version.into(), content))).collect(),
            rejected: known(positions, REJECTED),
            ..Self::default()
        }
    }

    /// What [`Self::read`] reads.
    pub fn positions(&self) -> impl Iterator<Item = (String, Value)> {
        let mut rows: Vec<_> = self.rows.iter().map(|(key, (version, content))| (key, &**version, content)).collect();
        rows.sort_unstable();
        let rejected = (!self.rejected.is_empty()).then(|| (REJECTED.to_owned(), json!(self.rejected)));
        std::iter::once((NAME.to_owned(), json!(rows))).chain(rejected)
    }

    /// Key and content of each row.
    pub fn rows(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.rows.iter().map(|(key, (_, content))| (*key, *content))
    }

    /// The hash of each rejected record, as often as it came.
    pub fn rejected(&self) -> impl Iterator<Item = u64> + '_ {
        self.rejected.iter().copied()
    }

    /// A record came that was rejected.
    pub fn reject(&mut self, hash: u64) {
        self.rejected.push(hash);
        if self.rejected.len() > MOST {
            self.drop_rejected();
        }
    }

    fn drop_rejected(&mut self) {
        self.rejected.drain(..self.rejected.len().saturating_sub(KEPT));
    }

    /// A row came. The last of a key counts.
    pub fn add(&mut self, key: u64, version: &str, content: u64) {
        if self.floor.as_deref().is_some_and(|floor| version < floor) && !self.rows.contains_key(&key) {
            return;
        }
        let version = match &self.last {
            Some(last) if **last == *version => last.clone(),
            _ => self.last.insert(version.into()).clone(),
        };
        self.insert(key, version, content);
    }

    fn insert(&mut self, key: u64, version: Arc<str>, content: u64) {
        self.rows.insert(key, (version, content));
        if self.rows.len() > MOST {
            self.cut();
        }
    }

    /// What came later is added to what is there.
    pub fn extend(&mut self, later: Self) {
        self.rejected.extend(later.rejected);
        self.drop_rejected();
        for (key, (version, content)) in later.rows {
            if self.floor.as_ref().is_none_or(|floor| version >= *floor) || self.rows.contains_key(&key) {
                self.insert(key, version, content);
            }
        }
    }

    /// Drops the oldest.
    pub fn cut(&mut self) {
        self.drop_rejected();
        if self.rows.len() <= KEPT {
            return;
        }
        let mut versions: Vec<&Arc<str>> = self.rows.values().map(|(version, _)| version).collect();
        let (_, floor, _) = versions.select_nth_unstable_by(KEPT - 1, |a, b| b.cmp(a));
        let floor = Arc::clone(floor);
        self.rows.retain(|_, (version, _)| *version >= floor);
        if self.rows.len() > MOST / 2 {
            // More rows of one version than can be remembered: some are written again, and superseded.
            let mut kept = 0;
            self.rows.retain(|_, _| {
                kept += 1;
                kept <= KEPT
            });
        }
        self.floor = Some(floor);
    }
}

fn known<T: DeserializeOwned>(positions: &BTreeMap<String, Value>, name: &str) -> Vec<T> {
    positions.get(name).and_then(|value| serde_json::from_value(value.clone()).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_rows_are_remembered_and_come_back_from_the_state() {
        let mut edge = Edge::default();
        for n in 0..10_000u64 {
            edge.add(n, &format!("2026-{n:05}"), n * 3);
        }
        edge.cut();
        let back = Edge::read(&edge.positions().collect());
        let mut rows: Vec<_> = back.rows().collect();
        rows.sort_unstable();
        assert_eq!(rows.len(), KEPT);
        assert_eq!(rows.first(), Some(&(9_500, 28_500)));
        assert!(back.positions().eq(edge.positions()));
    }

    #[test]
    fn a_row_that_changed_or_was_deleted_takes_the_place_of_what_it_was() {
        let mut edge = Edge::default();
        edge.add(1, "5", 10);
        edge.add(1, "4", 11);
        assert_eq!(edge.rows().collect::<Vec<_>>(), [(1, 11)]);
        let other = [(NAME.to_owned(), json!("of another form"))];
        assert_eq!(Edge::read(&other.into()).rows().count(), 0);
    }

    #[test]
    fn rejected_records_are_remembered_as_often_as_they_came() {
        let mut edge = Edge::default();
        assert_eq!(edge.positions().count(), 1, "streams without any have no such position");
        let mut later = Edge::default();
        [7, 7, 8].into_iter().for_each(|hash| later.reject(hash));
        edge.extend(later);
        edge.cut();
        assert_eq!(Edge::read(&edge.positions().collect()).rejected().collect::<Vec<_>>(), [7, 7, 8]);
        (0..KEPT as u64).for_each(|hash| edge.reject(100 + hash));
        edge.cut();
        assert_eq!(edge.rejected().next(), Some(100), "the oldest are forgotten");
    }
}
