//! Budgets at work: waits until a request fits, and shares the count with whoever uses the same credential on this machine.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::Notify;

use super::budget::{Ask, Decision, Lease, Limit, Usage, milliseconds};
use super::clock::{Clock, until};
use super::request::Request;
use super::state::StateFile;
use crate::{Error, Kind, Retry};

/// How often to look whether another process is done with its request.
const POLL: Duration = Duration::from_millis(100);

/// One per credential; clones share it.
#[derive(Clone)]
pub(super) struct Meter(Arc<Inner>);

struct Inner {
    limits: Vec<Limit>,
    kept: Kept,
    clock: Arc<dyn Clock>,
    /// A request of this process is done.
    freed: Notify,
    /// Longer than a request can take.
    lease: Duration,
    park_after: Duration,
}

enum Kept {
    Memory(Mutex<Usage>),
    File(StateFile),
}

/// A request that was let through. Dropping it says that it is done.
pub(super) struct Pass {
    meter: Meter,
    id: u64,
}

impl Meter {
    /// Keeps its count in `file`, or in memory if there is none.
    pub(super) fn new(
        limits: Vec<Limit>,
        file: Option<StateFile>,
        clock: Arc<dyn Clock>,
        lease: Duration,
        park_after: Duration,
    ) -> Self {
        let kept = file.map_or_else(|| Kept::Memory(Mutex::default()), Kept::File);
        Self(Arc::new(Inner { limits, kept, clock, freed: Notify::new(), lease, park_after }))
    }

    /// Waits until `request` fits all limits, and takes it from them.
    ///
    /// # Errors
    /// [`Kind::Quota`] or [`Kind::RateLimited`], with the wait, if that is longer than the run should stay; [`Kind::Config`]
    /// if the request costs more than a limit ever allows, or the count cannot be kept.
    pub(super) async fn pass(&self, request: &Request) -> Result<Pass, Error> {
        let inner = &self.0;
        let id = fastrand::u64(..);
        loop {
            // Listened to from before the look, so that no release in between is missed.
            let freed = inner.freed.notified();
            let now = inner.clock.now();
            let lease = Lease { id, until: now.timestamp_millis().saturating_add(milliseconds(inner.lease)) };
            let ask = Ask { cost: request.cost, classes: request.classes.clone(), lease };
            let shared = self.clone();
            let decision = self.update(move |usage| usage.take(&shared.0.limits, &ask, now.timestamp_millis())).await?;
            match decision {
                Decision::Granted => return Ok(Pass { meter: self.clone(), id }),
                Decision::At { time, limit, quota } => {
                    let wait = until(now, DateTime::from_timestamp_millis(time).unwrap_or(DateTime::<Utc>::MAX_UTC));
                    if wait > inner.park_after {
                        let kind = if quota { Kind::Quota } else { Kind::RateLimited };
                        return Err(Error::new(
                            kind,
                            format!("no request fits `{limit}` for another {} s", wait.as_secs()),
                        )
                        .retry(Retry::After(wait)));
                    }
                    inner.clock.sleep(wait).await;
                }
                Decision::Busy { .. } => {
                    tokio::select! {
                        () = freed => {}
                        () = inner.clock.sleep(POLL) => {}
                    }
                }
                Decision::Never { limit } => {
                    return Err(Error::new(Kind::Config, format!("a request costs more than `{limit}` allows at all"))
                        .hint("ask for smaller pages, or correct the limit"));
                }
            }
        }
    }

    /// The vendor wants nothing for `wait`; all who share the credential keep to it.
    ///
    /// # Errors
    /// If this cannot be kept.
    pub(super) async fn block(&self, wait: Duration, quota: bool) -> Result<(), Error> {
        let until = self.0.clock.now().timestamp_millis().saturating_add(milliseconds(wait));
        self.update(move |usage| usage.block(until, quota)).await
    }

    async fn update<R: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Usage) -> R + Send + 'static,
    ) -> Result<R, Error> {
        match &self.0.kept {
            Kept::Memory(usage) => Ok(change(&mut usage.lock().unwrap_or_else(PoisonError::into_inner))),
            Kept::File(file) => {
                let at_work = file.clone();
                tokio::task::spawn_blocking(move || update_file(&at_work, change))
                    .await
                    .map_err(std::io::Error::other)
                    .flatten()
                    .map_err(|e| file.failed(e))
            }
        }
    }

    fn has_leases(&self) -> bool {
        self.0.limits.iter().any(|limit| matches!(limit.rule, super::budget::Rule::Concurrent { .. }))
    }
}

fn update_file<R>(file: &StateFile, change: impl FnOnce(&mut Usage) -> R) -> std::io::Result<R> {
    let held = file.lock()?;
    // What cannot be read was written by another version, or cut off by a power cut: counting starts anew.
    let before: Usage = held.read()?.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    let mut usage = before.clone();
    let result = change(&mut usage);
    if usage != before {
        held.replace(&serde_json::to_vec(&usage)?, false)?;
    }
    Ok(result)
}

impl Drop for Pass {
    fn drop(&mut self) {
        if !self.meter.has_leases() {
            return;
        }
        let (meter, id) = (self.meter.clone(), self.id);
        let release = move || {
            match &meter.0.kept {
                Kept::Memory(usage) => usage.lock().unwrap_or_else(PoisonError::into_inner).release(id),
                Kept::File(file) => {
                    // A lease that cannot be given back is over when its time is.
                    let _ = update_file(file, |usage| usage.release(id));
                }
            }
            meter.0.freed.notify_waiters();
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) if matches!(self.meter.0.kept, Kept::File(_)) => drop(runtime.spawn_blocking(release)),
            _ => release(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use async_trait::async_trait;
    use chrono::Utc;
    use proptest::prelude::*;

    use super::super::budget::Rule;
    use super::super::state::Folder;
    use super::*;

    /// The runtime's own clock, which jumps to the next sleeper when nobody has anything to do.
    struct Paused(tokio::time::Instant);

    #[async_trait]
    impl Clock for Paused {
        fn now(&self) -> DateTime<Utc> {
            DateTime::UNIX_EPOCH + self.0.elapsed()
        }

        async fn sleep(&self, duration: Duration) {
            tokio::time::sleep(duration).await;
        }
    }

    const HOUR: Duration = Duration::from_secs(3600);

    fn meter(limits: &[Limit], file: Option<StateFile>, clock: &Arc<Paused>) -> Meter {
        Meter::new(limits.to_vec(), file, Arc::clone(clock) as Arc<dyn Clock>, HOUR, 24 * HOUR)
    }

    #[tokio::test(start_paused = true)]
    async fn many_tasks_of_several_processes_use_the_budget_and_never_more() {
        let limits = [
            Limit::new("calls", Rule::Moving { budget: 100, per: Duration::from_secs(20) }),
            Limit::new("at once", Rule::Concurrent { at_once: 8 }),
        ];
        let folder = tempfile::tempdir().unwrap();
        let file = Folder::at(folder.path()).file("budget", "x");
        let clock = Arc::new(Paused(tokio::time::Instant::now()));
        let processes = [(); 2].map(|()| meter(&limits, Some(file.clone()), &clock));
        let (under_way, most) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let tasks: Vec<_> = (0..30)
            .map(|task| {
                let meter = processes[task % 2].clone();
                let (clock, under_way, most) = (Arc::clone(&clock), Arc::clone(&under_way), Arc::clone(&most));
                tokio::spawn(async move {
                    let mut granted = Vec::new();
                    for _ in 0..20 {
                        let pass = meter.pass(&Request::get("/")).await.unwrap();
                        granted.push(clock.now().timestamp_millis());
                        most.fetch_max(under_way.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        clock.sleep(Duration::from_millis(50)).await;
                        under_way.fetch_sub(1, Ordering::SeqCst);
                        drop(pass);
                    }
                    granted
                })
            })
            .collect();
        let mut granted = Vec::new();
        for task in tasks {
            granted.extend(task.await.unwrap());
        }
        granted.sort_unstable();
        assert_eq!(granted.len(), 600);
        for (index, end) in granted.iter().enumerate() {
            let in_window = granted[..=index].iter().filter(|time| **time > end - 20_000).count();
            assert!(in_window <= 100, "{in_window} in the window that ends at {end}");
        }
        assert!(most.load(Ordering::SeqCst) <= 8);
        // Six windows' worth: the last hundred may go at 100 s, and do so before 111.
        assert!(granted[599] <= 111_000, "{}", granted[599]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_wait_parks_the_run_and_holds_for_all_processes() {
        let folder = tempfile::tempdir().unwrap();
        let file = Folder::at(folder.path()).file("budget", "x");
        let clock = Arc::new(Paused(tokio::time::Instant::now()));
        let [one, other] = [(); 2].map(|()| meter(&[], Some(file.clone()), &clock));
        one.block(48 * HOUR, true).await.unwrap();
        let error = other.pass(&Request::get("/")).await.err().unwrap();
        assert_eq!((error.kind, error.retry), (Kind::Quota, Retry::After(48 * HOUR)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_state_file_of_another_form_counts_as_nothing_used() {
        let folder = tempfile::tempdir().unwrap();
        let file = Folder::at(folder.path()).file("budget", "x");
        file.lock().unwrap().replace(b"{\"used\":{\"calls\":\"?", false).unwrap();
        let clock = Arc::new(Paused(tokio::time::Instant::now()));
        let limits = [Limit::new("calls", Rule::Moving { budget: 1, per: HOUR })];
        let meter = meter(&limits, Some(file), &clock);
        assert!(meter.pass(&Request::get("/")).await.is_ok());
        let costly = Request::get("/").cost(2);
        let limits = [Limit::new("credits", Rule::Moving { budget: 1, per: HOUR }).of_cost()];
        let error = self::meter(&limits, None, &clock).pass(&costly).await.err().unwrap();
        assert_eq!(error.kind, Kind::Config);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn whatever_the_order_the_budget_is_kept_and_all_get_through(
            starts in prop::collection::vec(0u64..5000, 1..40), budget in 1u64..20, per in 200u64..3000,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            let mut granted = runtime.block_on(async {
                let clock = Arc::new(Paused(tokio::time::Instant::now()));
                let rule = Rule::Moving { budget, per: Duration::from_millis(per) };
                let meter = meter(&[Limit::new("m", rule)], None, &clock);
                let mut granted = Vec::new();
                let tasks: Vec<_> = starts
                    .into_iter()
                    .map(|start| {
                        let (meter, clock) = (meter.clone(), Arc::clone(&clock));
                        tokio::spawn(async move {
                            clock.sleep(Duration::from_millis(start)).await;
                            let _pass = meter.pass(&Request::get("/")).await.unwrap();
                            clock.now().timestamp_millis()
                        })
                    })
                    .collect();
                for task in tasks {
                    granted.push(task.await.unwrap());
                }
                granted
            });
            granted.sort_unstable();
            for (index, end) in granted.iter().enumerate() {
                let in_window = granted[..=index].iter().filter(|time| **time > end - per as i64).count();
                prop_assert!(in_window as u64 <= budget);
            }
        }
    }
}
