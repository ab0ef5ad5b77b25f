//! Precise changes of the CRM. Converted leads are left alone.
//!
//! What is deleted goes to the recycle bin. What comes back from there has the moment of its coming back for a `Modified_Time`, and with it
//! come the rows and links that were deleted with it; what led to it leads to it again, which is no change of the records that do.
//! Which time a restored record has is not documented. With the time that it had before nobody who reads changes would
//! find it again, so that no client could be held to that.

use super::list::RECYCLED;
use super::schema::{Field, Kind};
use super::{Alteration, Altered, Crm};
use crate::alteration::{Alterable, alter};

impl Crm {
    /// Alters a module's records in just this way; answers those that it met.
    ///
    /// # Errors
    ///
    /// Why it cannot be, as a module that there is not, fewer records than it takes, or a thing that this vendor does not have. Nothing
    /// has happened then.
    pub fn alter(&mut self, module: &str, alteration: &Alteration) -> Result<Altered, String> {
        alter(self, module, alteration)
    }

    /// The last of a module's fields for which this holds and that somebody may write.
    fn last_field(&self, module: &str, wanted: impl Fn(Kind) -> bool) -> Option<&Field> {
        let mut fields = self.store.table(module)?.module.fields.iter();
        fields.rfind(|field| wanted(field.kind) && !field.read_only && !field.unique)
    }
}

/// Seconds since 1970.
fn seconds(milliseconds: i64) -> i64 {
    milliseconds.div_euclid(1_000)
}

/// An id; of what is none, one that nothing has.
fn number(id: &str) -> u64 {
    id.parse().unwrap_or_default()
}

impl Alterable for Crm {
    const TICK: i64 = 1_000;
    const DATED: &'static str = "the CRM keeps `Modified_Time` of every record";

    fn turn(&mut self) -> (u64, u64) {
        self.alterations += 1;
        (self.world.config.seed, self.alterations)
    }

    fn living(&self, module: &str) -> Result<Vec<(String, i64)>, String> {
        let table = self.store.table(module).ok_or_else(|| format!("there is no module `{module}`"))?;
        let records = table.records.values().filter(|record| !record.converted);
        Ok(records.map(|record| (record.id.to_string(), record.modified * 1_000)).collect())
    }

    fn copy(&mut self, module: &str, id: &str, at: i64) -> String {
        let (new, at) = (self.store.next_id(), seconds(at));
        let Some(table) = self.store.table(module) else { return String::new() };
        let unique: Vec<_> = table.module.fields.iter().filter(|field| field.unique).map(|field| &field.name).collect();
        if let Some(mut record) = table.records.get(&number(id)).cloned() {
            record.values.retain(|name, _| !unique.contains(&name));
            (record.id, record.created, record.modified) = (new, at, at);
            self.store.insert(module, record, None);
        }
        new.to_string()
    }

    fn touch(&mut self, module: &str, id: &str, at: i64, text: &str) {
        let field = self.last_field(module, |kind| matches!(kind, Kind::Text | Kind::TextArea | Kind::Email));
        let field = field.map(|field| field.name.clone());
        self.store.update(module, number(id), seconds(at), |record| {
            record.values.extend(field.map(|field| (field, text.into())));
        });
    }

    fn remove(&mut self, module: &str, id: &str, at: i64) {
        self.store.delete(module, number(id), seconds(at), false);
    }

    fn removed(&self, module: &str) -> Result<Vec<String>, String> {
        let since = self.clock.now() - RECYCLED;
        Ok(self.store.restorable(module, since).map(|id| id.to_string()).collect())
    }

    fn restore(&mut self, module: &str, id: &str, at: i64) {
        self.store.restore(module, number(id), seconds(at));
    }

    fn add_field(&mut self, module: &str, name: &str) -> Result<(), String> {
        Self::add_field(self, module, name)
    }

    fn retype(&mut self, module: &str, ids: &[String]) -> Result<(), String> {
        use Kind::{BigInt, Boolean, Currency, Date, Integer};
        let field = self.last_field(module, |kind| matches!(kind, BigInt | Boolean | Currency | Date | Integer));
        let field = field.ok_or_else(|| format!("`{module}` has no field that could hold text and does not"))?;
        let (name, table) = (field.name.clone(), self.table_to_disturb(module)?);
        for id in ids {
            if let Some(record) = table.records.get_mut(&number(id)) {
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
