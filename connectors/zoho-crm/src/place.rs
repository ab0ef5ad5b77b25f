//! Where a stream stands, as it is kept between runs.

use serde::{Deserialize, Serialize};
use tributary_connector::{Error, Position, State};

use crate::time::Time;

/// The one partition of a stream.
pub(crate) const PARTITION: &str = "";

/// All with an earlier time of change is read; and of those with this one, the ids up to `after`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub time: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
}

impl Mark {
    /// From this second on, all of it.
    pub(crate) fn from(time: Time) -> Self {
        Self { time, after: None }
    }
}

/// Where a stream stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Of loads from the beginning; each has a scope of its own, which the next one withdraws.
    #[serde(default)]
    pub load: u32,
    /// Records; `None`: nothing is read yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<Mark>,
    /// Leads that have become contacts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub converted: Option<Mark>,
    /// From when on deletions are to be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<Time>,
    /// Of a stream that is read whole: what it showed, in short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<String>,
    /// The source tells no deletions of this module, so that it is read whole.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub untold: bool,
}

impl Place {
    pub(crate) fn of(state: &State) -> Result<Self, Error> {
        state.0.get(PARTITION).map_or_else(|| Ok(Self::default()), Position::get)
    }

    /// The scope of the rows of this load.
    pub(crate) fn scope(&self) -> String {
        format!("load {}", self.load)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written_and_its_times_are_legible() {
        let place = Place {
            load: 1,
            records: Some(Mark { time: Time(1_782_835_200), after: Some(7) }),
            deleted: Some(Time(1_782_835_200)),
            ..Place::default()
        };
        let position = Position::new(&place).unwrap();
        let json = r#"{"deleted":"2026-06-30T16:00:00+00:00","load":1,"records":{"after":7,"time":"2026-06-30T16:00:00+00:00"}}"#;
        assert_eq!(position.0.to_string(), json);
        assert_eq!(position.get::<Place>().unwrap(), place);
        assert!(Mark::from(Time(1)) < Mark { time: Time(1), after: Some(0) });
    }
}
