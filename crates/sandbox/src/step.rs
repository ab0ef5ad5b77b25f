//! How a world goes on: what a test asks for, when the changes fall, and what was done.

use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::chance::Dice;

/// How far the world goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Step {
    /// The clock goes on by so much, and the changes fall in between. Default 0: all happens now.
    pub seconds: i64,
    /// How many changes. Default 0.
    pub changes: usize,
    /// So much earlier than they become visible do the changes claim to have been. Default 0.
    pub late_seconds: i64,
    /// Beside them, an import touches so many contacts (in a shop: customers), all in the last moment of the step, which is what
    /// they all claim. Default 0; fewer where there are fewer.
    pub tied: usize,
}

/// What a step did: table and id of each change, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advanced {
    /// The time after it.
    pub time: String,
    /// New records, of one change each.
    pub created: Vec<(String, String)>,
    /// Changed records.
    pub updated: Vec<(String, String)>,
    /// Deleted records, without the rows of subforms that went with them.
    pub deleted: Vec<(String, String)>,
    /// Leads that became contacts, as the lead; what was made of it is not listed.
    pub converted: Vec<(String, String)>,
    /// Records that were declared void, where the vendor has such a state.
    #[serde(default)]
    pub invalidated: Vec<(String, String)>,
}

/// What one change was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Created,
    Updated,
    Deleted,
    Converted,
    Invalidated,
}

impl Step {
    /// When the changes happen, in order; a third of them share their moment with the one before, as imports and workflows make
    /// them. `now` is in units of which a second has so many.
    pub(crate) fn moments(&self, dice: &mut Dice, now: i64, per_second: i64) -> Vec<i64> {
        let mut times = Vec::with_capacity(self.changes);
        for _ in 0..self.changes {
            let tied = times.last().copied().filter(|_| dice.random_bool(1.0 / 3.0));
            let drawn = now + if self.seconds > 0 { dice.random_range(1..=self.seconds * per_second) } else { 0 };
            times.push(tied.unwrap_or(drawn));
        }
        times.sort_unstable();
        times
    }
}

impl Advanced {
    /// How many changes there were.
    pub fn changes(&self) -> usize {
        let Self { time: _, created, updated, deleted, converted, invalidated } = self;
        [created, updated, deleted, converted, invalidated].map(Vec::len).iter().sum()
    }

    pub(crate) fn note(&mut self, change: Change, table: &str, id: String) {
        let list = match change {
            Change::Created => &mut self.created,
            Change::Updated => &mut self.updated,
            Change::Deleted => &mut self.deleted,
            Change::Converted => &mut self.converted,
            Change::Invalidated => &mut self.invalidated,
        };
        list.push((table.to_owned(), id));
    }
}
