//! The edge of a stream: what its newest rows were, so that a cursor whose boundary is inclusive does not write them again.
//!
//! Kept beside the positions of a stream that has a key and a version column, under a name that no connector uses.

use std::sync::Arc;

use hashbrown::HashMap;
use serde_json::{Value, json};

/// The name among a stream's positions.
pub const NAME: &str = "tributary:edge";
/// The name of the rejected records among a stream's positions.
pub const REJECTED: &str = "tributary:edge-rejected";
/// How many rows are remembered.
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
}

impl Edge {
    /// # Errors
    /// None: what cannot be read is as if nothing was remembered, and rows are then written once more and superseded.
    pub fn read(value: Option<&Value>) -> Self {
        let rows: Vec<(u64, String, u64)> =
            value.and_then(|value| serde_json::from_value(value.clone()).ok()).unwrap_or_default();
        Self {
            rows: rows.into_iter().map(|(key, version, content)| (key, (version.into(), content))).collect(),
            ..Self::default()
        }
    }

    pub fn write(&self) -> Value {
        let mut rows: Vec<_> = self.rows.iter().map(|(key, (version, content))| (key, &**version, content)).collect();
        rows.sort_unstable();
        json!(rows)
    }

    /// Key and content of each row.
    pub fn rows(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.rows.iter().map(|(key, (_, content))| (*key, *content))
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
        for (key, (version, content)) in later.rows {
            if self.floor.as_ref().is_none_or(|floor| version >= *floor) || self.rows.contains_key(&key) {
                self.insert(key, version, content);
            }
        }
    }

    /// Drops the oldest.
    pub fn cut(&mut self) {
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

/// Hashes of the records that were rejected last. They have no version, so that the last are those that came last. As one may come
/// twice, each counts as often as it came.
#[derive(Debug, Clone, Default)]
pub struct Rejects {
    hashes: Vec<u64>,
    /// Of these, what was not shown again.
    left: HashMap<u64, usize>,
}

impl Rejects {
    /// # Errors
    /// None, as with [`Edge::read`].
    pub fn read(value: Option<&Value>) -> Self {
        let hashes = value.and_then(|value| serde_json::from_value(value.clone()).ok()).unwrap_or_default();
        let mut rejects = Self { hashes, left: HashMap::new() };
        rejects.expect_all();
        rejects
    }

    pub fn write(&self) -> Value {
        json!(self.hashes)
    }

    /// All of them may be shown again.
    pub fn expect_all(&mut self) {
        self.left.clear();
        for hash in &self.hashes {
            *self.left.entry(*hash).or_default() += 1;
        }
    }

    /// Whether a record that is rejected is one of them, shown again.
    pub fn again(&mut self, hash: u64) -> bool {
        match self.left.get_mut(&hash) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }

    /// These were committed.
    pub fn extend(&mut self, later: &[u64]) {
        self.hashes.extend_from_slice(later);
        let oldest = self.hashes.len().saturating_sub(KEPT);
        self.hashes.drain(..oldest);
        self.expect_all();
    }
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
        let back = Edge::read(Some(&edge.write()));
        let mut rows: Vec<_> = back.rows().collect();
        rows.sort_unstable();
        assert_eq!(rows.len(), KEPT);
        assert_eq!(rows.first(), Some(&(9_500, 28_500)));
        assert_eq!(back.write(), edge.write());
    }

    #[test]
    fn a_row_that_changed_or_was_deleted_takes_the_place_of_what_it_was() {
        let mut edge = Edge::default();
        edge.add(1, "5", 10);
        edge.add(1, "4", 11);
        assert_eq!(edge.rows().collect::<Vec<_>>(), [(1, 11)]);
        assert_eq!(Edge::read(Some(&json!("of another form"))).rows().count(), 0);
    }

    #[test]
    fn a_rejected_record_is_known_as_often_as_it_came() {
        let mut rejects = Rejects::default();
        rejects.extend(&[7, 7, 8]);
        let mut rejects = Rejects::read(Some(&rejects.write()));
        assert_eq!([7, 7, 7, 8, 9].map(|hash| rejects.again(hash)), [true, true, false, true, false]);
        rejects.expect_all();
        assert!(rejects.again(7));
        rejects.extend(&(100..100 + KEPT as u64).collect::<Vec<_>>());
        assert!(!rejects.again(7), "the oldest are forgotten");
        assert!(rejects.again(100));
    }
}
