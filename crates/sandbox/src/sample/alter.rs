//! Precise changes of the shop.

use serde_json::Value;

use super::change::set;
use super::{Alteration, Altered, CUSTOMERS, ORDERS, Shop};
use crate::alteration::{Alterable, alter};

/// A table's field of text that changes, and one that is no text.
const FIELDS: &[(&str, &str, &str)] = &[(CUSTOMERS, "name", "birthday"), (ORDERS, "status", "total")];

impl Shop {
    /// Alters a table in just this way; answers the rows that it met.
    ///
    /// # Errors
    ///
    /// Why it cannot be, as a table that there is not, fewer rows than it takes, or a thing that this API does not have. Nothing has
    /// happened then.
    pub fn alter(&mut self, table: &str, alteration: &Alteration) -> Result<Altered, String> {
        alter(self, table, alteration)
    }

    fn set_text(&mut self, table: &str, id: &str, field: Option<&str>, text: &str) {
        let row = self.tables.get_mut(table).and_then(|rows| rows.get_mut(id));
        if let (Some(row), Some(field)) = (row, field) {
            set(row, field, text.into());
        }
    }
}

fn fields(table: &str) -> Option<(&'static str, &'static str)> {
    FIELDS.iter().find(|(name, ..)| *name == table).map(|(_, text, other)| (*text, *other))
}

impl Alterable for Shop {
    const TICK: i64 = 1;
    const DATED: &'static str = "the shop keeps `updated_at` of every row";

    fn turn(&mut self) -> (u64, u64) {
        self.alterations += 1;
        (self.world.config.seed, self.alterations)
    }

    fn living(&self, table: &str) -> Result<Vec<(String, i64)>, String> {
        if !self.tables.contains_key(table) {
            return Err(format!("there is no table `{table}`"));
        }
        Ok(Self::living(self, table).map(|(id, row)| (id.clone(), row.updated)).collect())
    }

    fn copy(&mut self, table: &str, id: &str, at: i64) -> String {
        let values = self.tables.get(table).and_then(|rows| rows.get(id)).map(|row| row.values.clone());
        self.add(table, at, Value::Object(values.unwrap_or_default()))
    }

    fn touch(&mut self, table: &str, id: &str, at: i64, text: &str) {
        self.set_text(table, id, fields(table).map(|(field, _)| field), text);
        self.update(table, id, at, |_| ());
    }

    fn remove(&mut self, table: &str, id: &str, at: i64) {
        self.update(table, id, at, |row| row.deleted = true);
    }

    fn removed(&self, table: &str) -> Result<Vec<String>, String> {
        let rows = self.tables.get(table).into_iter().flatten().filter(|(_, row)| row.deleted);
        let mut rows: Vec<(i64, String)> = rows.map(|(id, row)| (row.updated, id.clone())).collect();
        rows.sort_unstable();
        Ok(rows.into_iter().map(|(_, id)| id).collect())
    }

    fn restore(&mut self, table: &str, id: &str, at: i64) {
        self.update(table, id, at, |row| row.deleted = false);
    }

    fn add_field(&mut self, table: &str, name: &str) -> Result<(), String> {
        Self::add_field(self, table, name)
    }

    fn retype(&mut self, table: &str, ids: &[String]) -> Result<(), String> {
        for id in ids {
            self.set_text(table, id, fields(table).map(|(_, field)| field), "many");
        }
        Ok(())
    }

    fn expire_tokens(&mut self) -> Result<(), String> {
        Err("the key does not expire".into())
    }
}
