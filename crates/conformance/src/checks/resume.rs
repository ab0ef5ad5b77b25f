//! Stopping anywhere and going on from what was saved.

use tributary_connector::Stream;

use super::each_stream;
use crate::failure::During;
use crate::ledger::{Ledger, Truth};
use crate::stage::{Go, Stage, places, run};
use crate::{DeclaredStream, Failure, Passed, Size, Subject};

/// At how many places a reading is broken off.
const PLACES: usize = 16;

/// Broken off after any event, and taken up by a new connector from the positions that were saved, a read has all keys and
/// versions of one that was left alone.
///
/// # Errors
/// Where something is lost.
pub fn resume(subject: &dyn Subject) -> Result<Passed, Failure> {
    each_stream(super::RESUME, subject, |declared| {
        let stage = Stage::new(subject, Size::Small)?;
        run(async {
            let stream = stage.stream(declared.name).await?;
            let truth = stage.truth(declared)?;
            let (whole, events) = stage.full(declared, &stream).await?;
            whole.against(&truth, &stream)?;
            let checkpoints = whole.seen.checkpoints;
            // What is read whole each time may be one load.
            if stage.factory.capabilities().resumes && declared.incremental && checkpoints < 2 {
                return Err(Failure::new("more than one place to resume after", format!("{checkpoints}"))
                    .hint("give a page its position, or declare that the connector does not resume"));
            }
            let tried = broken_off(&stage, declared, &stream, &truth, events, PLACES, Ledger::default).await?;
            for number in tried {
                // All that was seen in one go is seen in two.
                let (stopped, ledger) = number;
                if ledger.versions() != whole.versions() {
                    return Err(Failure::new(
                        format!("{} keys and versions, as when read in one go", whole.versions().len()),
                        format!("{}", ledger.versions().len()),
                    )
                    .during(format!("stopped after event {stopped}")));
                }
            }
            Ok(Passed::with(format!("{checkpoints} checkpoints")))
        })
    })
}

/// Reads `begun` on, breaks off after some of `events` events, reads the rest with a new connector and holds all against the truth;
/// gives the ledgers, with the event they were broken off after.
pub(super) async fn broken_off(
    stage: &Stage,
    declared: &DeclaredStream,
    stream: &Stream,
    truth: &Truth<'_>,
    events: usize,
    most: usize,
    begun: impl Fn() -> Ledger,
) -> Result<Vec<(usize, Ledger)>, Failure> {
    let mut ledgers = Vec::new();
    for place in places(events, most) {
        let mut ledger = begun();
        let situation = || format!("stopped after event {place} of {events}");
        let connector = stage.connector()?;
        let stop = |event| if event == place { Go::Stop } else { Go::On };
        stage.read(&*connector, declared, stream, &mut ledger, stop).await.during(situation)?;
        drop(connector);
        stage.finish(declared, stream, &mut ledger).await.during(situation)?;
        ledger.against(truth, stream).during(situation).map_err(|failure| {
            failure.hint(
                "a position may be handed out only after all that comes before it, and never between records of one tick",
            )
        })?;
        ledgers.push((place, ledger));
    }
    Ok(ledgers)
}
