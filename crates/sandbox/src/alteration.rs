//! Precise changes of a world: so many records of one table, in moments that a test can reckon with.
//!
//! [`Step`](crate::Step) lets a world go on by chance, this does just what is asked for. Each change falls in a tick of its own (the
//! smallest step of the vendor's times), later than all before, and the clock goes on with it; what is different is said of the
//! alteration. Which records it meets is drawn in a way that repeats. What is new takes after a record that is there, and
//! belongs to nobody: the truth does not know it.

use serde::{Deserialize, Serialize};

use crate::chance::{Dice, Purpose, dice, pick, sample, scramble};
use crate::clock::written;
use crate::standin::{SHANGHAI, StandIn};

/// What is to happen to a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Alteration {
    /// New records.
    Insert {
        /// How many.
        records: usize,
    },
    /// Another value in records that are there.
    Update {
        /// How many.
        records: usize,
    },
    /// So many in one and the same tick: half of them changed, the others new.
    Tie {
        /// How many.
        records: usize,
    },
    /// Others are changed, in the very tick of the newest record there is; the clock stays.
    TieAgain {
        /// How many.
        records: usize,
    },
    /// Records are deleted, in the way that can be taken back where the vendor has one.
    Delete {
        /// How many.
        records: usize,
    },
    /// Deleted records come back with their ids, those first that were deleted first.
    Restore {
        /// How many.
        records: usize,
    },
    /// Changes that are there now, and claim to be older; the clock stays. Only records meet it that were last changed before that.
    Late {
        /// How many.
        records: usize,
        /// How much older.
        seconds: i64,
    },
    /// New records without a time of change.
    NullCursor {
        /// How many.
        records: usize,
    },
    /// A field of text that was not there before, with a value in every record. That is no change of theirs: their times stay.
    AddField {
        /// Its name.
        name: String,
    },
    /// In a few records, a field that is no text holds text; what describes the field stays, and so do the times.
    ChangeType,
    /// All access tokens are void; new ones can be had.
    ExpireTokens,
}

/// What was altered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Altered {
    /// The time after it.
    pub time: String,
    /// The records, in order of the changes; none for what happened to all.
    pub ids: Vec<String>,
}

/// In how many records a value changes its type.
const RETYPED: usize = 3;

/// A stand-in whose records can be altered one by one. Times are milliseconds since 1970.
pub(crate) trait Alterable: StandIn {
    /// The smallest step of its times.
    const TICK: i64;

    /// Why no record lacks its time of change.
    const DATED: &'static str;

    /// Its seed, and the number of this alteration.
    fn turn(&mut self) -> (u64, u64);

    /// The records that can be changed, with the times of their last change.
    fn living(&self, table: &str) -> Result<Vec<(String, i64)>, String>;

    /// A new record that takes after this one; its id.
    fn copy(&mut self, table: &str, id: &str, at: i64) -> String;

    /// Another value in a record.
    fn touch(&mut self, table: &str, id: &str, at: i64, text: &str);

    /// Deletes a record.
    fn remove(&mut self, table: &str, id: &str, at: i64);

    /// Those that can come back, in the order in which they were deleted.
    fn removed(&self, table: &str) -> Result<Vec<String>, String>;

    /// Lets one of them come back.
    fn restore(&mut self, table: &str, id: &str, at: i64);

    /// Adds a field of text.
    fn add_field(&mut self, table: &str, name: &str) -> Result<(), String>;

    /// Puts text where none can be, in these records.
    fn retype(&mut self, table: &str, ids: &[String]) -> Result<(), String>;

    /// Lets all access tokens end.
    fn expire_tokens(&mut self) -> Result<(), String>;
}

/// Does it, or says why it cannot be; nothing has happened then.
pub(crate) fn alter<W: Alterable>(world: &mut W, table: &str, alteration: &Alteration) -> Result<Altered, String> {
    let (seed, turn) = world.turn();
    let records = world.living(table)?;
    let newest = records.iter().map(|(_, at)| *at).max().unwrap_or(i64::MIN);
    let mut turn =
        Turn { world, table, records, newest, dice: dice(seed ^ scramble(turn), Purpose::Alterations), turn };
    let ids = match *alteration {
        Alteration::Insert { records } => turn.insert(records, Turn::tick)?,
        Alteration::Update { records } => turn.update(records, |_| true, Turn::tick)?,
        Alteration::Tie { records } => {
            let changed = (records / 2).min(turn.records.len());
            turn.template()?;
            let at = turn.tick();
            let mut ids = turn.update(changed, |_| true, |_| at)?;
            ids.extend(turn.insert(records - changed, |_| at)?);
            ids
        }
        Alteration::TieAgain { records } => turn.update(records, |at| at < newest, |_| newest)?,
        Alteration::Late { records, seconds } => {
            let late = turn.now() - seconds * 1_000;
            turn.update(records, |at| at < late, |_| late)?
        }
        Alteration::Delete { records } => {
            let ids = turn.some(records, |_| true)?;
            for id in &ids {
                let at = turn.tick();
                turn.world.remove(table, id, at);
            }
            ids
        }
        Alteration::Restore { records } => {
            let mut ids = turn.world.removed(table)?;
            enough(table, "deleted", ids.len(), records)?;
            ids.truncate(records);
            for id in &ids {
                let at = turn.tick();
                turn.world.restore(table, id, at);
            }
            ids
        }
        Alteration::NullCursor { .. } => return Err(W::DATED.to_owned()),
        Alteration::AddField { ref name } => turn.world.add_field(table, name).map(|()| Vec::new())?,
        Alteration::ChangeType => {
            let ids = turn.some(RETYPED.min(turn.records.len()), |_| true)?;
            turn.world.retype(table, &ids).map(|()| ids)?
        }
        Alteration::ExpireTokens => turn.world.expire_tokens().map(|()| Vec::new())?,
    };
    Ok(Altered { time: written(world.clock().now(), SHANGHAI), ids })
}

/// An alteration under way.
struct Turn<'a, W> {
    world: &'a mut W,
    table: &'a str,
    /// Before it.
    records: Vec<(String, i64)>,
    newest: i64,
    dice: Dice,
    turn: u64,
}

impl<W: Alterable> Turn<'_, W> {
    fn now(&mut self) -> i64 {
        let now = self.world.clock().milliseconds();
        now - now.rem_euclid(W::TICK)
    }

    /// The next tick, which it is from then on.
    fn tick(&mut self) -> i64 {
        let at = self.now().max(self.newest) + W::TICK;
        self.world.clock().set_milliseconds(at);
        at
    }

    /// The ids of so many records whose time of change is `wanted`.
    fn some(&mut self, records: usize, wanted: impl Fn(i64) -> bool) -> Result<Vec<String>, String> {
        let ids: Vec<String> = self.records.iter().filter(|(_, at)| wanted(*at)).map(|(id, _)| id.clone()).collect();
        enough(self.table, "fitting", ids.len(), records)?;
        Ok(sample(&mut self.dice, ids, records))
    }

    fn update(
        &mut self,
        records: usize,
        wanted: impl Fn(i64) -> bool,
        mut at: impl FnMut(&mut Self) -> i64,
    ) -> Result<Vec<String>, String> {
        let ids = self.some(records, wanted)?;
        for (number, id) in ids.iter().enumerate() {
            let (at, text) = (at(self), self.text(number));
            self.world.touch(self.table, id, at, &text);
        }
        Ok(ids)
    }

    fn insert(&mut self, records: usize, mut at: impl FnMut(&mut Self) -> i64) -> Result<Vec<String>, String> {
        let mut ids = Vec::with_capacity(records);
        for number in 0..records {
            let template = self.template()?;
            let (at, text) = (at(self), self.text(number));
            let id = self.world.copy(self.table, &template, at);
            self.world.touch(self.table, &id, at, &text);
            ids.push(id);
        }
        Ok(ids)
    }

    fn template(&mut self) -> Result<String, String> {
        let ids: Vec<&String> = self.records.iter().map(|(id, _)| id).collect();
        if ids.is_empty() {
            return Err(format!("`{}` holds no record that a new one could take after", self.table));
        }
        Ok(pick(&mut self.dice, &ids).clone())
    }

    /// A value that no other change gives.
    fn text(&self, number: usize) -> String {
        format!("改动 {}-{}", self.turn, number + 1)
    }
}

fn enough(table: &str, which: &str, there: usize, wanted: usize) -> Result<(), String> {
    if there < wanted {
        return Err(format!("`{table}` has {there} {which} records, not {wanted}"));
    }
    Ok(())
}
