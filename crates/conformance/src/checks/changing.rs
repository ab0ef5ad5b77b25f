//! A source that does not stand still while it is read.

use super::each_stream;
use crate::failure::During;
use crate::ledger::Ledger;
use crate::stage::{Ended, Go, Stage, described, places, run};
use crate::{Change, DeclaredStream, Failure, Passed, Size, Subject};

/// Between how many events the source changes.
const PLACES: usize = 8;

/// Records are changed, made, deleted and tied between any two events of a read: with one more read all is as the vendor holds it.
///
/// # Errors
/// What is not so.
pub fn change_while_reading(subject: &dyn Subject) -> Result<Passed, Failure> {
    each_stream(super::CHANGE_WHILE_READING, subject, |declared| {
        let stage = Stage::new(subject, Size::Small)?;
        let events = run(async {
            let stream = stage.stream(declared.name).await?;
            Ok(stage.full(declared, &stream).await?.1)
        })?;
        drop(stage);
        let mut changed = 0;
        for place in places(events, PLACES) {
            changed += at(subject, declared, place).during(|| format!("changed after event {place} of {events}"))?;
        }
        if changed == 0 {
            return Ok(Passed::skipped("nothing can change in this world"));
        }
        Ok(Passed::with(""))
    })
}

/// Changes the source after an event, and gives the number of kinds of change that could be.
fn at(subject: &dyn Subject, declared: &DeclaredStream, place: usize) -> Result<usize, Failure> {
    let changes = [
        Change::Update { records: 3 },
        Change::Insert { records: 2 },
        Change::Delete { records: 2 },
        Change::Tie { records: 3 },
    ];
    let stage = Stage::new(subject, Size::Small)?;
    run(async {
        let stream = stage.stream(declared.name).await?;
        let mut before: std::collections::BTreeSet<String> = stage.truth(declared)?.records.into_keys().collect();
        let (mut ledger, connector, mut changed) = (Ledger::default(), stage.connector()?, 0);
        let change = |event| {
            if event == place {
                changed = changes.iter().filter(|change| stage.change(declared, change).is_ok()).count();
            }
            Go::On
        };
        let ended = stage.read(&*connector, declared, &stream, &mut ledger, change).await?;
        if let Ended::Broken(error) = ended {
            tracing::debug!("the read ended with {}", described(&error));
        }
        before.extend(stage.truth(declared)?.records.into_keys());
        stage.settle();
        if let crate::Deletes::Reconcile(wait) = declared.deletes {
            stage.clock.advance(wait);
        }
        stage.finish(declared, &stream, &mut ledger).await?;
        ledger.against(&stage.truth_after(declared, &before)?, &stream)?;
        Ok(changed)
    })
}
