//! What all stand-ins over the retailer can do, and the controls below `/_sandbox/` by which a test in any language asks for it.
//!
//! `POST advance` takes a [`Step`] as JSON, `POST alter?table=` an [`Alteration`], `GET clock` and `PUT clock` tell and set the time, `GET truth` and `GET orders`
//! say whose records and orders are, `GET ids?table=` and `GET snapshot?table=` list what a table holds.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::clock::{Clock, read, written};
use crate::http::{Answer, Request};
use crate::{Advanced, Alteration, Altered, Step, Truth};

/// The offset of times in controls and in the log.
pub(crate) const SHANGHAI: i32 = 480;

/// A stand-in with a world behind it.
pub(crate) trait StandIn {
    /// Lets the world go on.
    fn advance(&mut self, step: &Step) -> Advanced;

    /// Alters a table.
    fn alter(&mut self, table: &str, alteration: &Alteration) -> Result<Altered, String>;

    fn clock(&mut self) -> &mut Clock;

    fn truth(&self) -> Truth;

    /// The names of its tables.
    fn tables(&self) -> Vec<&str>;

    /// The ids of the records that a table holds now.
    fn ids(&self, table: &str) -> Vec<String>;

    /// These records, whole.
    fn snapshot(&self, table: &str) -> Vec<Value>;
}

/// The answer to a control, if it is one of these.
pub(crate) fn control(world: &mut impl StandIn, request: &Request) -> Option<Answer> {
    let body = || serde_json::from_slice::<Value>(&request.body).unwrap_or_default();
    let wrong = |reason: &str| Answer::json(400, &json!({ "error": reason }));
    Some(match (request.method.as_str(), request.path.strip_prefix("/_sandbox/")?) {
        ("POST", "advance") => match Step::deserialize(body()) {
            Ok(step) => Answer::json(200, &world.advance(&step)),
            Err(error) => wrong(&error.to_string()),
        },
        ("POST", "alter") => {
            let read = Alteration::deserialize(body()).map_err(|error| error.to_string());
            match read.and_then(|alteration| world.alter(request.parameter("table").unwrap_or_default(), &alteration)) {
                Ok(altered) => Answer::json(200, &altered),
                Err(reason) => wrong(&reason),
            }
        }
        ("GET", "clock") => time(world.clock()),
        ("PUT", "clock") => match body().get("time").and_then(Value::as_str).and_then(read) {
            Some(seconds) => {
                world.clock().set(seconds);
                time(world.clock())
            }
            None => wrong("`time` is no ISO 8601 time"),
        },
        ("GET", "truth") => Answer::json(200, &world.truth().records),
        ("GET", "orders") => Answer::json(200, &world.truth().orders),
        ("GET", list @ ("ids" | "snapshot")) => match request.parameter("table") {
            Some(table) if world.tables().contains(&table) && list == "ids" => Answer::json(200, &world.ids(table)),
            Some(table) if world.tables().contains(&table) => Answer::json(200, &world.snapshot(table)),
            _ => wrong(&format!("`table` must be one of `{}`", world.tables().join("`, `"))),
        },
        _ => return None,
    })
}

fn time(clock: &Clock) -> Answer {
    Answer::json(200, &json!({ "time": written(clock.now(), SHANGHAI) }))
}
