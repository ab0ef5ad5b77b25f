//! All records that ever were, numbered in the order of their keys, and what a change touches of them.

use tributary_engine::Result;

use crate::buckets::Buckets;
use crate::id::{CustomerId, RecordKey};
use crate::index::{Entry, Index};
use crate::membership::Member;
use crate::news::News;
use crate::profile::Profile;
use crate::records::Sources;

/// None of a world's numbers.
const NONE: u32 = u32::MAX;

/// A record that is not as it was.
pub(crate) struct Touched {
    pub number: u32,
    pub stub: bool,
    /// As it is now, packed; nothing if it is gone.
    pub now: Option<Vec<u8>>,
}

pub(crate) struct World {
    pub index: Index,
    /// Sorted by key. One that is new is retired, and has an id that is none, until it gets one.
    pub members: Vec<Member>,
    /// Whether a member is new.
    pub fresh: Vec<bool>,
    pub sources: Sources,
    /// Sorted by number.
    pub touched: Vec<Touched>,
    /// Stubs that are named by more or by less than before, and are there all the same.
    pub renamed: Vec<(u32, i64)>,
    /// By number: the place in the index of what was there last time.
    entry_of: Vec<u32>,
    /// By number: the place among the touched.
    touched_at: Vec<u32>,
    /// Those of the members by themselves: so a look-up touches less memory.
    keys: Vec<RecordKey>,
    buckets: Buckets,
}

impl World {
    /// `None` if the index and the members contradict each other.
    pub fn new(
        index: Index,
        mut members: Vec<Member>,
        mut sources: Sources,
        news: News,
        number: i64,
    ) -> Result<Option<Self>> {
        let known = members.len();
        let is_known = |key: &RecordKey| members.binary_search_by_key(key, |member| member.key).is_ok();
        let mut new: Vec<(RecordKey, u32, bool)> = vec![];
        for (key, now) in &news.parties {
            let Some(now) = now else { continue };
            let source = sources.number(Profile::unpack(now)?.source);
            if !is_known(key) {
                new.push((*key, source, false));
            }
        }
        let source = sources.number("");
        new.extend(
            news.stubs.iter().filter(|(key, (_, by))| *by > 0 && !is_known(key)).map(|(key, _)| (*key, source, true)),
        );
        members.extend(new.into_iter().map(|(key, source, stub)| Member {
            key,
            customer_id: CustomerId::default(),
            since: number,
            source,
            stub,
            retired: true,
            shared: false,
        }));
        let fresh = if members.len() == known {
            vec![false; known]
        } else {
            // What was sorted stays in its order.
            let mut order: Vec<u32> = (0..).take(members.len()).collect();
            order.sort_by_key(|at| members[*at as usize].key);
            members = order.iter().map(|at| members[*at as usize]).collect();
            order.into_iter().map(|at| at as usize >= known).collect()
        };
        let keys: Vec<RecordKey> = members.iter().map(|member| member.key).collect();
        let buckets = Buckets::new(keys.iter().map(|key| key.bits()), RecordKey::BITS);
        let mut entry_of = vec![NONE; members.len()];
        let mut number = 0;
        for (at, entry) in index.entries.iter().enumerate() {
            while members.get(number).is_some_and(|member| member.key < entry.key) {
                number += 1;
            }
            let Some(member) = members.get(number).filter(|member| member.key == entry.key) else { return Ok(None) };
            if member.retired || member.stub != entry.named.is_some() {
                return Ok(None);
            }
            entry_of[number] = at as u32;
        }
        let live = members.iter().filter(|member| !member.retired).count();
        if live != index.entries.len() {
            return Ok(None);
        }
        let world = Self {
            index,
            members,
            fresh,
            sources,
            touched: vec![],
            renamed: vec![],
            entry_of,
            touched_at: vec![],
            keys,
            buckets,
        };
        Ok(world.touch(news))
    }

    fn touch(mut self, news: News) -> Option<Self> {
        let mut touched = vec![];
        for (key, now) in news.parties {
            let Some(number) = self.number(key) else { continue };
            let before = self.entry(number).map(|entry| self.index.packed(entry));
            if before != now.as_deref() {
                touched.push(Touched { number, stub: false, now });
            }
        }
        for (key, (profile, by)) in news.stubs {
            let number = self.number(key);
            let before = number.and_then(|number| self.entry(number)).and_then(|entry| entry.named).unwrap_or_default();
            match (number, before, before + by) {
                (_, _, ..=-1) => return None,
                (Some(number), 1.., now @ 1..) if by != 0 => self.renamed.push((number, now)),
                (Some(number), 0, now @ 1..) => {
                    self.renamed.push((number, now));
                    touched.push(Touched { number, stub: true, now: Some(profile) });
                }
                (Some(number), 1.., 0) => touched.push(Touched { number, stub: true, now: None }),
                _ => {}
            }
        }
        touched.sort_unstable_by_key(|touched| touched.number);
        self.touched_at = vec![NONE; self.members.len()];
        touched.iter().zip(0..).for_each(|(touched, at)| self.touched_at[touched.number as usize] = at);
        self.touched = touched;
        Some(self)
    }

    pub fn len(&self) -> usize {
        self.members.len()
    }

    pub fn key(&self, number: u32) -> Option<RecordKey> {
        self.keys.get(number as usize).copied()
    }

    pub fn number(&self, key: RecordKey) -> Option<u32> {
        let range = self.buckets.range(key.bits());
        let start = range.start;
        let at = self.keys.get(range)?.binary_search(&key).ok()?;
        u32::try_from(start + at).ok()
    }

    /// The numbers of many records, [`u32::MAX`] for what is none.
    pub fn numbers(&self, keys: &[RecordKey]) -> Vec<u32> {
        // In two steps, each of which waits for memory once for several keys.
        let ranges: Vec<_> = keys.iter().map(|key| self.buckets.range(key.bits())).collect();
        let number = |(key, range): (&RecordKey, std::ops::Range<usize>)| {
            let start = range.start;
            let at = self.keys.get(range).and_then(|keys| keys.iter().position(|other| other == key));
            at.and_then(|at| u32::try_from(start + at).ok()).unwrap_or(NONE)
        };
        keys.iter().zip(ranges).map(number).collect()
    }

    /// What there was of a record last time.
    pub fn entry(&self, number: u32) -> Option<&Entry> {
        let at = *self.entry_of.get(number as usize)?;
        self.index.entries.get(at as usize)
    }

    fn touched_as(&self, number: u32) -> Option<&Touched> {
        let at = *self.touched_at.get(number as usize)?;
        self.touched.get(at as usize)
    }

    pub fn is_touched(&self, number: u32) -> bool {
        self.touched_at.get(number as usize).is_some_and(|at| *at != NONE)
    }

    /// A record as it is now, packed.
    pub fn now(&self, number: u32) -> Option<&[u8]> {
        match self.touched_as(number) {
            Some(touched) => touched.now.as_deref(),
            None => self.entry(number).map(|entry| self.index.packed(entry)),
        }
    }

    /// Whether a record is there now.
    pub fn is_live(&self, number: u32) -> bool {
        match self.touched_as(number) {
            Some(touched) => touched.now.is_some(),
            None => self.entry(number).is_some(),
        }
    }

    /// Records that are there and are not touched, with what is kept of them.
    pub fn others(&self) -> impl Iterator<Item = (u32, &Entry)> {
        let entries = self.entry_of.iter().zip(0u32..).filter(|(at, _)| **at != NONE);
        let entries = entries.filter_map(|(at, number)| Some((number, self.index.entries.get(*at as usize)?)));
        entries.filter(|(number, _)| !self.is_touched(*number))
    }
}
