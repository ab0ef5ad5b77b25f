//! Precise changes of the tenant. Records that were declared void are left alone, and so are employees and departments.
//!
//! To delete is to declare void, and then to delete for good. Only what is void can be recovered: so where void records are hidden
//! ([`Options::shows_invalid`](super::Options::shows_invalid)) they are only declared void, which looks the same to a reader, and can come back; elsewhere none comes
//! back. An order goes and comes with its lines; one that takes after another has none.

use super::schema::{Field, Kind};
use super::{Alteration, Altered, Tenant};
use crate::alteration::{Alterable, alter};

impl Tenant {
    /// Alters an object's records in just this way; answers those that it met.
    ///
    /// # Errors
    ///
    /// Why it cannot be, as an object that there is not or that nobody may write, fewer records than it takes, or a thing that this vendor
    /// does not have. Nothing has happened then.
    pub fn alter(&mut self, object: &str, alteration: &Alteration) -> Result<Altered, String> {
        alter(self, object, alteration)
    }

    /// The last of an object's fields for which this holds and that somebody may write.
    fn last_field(&self, object: &str, wanted: impl Fn(Kind) -> bool) -> Option<&Field> {
        let mut fields = self.store.table(object)?.object.fields.iter();
        fields.rfind(|field| wanted(field.kind) && !field.system)
    }
}

impl Alterable for Tenant {
    const TICK: i64 = 1;
    const DATED: &'static str = "the tenant keeps `last_modified_time` of every record";

    fn turn(&mut self) -> (u64, u64) {
        self.alterations += 1;
        (self.world.config.seed, self.alterations)
    }

    fn living(&self, object: &str) -> Result<Vec<(String, i64)>, String> {
        let table = self.store.table(object).ok_or_else(|| format!("there is no object `{object}`"))?;
        if table.object.of_tenant() {
            return Err(format!("nobody may write `{object}`"));
        }
        let records = table.records.values().filter(|record| !record.invalid());
        Ok(records.map(|record| (record.id.clone(), record.modified)).collect())
    }

    fn copy(&mut self, object: &str, id: &str, at: i64) -> String {
        let new = self.store.next_id(at);
        let Some((table, record)) = self.store.table(object).zip(self.store.record(object, id)) else {
            return String::new();
        };
        let (mut record, name) = (record.clone(), table.object.name);
        for field in table.object.fields.iter().filter(|field| field.kind == Kind::Count) {
            record.values.insert(field.name.clone(), "0".into());
        }
        record.id.clone_from(&new);
        (record.created, record.modified, record.version) = (at, at, 1);
        self.number(name, at, &mut record.values);
        self.store.insert(name, record, None);
        new
    }

    fn touch(&mut self, object: &str, id: &str, at: i64, text: &str) {
        let field = self.last_field(object, |kind| matches!(kind, Kind::Text | Kind::LongText));
        let field = field.map(|field| field.name.clone());
        self.store.update(object, id, at, |record| {
            record.values.extend(field.map(|field| (field, text.into())));
        });
    }

    fn remove(&mut self, object: &str, id: &str, at: i64) {
        self.store.set_life(object, id, at, "invalid");
        if self.options.shows_invalid {
            self.store.delete(object, id);
        }
    }

    fn removed(&self, object: &str) -> Result<Vec<String>, String> {
        if self.options.shows_invalid {
            return Err("what was deleted is gone for good".into());
        }
        let records = self.store.table(object).map(|table| table.records.values());
        let void = records.into_iter().flatten().filter(|record| record.invalid());
        let mut void: Vec<(i64, String)> = void.map(|record| (record.modified, record.id.clone())).collect();
        void.sort_unstable();
        Ok(void.into_iter().map(|(_, id)| id).collect())
    }

    fn restore(&mut self, object: &str, id: &str, at: i64) {
        self.store.set_life(object, id, at, "normal");
    }

    fn add_field(&mut self, object: &str, name: &str) -> Result<(), String> {
        Self::add_field(self, object, name)
    }

    fn retype(&mut self, object: &str, ids: &[String]) -> Result<(), String> {
        use Kind::{Bool, Currency, Date, DateTime, Number, Percentile};
        let wanted = |kind| matches!(kind, Bool | Currency | Date | DateTime | Number | Percentile);
        let field = self.last_field(object, wanted);
        let field = field.ok_or_else(|| format!("`{object}` has no field that could hold text and does not"))?;
        let (name, table) = (field.name.clone(), self.table_to_disturb(object)?);
        for id in ids {
            if let Some(record) = table.records.get_mut(id) {
                record.values.insert(name.clone(), "many".into());
            }
        }
        Ok(())
    }

    fn expire_tokens(&mut self) -> Result<(), String> {
        self.auth.expire_all();
        Ok(())
    }
}
