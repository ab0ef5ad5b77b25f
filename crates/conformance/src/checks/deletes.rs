//! Deletions.

use super::{each_stream, or_skip};
use crate::failure::During;
use crate::stage::{Go, Stage, run};
use crate::{Change, Deletes, Failure, Passed, Size, Subject};

/// Deleted records are gone after the next read, or when the connector compares; those that come back are back. Reading may break
/// off in between.
///
/// # Errors
/// What is not so.
pub fn deletes(subject: &dyn Subject) -> Result<Passed, Failure> {
    each_stream(super::DELETES, subject, |declared| {
        let wait = match declared.deletes {
            Deletes::Never => return Ok(Passed::skipped("the stream does not tell")),
            Deletes::Feed => std::time::Duration::ZERO,
            Deletes::Reconcile(wait) => wait,
        };
        let stage = Stage::new(subject, Size::Small)?;
        run(async {
            let stream = stage.stream(declared.name).await?;
            let (mut ledger, _) = stage.full(declared, &stream).await?;
            or_skip!(stage.change(declared, &Change::Delete { records: 3 }));
            stage.clock.advance(wait);
            stage.settle();
            let truth = stage.truth(declared)?;
            // Broken off after the first event, and again after the second, then read on.
            for place in [1, 2] {
                let connector = stage.connector()?;
                let stop = |event| if event == place { Go::Stop } else { Go::On };
                stage.read(&*connector, declared, &stream, &mut ledger, stop).await?;
            }
            stage.finish(declared, &stream, &mut ledger).await?;
            ledger.against(&truth, &stream).during(|| "three were deleted".to_owned())?;
            let (whole, _) = stage.full(declared, &stream).await?;
            whole.against(&truth, &stream).during(|| "a first read after it".to_owned())?;

            if let Err(unsupported) = stage.change(declared, &Change::Restore { records: 2 }) {
                return Ok(Passed::with(format!("none comes back: {unsupported}")));
            }
            stage.clock.advance(wait);
            stage.settle();
            stage.finish(declared, &stream, &mut ledger).await?;
            let back = ledger.against(&stage.truth(declared)?, &stream);
            back.during(|| "two came back".to_owned()).map_err(|failure: Failure| {
                failure.hint("a deletion has the version of its moment, so that what comes back is newer")
            })?;
            Ok(Passed::with(""))
        })
    })
}
