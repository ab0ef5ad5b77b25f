//! A day without the vendor.

use std::time::Duration;

use tributary_connector::Retry;

use super::each_stream;
use crate::failure::During;
use crate::ledger::Ledger;
use crate::stage::{Ended, Go, Stage, described, run};
use crate::traffic::{Fault, Rule};
use crate::wire::Delivery;
use crate::{Change, Deletes, Failure, Passed, Size, Subject};

/// Runs during the outage.
const RUNS: u32 = 12;

/// For 24 hours nothing answers, or failures do, while the vendor's records change and runs are started; the first run after it
/// reads all.
///
/// # Errors
/// What is not so.
pub fn outage(subject: &dyn Subject) -> Result<Passed, Failure> {
    each_stream(super::OUTAGE, subject, |declared| {
        let stage = Stage::new(subject, Size::Small)?;
        if !stage.has_http() {
            return Ok(Passed::skipped("it is not read by HTTP"));
        }
        run(async {
            let stream = stage.stream(declared.name).await?;
            let mut ledger = Ledger::default();
            // It begins in the middle of a first read.
            let connector = stage.connector()?;
            stage
                .read(&*connector, declared, &stream, &mut ledger, |event| if event == 3 { Go::Stop } else { Go::On })
                .await?;
            let mut before: std::collections::BTreeSet<String> = stage.truth(declared)?.records.into_keys().collect();
            for run in 0..RUNS {
                stage.traffic.clear();
                let fault = match run % 2 {
                    0 => Fault::delivered("no answer", |_| Delivery::Nothing),
                    _ => Fault::answer("failures", stage.declared.failed.clone()),
                };
                stage.traffic.lay(Rule { pattern: "*", from: 1, times: None }, fault);
                for change in
                    [Change::Update { records: 2 }, Change::Insert { records: 1 }, Change::Delete { records: 1 }]
                {
                    // What cannot change stays.
                    let _ = stage.change(declared, &change);
                }
                before.extend(stage.truth(declared)?.records.into_keys());
                let connector = stage.connector()?;
                let ended = stage.read(&*connector, declared, &stream, &mut ledger, |_| Go::On).await?;
                let error = match ended {
                    Ended::Broken(error) => Some(error),
                    _ => ledger.errors.pop(),
                };
                let hours = 24 * run / RUNS;
                match error {
                    None => {
                        return Err(
                            Failure::new("an error", "a read that ended well").during(format!("after {hours} h"))
                        );
                    }
                    Some(error) if error.retry == Retry::Never => {
                        return Err(Failure::new("an error that says that it may be tried again", described(&error))
                            .during(format!("after {hours} h")));
                    }
                    Some(_) => {}
                }
                stage.clock.advance(Duration::from_secs(24 * 60 * 60) / RUNS);
            }
            stage.traffic.clear();
            stage.settle();
            if let Deletes::Reconcile(wait) = declared.deletes {
                stage.clock.advance(wait);
            }
            stage.finish(declared, &stream, &mut ledger).await.during(|| "when it was over".to_owned())?;
            ledger.against(&stage.truth_after(declared, &before)?, &stream).during(|| "when it was over".to_owned())?;
            Ok(Passed::with(format!("{RUNS} runs")))
        })
    })
}
