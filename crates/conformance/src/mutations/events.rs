//! Defects of a reader, as changes of its events on their way.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use arrow::datatypes::DataType;
use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use tributary_connector::{Error, Event, Op, Page, ReadRequest, Stream, Window};

use super::json::{changed, retain, retain_rows, split};
use crate::Declared;
use crate::clock::locked;
use crate::rows::{self, Row};

type Next = Result<Option<Event>, Error>;

/// Alters events. Shared by the readings of a factory, so that it can remember.
pub(super) trait Alter: Send + Sync {
    /// What comes in place of `next`; nothing if it is held back.
    fn alter(&self, reading: &mut Reading, next: Next) -> Vec<Next>;
}

/// A reading under way, and what is remembered of it.
pub(super) struct Reading {
    stream: Stream,
    window: Option<Window>,
    /// It goes on from positions.
    resumed: bool,
    started: DateTime<Utc>,
    pub now: DateTime<Utc>,
    pages: usize,
    held: Vec<Next>,
    /// The edge when this reading began.
    edge: Option<Option<String>>,
}

impl Reading {
    pub fn new(request: &ReadRequest, now: DateTime<Utc>) -> Self {
        let resumed = !request.state.0.is_empty();
        let stream = request.stream.clone();
        Self { stream, window: request.window, resumed, started: now, now, pages: 0, held: Vec::new(), edge: None }
    }
}

/// Alters pages one by one.
struct Pages<F>(F);

impl<F: Fn(&mut Reading, Page) -> Option<Page> + Send + Sync> Alter for Pages<F> {
    fn alter(&self, reading: &mut Reading, next: Next) -> Vec<Next> {
        match next {
            Ok(Some(Event::Page(page))) => {
                reading.pages += 1;
                self.0(reading, page).map(|page| Ok(Some(Event::Page(page)))).into_iter().collect()
            }
            other => vec![other],
        }
    }
}

fn pages(alter: impl Fn(&mut Reading, Page) -> Option<Page> + Send + Sync + 'static) -> Arc<dyn Alter> {
    Arc::new(Pages(alter))
}

/// Alters whatever comes.
struct Events<F>(F);

impl<F: Fn(&mut Reading, Next) -> Vec<Next> + Send + Sync> Alter for Events<F> {
    fn alter(&self, reading: &mut Reading, next: Next) -> Vec<Next> {
        self.0(reading, next)
    }
}

fn events(alter: impl Fn(&mut Reading, Next) -> Vec<Next> + Send + Sync + 'static) -> Arc<dyn Alter> {
    Arc::new(Events(alter))
}

/// The cursor of each declared stream.
fn cursors(declared: &Declared) -> impl Fn(&Stream) -> Option<&'static str> + Send + Sync + 'static {
    let cursors: Vec<_> = declared.streams.iter().map(|stream| (stream.name, stream.cursor)).collect();
    move |stream| cursors.iter().find(|(name, _)| *name == stream.name).and_then(|(_, cursor)| *cursor)
}

/// Keeps rows by their cursor and the greatest one that earlier readings had seen.
fn by_edge(
    declared: &Declared,
    keep: impl Fn(&Option<String>, &Option<String>) -> bool + Send + Sync + 'static,
) -> Arc<dyn Alter> {
    let (cursor, greatest) = (cursors(declared), Mutex::new(None::<String>));
    pages(move |reading, page| {
        let cursor = cursor(&reading.stream);
        let edge = reading.edge.get_or_insert_with(|| locked(&greatest).clone()).clone();
        let rows = rows::of(&page, &reading.stream, cursor).unwrap_or_default();
        let newest = rows.rows.into_iter().filter_map(|row| row.cursor).max();
        let mut greatest = locked(&greatest);
        *greatest = newest.max(greatest.take());
        if !reading.resumed || page.op == Op::Delete {
            return Some(page);
        }
        retain_rows(page, &reading.stream, cursor, |row| keep(&row.cursor, &edge))
    })
}

pub(super) fn boundary_exclusive(declared: &Declared) -> Arc<dyn Alter> {
    by_edge(declared, |cursor, edge| cursor != edge)
}

pub(super) fn late_passed_over(declared: &Declared) -> Arc<dyn Alter> {
    by_edge(declared, |cursor, edge| cursor >= edge)
}

pub(super) fn first_tick_left_out(declared: &Declared) -> Arc<dyn Alter> {
    let cursor = cursors(declared);
    pages(move |reading, page| match (reading.window, cursor(&reading.stream)) {
        (Some(window), Some(name)) => {
            let first = Some(window.from.timestamp_micros());
            retain_rows(page, &reading.stream, None, |row| {
                row.cells.get(name).and_then(serde_json::Value::as_i64) != first
            })
        }
        _ => Some(page),
    })
}

pub(super) fn null_cursor_dropped(declared: &Declared) -> Arc<dyn Alter> {
    let cursor = cursors(declared);
    pages(move |reading, page| match (page.op, cursor(&reading.stream)) {
        (Op::Upsert, Some(name)) => retain_rows(page, &reading.stream, Some(name), |row| row.cursor.is_some()),
        _ => Some(page),
    })
}

/// A page is held until the checkpoint after it has come; `together` says what comes of the two.
fn with_checkpoint(
    together: impl Fn(&Reading, Page, Vec<(Arc<str>, Option<tributary_connector::Position>)>) -> Vec<Event>
    + Send
    + Sync
    + 'static,
) -> Arc<dyn Alter> {
    events(move |reading, next| {
        let held = reading.held.pop();
        match (held, next) {
            (Some(Ok(Some(Event::Page(page)))), Ok(Some(Event::Checkpoint(positions)))) => {
                together(reading, page, positions).into_iter().map(|event| Ok(Some(event))).collect()
            }
            (held, next @ Ok(Some(Event::Page(_)))) => {
                reading.held.push(next);
                held.into_iter().collect()
            }
            (held, next) => held.into_iter().chain([next]).collect(),
        }
    })
}

/// No defect: pages are written anew, record by record and field by field.
pub(super) fn pages_unchanged(declared: &Declared) -> Arc<dyn Alter> {
    let cursor = cursors(declared);
    pages(move |reading, page| {
        let Some((first, second)) = split(&page, 1) else { return Some(changed(page, |_| {})) };
        let _ = (retain_rows(first, &reading.stream, cursor(&reading.stream), |_| true), second);
        retain(changed(page, |_| {}), |_| true)
    })
}

/// No defect: pages are held back until their checkpoint comes, and handed out in two.
pub(super) fn checkpoints_unchanged(_declared: &Declared) -> Arc<dyn Alter> {
    with_checkpoint(|_, page, positions| match split(&page, 1) {
        Some((first, second)) => vec![Event::Page(first), Event::Page(second), Event::Checkpoint(positions)],
        None => vec![Event::Page(page), Event::Checkpoint(positions)],
    })
}

pub(super) fn tie_split(declared: &Declared) -> Arc<dyn Alter> {
    let cursor = cursors(declared);
    with_checkpoint(move |reading, page, positions| {
        let rows = rows::of(&page, &reading.stream, cursor(&reading.stream)).unwrap_or_default().rows;
        let tie = rows.windows(2).position(|pair| pair[0].cursor.is_some() && pair[0].cursor == pair[1].cursor);
        match tie.and_then(|tie| split(&page, tie + 1)) {
            Some((first, second)) => vec![
                Event::Page(first),
                Event::Checkpoint(positions.clone()),
                Event::Page(second),
                Event::Checkpoint(positions),
            ],
            None => vec![Event::Page(page), Event::Checkpoint(positions)],
        }
    })
}

pub(super) fn checkpoint_ahead(_declared: &Declared) -> Arc<dyn Alter> {
    with_checkpoint(|_, page, positions| {
        vec![Event::Checkpoint(positions.clone()), Event::Page(page), Event::Checkpoint(positions)]
    })
}

pub(super) fn page_skipped(_declared: &Declared) -> Arc<dyn Alter> {
    pages(|reading, page| (reading.pages != 2).then_some(page))
}

pub(super) fn last_page_dropped(_declared: &Declared) -> Arc<dyn Alter> {
    events(|reading, next| match next {
        Ok(Some(Event::Page(page))) => {
            let before = std::mem::take(&mut reading.held);
            reading.held.push(Ok(Some(Event::Page(page))));
            before
        }
        Ok(Some(other)) => {
            reading.held.push(Ok(Some(other)));
            Vec::new()
        }
        end => {
            let mut held = std::mem::take(&mut reading.held);
            held.retain(|event| !matches!(event, Ok(Some(Event::Page(_)))));
            held.push(end);
            held
        }
    })
}

/// The pages that this vendor shows of a query.
const CAP: usize = 10;

pub(super) fn page_cap_ignored(_declared: &Declared) -> Arc<dyn Alter> {
    events(|reading, next| {
        reading.pages += usize::from(matches!(next, Ok(Some(Event::Page(_)))));
        if reading.pages > CAP { vec![Ok(None)] } else { vec![next] }
    })
}

pub(super) fn delete_missed(_declared: &Declared) -> Arc<dyn Alter> {
    pages(|reading, page| match page.op {
        Op::Delete => None,
        Op::Upsert => retain_rows(page, &reading.stream, None, |row| row.op != Op::Delete),
    })
}

pub(super) fn restored_missed(_declared: &Declared) -> Arc<dyn Alter> {
    let gone: Mutex<BTreeSet<Option<String>>> = Mutex::default();
    pages(move |reading, page| {
        let rows = rows::of(&page, &reading.stream, None).unwrap_or_default().rows;
        locked(&gone).extend(rows.into_iter().filter(|row| row.op == Op::Delete).map(|row| row.key));
        retain_rows(page, &reading.stream, None, |row| row.op == Op::Delete || !locked(&gone).contains(&row.key))
    })
}

pub(super) fn rejected_dropped(_declared: &Declared) -> Arc<dyn Alter> {
    pages(|reading, page| {
        let Ok(rows) = rows::of(&page, &reading.stream, None) else { return Some(page) };
        if rows.rejected == 0 {
            return Some(page);
        }
        let (first, good) = (page.first_record, rows.rows.into_iter().map(|row| row.record).collect::<BTreeSet<_>>());
        retain(page, |place| good.contains(&(first + place as u64)))
    })
}

pub(super) fn unknown_field_dropped(_declared: &Declared) -> Arc<dyn Alter> {
    pages(|reading, page| {
        let schema = &reading.stream.schema;
        Some(changed(page, |fields| fields.retain(|(name, _)| schema.column_with_name(name).is_some())))
    })
}

/// Other JSON in place of a field's, of fields that `concerned` says.
fn values(
    concerned: impl Fn(&Stream, &str) -> bool + Send + Sync + 'static,
    other: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
) -> Arc<dyn Alter> {
    pages(move |reading, page| {
        Some(changed(page, |fields| {
            for (_, value) in fields.iter_mut().filter(|(name, _)| concerned(&reading.stream, name)) {
                let (text, quoted) = match serde_json::from_str::<String>(value.get()) {
                    Ok(text) => (text, true),
                    Err(_) => (value.get().to_owned(), false),
                };
                let other =
                    other(&text).map(|text| if quoted { serde_json::Value::from(text).to_string() } else { text });
                if let Some(Ok(other)) = other.map(RawValue::from_string) {
                    *value = other;
                }
            }
        }))
    })
}

fn is_of(stream: &Stream, name: &str, wanted: impl Fn(&DataType) -> bool) -> bool {
    stream.schema.field_with_name(name).is_ok_and(|field| wanted(field.data_type()))
}

pub(super) fn id_through_a_float(_declared: &Declared) -> Arc<dyn Alter> {
    values(
        |stream, name| stream.primary_key.iter().any(|key| key == name),
        |text| text.parse::<f64>().ok().map(|number| format!("{number:.0}")),
    )
}

pub(super) fn money_through_a_float(_declared: &Declared) -> Arc<dyn Alter> {
    values(
        |stream, name| is_of(stream, name, |kind| matches!(kind, DataType::Decimal128(..))),
        |text| text.parse::<f32>().ok().map(|number| format!("{:.4}", f64::from(number))),
    )
}

pub(super) fn offset_dropped(_declared: &Declared) -> Arc<dyn Alter> {
    values(
        |stream, name| is_of(stream, name, |kind| matches!(kind, DataType::Timestamp(..))),
        |text| text.get(..19).filter(|_| text.len() > 20).map(str::to_owned),
    )
}

/// What changed while a reading was under way is lost, to this reading and to those after it.
pub(super) fn change_while_paging_lost(declared: &Declared) -> Arc<dyn Alter> {
    let (cursor, lost) = (cursors(declared), Mutex::new(Vec::<(i64, i64)>::new()));
    events(move |reading, next| {
        let (from, to) = (reading.started.timestamp_micros(), reading.now.timestamp_micros());
        let Ok(Some(Event::Page(page))) = next else {
            if matches!(next, Ok(None)) && to > from {
                locked(&lost).push((from, to));
            }
            return vec![next];
        };
        let name = cursor(&reading.stream);
        let keep = |row: &Row| {
            let time = name.and_then(|name| time(row, name)).unwrap_or(i64::MIN);
            time <= from && !locked(&lost).iter().any(|(from, to)| time > *from && time <= *to)
        };
        let page = retain_rows(page, &reading.stream, name, keep);
        page.map(|page| Ok(Some(Event::Page(page)))).into_iter().collect()
    })
}

/// Microseconds of a cursor that is a time, or a number of seconds or milliseconds.
fn time(row: &Row, cursor: &str) -> Option<i64> {
    let value = row.cells.get(cursor)?;
    let Some(number) = value.as_i64() else {
        return DateTime::parse_from_rfc3339(value.as_str()?).ok().map(|time| time.timestamp_micros());
    };
    Some(match number.abs() {
        ..100_000_000_000 => number * 1_000_000,
        100_000_000_000..100_000_000_000_000 => number * 1_000,
        _ => number,
    })
}

pub(super) fn error_taken_for_the_end(_declared: &Declared) -> Arc<dyn Alter> {
    events(|_, next| vec![Ok(next.unwrap_or(None))])
}

pub(super) fn pages_piled_up(_declared: &Declared) -> Arc<dyn Alter> {
    events(|reading, next| {
        let over = !matches!(next, Ok(Some(_)));
        reading.held.push(next);
        if over { std::mem::take(&mut reading.held) } else { Vec::new() }
    })
}
