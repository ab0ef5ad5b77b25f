//! Which content each path shows, and what follows when that changes. No I/O.
//!
//! A file's rows belong to their content. The first path that shows a content gives it its scope; a path that shows it later
//! holds it as well. A content's rows are withdrawn when the last path that holds it shows other content, unless
//! * `on_change = add`,
//! * a path that is gone still holds it: what vanished is not wrong, or
//! * the other content *moved* here, as in log rotation: it was known, and none of the paths that showed it does so any more.
//!   The earlier content was then not corrected but pushed out.
//!
//! What stays without a path that shows it is remembered with the path that showed it last, and is not read twice either.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tributary_connector::{Error, Position, State, Withdrawal};

use crate::config::OnChange;
use crate::place::Stat;

/// Contents remembered per path beyond the one it shows. Older ones would be read again.
const MAX_EARLIER: usize = 1_000;

/// The position of one path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilePosition {
    size: u64,
    /// Microseconds since 1970-01-01 UTC.
    mtime_us: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    /// BLAKE3 of the content.
    hash: String,
    /// The scope of the content's rows.
    scope: Arc<str>,
    /// The path's place among the others, which orders versions; kept through corrections.
    order_place: String,
    /// How many contents this path was the first to show.
    generation: u64,
    /// Contents shown before whose rows stay.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    earlier: Vec<Content>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Content {
    size: u64,
    hash: String,
    scope: Arc<str>,
}

impl FilePosition {
    fn stat(&self) -> Stat {
        Stat { size: self.size, mtime: self.mtime_us, etag: self.etag.clone() }
    }

    fn content(&self) -> Content {
        Content { size: self.size, hash: self.hash.clone(), scope: Arc::clone(&self.scope) }
    }
}

/// What a content that has not been read yet is going to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fresh {
    pub scope: Arc<str>,
    /// Orders the versions of its records.
    pub order_place: String,
    generation: u64,
}

/// A path that now shows a known content.
#[derive(Debug, Clone)]
pub struct Known {
    pub path: Arc<str>,
    pub stat: Stat,
    pub hash: String,
    /// Its place if it has none yet.
    pub order_place: String,
}

/// What to emit: withdrawals, then a checkpoint.
#[derive(Debug, Default, PartialEq)]
pub struct Step {
    pub withdrawals: Vec<Withdrawal>,
    pub checkpoint: Vec<(Arc<str>, Option<Position>)>,
}

/// Which path shows which content, as far as committed or about to be.
#[derive(Debug)]
pub struct Contents {
    on_change: OnChange,
    by_path: BTreeMap<Arc<str>, FilePosition>,
    /// The contents whose rows are there, by hash.
    known: HashMap<String, Content>,
    /// The sizes of these, and perhaps of some that are no more.
    sizes: HashSet<u64>,
    /// Of scopes that no path shows: the path that remembers it.
    remembered: HashMap<Arc<str>, Arc<str>>,
    /// How many paths show a scope's content.
    holders: HashMap<Arc<str>, usize>,
}

impl Contents {
    /// # Errors
    /// If a position is not of this connector's form.
    pub fn new(state: &State, on_change: OnChange) -> Result<Self, Error> {
        let mut contents = Self {
            on_change,
            by_path: BTreeMap::new(),
            known: HashMap::new(),
            sizes: HashSet::new(),
            remembered: HashMap::new(),
            holders: HashMap::new(),
        };
        for (path, position) in &state.0 {
            let position: FilePosition = position.get()?;
            for content in &position.earlier {
                contents.learn(content.clone());
                contents.remembered.insert(Arc::clone(&content.scope), Arc::clone(path));
            }
            contents.learn(position.content());
            *contents.holders.entry(Arc::clone(&position.scope)).or_default() += 1;
            contents.by_path.insert(Arc::clone(path), position);
        }
        Ok(contents)
    }

    /// Whether `path` showed its present content at `stat` already.
    pub fn is_unchanged(&self, path: &str, stat: &Stat) -> bool {
        self.by_path.get(path).is_some_and(|position| position.stat().same(stat))
    }

    /// Whether some known content has this size, so that hashing may save reading.
    pub fn may_know(&self, size: u64) -> bool {
        self.sizes.contains(&size)
    }

    pub fn knows(&self, hash: &str) -> bool {
        self.known.contains_key(hash)
    }

    /// The scope and place of content that `path` is the first to show. `place` is the path's own, as it is now.
    pub fn fresh(&self, path: &str, place: String) -> Fresh {
        let before = self.by_path.get(path);
        let generation = before.map_or(0, |position| position.generation) + 1;
        let order_place = match (before, self.on_change) {
            (Some(position), OnChange::Replace) => position.order_place.clone(),
            _ => place,
        };
        Fresh { scope: format!("{path}#{generation}").into(), order_place, generation }
    }

    /// `path` has been read and shows new content.
    ///
    /// # Errors
    /// If a position cannot be written.
    pub fn read(&mut self, path: &Arc<str>, stat: Stat, hash: String, fresh: Fresh) -> Result<Step, Error> {
        let mut step = Step::default();
        let mut position = FilePosition {
            size: stat.size,
            mtime_us: stat.mtime,
            etag: stat.etag,
            hash,
            scope: fresh.scope,
            order_place: fresh.order_place,
            generation: fresh.generation,
            earlier: Vec::new(),
        };
        if let Some(before) = self.by_path.get(path).cloned() {
            position.earlier.clone_from(&before.earlier);
            self.let_go(&before.scope);
            self.leave(path, &before, &mut position, false, &mut step);
        }
        self.learn(position.content());
        self.hold(path, position, &mut step)?;
        Ok(step)
    }

    /// `files` show known contents, all at once: in a rotation one path's content is another's next. `still` are the paths
    /// that show what they showed before.
    ///
    /// # Errors
    /// If a position cannot be written.
    pub fn adopt(&mut self, files: Vec<Known>, still: &BTreeSet<Arc<str>>) -> Result<Step, Error> {
        let mut step = Step::default();
        let mut changes = Vec::with_capacity(files.len());
        for file in files {
            let Some(content) = self.known.get(&file.hash).cloned() else { continue };
            let before = self.by_path.get(&file.path).cloned();
            let position = FilePosition {
                size: file.stat.size,
                mtime_us: file.stat.mtime,
                etag: file.stat.etag,
                hash: file.hash,
                scope: content.scope,
                order_place: before.as_ref().map_or(file.order_place, |before| before.order_place.clone()),
                generation: before.as_ref().map_or(0, |before| before.generation),
                earlier: before.as_ref().map(|before| before.earlier.clone()).unwrap_or_default(),
            };
            changes.push((file.path, before, position));
        }
        let touched =
            changes.iter().filter(|(_, before, now)| before.as_ref().is_some_and(|before| before.scope == now.scope));
        let unmoved: HashSet<Arc<str>> = still
            .iter()
            .filter_map(|path| self.by_path.get(path).map(|position| Arc::clone(&position.scope)))
            .chain(touched.map(|(.., now)| Arc::clone(&now.scope)))
            .collect();
        for (_, before, position) in &changes {
            if let Some(before) = before {
                self.let_go(&before.scope);
            }
            *self.holders.entry(Arc::clone(&position.scope)).or_default() += 1;
        }
        for (path, before, mut position) in changes {
            self.remember_no_more(&path, &mut position, &mut step)?;
            if let Some(before) = before.filter(|before| before.scope != position.scope) {
                let moved = !unmoved.contains(&position.scope);
                self.leave(&path, &before, &mut position, moved, &mut step);
            }
            self.let_go(&position.scope);
            self.hold(&path, position, &mut step)?;
        }
        Ok(step)
    }

    /// One path fewer shows `scope`.
    fn let_go(&mut self, scope: &Arc<str>) {
        if let Some(holders) = self.holders.get_mut(scope) {
            *holders = holders.saturating_sub(1);
        }
    }

    /// `path` shows no longer what it showed `before`: decides what becomes of those rows.
    fn leave(&mut self, path: &Arc<str>, before: &FilePosition, now: &mut FilePosition, moved: bool, step: &mut Step) {
        let scope = &before.scope;
        if self.holders.get(scope).is_some_and(|&holders| holders > 0)
            || step.withdrawals.iter().any(|w| w.scope == *scope)
        {
            return;
        }
        if self.on_change == OnChange::Add || moved {
            now.earlier.push(before.content());
            self.remembered.insert(Arc::clone(scope), Arc::clone(path));
            let surplus = now.earlier.len().saturating_sub(MAX_EARLIER);
            for dropped in now.earlier.drain(..surplus) {
                self.known.remove(&dropped.hash);
                self.remembered.remove(&dropped.scope);
            }
        } else {
            self.known.remove(&before.hash);
            step.withdrawals.push(Withdrawal {
                partition: Arc::clone(path),
                scope: Arc::clone(scope),
                replaced_by: Some(Arc::clone(&now.scope)),
            });
        }
    }

    /// `now`'s content is shown again: whoever remembered it as an earlier one need not.
    fn remember_no_more(&mut self, path: &Arc<str>, now: &mut FilePosition, step: &mut Step) -> Result<(), Error> {
        let Some(other) = self.remembered.remove(&now.scope) else { return Ok(()) };
        now.earlier.retain(|content| content.scope != now.scope);
        if let Some(position) = self.by_path.get_mut(&other).filter(|_| other != *path) {
            position.earlier.retain(|content| content.scope != now.scope);
            step.checkpoint.retain(|(path, _)| *path != other);
            step.checkpoint.push((other, Some(Position::new(position)?)));
        }
        Ok(())
    }

    fn learn(&mut self, content: Content) {
        self.sizes.insert(content.size);
        self.known.insert(content.hash.clone(), content);
    }

    fn hold(&mut self, path: &Arc<str>, position: FilePosition, step: &mut Step) -> Result<(), Error> {
        *self.holders.entry(Arc::clone(&position.scope)).or_default() += 1;
        step.checkpoint.retain(|(other, _)| other != path);
        step.checkpoint.push((Arc::clone(path), Some(Position::new(&position)?)));
        self.by_path.insert(Arc::clone(path), position);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Contents driven by letters: a path shows the content of a letter.
    struct World {
        contents: Contents,
        time: i64,
    }

    impl World {
        fn new(on_change: OnChange) -> Self {
            Self { contents: Contents::new(&State::default(), on_change).unwrap(), time: 0 }
        }

        /// All files there are, with their contents. Gives the scopes read and withdrawn.
        fn run(&mut self, files: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
            self.time += 1;
            let hash = |path: &str| files.iter().find(|(p, _)| *p == path).map(|(_, content)| (*content).to_owned());
            let still: BTreeSet<Arc<str>> = self
                .contents
                .by_path
                .iter()
                .filter(|(path, position)| hash(path).as_ref() == Some(&position.hash))
                .map(|(path, _)| Arc::clone(path))
                .collect();
            let stat = Stat { size: 1, mtime: self.time, etag: None };
            let changed: Vec<_> = files.iter().filter(|(path, _)| !still.contains(*path)).collect();
            let adopted: Vec<_> = changed
                .iter()
                .filter(|(_, content)| self.contents.knows(content))
                .map(|(path, content)| Known {
                    path: (*path).into(),
                    stat: stat.clone(),
                    hash: (*content).to_owned(),
                    order_place: (*path).to_owned(),
                })
                .collect();
            let mut steps = vec![self.contents.adopt(adopted.clone(), &still).unwrap()];
            let mut read = Vec::new();
            for (path, content) in changed.iter().filter(|(path, _)| !adopted.iter().any(|k| *k.path == **path)) {
                if self.contents.knows(content) {
                    let known = Known {
                        path: (*path).into(),
                        stat: stat.clone(),
                        hash: (*content).to_owned(),
                        order_place: (*path).to_owned(),
                    };
                    let still = self.contents.by_path.keys().filter(|p| p.as_ref() != *path).cloned().collect();
                    steps.push(self.contents.adopt(vec![known], &still).unwrap());
                } else {
                    let fresh = self.contents.fresh(path, (*path).to_owned());
                    read.push(fresh.scope.to_string());
                    steps
                        .push(self.contents.read(&(*path).into(), stat.clone(), (*content).to_owned(), fresh).unwrap());
                }
            }
            // What was committed must be enough to go on from.
            let state =
                State(self.contents.by_path.iter().map(|(p, v)| (Arc::clone(p), Position::new(v).unwrap())).collect());
            self.contents = Contents::new(&state, self.contents.on_change).unwrap();
            (read, steps.iter().flat_map(|step| step.withdrawals.iter().map(|w| w.scope.to_string())).collect())
        }
    }

    fn s(scopes: &[&str]) -> Vec<String> {
        scopes.iter().map(|scope| (*scope).to_owned()).collect()
    }

    #[test]
    fn rows_go_only_with_the_last_path_that_shows_them() {
        let mut world = World::new(OnChange::Replace);
        assert_eq!(world.run(&[("a", "A"), ("b", "A")]), (s(&["a#1"]), s(&[])));
        assert_eq!(world.run(&[("a", "C"), ("b", "A")]), (s(&["a#2"]), s(&[])));
        assert_eq!(world.run(&[("a", "C"), ("b", "D")]), (s(&["b#1"]), s(&["a#1"])));
        assert_eq!(world.run(&[("a", "A"), ("b", "D")]), (s(&["a#3"]), s(&["a#2"])));
    }

    #[test]
    fn a_vanished_path_keeps_its_rows_and_its_content_stays_known() {
        let mut world = World::new(OnChange::Replace);
        world.run(&[("a", "A")]);
        assert_eq!(world.run(&[("b", "B")]), (s(&["b#1"]), s(&[])));
        assert_eq!(world.run(&[("b", "A")]), (s(&[]), s(&[])), "moved over b, whose rows are pushed out, not wrong");
        assert_eq!(world.run(&[("b", "A"), ("c", "B")]), (s(&[]), s(&[])), "and B is still known");
    }

    #[test]
    fn log_rotation_and_swapped_names_lose_nothing() {
        let mut world = World::new(OnChange::Replace);
        world.run(&[("log", "A")]);
        assert_eq!(world.run(&[("log", "B"), ("log.1", "A")]), (s(&["log#2"]), s(&[])));
        assert_eq!(world.run(&[("log", "C"), ("log.1", "B"), ("log.2", "A")]), (s(&["log#3"]), s(&[])));
        assert_eq!(world.run(&[("log", "D"), ("log.1", "C"), ("log.2", "B")]), (s(&["log#4"]), s(&[])));
        assert_eq!(world.run(&[("log", "D"), ("log.1", "B"), ("log.2", "C")]), (s(&[]), s(&[])));
        assert_eq!(world.run(&[("log", "D"), ("log.1", "B"), ("log.2", "C"), ("x", "A")]), (s(&[]), s(&[])));
        assert_eq!(
            world.run(&[("log", "D"), ("log.1", "B"), ("log.2", "C"), ("x", "A2")]),
            (s(&["x#1"]), s(&["log#1"]))
        );
    }

    #[test]
    fn a_file_copied_over_another_replaces_it() {
        let mut world = World::new(OnChange::Replace);
        world.run(&[("a", "A"), ("b", "B")]);
        assert_eq!(world.run(&[("a", "A"), ("b", "A")]), (s(&[]), s(&["b#1"])));
        let mut world = World::new(OnChange::Replace);
        world.run(&[("b", "B")]);
        assert_eq!(world.run(&[("a", "A"), ("b", "A")]), (s(&["a#1"]), s(&["b#1"])));
    }

    #[test]
    fn with_add_nothing_is_withdrawn_and_each_content_is_taken_once() {
        let mut world = World::new(OnChange::Add);
        assert_eq!(world.run(&[("a", "A")]), (s(&["a#1"]), s(&[])));
        assert_eq!(world.run(&[("a", "B")]), (s(&["a#2"]), s(&[])));
        assert_eq!(world.run(&[("a", "A")]), (s(&[]), s(&[])));
        assert_eq!(world.run(&[("a", "B")]), (s(&[]), s(&[])));
    }

    #[test]
    fn a_correction_keeps_the_files_place() {
        let mut world = World::new(OnChange::Replace);
        world.run(&[("a", "A")]);
        assert_eq!(world.contents.fresh("a", "later".to_owned()).order_place, "a");
        assert_eq!(world.contents.fresh("b", "later".to_owned()).order_place, "later");
        let mut world = World::new(OnChange::Add);
        world.run(&[("a", "A")]);
        assert_eq!(world.contents.fresh("a", "later".to_owned()).order_place, "later");
    }
}
