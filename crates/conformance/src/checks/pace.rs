//! How often the vendor is asked.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tributary_connector::http::Clock;
use tributary_connector::{Kind, Retry};

use super::{each_stream, once};
use crate::failure::During;
use crate::ledger::Ledger;
use crate::stage::{Ended, Go, Stage, described, run};
use crate::traffic::{Fault, Logged, RetryAfter, Rule};
use crate::{Budget, DeclaredStream, Failure, Passed, Size, Subject};

/// How much of its budget a connector uses that has more to ask.
const USED: f64 = 0.9;

/// No more requests than about this are made to see how the budget is used.
const MOST_REQUESTS: u64 = 2_500;

/// `Retry-After` is obeyed in full, in seconds and as a date; a wait that is longer than the run stays for is an error that says how
/// long, and nobody asks before.
///
/// # Errors
/// What is not so.
pub fn retry_after(subject: &dyn Subject) -> Result<Passed, Failure> {
    each_stream(super::RETRY_AFTER, subject, |declared| {
        let stage = Stage::new(subject, Size::Small)?;
        if !stage.has_http() {
            return Ok(Passed::skipped("it is not read by HTTP"));
        }
        run(async {
            for hint in [RetryAfter::Seconds(7), RetryAfter::DateIn(11)] {
                obeyed(&stage, declared, hint).await.during(|| format!("{hint:?}"))?;
            }
            parked(&stage, declared).await.during(|| "an hour".to_owned())?;
            Ok(Passed::with(""))
        })
    })
}

async fn obeyed(stage: &Stage, declared: &DeclaredStream, hint: RetryAfter) -> Result<(), Failure> {
    let stream = stage.stream(declared.name).await?;
    let fault = Fault::answer("too many requests", hint.on(stage.declared.throttled.clone(), stage.clock.now()));
    stage.traffic.forget();
    stage.traffic.lay(Rule { pattern: declared.pages, from: 2, times: Some(1) }, fault);
    let read = stage.full(declared, &stream).await;
    stage.traffic.clear();
    read?.0.against(&stage.truth(declared)?, &stream)?;
    left_alone(&stage.traffic.log(), hint.wait())
}

/// Whether nobody asked within `wait` of a fault.
fn left_alone(log: &[Logged], wait: Duration) -> Result<(), Failure> {
    let Some(at) = log.iter().position(|logged| logged.fault.is_some()) else {
        return Err(Failure::new("a second request of a page", "none"));
    };
    let next = log[at + 1..].iter().map(|logged| logged.time - log[at].time).min().unwrap_or_default();
    let next = next.to_std().unwrap_or_default();
    if next < wait {
        let found = format!("a request after {:.1} s", next.as_secs_f64());
        return Err(Failure::new(format!("no request within {} s", wait.as_secs()), found)
            .hint("the kit's client waits; nothing around it should retry"));
    }
    Ok(())
}

async fn parked(stage: &Stage, declared: &DeclaredStream) -> Result<(), Failure> {
    let hour = Duration::from_secs(60 * 60);
    let stream = stage.stream(declared.name).await?;
    let fault = RetryAfter::Seconds(hour.as_secs()).on(stage.declared.throttled.clone(), stage.clock.now());
    stage.traffic.forget();
    stage
        .traffic
        .lay(Rule { pattern: declared.pages, from: 2, times: Some(1) }, Fault::answer("too many requests", fault));
    let (mut ledger, started) = (Ledger::default(), stage.clock.now());
    // The second run comes at once, as an impatient scheduler's would.
    for run in ["the run that is told", "a run before the time"] {
        let connector = stage.connector()?;
        let ended = stage.read(&*connector, declared, &stream, &mut ledger, |_| Go::On).await?;
        match ended {
            Ended::Broken(error) => match (error.kind, error.retry) {
                (Kind::RateLimited | Kind::Quota, Retry::After(wait)) if wait > hour / 2 => {}
                _ => {
                    let found = format!("{} (retry: {:?})", described(&error), error.retry);
                    return Err(Failure::new("an error that says to come again in an hour", found).during(run));
                }
            },
            // Whoever waits for the hour obeys as well.
            _ if stage.clock.now() - started >= chrono::TimeDelta::hours(1) => break,
            _ => return Err(Failure::new("an error that says to come again in an hour", "none").during(run)),
        }
    }
    stage.traffic.clear();
    stage.clock.advance(hour);
    stage.finish(declared, &stream, &mut ledger).await?;
    ledger.against(&stage.truth(declared)?, &stream)?;
    left_alone(&stage.traffic.log(), hour)
}

/// No budget is ever exceeded, and one that is short of what there is to read is used by nine tenths.
///
/// # Errors
/// What is not so.
pub fn budget(subject: &dyn Subject) -> Result<Passed, Failure> {
    once(super::BUDGET, || {
        let stage = Stage::new(subject, Size::Large)?;
        let budgets = stage.declared.budgets.clone();
        if !stage.has_http() || (budgets.is_empty() && stage.declared.at_once.is_none()) {
            return Ok(Passed::skipped("no budget is declared"));
        }
        run(async {
            let (mut round, mut rounds) = (0, 1);
            while round < rounds {
                for declared in &stage.declared.streams {
                    let stream = stage.stream(declared.name).await?;
                    stage.full(declared, &stream).await.map_err(|failure| failure.of(declared.name))?;
                }
                if round == 0 {
                    rounds = rounds_for(&stage.traffic.log(), &budgets);
                }
                round += 1;
            }
            let asked = stage.traffic.log().len();
            if asked == 0 {
                return Err(Failure::new("requests", "none"));
            }
            kept(&stage.traffic.log(), &budgets, stage.declared.at_once)?;
            let used = used(&stage.traffic.log(), &budgets);
            match used {
                Some(used) if used < USED => Err(Failure::new(
                    format!("{:.0} % of the budget to be used, while there is more to ask", USED * 100.0),
                    format!("{:.0} %", used * 100.0),
                )),
                Some(used) => Ok(Passed::with(format!("{asked} requests, {:.0} % used", used * 100.0))),
                None => Ok(Passed::with(format!("{asked} requests, fewer than the budget"))),
            }
        })
    })
}

/// How often what a log shows is to be done until one of the budgets is spent three and a half times; once if that would take too
/// many requests.
fn rounds_for(log: &[Logged], budgets: &[Budget]) -> u64 {
    let rounds = budgets.iter().filter_map(|budget| {
        let spent: u64 = log.iter().map(|logged| (budget.cost)(&logged.request)).sum();
        (spent > 0).then(|| (budget.amount * 7).div_ceil(spent * 2))
    });
    rounds.min().filter(|rounds| rounds * log.len() as u64 <= MOST_REQUESTS).unwrap_or(1)
}

/// Whether the requests of a log are within the budgets.
pub(super) fn kept(log: &[Logged], budgets: &[Budget], at_once: Option<usize>) -> Result<(), Failure> {
    for budget in budgets {
        let (mut first, mut spent) = (0, 0);
        for logged in log {
            spent += (budget.cost)(&logged.request);
            while logged.time - log[first].time >= chrono::TimeDelta::from_std(budget.per).unwrap_or_default() {
                spent -= (budget.cost)(&log[first].request);
                first += 1;
            }
            if spent > budget.amount {
                return Err(Failure::new(
                    format!("no more than {} of `{}` in any {} s", budget.amount, budget.name, budget.per.as_secs()),
                    format!("{spent}"),
                )
                .hint("give the client the limit (`Builder::budget`), and the folder of `Context::http`"));
            }
        }
    }
    let most = log.iter().map(|logged| logged.at_once).max().unwrap_or(0);
    match at_once {
        Some(allowed) if most > allowed => {
            Err(Failure::new(format!("at most {allowed} requests at once"), format!("{most}")))
        }
        _ => Ok(()),
    }
}

/// The shortest time for these requests, by the time they took; nothing if there was no need to wait.
fn used(log: &[Logged], budgets: &[Budget]) -> Option<f64> {
    let time = |logged: Option<&Logged>| logged.map_or(DateTime::<Utc>::MIN_UTC, |logged| logged.time);
    let took = (time(log.last()) - time(log.first())).to_std().unwrap_or_default();
    let least = budgets.iter().map(|budget| {
        let spent: u64 = log.iter().map(|logged| (budget.cost)(&logged.request)).sum();
        budget.per * u32::try_from(spent.saturating_sub(1) / budget.amount.max(1)).unwrap_or(u32::MAX)
    });
    let least = least.max().filter(|least| !least.is_zero())?;
    Some(least.as_secs_f64() / took.as_secs_f64())
}
