//! The cursor's edge: ties, records without a cursor, changes that show late, and how much is read again.

use super::resume::broken_off;
use super::{each_stream, or_skip};
use crate::failure::During;
use crate::ledger::Ledger;
use crate::stage::{Stage, run};
use crate::{Change, DeclaredStream, Failure, Passed, Size, Subject};

/// At how many places a reading of ties is broken off.
const PLACES: usize = 4;

/// Ties of one record to three pages are read whole: in a first read, in a later one, broken off at any event, and when others come in
/// the tick that was read last.
///
/// # Errors
/// Where something is lost.
pub fn cursor_ties(subject: &dyn Subject) -> Result<Passed, Failure> {
    each_stream(super::CURSOR_TIES, subject, |declared| {
        let page = declared.page_size;
        let mut sizes = vec![1, page.saturating_sub(1), page, page + 1, 3 * page];
        sizes.retain(|records| *records > 0);
        sizes.dedup();
        for records in &sizes {
            match tie(subject, declared, *records).during(|| format!("{records} records in one tick"))? {
                Passed::Yes(_) => {}
                skipped @ Passed::Skipped(_) => return Ok(skipped),
            }
        }
        Ok(Passed::with(format!("up to {} records in a tick", sizes.last().copied().unwrap_or(0))))
    })
}

fn tie(subject: &dyn Subject, declared: &DeclaredStream, records: usize) -> Result<Passed, Failure> {
    let stage = Stage::new(subject, Size::Small)?;
    run(async {
        let stream = stage.stream(declared.name).await?;
        let (mut ledger, _) = stage.full(declared, &stream).await?;
        or_skip!(stage.change(declared, &Change::Tie { records }));
        stage.finish(declared, &stream, &mut ledger).await?;
        match stage.change(declared, &Change::TieAgain { records: 2 }) {
            Ok(()) => {
                stage.settle();
                stage.finish(declared, &stream, &mut ledger).await?;
                let truth = stage.truth(declared)?;
                ledger.against(&truth, &stream).during(|| "others came in the tick that was read last".to_owned())?;
            }
            Err(_) => stage.settle(),
        }
        let truth = stage.truth(declared)?;
        let (whole, events) = stage.full(declared, &stream).await?;
        whole.against(&truth, &stream).during(|| "read anew".to_owned())?;
        broken_off(&stage, declared, &stream, &truth, events, PLACES, Ledger::default).await?;
        Ok(Passed::with(""))
    })
}

/// Records without a cursor are read.
///
/// # Errors
/// If they are not.
pub fn null_cursors(subject: &dyn Subject) -> Result<Passed, Failure> {
    each_stream(super::NULL_CURSORS, subject, |declared| {
        let stage = Stage::new(subject, Size::Small)?;
        run(async {
            let stream = stage.stream(declared.name).await?;
            let (mut ledger, _) = stage.full(declared, &stream).await?;
            or_skip!(stage.change(declared, &Change::NullCursor { records: 3 }));
            stage.settle();
            let truth = stage.truth(declared)?;
            let (whole, _) = stage.full(declared, &stream).await?;
            whole.against(&truth, &stream).during(|| "a first read".to_owned())?;
            stage.finish(declared, &stream, &mut ledger).await?;
            ledger.against(&truth, &stream).during(|| "a later read".to_owned())?;
            Ok(Passed::with(""))
        })
    })
}

/// Changes that show as late as the declared lookback allows are read.
///
/// # Errors
/// If they are not.
pub fn late_updates(subject: &dyn Subject) -> Result<Passed, Failure> {
    each_stream(super::LATE_UPDATES, subject, |declared| {
        if declared.lookback.is_zero() {
            return Ok(Passed::skipped("no lookback is declared"));
        }
        let stage = Stage::new(subject, Size::Small)?;
        run(async {
            let stream = stage.stream(declared.name).await?;
            let (mut ledger, _) = stage.full(declared, &stream).await?;
            // The newest cursor is that of a change now; what is late comes behind it.
            or_skip!(stage.change(declared, &Change::Update { records: 2 }));
            stage.settle();
            stage.finish(declared, &stream, &mut ledger).await?;
            for part in [2, 1] {
                let by = declared.lookback / part;
                or_skip!(stage.change(declared, &Change::Late { records: 3, by }));
                stage.finish(declared, &stream, &mut ledger).await?;
                let truth = stage.truth(declared)?;
                ledger.against(&truth, &stream).during(|| format!("changes that show {} s late", by.as_secs()))?;
            }
            Ok(Passed::with(format!("{} s", declared.lookback.as_secs())))
        })
    })
}

/// A later read shows what changed, and not much more.
///
/// # Errors
/// If it shows less, or much more.
pub fn incremental(subject: &dyn Subject) -> Result<Passed, Failure> {
    each_stream(super::INCREMENTAL, subject, |declared| {
        let stage = Stage::new(subject, Size::Small)?;
        run(async {
            let stream = stage.stream(declared.name).await?;
            stage.traffic.forget();
            let (mut ledger, _) = stage.full(declared, &stream).await?;
            let requests = stage.traffic.count(declared.pages);
            let before = ledger.keys().map(str::to_owned).collect();
            let mut shown = Vec::new();
            for records in [0, 4] {
                if records > 0 {
                    or_skip!(stage.change(declared, &Change::Update { records: 3 }));
                    or_skip!(stage.change(declared, &Change::Insert { records: 1 }));
                }
                stage.settle();
                stage.traffic.forget();
                stage.finish(declared, &stream, &mut ledger).await?;
                let truth = stage.truth_after(declared, &before)?;
                ledger.against(&truth, &stream).during(|| format!("{records} changes"))?;
                let (rows, asked) = (ledger.seen.rows, stage.traffic.count(declared.pages));
                let most = (records + declared.overlap) as u64;
                if declared.incremental && (rows > most || asked > requests) {
                    return Err(Failure::new(
                        format!("{most} rows and {requests} requests at most, as the stream is incremental"),
                        format!("{rows} rows and {asked} requests"),
                    )
                    .during(format!("{records} changes"))
                    .hint("`DeclaredStream::overlap` says how many rows at the edge may be read again"));
                }
                shown.push(format!("{rows} rows for {records} changes"));
            }
            Ok(Passed::with(shown.join(", ")))
        })
    })
}
