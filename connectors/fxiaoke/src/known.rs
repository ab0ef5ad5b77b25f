//! Which records were handed out, and in which version: what a walk over all ids is compared with to see what is gone.
//!
//! The vendor does not tell of deletions, and the connector does not see the lake, so it has to remember. Ids lie in chunks of
//! about a thousand, in order, each a partition of the state named by its lower bound (`ids/5f32…`): a change rewrites its
//! chunk and no other. What an incremental read hands out is put beside them first (`new/00000007`), a partition per page, and
//! folded in when there are many, or when a walk over all ids begins.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use tributary_connector::{Error, Position};

use crate::packed::{Entry, Packed};

/// Ids of a chunk, about.
const CHUNK: usize = 1024;
/// Pages beside the chunks at most.
const FRESH: usize = 256;

const IDS: &str = "ids/";
const NEW: &str = "new/";

/// Partitions of the state that change.
pub type Changes = Vec<(Arc<str>, Option<Position>)>;

#[derive(Debug, Default)]
pub struct Known {
    /// By lower bound, which is part of the chunk.
    chunks: BTreeMap<String, Packed>,
    fresh: BTreeMap<u64, Packed>,
}

impl Known {
    /// Takes a partition of the state, if it is one of these.
    ///
    /// # Errors
    /// If it is damaged.
    pub fn load(&mut self, partition: &str, position: &Position) -> Result<bool, Error> {
        if let Some(lower) = partition.strip_prefix(IDS) {
            self.chunks.insert(lower.to_owned(), position.get()?);
        } else if let Some(number) = partition.strip_prefix(NEW).and_then(|number| number.parse().ok()) {
            self.fresh.insert(number, position.get()?);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// How many there are; those handed out several times since the last fold count as often.
    pub fn len(&self) -> usize {
        self.chunks.values().chain(self.fresh.values()).map(|packed| packed.n).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty() && self.fresh.is_empty()
    }

    /// Forgets all.
    pub fn clear(&mut self) -> Changes {
        let chunks = std::mem::take(&mut self.chunks).into_keys().map(|lower| (ids(&lower), None));
        chunks.chain(std::mem::take(&mut self.fresh).into_keys().map(|number| (new(number), None))).collect()
    }

    /// Adds entries that come after all others, in order.
    ///
    /// # Errors
    /// If what is kept is damaged.
    pub fn append(&mut self, entries: Vec<Entry>) -> Result<Changes, Error> {
        let Some(first) = entries.first() else { return Ok(Vec::new()) };
        let (lower, mut all) = match self.chunks.last_key_value() {
            Some((lower, last)) if last.n < CHUNK => (lower.clone(), last.entries()?),
            Some(_) => (first.id.clone(), Vec::new()),
            None => (String::new(), Vec::new()),
        };
        all.extend(entries);
        self.put(lower, &all).map(|change| vec![change])
    }

    /// Puts entries beside the others, until the next fold; whatever comes later is the newer.
    ///
    /// # Errors
    /// If what is kept is damaged, or cannot be written.
    pub fn add(&mut self, entries: &[Entry]) -> Result<Changes, Error> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let number = self.fresh.last_key_value().map_or(1, |(last, _)| last + 1);
        let packed = Packed::new(entries);
        let mut changes = vec![(new(number), Some(Position::new(&packed)?))];
        self.fresh.insert(number, packed);
        if self.fresh.len() >= FRESH {
            changes.extend(self.fold()?);
        }
        Ok(changes)
    }

    /// Brings what lies beside the chunks into them.
    ///
    /// # Errors
    /// If what is kept is damaged.
    pub fn fold(&mut self) -> Result<Changes, Error> {
        let mut newest = BTreeMap::new();
        for packed in self.fresh.values() {
            newest.extend(packed.entries()?.into_iter().map(|entry| (entry.id.clone(), entry)));
        }
        let mut changes: Changes =
            std::mem::take(&mut self.fresh).into_keys().map(|number| (new(number), None)).collect();
        let mut by_chunk: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
        for entry in newest.into_values() {
            by_chunk.entry(self.lower(&entry.id)).or_default().push(entry);
        }
        for (lower, entries) in by_chunk {
            let mut all = self.chunk(&lower)?;
            for entry in entries {
                let gone = entry.gone.then(|| entry.id.clone());
                all.insert(entry.id.clone(), entry);
                gone.and_then(|id| all.remove(&id));
            }
            changes.extend(self.replace(lower, all.into_values().collect())?);
        }
        Ok(changes)
    }

    /// Takes records out, which are given back as they were known. Those beside the chunks are not looked at.
    ///
    /// # Errors
    /// If what is kept is damaged.
    pub fn remove(&mut self, gone: &BTreeSet<String>) -> Result<(Vec<Entry>, Changes), Error> {
        let mut by_chunk: BTreeMap<String, Vec<&String>> = BTreeMap::new();
        for id in gone {
            by_chunk.entry(self.lower(id)).or_default().push(id);
        }
        let (mut removed, mut changes) = (Vec::new(), Vec::new());
        for (lower, ids) in by_chunk {
            let mut all = self.chunk(&lower)?;
            removed.extend(ids.into_iter().filter_map(|id| all.remove(id)));
            changes.extend(self.replace(lower, all.into_values().collect())?);
        }
        Ok((removed, changes))
    }

    /// The chunk in which an id lies, or would.
    fn lower(&self, id: &str) -> String {
        let below = self.chunks.range::<str, _>((Bound::Unbounded, Bound::Included(id))).next_back();
        below.map(|(lower, _)| lower.clone()).unwrap_or_default()
    }

    fn chunk(&self, lower: &str) -> Result<BTreeMap<String, Entry>, Error> {
        let entries = self.chunks.get(lower).map(Packed::entries).transpose()?.unwrap_or_default();
        Ok(entries.into_iter().map(|entry| (entry.id.clone(), entry)).collect())
    }

    /// Other content for a chunk, which is cut if it has become long.
    fn replace(&mut self, lower: String, all: Vec<Entry>) -> Result<Changes, Error> {
        if all.is_empty() {
            return Ok(self.chunks.remove(&lower).map(|_| (ids(&lower), None)).into_iter().collect());
        }
        if all.len() <= 2 * CHUNK {
            return self.put(lower, &all).map(|change| vec![change]);
        }
        let mut lower = Some(lower);
        all.chunks(CHUNK).map(|part| self.put(lower.take().unwrap_or_else(|| part[0].id.clone()), part)).collect()
    }

    fn put(&mut self, lower: String, entries: &[Entry]) -> Result<(Arc<str>, Option<Position>), Error> {
        let packed = Packed::new(entries);
        let change = (ids(&lower), Some(Position::new(&packed)?));
        self.chunks.insert(lower, packed);
        Ok(change)
    }
}

fn ids(lower: &str) -> Arc<str> {
    format!("{IDS}{lower}").into()
}

fn new(number: u64) -> Arc<str> {
    format!("{NEW}{number:08}").into()
}

/// Goes through the chunks in order, one of them in memory. They may be folded meanwhile: what is behind it stays behind.
#[derive(Debug, Default)]
pub struct Cursor {
    /// The rest of the chunk, the next entry last.
    entries: Vec<Entry>,
    /// The end of the chunk, or where it began.
    end: String,
}

impl Cursor {
    /// Begins after an id.
    pub fn after(id: Option<&str>) -> Self {
        Self { entries: Vec::new(), end: id.unwrap_or_default().to_owned() }
    }

    /// The next entry, if its id is at most `upto`.
    ///
    /// # Errors
    /// If what is kept is damaged.
    pub fn next(&mut self, known: &Known, upto: Option<&str>) -> Result<Option<Entry>, Error> {
        if self.entries.is_empty() {
            self.load(known)?;
        }
        Ok(self.entries.pop_if(|entry| upto.is_none_or(|upto| entry.id.as_str() <= upto)))
    }

    /// Takes the chunk in which the end lies, as far as it goes beyond, or the next one.
    fn load(&mut self, known: &Known) -> Result<(), Error> {
        let here = known.chunks.get(&known.lower(&self.end));
        let further = known.chunks.range::<str, _>((Bound::Excluded(self.end.as_str()), Bound::Unbounded));
        for packed in here.into_iter().chain(further.map(|(_, packed)| packed)) {
            let mut entries = packed.entries()?;
            entries.retain(|entry| entry.id > self.end);
            if let Some(last) = entries.last() {
                self.end = last.id.clone();
                entries.reverse();
                self.entries = entries;
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: usize, at: i64) -> Entry {
        Entry { id: format!("{number:06}"), at: Some(at), gone: false }
    }

    /// What a state would hold after these changes, and the same loaded again.
    fn reloaded(state: &mut BTreeMap<Arc<str>, Position>, changes: Changes) -> Known {
        for (partition, position) in changes {
            match position {
                Some(position) => state.insert(partition, position),
                None => state.remove(&partition),
            };
        }
        let mut known = Known::default();
        for (partition, position) in state {
            assert!(known.load(partition, position).unwrap(), "{partition}");
        }
        known
    }

    fn all(known: &Known) -> Vec<(usize, i64)> {
        let mut cursor = Cursor::default();
        let mut found = Vec::new();
        while let Some(entry) = cursor.next(known, None).unwrap() {
            found.push((entry.id.parse().unwrap(), entry.at.unwrap()));
        }
        found
    }

    #[test]
    fn a_first_read_fills_chunks_in_order_and_rewrites_only_the_last() {
        let mut known = Known::default();
        let mut state = BTreeMap::new();
        for page in 0..50 {
            let changes = known.append((page * 100..page * 100 + 100).map(|n| entry(n, 1)).collect()).unwrap();
            assert_eq!(changes.len(), 1);
            known = reloaded(&mut state, changes);
        }
        assert_eq!((known.len(), state.len()), (5000, 5));
        assert_eq!(all(&known), (0..5000).map(|n| (n, 1)).collect::<Vec<_>>());
    }

    #[test]
    fn what_was_handed_out_later_is_folded_in_and_what_is_gone_taken_out() {
        let mut known = Known::default();
        let mut state = BTreeMap::new();
        let changes = known.append((0..3000).map(|n| entry(2 * n, 1)).collect()).unwrap();
        known = reloaded(&mut state, changes);
        for changes in [
            known.add(&[entry(7, 2), entry(8, 2), entry(9000, 2)]).unwrap(),
            known.add(&[entry(8, 3), Entry { gone: true, ..entry(10, 3) }]).unwrap(),
        ] {
            reloaded(&mut state, changes);
        }
        assert_eq!(state.len(), 3);
        let changes = known.fold().unwrap();
        known = reloaded(&mut state, changes);
        assert_eq!(all(&known)[2..7], [(4, 1), (6, 1), (7, 2), (8, 3), (12, 1)]);
        assert_eq!(known.len(), 3001);
        let (removed, changes) = known.remove(&["000008".into(), "000009".into()].into()).unwrap();
        assert_eq!((removed.len(), removed[0].at, changes.len()), (1, Some(3), 1));
        known = reloaded(&mut state, changes);
        assert_eq!(known.len(), 3000);
        let changes = known.clear();
        assert!(reloaded(&mut state, changes).is_empty());
    }

    #[test]
    fn many_new_ids_are_folded_by_themselves_and_long_chunks_cut() {
        let mut known = Known::default();
        let mut state = BTreeMap::new();
        for page in 0..600 {
            let changes = known.add(&(0..10).map(|n| entry(n * 600 + page, 1)).collect::<Vec<_>>()).unwrap();
            known = reloaded(&mut state, changes);
        }
        assert!(state.len() < FRESH + 10, "{}", state.len());
        let changes = known.fold().unwrap();
        known = reloaded(&mut state, changes);
        assert_eq!(all(&known), (0..6000).map(|n| (n, 1)).collect::<Vec<_>>());
    }

    #[test]
    fn a_cursor_begins_anywhere_stops_where_it_is_told_and_survives_a_fold() {
        let mut known = Known::default();
        known.append((0..2500).map(|n| entry(2 * n, 1)).collect()).unwrap();
        known.append(vec![entry(5000, 1)]).unwrap();
        for start in [0, 1, 2046, 2047, 2048, 4094, 4997, 4998, 5000] {
            let mut cursor = Cursor::after(Some(&entry(start, 0).id));
            let next = cursor.next(&known, None).unwrap().map(|entry| entry.id.parse::<usize>().unwrap());
            assert_eq!(next, (start < 5000).then_some((start / 2 + 1) * 2), "{start}");
        }
        let mut cursor = Cursor::after(None);
        let mut seen = Vec::new();
        while let Some(entry) = cursor.next(&known, Some("001000")).unwrap() {
            seen.push(entry.id);
        }
        assert_eq!(seen.len(), 501);
        // The chunk that it stands in is cut into three.
        known.add(&(0..1001).filter(|n| n % 2 == 1).map(|n| entry(n, 1)).collect::<Vec<_>>()).unwrap();
        known
            .add(&(0..1800).map(|n| Entry { id: format!("000999x{n:04}"), at: None, gone: false }).collect::<Vec<_>>())
            .unwrap();
        known.fold().unwrap();
        while let Some(entry) = cursor.next(&known, None).unwrap() {
            seen.push(entry.id);
        }
        assert_eq!(seen, (0..=2500).map(|n| entry(2 * n, 1).id).collect::<Vec<_>>());
    }

    #[test]
    fn an_id_before_all_others_has_a_chunk() {
        let mut known = Known::default();
        known.append((0..2000).map(|n| entry(n + 100, 1)).collect()).unwrap();
        let first: BTreeSet<String> = (100..2100).map(|n| entry(n, 0).id).collect();
        known.remove(&first).unwrap();
        assert!(known.is_empty());
        known.append(vec![entry(50, 1)]).unwrap();
        known.add(&[entry(1, 1)]).unwrap();
        known.fold().unwrap();
        assert_eq!(all(&known), [(1, 1), (50, 1)]);
        assert_eq!(Cursor::default().next(&Known::default(), None).unwrap(), None);
    }
}
