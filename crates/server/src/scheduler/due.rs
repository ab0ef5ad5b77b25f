//! Which slots are due, and what becomes of them: misfire first, then overlap.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};

use super::{GRACE, Known, Rhythm, Scheduler, WRONG_CLOCK};
use crate::history::{JobState, Pending, Record, Slot, Span, Why};
use crate::settings::{Misfire, Overlap};

/// Slots of one schedule that [`Misfire::RunAll`] makes runs of.
const RUN_ALL: usize = 1000;

/// The slots of one schedule since it was last accounted for.
struct Elapsed {
    source: Option<String>,
    /// All but the newest ones, which are in `newest`.
    before: Option<Span>,
    newest: VecDeque<DateTime<Utc>>,
}

impl Scheduler {
    /// Accounts for every slot up to `now`, each exactly once.
    pub fn due(&self, now: DateTime<Utc>) -> Vec<Record> {
        let mut records = Vec::new();
        let mut next_run = self.state.last_run + 1;
        for (name, known) in &self.jobs {
            let Some(state) = self.state.jobs.get(name) else { continue };
            records.extend(rewound(name, known, state, now));
            let elapsed: Vec<Elapsed> = known
                .rhythms
                .iter()
                .filter(|rhythm| rhythm.next.is_some_and(|next| next <= now))
                .map(|rhythm| Elapsed::of(rhythm, now, known.policy.misfire))
                .collect();
            if !elapsed.is_empty() {
                records.extend(self.account(name, known, state, elapsed, now, &mut next_run));
            }
        }
        records
    }

    fn account(
        &self,
        name: &str,
        known: &Known,
        state: &JobState,
        mut elapsed: Vec<Elapsed>,
        now: DateTime<Utc>,
        next_run: &mut u64,
    ) -> Vec<Record> {
        let mut records = Vec::new();
        let skip = |why, spans: Vec<Span>| Record::Skip { at: now, job: name.to_owned(), why, spans };

        if known.policy.misfire == Misfire::Skip {
            let missed: Vec<Span> = elapsed.iter_mut().filter_map(|elapsed| elapsed.take_late(now)).collect();
            if !missed.is_empty() {
                records.push(skip(Why::Misfire, missed));
            }
            elapsed.retain(|elapsed| !elapsed.newest.is_empty());
            if elapsed.is_empty() {
                return records;
            }
        }

        // What goes on after an end is no run that is still going: the slot takes it along.
        let resumes = state.pending.back().is_some_and(|pending| pending.after.is_some());
        let busy = state.running.is_some() || !state.pending.is_empty();
        if known.policy.overlap == Overlap::Skip && busy && !resumes {
            records.push(skip(Why::Overlap, elapsed.into_iter().flat_map(Elapsed::into_spans).collect()));
            return records;
        }

        let mut missed: Vec<Span> = elapsed.iter_mut().filter_map(|elapsed| elapsed.before.take()).collect();
        let rounds = rounds(elapsed);
        let single = rounds.len() == 1;
        for (n, slots) in rounds.into_iter().enumerate() {
            // A misfire's runs follow one another; a single round joins what is queued.
            let join = state.pending.back().filter(|_| single || (resumes && n == 0));
            let run = join.map_or_else(
                || {
                    let run = *next_run;
                    *next_run += 1;
                    run
                },
                |pending| pending.run,
            );
            let newest = slots.iter().map(|slot| slot.at).max().unwrap_or(now);
            let ready = newest + known.jitter;
            let missed = std::mem::take(&mut missed);
            records.push(Record::Due { at: now, job: name.to_owned(), run, ready, slots, missed });
        }
        records
    }

    /// When the scheduler has something to do next, other than by an event.
    pub fn wake(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let slots = self.jobs.values().flat_map(|known| &known.rhythms).filter_map(|rhythm| rhythm.next);
        let queued = self.state.jobs.values().filter(|job| job.running.is_none()).flat_map(|job| &job.pending);
        let ready = queued.map(|Pending { ready, .. }| *ready).filter(|ready| *ready > now);
        slots.chain(ready).min()
    }
}

/// A schedule that is accounted for until long after now is taken up again from now: else it would be silent until then.
fn rewound(name: &str, known: &Known, state: &JobState, now: DateTime<Utc>) -> Vec<Record> {
    let ahead = state.watched.iter().filter(|watched| watched.upto > now + WRONG_CLOCK);
    ahead
        .map(|watched| Record::Watch {
            at: now,
            job: name.to_owned(),
            file: known.file.clone(),
            source: watched.source.clone(),
            cron: watched.cron.clone(),
            timezone: watched.timezone.clone(),
            from: now,
        })
        .collect()
}

/// The runs to make of what has elapsed: the slots of one instant together, of one schedule one at most.
fn rounds(elapsed: Vec<Elapsed>) -> Vec<Vec<Slot>> {
    let all_single = elapsed.iter().all(|elapsed| elapsed.newest.len() == 1);
    let mut slots: Vec<Slot> = elapsed
        .into_iter()
        .flat_map(|Elapsed { source, newest, .. }| {
            newest.into_iter().map(move |at| Slot { at, source: source.clone() })
        })
        .collect();
    if all_single {
        return vec![slots];
    }
    slots.sort();
    let mut rounds: Vec<Vec<Slot>> = Vec::new();
    for slot in slots {
        match rounds.last_mut() {
            Some(round) if round[0].at == slot.at => round.push(slot),
            _ => rounds.push(vec![slot]),
        }
    }
    rounds
}

impl Elapsed {
    fn of(rhythm: &Rhythm, now: DateTime<Utc>, misfire: Misfire) -> Self {
        let keep = if misfire == Misfire::RunAll { RUN_ALL } else { 1 };
        let mut elapsed = Self { source: rhythm.source.clone(), before: None, newest: VecDeque::new() };
        let slots = std::iter::successors(rhythm.next, |slot| rhythm.calendar.next(*slot));
        for slot in slots.take_while(|slot| *slot <= now) {
            elapsed.newest.push_back(slot);
            if elapsed.newest.len() > keep
                && let Some(oldest) = elapsed.newest.pop_front()
            {
                elapsed.add_before(oldest);
            }
        }
        elapsed
    }

    fn add_before(&mut self, slot: DateTime<Utc>) {
        match &mut self.before {
            Some(span) => (span.last, span.count) = (slot, span.count + 1),
            None => self.before = Some(Span { source: self.source.clone(), first: slot, last: slot, count: 1 }),
        }
    }

    /// Takes out all that is too late to count as in time.
    fn take_late(&mut self, now: DateTime<Utc>) -> Option<Span> {
        while let Some(slot) = self.newest.front().copied().filter(|slot| now - *slot > GRACE) {
            self.newest.pop_front();
            self.add_before(slot);
        }
        self.before.take()
    }

    fn into_spans(mut self) -> Option<Span> {
        while let Some(slot) = self.newest.pop_front() {
            self.add_before(slot);
        }
        self.before
    }
}
