//! What a scenario does to the CRM behind a reader's back. Changes of the schema leave `Modified_Time` as it was.

use serde_json::Value;

use super::schema::{Field, Kind};
use super::store::Table;
use super::{Crm, Step};
use crate::http::Disturbance;

/// How many records get an unknown value.
const STRANGE: usize = 3;

impl Crm {
    pub(super) fn follow(&mut self, disturbance: &Disturbance) -> Result<(), String> {
        let now = self.clock.now();
        match disturbance {
            Disturbance::MoveRows { changes } => {
                self.advance(&Step { changes: *changes, ..Step::default() });
            }
            Disturbance::ExpireTokens => self.auth.expire_all(),
            Disturbance::RevokeTokens => self.auth.revoke_all(),
            Disturbance::AddField { module, field } => self.add_field(module, field)?,
            Disturbance::ChangeType { module, field } => {
                let table = self.table_to_disturb(module)?;
                known(table, field)?.kind = Kind::Text;
                for value in table.records.values_mut().filter_map(|record| record.values.get_mut(field)) {
                    if !value.is_null() && !value.is_string() {
                        *value = Value::from(value.to_string());
                    }
                }
            }
            Disturbance::DropField { module, field } => {
                let table = self.table_to_disturb(module)?;
                known(table, field)?;
                table.module.fields.retain(|other| other.name != *field);
                table.records.values_mut().for_each(|record| {
                    record.values.remove(field);
                });
            }
            Disturbance::UnknownEnum { module, field, value } => {
                let table = self.table_to_disturb(module)?;
                known(table, field)?;
                for record in table.records.values_mut().rev().take(STRANGE) {
                    record.values.insert(field.clone(), value.as_str().into());
                    record.modified = now;
                }
            }
            Disturbance::FailJobs => {
                self.jobs.values_mut().filter(|job| !job.finished()).for_each(|job| job.failed = true);
            }
            Disturbance::Pass { seconds } => self.clock.pass(*seconds),
        }
        Ok(())
    }

    /// A custom field of text, with a value in every record.
    pub(super) fn add_field(&mut self, module: &str, name: &str) -> Result<(), String> {
        let table = self.table_to_disturb(module)?;
        table.module.fields.push(Field::new(name, name, Kind::Text).custom());
        for record in table.records.values_mut() {
            record.values.insert(name.to_owned(), format!("{name} {}", record.id % 100).into());
        }
        Ok(())
    }

    pub(super) fn table_to_disturb(&mut self, module: &str) -> Result<&mut Table, String> {
        self.store.table_mut(module).ok_or_else(|| format!("there is no module `{module}`"))
    }
}

fn known<'a>(table: &'a mut Table, name: &str) -> Result<&'a mut Field, String> {
    let module = table.module.name;
    let field = table.module.fields.iter_mut().find(|field| field.name == name);
    field.ok_or_else(|| format!("there is no field `{name}` in `{module}`"))
}
