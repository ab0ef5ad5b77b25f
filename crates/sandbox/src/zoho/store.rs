//! The records of the CRM, in memory: one table per module, and what was deleted from it.
//!
//! Values are kept as JSON in their plainest form: a lookup is the id that it leads to, a time is seconds since 1970. How
//! they are shown depends on the kind of read and is decided in `render`.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

use super::schema::{Field, Kind, Module};

/// One record.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record {
    pub(super) id: u64,
    /// Index into the users.
    pub(super) owner: usize,
    pub(super) created: i64,
    pub(super) modified: i64,
    /// A lead that has become a contact.
    pub(super) converted: bool,
    pub(super) values: Map<String, Value>,
}

/// What is left of a deleted record.
#[derive(Debug, Clone)]
pub(super) struct Tombstone {
    pub(super) id: u64,
    pub(super) title: Option<String>,
    pub(super) at: i64,
    /// Gone from the recycle bin too.
    pub(super) permanent: bool,
    pub(super) owner: usize,
    /// What comes back with it; none once it left the recycle bin.
    kept: Option<Kept>,
}

/// What the recycle bin keeps.
#[derive(Debug, Clone)]
struct Kept {
    record: Record,
    /// Rows of its subforms and links, with their modules.
    rows: Vec<(&'static str, Record)>,
    /// Lookups that led to it: module, record, field.
    lookups: Vec<(&'static str, u64, String)>,
}

/// One module and its records.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) module: Module,
    pub(super) records: BTreeMap<u64, Record>,
    pub(super) deleted: Vec<Tombstone>,
}

/// All tables, and which record is whose.
#[derive(Debug, Clone)]
pub(super) struct Store {
    pub(super) tables: Vec<Table>,
    /// Module, record to person, from 1; records that are gone stay.
    pub(super) truth: BTreeMap<&'static str, HashMap<u64, u32>>,
    last_id: u64,
}

/// New ids start here: behind those of the contacts, which are those of the export.
const FIRST_ID: u64 = 4_876_876_100_000_000_000;

impl Store {
    pub(super) fn new(modules: Vec<Module>) -> Self {
        let tables =
            modules.into_iter().map(|module| Table { module, records: BTreeMap::new(), deleted: Vec::new() }).collect();
        Self { tables, truth: BTreeMap::new(), last_id: FIRST_ID }
    }

    pub(super) fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.module.name == name)
    }

    pub(super) fn table_mut(&mut self, name: &str) -> Option<&mut Table> {
        self.tables.iter_mut().find(|table| table.module.name == name)
    }

    pub(super) fn record(&self, module: &str, id: u64) -> Option<&Record> {
        self.table(module)?.records.get(&id)
    }

    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1_001;
        self.last_id
    }

    /// Adds a record, of this person if it is anybody's (index into the people).
    pub(super) fn insert(&mut self, module: &str, record: Record, person: Option<u32>) {
        if let Some(table) = self.tables.iter_mut().find(|table| table.module.name == module) {
            if let Some(person) = person {
                self.truth.entry(table.module.name).or_default().insert(record.id, person + 1);
            }
            table.records.insert(record.id, record);
        }
    }

    /// Whose record it is or was, as an index into the people.
    pub(super) fn person(&self, module: &str, id: u64) -> Option<u32> {
        self.truth.get(module)?.get(&id).map(|person| person - 1)
    }

    /// Changes a record at a time; whether it is there.
    pub(super) fn update(&mut self, module: &str, id: u64, at: i64, change: impl FnOnce(&mut Record)) -> bool {
        let Some(record) = self.table_mut(module).and_then(|table| table.records.get_mut(&id)) else {
            return false;
        };
        change(record);
        record.modified = at;
        true
    }

    /// Deletes a record. The rows of its subforms and links go with it, and lookups that lead to it are emptied, which is no
    /// change of the records that hold them.
    pub(super) fn delete(&mut self, module: &str, id: u64, at: i64, permanent: bool) -> bool {
        let Some(table) = self.table_mut(module) else {
            return false;
        };
        let Some(record) = table.records.remove(&id) else {
            return false;
        };
        let title = (!permanent).then(|| title(&table.module, &record));
        let owner = record.owner;
        let mut kept = Kept { record, rows: Vec::new(), lookups: Vec::new() };
        let gone = Value::from(id.to_string());
        for table in &mut self.tables {
            let lookups = table.module.fields.iter().filter(|field| field.target == Some(module));
            let names: Vec<String> = lookups.map(|field| field.name.clone()).collect();
            let leads_there = |record: &Record| names.iter().any(|name| record.values.get(name) == Some(&gone));
            if matches!(table.module.generated, "subform" | "linking") {
                let rows = table.records.extract_if(.., |_, record| leads_there(record));
                kept.rows.extend(rows.map(|(_, record)| (table.module.name, record)));
            } else {
                for record in table.records.values_mut() {
                    for name in &names {
                        if record.values.get(name) == Some(&gone) {
                            record.values.insert(name.clone(), Value::Null);
                            kept.lookups.push((table.module.name, record.id, name.clone()));
                        }
                    }
                }
            }
        }
        if let Some(table) = self.table_mut(module) {
            let kept = (!permanent).then_some(kept);
            table.deleted.push(Tombstone { id, title, at, permanent, owner, kept });
        }
        true
    }

    /// What came into a module's recycle bin from this time on, first deleted first.
    pub(super) fn restorable(&self, module: &str, since: i64) -> impl Iterator<Item = u64> {
        let deleted = self.table(module).map(|table| table.deleted.iter());
        deleted.into_iter().flatten().filter(move |gone| gone.kept.is_some() && gone.at >= since).map(|gone| gone.id)
    }

    /// Takes a record out of the recycle bin, with what was deleted with it; lookups that led to it do so again, unless they lead
    /// elsewhere by now.
    pub(super) fn restore(&mut self, module: &str, id: u64, at: i64) {
        let Some(table) = self.table_mut(module) else { return };
        let Some(place) = table.deleted.iter().position(|gone| gone.id == id && gone.kept.is_some()) else { return };
        let Some(Kept { mut record, rows, lookups }) = table.deleted.remove(place).kept else { return };
        record.modified = at;
        table.records.insert(id, record);
        for (module, row) in rows {
            if let Some(table) = self.table_mut(module) {
                table.records.insert(row.id, row);
            }
        }
        for (module, record, field) in lookups {
            let record = self.table_mut(module).and_then(|table| table.records.get_mut(&record));
            if let Some(value) = record.and_then(|record| record.values.get_mut(&field)).filter(|value| value.is_null())
            {
                *value = id.to_string().into();
            }
        }
    }

    /// What a record is called where something leads to it.
    pub(super) fn title(&self, module: &str, id: u64) -> Option<String> {
        let table = self.table(module)?;
        Some(title(&table.module, table.records.get(&id)?))
    }
}

fn title(module: &Module, record: &Record) -> String {
    match record.values.get(module.title) {
        Some(Value::String(text)) => text.clone(),
        _ => record.id.to_string(),
    }
}

/// A value as it is kept; those of the system's fields are made here. Users are their index.
pub(super) fn value(record: &Record, field: &Field) -> Value {
    match (field.name.as_str(), field.kind) {
        ("id", _) => Value::from(record.id.to_string()),
        ("Created_Time", Kind::DateTime) => Value::from(record.created),
        ("Modified_Time", Kind::DateTime) => Value::from(record.modified),
        (_, Kind::Owner | Kind::User) => Value::from(record.owner),
        (name, _) => record.values.get(name).cloned().unwrap_or(Value::Null),
    }
}
