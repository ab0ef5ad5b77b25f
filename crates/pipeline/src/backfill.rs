//! Reading a window of time again, beside what runs read.
//!
//! A backfill is an incarnation of its own: the place from which runs go on is not moved, and what it has read is kept with its own
//! positions, so that one that was killed goes on where it was when the same is asked again. Its rows take part like any others:
//! the newest version of a record counts, whoever read it.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use serde::Serialize;
use tributary_connector::{Cursor, Registry, Stream, Window};
use tributary_lake::{Lake, Lease, Location, RunRecord};

use crate::claims;
use crate::observe::{Note, Observer};
use crate::project::{Project, ReadySource};
use crate::raw;
use crate::run::{Error, reach, session};
use crate::standing::{self, Standing};
use crate::sync::{Report, Sync};

/// Whose runs are backfills, in `ops.run`.
pub const NAME: &str = "backfill";

/// What a backfill did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Backfilled {
    pub run: String,
    /// The window, as an ISO 8601 interval.
    pub window: String,
    pub streams: Vec<Report>,
    /// When a stream whose source wants to be left alone may go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<DateTime<Utc>>,
    /// What could not be read, in words.
    pub errors: Vec<String>,
    pub warnings: Vec<String>,
}

/// What is wrong with the times of a window.
#[derive(Debug, thiserror::Error)]
pub enum WindowError {
    #[error("`{0}` is no time")]
    NoTime(String),
    #[error("`{time}` has no zone, and source `{source_name}` has none either")]
    NoZone { time: String, source_name: String },
    #[error("on the clocks of {zone} there is no `{time}`, or there are two")]
    NotOnce { time: String, zone: Tz },
    #[error("the window ends before it begins")]
    Empty,
    #[error("the window ends in the future")]
    Future,
}

impl WindowError {
    /// What a user can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NoTime(_) => "write `2026-06-30`, `2026-06-30T16:00:00` or `2026-06-30T16:00:00+08:00`".into(),
            Self::NoZone { source_name, .. } => {
                format!("write `+08:00` or `Z` behind it, or set `timezone` in `[sources.{source_name}]`")
            }
            Self::NotOnce { .. } => "write the offset behind it, such as `+08:00`".into(),
            Self::Empty => "`--from` is read and `--to` is not; a day is from its date to the next".into(),
            Self::Future => "what is yet to change is read by runs; end it before now".into(),
        }
    }
}

/// A window as a user writes it, for a source of the pipeline: times without a zone are on the clocks of the source.
///
/// # Errors
/// If it is none.
pub fn window(
    project: &Project,
    source: &str,
    (from, to): (&str, &str),
    now: DateTime<Utc>,
) -> Result<Window, WindowError> {
    let zone = match project.pipeline.source(source) {
        Some(source) => source.zoned.then_some(source.timezone),
        // That there is no such source is said when it is looked for.
        None => Some(Tz::UTC),
    };
    let window = Window { from: time(from, zone, source)?, to: time(to, zone, source)? };
    if window.from >= window.to {
        return Err(WindowError::Empty);
    }
    if window.to > now {
        return Err(WindowError::Future);
    }
    Ok(window)
}

fn time(text: &str, zone: Option<Tz>, source: &str) -> Result<DateTime<Utc>, WindowError> {
    if let Ok(time) = DateTime::parse_from_rfc3339(&text.replace(' ', "T")) {
        return Ok(time.to_utc());
    }
    let day = |text: &str| Some(text.parse::<NaiveDate>().ok()?.and_time(NaiveTime::MIN));
    let local = text.replace(' ', "T").parse::<NaiveDateTime>().ok().or_else(|| day(text));
    let local = local.ok_or_else(|| WindowError::NoTime(text.into()))?;
    let zone = zone.ok_or_else(|| WindowError::NoZone { time: text.into(), source_name: source.into() })?;
    let once = zone.from_local_datetime(&local).single();
    Ok(once.ok_or_else(|| WindowError::NotOnce { time: text.into(), zone })?.to_utc())
}

/// Why a stream cannot be read by windows; `None` if it can.
fn refusal(stream: &Stream, windows: bool) -> Option<&'static str> {
    match &stream.cursor {
        Cursor::Contents => Some("its files are known by what they hold, not by a time"),
        Cursor::None => Some("it is read whole by every run"),
        Cursor::Positions => Some("its connector goes by positions of its own, not by a time"),
        Cursor::Column(_) if !windows => Some("its connector cannot ask for a window"),
        Cursor::Column(_) if stream.primary_key.is_empty() || stream.version.is_none() => {
            Some("its records have no versions, so that older ones could not be told from newer ones")
        }
        Cursor::Column(_) => None,
    }
}

/// Reads a window of `name`, a source of the pipeline or `source.stream`. Of a source, streams that cannot be read by windows are
/// left out, with a warning.
///
/// # Errors
/// If there is no such stream, or it cannot be read by windows; what ended the reading. What is committed stays, and the same
/// again goes on from there.
pub async fn backfill(
    project: &Project,
    registry: &Registry,
    name: &str,
    window: Window,
    observer: &dyn Observer,
) -> Result<Backfilled, Error> {
    let mut done = Backfilled {
        run: uuid::Uuid::new_v4().to_string(),
        window: standing::text_of(window),
        ..Backfilled::default()
    };
    let chosen = chosen(project, registry, name, &mut done)?;
    reach(project).await?;
    let lake = Lake::open(Location::parse(&project.pipeline.lake.value)?).await?;
    let queued = |holder: &str| observer.note(Note::Queued { behind: holder });
    let lease = Lease::take_when_free(&lake, "run", &format!("a backfill of `{name}`"), queued).await?;
    let lake = lake.under(&lease);
    let started = Utc::now();
    let outcome = read(project, &lake, &chosen, window, observer, &mut done).await;
    let status = match &outcome {
        Err(_) => "failed",
        Ok(()) if !done.errors.is_empty() => "incomplete",
        Ok(()) if done.waiting.is_some() => "waiting",
        Ok(()) => "done",
    };
    let record = RunRecord {
        run: done.run.clone(),
        pipeline: NAME.into(),
        started,
        status: status.into(),
        summary: serde_json::to_value(&done).unwrap_or_default(),
        // What readers see changes when the stages have caught up.
        tables: BTreeMap::new(),
    };
    let recorded = lake.record_run(&record).await;
    lease.release().await?;
    outcome?;
    recorded?;
    Ok(done)
}

fn chosen<'a>(
    project: &'a Project,
    registry: &Registry,
    name: &str,
    done: &mut Backfilled,
) -> Result<Vec<(&'a ReadySource, &'a Stream)>, Error> {
    let (mut chosen, mut refused, mut known) = (Vec::new(), Vec::new(), Vec::new());
    for source in &project.sources {
        let config = project.pipeline.source(&source.name);
        let factory = config.and_then(|config| registry.get(&config.connector.value).ok());
        let windows = factory.is_some_and(|factory| factory.capabilities().windows);
        for stream in &source.streams {
            let full = format!("{}.{}", source.name, stream.name);
            match refusal(stream, windows) {
                _ if name != source.name && name != full => known.push(full),
                Some(why) => refused.push((full, why)),
                None => chosen.push((source, stream)),
            }
        }
    }
    if chosen.is_empty() {
        return Err(match refused.pop() {
            Some((name, why)) => Error::NoWindow { name, why },
            None => Error::NoStream { of: "pipeline", name: name.into(), known },
        });
    }
    let left_out = refused.into_iter().map(|(name, why)| format!("{name}: not read: {why}"));
    done.warnings.extend(left_out);
    Ok(chosen)
}

async fn read(
    project: &Project,
    lake: &Lake,
    chosen: &[(&ReadySource, &Stream)],
    window: Window,
    observer: &dyn Observer,
    done: &mut Backfilled,
) -> Result<(), Error> {
    claims::share(project, lake.claims().await?, &[]).map_err(Error::Input)?;
    let session = session(project, lake)?;
    let mut read = Vec::new();
    for (source, stream) in chosen {
        let Some(table) = lake.table(&raw::table_name(&source.in_lake, &stream.name)).await? else {
            return Err(Error::NeverRead(format!("{}.{}", source.name, stream.name)));
        };
        read.push(Standing::open(lake, &table, &source.in_lake, &stream.name).await?.has_read(window));
    }
    // What broke off goes on with the streams that are left.
    let goes_on = read.contains(&false);
    for ((source, stream), read) in chosen.iter().zip(read) {
        let id = format!("{}.{}", source.name, stream.name);
        if read && goes_on {
            done.warnings
                .push(format!("{id}: this window of it has been read; to read it again, ask for it by its name"));
            continue;
        }
        let sync = Sync {
            lake,
            session: &session,
            observer,
            batch_rows: source.batch_rows,
            accept_replace: false,
            schema: source.schema,
            in_lake: &source.in_lake,
            run: &done.run,
            window: Some(window),
        };
        let report = sync.stream(&source.name, source.connector.as_ref(), stream).await?;
        let hint = |hint: &Option<String>| hint.as_ref().map_or(String::new(), |hint| format!("; {hint}"));
        if let Some(stopped) = &report.stopped {
            let why = format!("{id}: {}{}", stopped.why, hint(&stopped.hint));
            match stopped.until {
                Some(until) => {
                    done.waiting = Some(done.waiting.map_or(until, |other| other.min(until)));
                    done.warnings.push(why);
                }
                None => done.errors.push(why),
            }
        }
        for (partition, why, mend) in &report.errors {
            done.errors.push(format!("{id}: `{partition}`: {why}{}", hint(mend)));
        }
        done.streams.push(report);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(time: Result<DateTime<Utc>, WindowError>) -> String {
        time.map_or_else(|e| format!("{e}; {}", e.hint()), |time| time.to_rfc3339())
    }

    #[test]
    fn a_time_is_read_with_its_zone_or_the_sources() {
        let shanghai = Some(chrono_tz::Asia::Shanghai);
        for (written, zone, expected) in [
            ("2026-07-01T00:00:00+08:00", None, "2026-06-30T16:00:00+00:00"),
            ("2026-07-01 00:00:00Z", shanghai, "2026-07-01T00:00:00+00:00"),
            ("2026-07-01", shanghai, "2026-06-30T16:00:00+00:00"),
            ("2026-07-01 12:30:00", shanghai, "2026-07-01T04:30:00+00:00"),
            (
                "2026-07-01",
                None,
                "`2026-07-01` has no zone, and source `crm` has none either; write `+08:00` or `Z` behind it, or set \
                 `timezone` in `[sources.crm]`",
            ),
            (
                "2026-03-29 02:30:00",
                Some(chrono_tz::Europe::Berlin),
                "on the clocks of Europe/Berlin there is no `2026-03-29 02:30:00`, or there are two; write the offset \
                 behind it, such as `+08:00`",
            ),
            (
                "yesterday",
                shanghai,
                "`yesterday` is no time; write `2026-06-30`, `2026-06-30T16:00:00` or `2026-06-30T16:00:00+08:00`",
            ),
        ] {
            assert_eq!(text(time(written, zone, "crm")), expected, "{written}");
        }
    }
}
