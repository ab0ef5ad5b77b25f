//! Goes through the files and says what is new: the events of a read.
//!
//! In this order: what could not be listed, what is unchanged, what shows known content (all of it in one checkpoint), and
//! then what has to be read, by partition. Of one file: its pages, the withdrawal of what it replaces, its checkpoint; or its
//! pages and a discard.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::thread::JoinHandle;

use async_trait::async_trait;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, Receiver};
use tributary_connector::{Error, Event, Kind, Reader, State};

use crate::config::Order;
use crate::contents::{Contents, Known, Step};
use crate::input;
use crate::load::{Settings, load};
use crate::local;
use crate::pages::{Events, Halt, Pages};
use crate::place::{Entry, Listing, Place, Stat};

/// Events on the way; a page is a few megabytes.
const WAITING: usize = 2;

/// Hands out events of a thread that reads ahead by a few pages. Dropping it stops that thread.
pub struct FilesReader {
    events: Receiver<Result<Event, Error>>,
    thread: Option<JoinHandle<()>>,
}

impl FilesReader {
    /// Starts reading.
    ///
    /// # Errors
    /// If the state is not of this connector's form, or no thread can be had.
    pub fn start(settings: Arc<Settings>, listing: Listing, state: &State) -> Result<Self, Error> {
        let contents = Contents::new(state, settings.on_change)?;
        let (sender, events) = mpsc::channel(WAITING);
        let run = Run {
            settings,
            contents,
            runtime: Handle::current(),
            events: Events(sender),
            settled: BTreeSet::new(),
            hashes: HashMap::new(),
        };
        let thread = std::thread::Builder::new()
            .name("tributary-files".to_owned())
            .spawn(move || run.all(listing))
            .map_err(|e| Error::new(Kind::Transport, "no thread could be started to read files").source(e))?;
        Ok(Self { events, thread: Some(thread) })
    }
}

#[async_trait]
impl Reader for FilesReader {
    async fn next(&mut self) -> Result<Option<Event>, Error> {
        if let Some(event) = self.events.recv().await {
            return event.map(Some);
        }
        // The thread has let go of the channel, so it has ended or is about to.
        match self.thread.take().map(JoinHandle::join) {
            Some(Err(_)) => {
                Err(Error::new(Kind::Protocol, "reading files broke off; this is a fault of the connector"))
            }
            _ => Ok(None),
        }
    }
}

struct Run {
    settings: Arc<Settings>,
    contents: Contents,
    runtime: Handle,
    events: Events,
    /// Paths that show what their position says.
    settled: BTreeSet<Arc<str>>,
    /// Hashes taken before reading.
    hashes: HashMap<Arc<str>, (Stat, String)>,
}

impl Run {
    fn all(mut self, listing: Listing) {
        match self.go(listing) {
            Ok(()) | Err(Halt::Closed) => {}
            Err(Halt::File(e)) => {
                // Nobody to tell if this fails.
                let _ = self.events.0.blocking_send(Err(e));
            }
        }
    }

    fn go(&mut self, listing: Listing) -> Result<(), Halt> {
        for (partition, error) in listing.refused {
            self.events.send(Event::Discard { partition, error })?;
        }
        let (unchanged, changed): (Vec<Entry>, Vec<Entry>) =
            listing.entries.into_iter().partition(|entry| self.contents.is_unchanged(&entry.partition, &entry.stat));
        for entry in unchanged {
            self.settled.insert(Arc::clone(&entry.partition));
            self.events.send(Event::Unchanged { partition: entry.partition })?;
        }
        let rest = self.moved_and_copied(changed)?;
        for entry in rest {
            match self.file(entry) {
                Ok(()) => {}
                Err((_, Halt::Closed)) => return Err(Halt::Closed),
                Err((partition, Halt::File(error))) => self.events.send(Event::Discard { partition, error })?,
            }
        }
        Ok(())
    }

    /// Takes the files that show content known from before this run; gives the others. All at once, because a withdrawal
    /// depends on where every known content is by now.
    fn moved_and_copied(&mut self, changed: Vec<Entry>) -> Result<Vec<Entry>, Halt> {
        let (mut known, mut rest) = (Vec::new(), Vec::new());
        for entry in changed {
            // What cannot be hashed cannot be read either, and is reported then.
            if self.contents.may_know(entry.stat.size)
                && let Ok((stat, hash)) = input::hash(&entry, &self.runtime)
            {
                if self.contents.knows(&hash) {
                    known.push(self.known(&entry, stat, hash));
                    continue;
                }
                self.hashes.insert(Arc::clone(&entry.partition), (stat, hash));
            }
            rest.push(entry);
        }
        let paths: Vec<_> = known.iter().map(|file| Arc::clone(&file.path)).collect();
        let step = self.contents.adopt(known, &self.settled)?;
        self.emit(step)?;
        self.settled.extend(paths);
        Ok(rest)
    }

    /// Takes one file. On an error says which.
    fn file(&mut self, mut entry: Entry) -> Result<(), (Arc<str>, Halt)> {
        // It may have waited its turn for long.
        if let Place::Local(path) = &entry.place
            && let Ok(stat) = local::stat(path)
        {
            entry.stat = stat;
        }
        let partition = Arc::clone(&entry.partition);
        self.new_content(&entry).map_err(|halt| (Arc::clone(&partition), halt))?;
        self.settled.insert(partition);
        Ok(())
    }

    fn new_content(&mut self, entry: &Entry) -> Result<(), Halt> {
        self.settings.format_of(entry)?;
        if self.contents.may_know(entry.stat.size) {
            let (stat, hash) = match self.hashes.remove(&entry.partition) {
                Some((stat, hash)) if stat == entry.stat => (stat, hash),
                _ => input::hash(entry, &self.runtime)?,
            };
            if self.contents.knows(&hash) {
                let known = self.known(entry, stat, hash);
                let step = self.contents.adopt(vec![known], &self.settled)?;
                return self.emit(step);
            }
        }
        let fresh = self.contents.fresh(&entry.partition, self.place(entry));
        let version = (!self.settings.version_column).then(|| fresh.order_place.as_str().into());
        let mut pages = Pages::new(&self.events, &entry.partition, &fresh.scope, version);
        let (stat, hash) = load(entry, &self.settings, &self.runtime, &mut pages)?;
        if self.contents.knows(&hash) {
            // Only if it changed to a known content after it was looked at: take it for that, and not its pages.
            self.events.send(Event::Forget { partition: Arc::clone(&entry.partition) })?;
            let known = self.known(entry, stat, hash);
            let step = self.contents.adopt(vec![known], &self.settled)?;
            return self.emit(step);
        }
        let step = self.contents.read(&entry.partition, stat, hash, fresh)?;
        self.emit(step)
    }

    fn known(&self, entry: &Entry, stat: Stat, hash: String) -> Known {
        Known { path: Arc::clone(&entry.partition), stat, hash, order_place: self.place(entry) }
    }

    /// The file's own place among the others.
    fn place(&self, entry: &Entry) -> String {
        match self.settings.order {
            Order::Name => entry.partition.to_string(),
            Order::Mtime => format!("{:020}", entry.stat.mtime.max(0)),
        }
    }

    fn emit(&self, step: Step) -> Result<(), Halt> {
        for withdrawal in step.withdrawals {
            self.events.send(Event::Withdraw(withdrawal))?;
        }
        if !step.checkpoint.is_empty() {
            self.events.send(Event::Checkpoint(step.checkpoint))?;
        }
        Ok(())
    }
}
