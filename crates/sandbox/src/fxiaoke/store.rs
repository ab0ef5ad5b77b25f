//! The records of the tenant, in memory: one table per object, in the order of the ids' text.
//!
//! Values are kept as JSON in their plainest form: a decimal is a string, a time is epoch milliseconds, an employee is an index.
//! How they are shown depends on who asks, and is decided in `render`.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value, json};

use super::schema::{Field, Kind, Object};
use super::staff::{DEPARTMENTS, Employee};
use crate::chance::scramble;

/// One record in so many has an id of 32 digits, as those that came from an older system have.
const OLD_FORM: u64 = 9;

/// A master and its details.
const ORDERS: &str = "SalesOrderObj";
const LINES: &str = "SalesOrderProductObj";

/// One record.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record {
    pub(super) id: String,
    /// Index into the employees.
    pub(super) owner: usize,
    pub(super) modified_by: usize,
    /// Epoch milliseconds.
    pub(super) created: i64,
    pub(super) modified: i64,
    /// `normal`, `invalid` or `under_review`.
    pub(super) life_status: &'static str,
    pub(super) version: u64,
    pub(super) values: Map<String, Value>,
}

impl Record {
    pub(super) fn invalid(&self) -> bool {
        self.life_status == "invalid"
    }
}

/// One object and its records.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) object: Object,
    pub(super) records: BTreeMap<String, Record>,
    /// Auto-numbers given out.
    numbered: u64,
}

/// All tables, and which record is whose.
#[derive(Debug, Clone)]
pub(super) struct Store {
    pub(super) tables: Vec<Table>,
    /// Object, record to person, from 1; records that are gone stay.
    pub(super) truth: BTreeMap<&'static str, HashMap<String, u32>>,
    /// Order to person, from 1; none for a company's.
    pub(super) orders: HashMap<String, Option<u32>>,
    seed: u64,
    made: u64,
}

impl Store {
    pub(super) fn new(seed: u64, objects: Vec<Object>) -> Self {
        let table = |object| Table { object, records: BTreeMap::new(), numbered: 0 };
        Self {
            tables: objects.into_iter().map(table).collect(),
            truth: BTreeMap::new(),
            orders: HashMap::new(),
            seed,
            made: 0,
        }
    }

    pub(super) fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.object.name == name)
    }

    pub(super) fn table_mut(&mut self, name: &str) -> Option<&mut Table> {
        self.tables.iter_mut().find(|table| table.object.name == name)
    }

    pub(super) fn record(&self, object: &str, id: &str) -> Option<&Record> {
        self.table(object)?.records.get(id)
    }

    pub(super) fn record_mut(&mut self, object: &str, id: &str) -> Option<&mut Record> {
        self.table_mut(object)?.records.get_mut(id)
    }

    /// An id of 24 hexadecimal digits that begins with the second of its making, or now and then one of 32 that does not.
    pub(super) fn next_id(&mut self, at: i64) -> String {
        self.made += 1;
        let drawn = scramble(self.seed ^ scramble(self.made));
        if drawn.is_multiple_of(OLD_FORM) {
            return format!("{drawn:016x}{:016x}", scramble(drawn));
        }
        let seconds = at.div_euclid(1_000) as u32;
        format!("{seconds:08x}{:010x}{:06x}", scramble(self.seed) >> 24, self.made & 0xFF_FFFF)
    }

    /// The next number of an object's auto-number fields.
    pub(super) fn next_number(&mut self, object: &str, day: &str) -> String {
        let Some(table) = self.table_mut(object) else {
            return String::new();
        };
        table.numbered += 1;
        format!("{}{day}-{:06}", table.object.prefix, table.numbered)
    }

    /// Adds a record, of this person if it is anybody's (index into the people).
    pub(super) fn insert(&mut self, object: &str, record: Record, person: Option<u32>) {
        if let Some(table) = self.tables.iter_mut().find(|table| table.object.name == object) {
            if let Some(person) = person {
                self.truth.entry(table.object.name).or_default().insert(record.id.clone(), person + 1);
            }
            table.records.insert(record.id.clone(), record);
        }
    }

    /// Whose record it is or was, as an index into the people.
    pub(super) fn person(&self, object: &str, id: &str) -> Option<u32> {
        self.truth.get(object)?.get(id).map(|person| person - 1)
    }

    /// Changes a record at a time; whether it is there.
    pub(super) fn update(&mut self, object: &str, id: &str, at: i64, change: impl FnOnce(&mut Record)) -> bool {
        let Some(record) = self.record_mut(object, id) else {
            return false;
        };
        change(record);
        record.modified = at;
        record.version += 1;
        true
    }

    /// Declares a record void or takes that back, an order with its lines.
    pub(super) fn set_life(&mut self, object: &str, id: &str, at: i64, status: &'static str) {
        let lines = self.lines(object, id);
        self.update(object, id, at, |record| record.life_status = status);
        for line in lines {
            self.update(LINES, &line, at, |line| line.life_status = status);
        }
    }

    /// Deletes a record for good, an order with its lines; references to it stay and lead nowhere.
    pub(super) fn delete(&mut self, object: &str, id: &str) -> bool {
        let lines = self.lines(object, id);
        let gone = self.table_mut(object).is_some_and(|table| table.records.remove(id).is_some());
        if let Some(table) = self.table_mut(LINES) {
            table.records.retain(|line, _| !lines.contains(line));
        }
        gone
    }

    /// The lines of an order; of another object none.
    fn lines(&self, object: &str, id: &str) -> Vec<String> {
        let records = self.table(LINES).filter(|_| object == ORDERS).map(|table| table.records.values());
        let of_order = |line: &&Record| line.values.get("order_id").and_then(Value::as_str) == Some(id);
        records.into_iter().flatten().filter(of_order).map(|line| line.id.clone()).collect()
    }

    /// A value as it is kept; those of the system's fields, and quotes, are made here. Employees are their index.
    pub(super) fn value(&self, record: &Record, field: &Field, staff: &[Employee]) -> Value {
        match (field.name.as_str(), field.kind) {
            ("_id", _) => Value::from(record.id.as_str()),
            ("create_time", Kind::DateTime) => record.created.into(),
            ("last_modified_time", Kind::DateTime) => record.modified.into(),
            ("owner" | "created_by", Kind::Employee) => json!([record.owner]),
            ("last_modified_by", Kind::Employee) => json!([record.modified_by]),
            ("owner_department", _) => DEPARTMENTS[staff[record.owner].department].1.into(),
            ("data_own_department", _) => json!([DEPARTMENTS[staff[record.owner].department].0]),
            ("life_status", _) => record.life_status.into(),
            ("lock_status", _) => "0".into(),
            ("is_deleted", _) => record.invalid().into(),
            ("version", _) => record.version.to_string().into(),
            ("relevant_team", Kind::Team) => json!([record.owner]),
            (_, Kind::RecordType) => record.values.get("record_type").cloned().unwrap_or_else(|| "default__c".into()),
            (_, Kind::Quote) => self.quote(record, field, staff).unwrap_or_default(),
            (name, _) => record.values.get(name).cloned().unwrap_or_default(),
        }
    }

    fn quote(&self, record: &Record, field: &Field, staff: &[Employee]) -> Option<Value> {
        let (reference, object, name) = field.quoted?;
        let table = self.table(object)?;
        let beyond = table.records.get(record.values.get(reference)?.as_str()?)?;
        Some(self.value(beyond, table.object.field(name)?, staff))
    }

    /// What a record is called where something leads to it.
    pub(super) fn title(&self, object: &str, id: &str) -> Option<Value> {
        self.record(object, id)?.values.get("name").cloned()
    }
}
