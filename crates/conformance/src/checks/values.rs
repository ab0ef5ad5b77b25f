//! What is read against what the vendor holds.

use std::collections::BTreeSet;

use super::{each_stream, or_skip};
use crate::failure::During;
use crate::ledger::Ledger;
use crate::stage::{Ended, Go, Stage, described, run};
use crate::traffic::{Fault, Rule};
use crate::{Change, DeclaredStream, Failure, Passed, Size, Subject};

/// A full read is the truth: keys, values, nothing else; each value fits its column and no record is rejected.
///
/// # Errors
/// What is not so.
pub fn full_read(subject: &dyn Subject) -> Result<Passed, Failure> {
    each_stream(super::FULL_READ, subject, |declared| {
        let mut notes = Vec::new();
        for size in [Size::Small, Size::Large] {
            let stage = Stage::new(subject, size)?;
            run(async {
                let stream = stage.stream(declared.name).await?;
                stage.traffic.forget();
                let (ledger, _) = stage.full(declared, &stream).await?;
                let truth = stage.truth(declared)?;
                ledger.against(&truth, &stream)?;
                let seen = ledger.seen;
                if seen.rejected > 0 || seen.misfits > 0 {
                    return Err(Failure::new(
                        "all records to be taken and all values to fit their columns",
                        format!("{} rejected, {} that do not fit", seen.rejected, seen.misfits),
                    ));
                }
                if !declared.key.is_empty() && ledger.versions().len() != truth.records.len() {
                    let found = format!("{} keys and versions for {}", ledger.versions().len(), truth.records.len());
                    return Err(Failure::new("one version of each record of a world that stands still", found));
                }
                let pages = stage.traffic.count(declared.pages);
                let least = if size == Size::Small { 3 } else { 12 };
                if stage.has_http() && pages < least {
                    return Err(Failure::new(format!("at least {least} requests of pages"), format!("{pages}")).hint(
                        "the world is too small to show loss, its pages too large, or `DeclaredStream::pages` does not fit",
                    ));
                }
                notes.push(format!("{} rows", seen.rows));
                Ok(())
            })
            .during(|| format!("{size:?} world").to_lowercase())?;
        }
        Ok(Passed::with(notes.join(" and ")))
    })
}

/// A field that nobody declared is in `_extra`; of two fields of one name the last counts.
///
/// # Errors
/// What is not so.
pub fn unknown_fields(subject: &dyn Subject) -> Result<Passed, Failure> {
    each_stream(super::UNKNOWN_FIELDS, subject, |declared| {
        let stage = Stage::new(subject, Size::Small)?;
        let Some(text) = declared.text.filter(|_| stage.has_http()) else {
            return Ok(Passed::skipped("no text field is declared to put one beside"));
        };
        run(async {
            let stream = stage.stream(declared.name).await?;
            let mut truth = stage.truth(declared)?;
            let rule = Rule { pattern: declared.pages, from: 2, times: Some(1) };

            let twice = format!("\"{text}\":\"the first of two\",");
            stage.traffic.lay(rule, Fault::splice("a key comes twice", text, true, twice.as_bytes()));
            let (ledger, _) = stage.full(declared, &stream).await.during(|| "a key comes twice".to_owned())?;
            met(&stage, declared)?;
            ledger.against(&truth, &stream).during(|| "a key comes twice".to_owned())?;

            stage.traffic.clear();
            let unknown = br#""tributary_unknown":{"deep":[1,"2.50"]},"#;
            stage.traffic.lay(rule, Fault::splice("an unknown field", text, true, unknown));
            let (ledger, _) = stage.full(declared, &stream).await.during(|| "an unknown field".to_owned())?;
            let kept = ledger.with_extra("tributary_unknown");
            if kept != 1 {
                return Err(Failure::new("the field in `_extra` of one row", format!("it is in {kept}"))
                    .hint("hand records out as they came, with all their fields"));
            }
            truth.unknown.push("tributary_unknown".to_owned());
            ledger.against(&truth, &stream).during(|| "an unknown field".to_owned())?;
            Ok(Passed::with(""))
        })
    })
}

/// One record with bytes that are no text is one rejected record, and all others are read.
///
/// # Errors
/// What is not so.
pub fn bad_records(subject: &dyn Subject) -> Result<Passed, Failure> {
    each_stream(super::BAD_RECORDS, subject, |declared| {
        let stage = Stage::new(subject, Size::Small)?;
        let Some(text) = declared.text.filter(|_| stage.has_http()) else {
            return Ok(Passed::skipped("no text field is declared to put bytes into"));
        };
        run(async {
            let stream = stage.stream(declared.name).await?;
            let mut ways = Vec::new();
            for (name, bytes) in [("bytes that are not UTF-8", &b"\xff\xfe"[..]), ("half a surrogate pair", br"\ud800")]
            {
                let fault = Fault::splice("a bad record", text, false, bytes);
                stage.traffic.clear();
                stage.traffic.lay(Rule { pattern: declared.pages, from: 2, times: Some(1) }, fault);
                ways.push(one_bad(&stage, declared, &stream).await.during(|| name.to_owned())?);
            }
            ways.dedup();
            Ok(Passed::with(ways.join(", ")))
        })
    })
}

async fn one_bad(
    stage: &Stage,
    declared: &DeclaredStream,
    stream: &tributary_connector::Stream,
) -> Result<&'static str, Failure> {
    let mut ledger = Ledger::default();
    let connector = stage.connector()?;
    let ended = stage.read(&*connector, declared, stream, &mut ledger, |_| Go::On).await?;
    met(stage, declared)?;
    stage.traffic.clear();
    let mut truth = stage.truth(declared)?;
    if let Ended::Broken(error) = ended {
        // A page that is refused whole is no loss, as long as it is not passed over.
        stage.finish(declared, stream, &mut ledger).await.during(|| format!("after {}", described(&error)))?;
        ledger.against(&truth, stream)?;
        return Ok("the page was refused");
    }
    let keys: BTreeSet<&str> = ledger.keys().collect();
    let missing: Vec<_> = truth.records.keys().filter(|key| !keys.contains(key.as_str())).cloned().collect();
    if (missing.len(), ledger.rejected()) != (1, 1) {
        let found = format!("{} missing and {} rejected", missing.len(), ledger.rejected());
        return Err(Failure::new("one record less, and one rejected", found)
            .hint("hand pages out as bytes (`Data::Json`): decoding tells the good records of a page from the bad"));
    }
    truth.lost.extend(missing);
    ledger.against(&truth, stream)?;
    Ok("the record was rejected")
}

/// Whether a fault came upon anything.
pub(super) fn met(stage: &Stage, declared: &DeclaredStream) -> Result<(), Failure> {
    if stage.traffic.log().iter().any(|logged| logged.fault.is_some()) {
        return Ok(());
    }
    Err(Failure::new(format!("a second request that fits `{}`", declared.pages), "none")
        .hint("`DeclaredStream::pages` does not fit, or the world has only one page"))
}

/// A new field is read (at the latest once the stream is discovered again), and a field whose values change their type keeps them.
///
/// # Errors
/// What is not so.
pub fn schema_drift(subject: &dyn Subject) -> Result<Passed, Failure> {
    each_stream(super::SCHEMA_DRIFT, subject, |declared| {
        let stage = Stage::new(subject, Size::Small)?;
        run(async {
            let before = stage.stream(declared.name).await?;
            let name = "tributary_new".to_owned();
            or_skip!(stage.change(declared, &Change::AddField { name: name.clone() }));
            let mut truth = stage.truth(declared)?;
            truth.unknown.push(name.clone());
            let (ledger, _) = stage.full(declared, &before).await.during(|| "a new field".to_owned())?;
            ledger.against(&truth, &before).during(|| "a new field, read as if it were not".to_owned())?;

            truth.unknown.clear();
            let after = stage.stream(declared.name).await?;
            let (ledger, _) = stage.full(declared, &after).await.during(|| "a new field".to_owned())?;
            ledger.against(&truth, &after).during(|| "a new field, discovered".to_owned())?;

            if let Err(unsupported) = stage.change(declared, &Change::ChangeType) {
                return Ok(Passed::with(format!("types do not change: {unsupported}")));
            }
            let (ledger, _) = stage.full(declared, &after).await.during(|| "another type".to_owned())?;
            ledger.against(&stage.truth(declared)?, &after).during(|| "another type".to_owned())?;
            Ok(Passed::with(""))
        })
    })
}
