//! What is kept between runs, and within one at every place where it is safe to stop.

use serde::{Deserialize, Serialize};
use tributary_connector::{Error, Position, State};

use crate::error::protocol;
use crate::known::Known;
use crate::packed::Packed;

/// The partition of [`Walk`], and of all pages.
pub const RECORDS: &str = "records";
/// The partition of [`Sweep`].
pub const SWEEP: &str = "sweep";

/// Where the reading of what is new and changed stands. Times are milliseconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Walk {
    /// All that was last changed up to here has been read; `None`: no read was ever finished.
    pub high: Option<i64>,
    /// What is being read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// The records around `high`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub edge: String,
    /// When the last walk over all ids ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swept: Option<i64>,
    /// That walk missed too much, and nothing was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refused>,
}

/// Records that were last changed within a span, both ends included, in the order of their ids.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// `None`: all records there are, whenever they were changed.
    pub from: Option<i64>,
    /// `None`: no record had ever been changed.
    pub to: Option<i64>,
    /// What comes up to this id has been handed out.
    pub after: Option<String>,
    /// The records around `to` among these.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub edge: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    pub gone: usize,
    pub known: usize,
}

/// Where a walk over all ids stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sweep {
    /// What comes up to this id has been compared.
    pub after: Option<String>,
    /// All has been compared.
    pub done: bool,
    /// What was missing, and has not been asked for once more.
    pub gone: Packed,
}

/// All of it.
#[derive(Debug, Default)]
pub struct Place {
    pub walk: Walk,
    pub sweep: Option<Sweep>,
    pub known: Known,
}

impl Place {
    /// # Errors
    /// If it was written by a version of this connector that this one does not know.
    pub fn read(state: &State) -> Result<Self, Error> {
        let mut place = Self::default();
        for (partition, position) in &state.0 {
            match partition.as_ref() {
                RECORDS => place.walk = position.get()?,
                SWEEP => place.sweep = Some(position.get()?),
                other if place.known.load(other, position)? => {}
                other => {
                    return Err(protocol(format!("there is a saved position for `{other}`, which is unknown"))
                        .hint("it may come from a newer version; upgrade, or reset the stream"));
                }
            }
        }
        Ok(place)
    }

    pub fn position(value: &impl Serialize) -> Result<Option<Position>, Error> {
        Position::new(value).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written_and_a_strange_one_refused() {
        let window = Window { from: Some(1), to: Some(2), after: Some("5f".into()), edge: "e".into() };
        let walk = Walk { high: Some(2), window: Some(window), swept: Some(3), ..Walk::default() };
        let sweep = Sweep { after: Some("5e".into()), done: false, gone: Packed::new(&[]) };
        let mut state = State::default();
        state.0.insert(RECORDS.into(), Position::new(&walk).unwrap());
        state.0.insert(SWEEP.into(), Position::new(&sweep).unwrap());
        state.0.insert("ids/".into(), Position::new(&Packed::new(&[])).unwrap());
        let place = Place::read(&state).unwrap();
        assert_eq!((place.walk, place.sweep), (walk, Some(sweep)));
        assert!(!place.known.is_empty());
        state.0.insert("window/7".into(), Position::new(&1).unwrap());
        assert!(Place::read(&state).is_err());
    }
}
