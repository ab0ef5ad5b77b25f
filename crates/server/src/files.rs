//! The pipeline files that are served: which there are, and whether they have changed.
//!
//! They are looked at every few seconds, which works on every file system, in containers and over a network.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::{Catalog, Error, Job, Problem, scheduler};

/// Files and folders to serve.
#[derive(Debug)]
pub struct Files {
    roots: Vec<PathBuf>,
    seen: BTreeMap<PathBuf, Seen>,
}

#[derive(Debug)]
struct Seen {
    stamp: Option<(SystemTime, u64)>,
    hash: Option<blake3::Hash>,
    /// The last job that it was.
    job: Option<Job>,
    /// Why its content is no job, if it is not.
    problem: Option<Problem>,
    /// It was not there when last looked at. An editor may write it anew a moment later.
    missing: bool,
}

impl Files {
    /// # Errors
    /// If there is nothing to serve, or one of `roots` is not there.
    pub fn new(roots: Vec<PathBuf>) -> Result<Self, Error> {
        if roots.is_empty() {
            return Err(Error::new("there is nothing to serve").hint("name pipeline files or a folder that holds some"));
        }
        for root in &roots {
            std::fs::metadata(root).map_err(|e| {
                Error::new(format!("could not find `{}`", root.display()))
                    .source(e)
                    .hint("name pipeline files or a folder that holds some")
            })?;
        }
        Ok(Self { roots, seen: BTreeMap::new() })
    }

    /// Looks at all files; returns whether any job or problem has changed.
    pub fn poll(&mut self, catalog: &dyn Catalog) -> bool {
        let paths = self.paths();
        let mut changed = false;
        for path in &paths {
            changed |= self.look_at(path, catalog);
        }
        self.seen.retain(|path, seen| {
            let gone = !paths.contains(path) && std::mem::replace(&mut seen.missing, true);
            changed |= gone;
            !gone
        });
        changed
    }

    /// The jobs, by file. Of two with one name the one whose file comes first counts.
    pub fn jobs(&self) -> Vec<(PathBuf, Job)> {
        let mut names = BTreeSet::new();
        let jobs = self.seen.iter().filter_map(|(path, seen)| Some((path.clone(), seen.job.clone()?)));
        jobs.filter(|(_, job)| names.insert(job.name.clone())).collect()
    }

    /// What is wrong, by file.
    pub fn problems(&self) -> BTreeMap<PathBuf, String> {
        let mut first: BTreeMap<&str, &Path> = BTreeMap::new();
        let mut problems = BTreeMap::new();
        for (path, seen) in &self.seen {
            if let Some(job) = &seen.job {
                let holder = *first.entry(&job.name).or_insert(path);
                if holder != path {
                    let problem =
                        format!("`{}` is already the name of the pipeline in `{}`", job.name, holder.display());
                    problems.insert(path.clone(), problem);
                }
            }
            if let Some(problem) = &seen.problem {
                problems.insert(path.clone(), problem.to_string());
            }
        }
        problems
    }

    /// Files that were no job so far.
    pub fn unsure(&self) -> Vec<PathBuf> {
        self.seen.iter().filter(|(_, seen)| seen.job.is_none()).map(|(path, _)| path.clone()).collect()
    }

    /// Files named, and `*.toml` in folders named, as far as they can be listed.
    fn paths(&self) -> BTreeSet<PathBuf> {
        let mut paths = BTreeSet::new();
        for root in &self.roots {
            match std::fs::read_dir(root) {
                Ok(entries) => {
                    paths.extend(entries.flatten().map(|entry| entry.path()).filter(|path| is_pipeline(path)))
                }
                Err(_) if root.exists() => {
                    paths.insert(root.clone());
                }
                Err(_) => {}
            }
        }
        paths
    }

    fn look_at(&mut self, path: &Path, catalog: &dyn Catalog) -> bool {
        let stamp = std::fs::metadata(path).and_then(|meta| Ok((meta.modified()?, meta.len()))).ok();
        let seen = self.seen.get(path);
        if stamp.is_some() && seen.is_some_and(|seen| seen.stamp == stamp && !seen.missing) {
            return false;
        }
        let content = std::fs::read(path);
        let hash = content.as_ref().ok().map(|content| blake3::hash(content));
        if let Some(seen) = self.seen.get_mut(path)
            && hash.is_some()
            && seen.hash == hash
        {
            (seen.stamp, seen.missing) = (stamp, false);
            return false;
        }
        let loaded = match content {
            Ok(_) => catalog.load(path).and_then(|job| scheduler::check(&job).map(|()| job)),
            Err(e) => Err(Problem::new(format!("could not read `{}`: {e}", path.display()))),
        };
        let old = self.seen.remove(path);
        let (before, old) = old.map_or((None, None), |old| (old.problem, old.job));
        let unreadable = hash.is_none();
        let (job, problem) = match loaded {
            Ok(job) => (Some(job), None),
            Err(problem) => (old, Some(problem)),
        };
        // What cannot be read is tried each time, and is news only once.
        let changed = !(unreadable && before == problem);
        self.seen.insert(path.to_owned(), Seen { stamp, hash, job, problem, missing: false });
        changed
    }
}

fn is_pipeline(path: &Path) -> bool {
    let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
    !hidden && path.extension().is_some_and(|extension| extension == "toml") && path.is_file()
}
