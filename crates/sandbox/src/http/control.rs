//! The controls below `/_sandbox/` that every stand-in has. Requests here are not logged and never misbehave.
//!
//! `GET requests` answers the log, `DELETE requests` empties it; `PUT scenario` takes another scenario, in TOML or as JSON,
//! and counts anew; `POST disturb` takes one disturbance as JSON. All else is the stand-in's own.

use super::server::State;
use super::{Answer, Api, Disturbance, Request, Scenario};

pub(super) const PREFIX: &str = "/_sandbox/";

pub(super) fn answer<A: Api>(state: &mut State<A>, request: &Request) -> Answer {
    let name = request.path.strip_prefix(PREFIX).unwrap_or_default();
    match (request.method.as_str(), name) {
        ("GET", "requests") => Answer::json(200, &state.log),
        ("DELETE", "requests") => {
            state.log.clear();
            Answer::empty(204)
        }
        ("PUT", "scenario") => match read_scenario(request) {
            Ok(scenario) => {
                state.scenario = scenario;
                Answer::empty(204)
            }
            Err(reason) => refused(&reason),
        },
        ("POST", "disturb") => {
            let read = serde_json::from_slice::<Disturbance>(&request.body).map_err(|error| error.to_string());
            match read.and_then(|disturbance| state.api.disturb(&disturbance)) {
                Ok(()) => Answer::empty(204),
                Err(reason) => refused(&reason),
            }
        }
        _ => state.api.control(request).unwrap_or_else(|| {
            Answer::json(404, &serde_json::json!({ "error": format!("no control of the name `{name}`") }))
        }),
    }
}

fn refused(reason: &str) -> Answer {
    Answer::json(400, &serde_json::json!({ "error": reason }))
}

fn read_scenario(request: &Request) -> Result<Scenario, String> {
    if request.header("content-type").is_some_and(|kind| kind.starts_with("application/json")) {
        return serde_json::from_slice(&request.body).map_err(|error| error.to_string());
    }
    let text = std::str::from_utf8(&request.body).map_err(|error| error.to_string())?;
    Scenario::from_toml(text).map_err(|error| error.to_string())
}
