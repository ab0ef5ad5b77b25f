//! Reading what was changed within a window of time.

use std::collections::BTreeSet;

use chrono::DateTime;
use tributary_connector::{Cursor, Window};

use super::each_stream;
use super::resume::broken_off;
use crate::failure::During;
use crate::ledger::Ledger;
use crate::stage::{Stage, run};
use crate::{DeclaredStream, Failure, Passed, Size, Subject};

/// At how many places a reading is broken off.
const PLACES: usize = 4;

/// A window shows the records that were changed in it, its beginning included and its end not, and no others; broken off after any
/// event it goes on. Skipped for connectors that do not say that they can.
///
/// # Errors
/// If it shows less, or more.
pub fn windows(subject: &dyn Subject) -> Result<Passed, Failure> {
    each_stream(super::WINDOWS, subject, |declared: &DeclaredStream| {
        let stage = Stage::new(subject, Size::Small)?;
        if !stage.factory.capabilities().windows {
            return Ok(Passed::skipped("it says that it reads no windows"));
        }
        run(async {
            let stream = stage.stream(declared.name).await?;
            let Some(column) = declared.cursor.filter(|_| matches!(stream.cursor, Cursor::Column(_))) else {
                return Ok(Passed::skipped("it has no cursor"));
            };
            let (whole, _) = stage.full(declared, &stream).await?;
            let times = whole.times(column);
            let ticks: BTreeSet<i64> = times.values().copied().collect();
            let tick = |part: usize| {
                ticks.iter().nth(ticks.len() * part / 4).copied().and_then(DateTime::from_timestamp_micros)
            };
            let (Some(from), Some(to)) = (tick(1), tick(3)) else {
                return Ok(Passed::skipped("its cursor is no time"));
            };
            let window = Window { from, to };
            let mut truth = stage.truth(declared)?;
            truth.records.retain(|key, _| {
                times.get(key).is_some_and(|at| (from.timestamp_micros()..to.timestamp_micros()).contains(at))
            });
            let situation = || "a window from the tick of one record to that of another".to_owned();
            let mut ledger = Ledger::within(window);
            let events = stage.finish(declared, &stream, &mut ledger).await.during(situation)?;
            ledger.against(&truth, &stream).during(situation)?;
            let rows = ledger.seen.rows;
            broken_off(&stage, declared, &stream, &truth, events, PLACES, || Ledger::within(window))
                .await
                .during(situation)?;
            Ok(Passed::with(format!("{rows} rows of {}", whole.seen.rows)))
        })
    })
}
