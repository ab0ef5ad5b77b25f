//! The shop goes on, in a way that repeats; and what a scenario does to it.

use rand::RngExt;
use serde_json::Value;

use super::{CUSTOMERS, ORDERS, Row, Shop};
use crate::chance::{Dice, Purpose, dice, pick, sample, scramble};
use crate::clock::written;
use crate::http::Disturbance;
use crate::standin::SHANGHAI;
use crate::step::{Advanced, Change, Step};

/// How many rows get an unknown value.
const STRANGE: usize = 3;

impl Shop {
    /// Lets the world go on by a step.
    pub fn advance(&mut self, step: &Step) -> Advanced {
        self.steps += 1;
        let mut dice = dice(self.world.config.seed ^ scramble(self.steps), Purpose::SampleChanges);
        let (now, late) = (self.clock.milliseconds(), step.late_seconds * 1_000);
        let mut done = Advanced::default();
        for at in step.moments(&mut dice, now, 1_000) {
            let (change, table, id) = self.change(&mut dice, at - late);
            done.note(change, table, id);
        }
        let last = now + step.seconds * 1_000 - late;
        for id in sample(&mut dice, self.ids(CUSTOMERS), step.tied) {
            // An import that has nothing new to say moves the time all the same.
            self.update(CUSTOMERS, &id, last, |_| ());
            done.note(Change::Updated, CUSTOMERS, id);
        }
        self.clock.pass(step.seconds);
        done.time = written(self.clock.now(), SHANGHAI);
        done
    }

    /// One change; where what was drawn cannot be, a new customer, and in an empty world nothing that anybody sees.
    fn change(&mut self, dice: &mut Dice, at: i64) -> (Change, &'static str, String) {
        let drawn = match dice.random_range(0..100) {
            0..45 => self.changed_customer(dice, at),
            45..60 => self.any(dice, ORDERS).map(|id| {
                let status = pick(dice, &["paid", "sent", "done"]);
                self.update(ORDERS, &id, at, |row| set(row, "status", status.into()));
                (Change::Updated, ORDERS, id)
            }),
            60..75 => self.any(dice, CUSTOMERS).and_then(|customer| {
                let person = *self.truth.records.get("sample.customers")?.get(&customer)?;
                Some((Change::Created, ORDERS, self.add_order(dice, &customer, person - 1, at)))
            }),
            75..82 => self.gone(dice, at, CUSTOMERS),
            82..88 => self.gone(dice, at, ORDERS),
            _ => None,
        };
        drawn.unwrap_or_else(|| {
            if self.world.people.is_empty() {
                return (Change::Updated, CUSTOMERS, String::new());
            }
            let person = dice.random_range(0..self.world.people.len() as u32);
            (Change::Created, CUSTOMERS, self.add_customer(dice, person, at))
        })
    }

    /// One of a table's rows that is not deleted.
    fn any(&self, dice: &mut Dice, table: &str) -> Option<String> {
        let ids: Vec<&String> = self.living(table).map(|(id, _)| id).collect();
        (!ids.is_empty()).then(|| pick(dice, &ids).clone())
    }

    fn changed_customer(&mut self, dice: &mut Dice, at: i64) -> Option<(Change, &'static str, String)> {
        let id = self.any(dice, CUSTOMERS)?;
        let person = *self.truth.records.get("sample.customers")?.get(&id)?;
        let person = self.world.people.get(person as usize - 1)?;
        let (name, value) = match dice.random_range(0..3) {
            0 => ("phone", person.phone.to_string()),
            1 => ("email", person.email.clone()),
            _ => ("name", person.name.text.clone()),
        };
        self.update(CUSTOMERS, &id, at, |row| set(row, name, value.into()));
        Some((Change::Updated, CUSTOMERS, id))
    }

    fn gone(&mut self, dice: &mut Dice, at: i64, table: &'static str) -> Option<(Change, &'static str, String)> {
        let id = self.any(dice, table)?;
        self.update(table, &id, at, |row| row.deleted = true);
        Some((Change::Deleted, table, id))
    }

    pub(super) fn update(&mut self, table: &str, id: &str, at: i64, change: impl FnOnce(&mut Row)) {
        if let Some(row) = self.tables.get_mut(table).and_then(|rows| rows.get_mut(id)) {
            change(row);
            row.updated = at;
        }
    }

    pub(super) fn follow(&mut self, disturbance: &Disturbance) -> Result<(), String> {
        let now = self.clock.milliseconds();
        match disturbance {
            // In the second to come: what changed at the moment of the last row of a page would lie before its token.
            Disturbance::MoveRows { changes } => {
                self.advance(&Step { seconds: 1, changes: *changes, ..Step::default() });
            }
            Disturbance::RevokeTokens => self.revoked = true,
            Disturbance::Pass { seconds } => self.clock.pass(*seconds),
            Disturbance::AddField { module, field } => self.add_field(module, field)?,
            Disturbance::ChangeType { module, field } => self.each(module, |row| {
                if let Some(value) = row.values.get_mut(field).filter(|value| !value.is_null() && !value.is_string()) {
                    *value = value.to_string().into();
                }
            })?,
            Disturbance::DropField { module, field } => self.each(module, |row| {
                row.values.remove(field);
            })?,
            Disturbance::UnknownEnum { module, field, value } => {
                let mut left = STRANGE;
                self.each(module, |row| {
                    if !row.deleted && left > 0 {
                        set(row, field, value.as_str().into());
                        row.updated = now;
                        left -= 1;
                    }
                })?;
            }
            Disturbance::ExpireTokens => return Err("the key does not expire".into()),
            Disturbance::FailJobs => return Err("there are no jobs to fail".into()),
        }
        Ok(())
    }

    /// A field of text, with a value in every row.
    pub(super) fn add_field(&mut self, table: &str, name: &str) -> Result<(), String> {
        self.each(table, |row| set(row, name, format!("{name} {}", row.updated % 100).into()))
    }

    /// Does so with each row of a table, which leaves the times as they are.
    fn each(&mut self, table: &str, change: impl FnMut(&mut Row)) -> Result<(), String> {
        let rows = self.tables.get_mut(table).ok_or_else(|| format!("there is no table `{table}`"))?;
        rows.values_mut().for_each(change);
        Ok(())
    }
}

pub(super) fn set(row: &mut Row, field: &str, value: Value) {
    row.values.insert(field.to_owned(), value);
}
