//! The world goes on: people become customers, records are changed, declared void and deleted, in a way that repeats.
//!
//! The n-th step of a tenant depends on its seed, on n and on what it holds, and on nothing else.

use rand::RngExt;
use serde_json::Value;

use super::Tenant;
use super::objects::VISITS;
use super::store::Record;
use crate::chance::{Dice, Purpose, dice, pick, sample, scramble};
use crate::clock::written;
use crate::standin::SHANGHAI;
use crate::step::{Advanced, Change, Step};

/// What a change was, and of which record.
type Done = (Change, &'static str, String);

/// What is declared void, and sometimes deleted after that.
const VOIDABLE: &[&str] = &["ContactObj", "ContactObj", "LeadsObj", "MemberObj", "SalesOrderObj", VISITS];

impl Tenant {
    /// Lets the world go on by a step.
    pub fn advance(&mut self, step: &Step) -> Advanced {
        self.steps += 1;
        let mut dice = dice(self.world.config.seed ^ scramble(self.steps), Purpose::FxiaokeChanges);
        let (now, late) = (self.clock.milliseconds(), step.late_seconds * 1_000);
        let mut done = Advanced::default();
        for at in step.moments(&mut dice, now, 1_000) {
            let (change, object, id) = self.change(&mut dice, at - late);
            done.note(change, object, id);
        }
        for id in self.imported(&mut dice, step.tied, now + step.seconds * 1_000 - late) {
            done.note(Change::Updated, "ContactObj", id);
        }
        self.clock.pass(step.seconds);
        done.time = written(self.clock.now(), SHANGHAI);
        done
    }

    /// An import that touches so many contacts at once.
    fn imported(&mut self, dice: &mut Dice, count: usize, at: i64) -> Vec<String> {
        let ids = sample(dice, self.ids("ContactObj"), count);
        for id in &ids {
            let source = pick(dice, &["store", "web_shop", "referral"]);
            self.store.update("ContactObj", id, at, |record| set(record, "contact_source__c", source.into()));
        }
        ids
    }

    /// One change; where what was drawn cannot be, a new lead or, in an empty world, a changed company.
    fn change(&mut self, dice: &mut Dice, at: i64) -> Done {
        let drawn = match dice.random_range(0..100) {
            0..8 => self.new_contact(dice, at),
            8..45 => self.changed_contact(dice, at),
            45..50 => self.changed(dice, at, "AccountObj", "account_level", &["A", "B", "C"]),
            50..54 => self.changed(dice, at, "LeadsObj", "biz_status", &["processed", "closed"]),
            54..58 => self.changed(dice, at, "NewOpportunityObj", "sales_stage", &["3", "5", "6"]),
            58..63 => self.closed_case(dice, at),
            63..68 => self.changed_member(dice, at),
            68..73 => self.changed(dice, at, "SalesOrderObj", "logistics_status", &["2", "3", "5"]),
            73..78 => self.converted(dice, at),
            78..84 => self.void(dice, at),
            84..88 => self.gone(dice),
            88..94 => self.new_order(dice, at),
            94..97 => self.of_contact(dice, at),
            _ => None,
        };
        drawn.unwrap_or_else(|| {
            if self.world.people.is_empty() {
                let changed = self.changed(dice, at, "AccountObj", "account_level", &["A", "B", "C"]);
                return changed.unwrap_or((Change::Updated, "AccountObj", String::new()));
            }
            let person = self.anybody(dice);
            (Change::Created, "LeadsObj", self.add_lead(dice, person, at))
        })
    }

    fn anybody(&self, dice: &mut Dice) -> u32 {
        dice.random_range(0..self.world.people.len() as u32)
    }

    /// One of an object's records that is in force, or that is void.
    fn any(&self, dice: &mut Dice, object: &str, void: bool) -> Option<String> {
        let records = self.store.table(object)?.records.values();
        let ids: Vec<&String> = records.filter(|record| record.invalid() == void).map(|record| &record.id).collect();
        (!ids.is_empty()).then(|| pick(dice, &ids).clone())
    }

    fn new_contact(&mut self, dice: &mut Dice, at: i64) -> Option<Done> {
        if self.world.people.is_empty() {
            return None;
        }
        let person = self.anybody(dice);
        Some((Change::Created, "ContactObj", self.add_contact(dice, person, None, at)))
    }

    fn changed_contact(&mut self, dice: &mut Dice, at: i64) -> Option<Done> {
        let id = self.any(dice, "ContactObj", false)?;
        let person = self.store.person("ContactObj", &id).map(|person| &self.world.people[person as usize]);
        let (phone, email) =
            person.map_or_else(Default::default, |person| (person.phone.to_string(), person.email.clone()));
        let (kind, vip) = (dice.random_range(0..4), dice.random_bool(0.3));
        let title = pick(dice, &["店主", "采购", "经理"]);
        self.store.update("ContactObj", &id, at, |record| match kind {
            0 if !phone.is_empty() => set(record, "mobile1", phone.into()),
            1 if !email.is_empty() => set(record, "email", email.into()),
            2 => set(record, "is_vip__c", vip.into()),
            _ => set(record, "job_title", title.into()),
        });
        Some((Change::Updated, "ContactObj", id))
    }

    fn changed(
        &mut self,
        dice: &mut Dice,
        at: i64,
        object: &'static str,
        field: &str,
        values: &[&'static str],
    ) -> Option<Done> {
        let (id, value) = (self.any(dice, object, false)?, pick(dice, values));
        self.store.update(object, &id, at, |record| set(record, field, value.into()));
        Some((Change::Updated, object, id))
    }

    fn closed_case(&mut self, dice: &mut Dice, at: i64) -> Option<Done> {
        let id = self.any(dice, "CasesObj", false)?;
        let score = pick(dice, &["1", "2", "4", "5", "5"]);
        self.store.update("CasesObj", &id, at, |record| {
            set(record, "case_status", "completed".into());
            set(record, "satisfaction__c", score.into());
            set(record, "close_time", at.into());
        });
        Some((Change::Updated, "CasesObj", id))
    }

    fn changed_member(&mut self, dice: &mut Dice, at: i64) -> Option<Done> {
        let id = self.any(dice, "MemberObj", false)?;
        let points = dice.random_range(0..90_000).to_string();
        let grade = dice.random_bool(0.2).then(|| pick(dice, &["silver", "gold"]));
        self.store.update("MemberObj", &id, at, |record| {
            set(record, "integral_value", points.into());
            if let Some(grade) = grade {
                set(record, "grade", grade.into());
            }
        });
        Some((Change::Updated, "MemberObj", id))
    }

    /// A lead becomes a contact, and half the time a customer too; the lead stays, with the contact in it.
    fn converted(&mut self, dice: &mut Dice, at: i64) -> Option<Done> {
        let open = |record: &&Record| !record.invalid() && !record.values.contains_key("contact_id");
        let leads = self.store.table("LeadsObj")?.records.values().filter(open);
        let ids: Vec<String> = leads.map(|record| record.id.clone()).collect();
        if ids.is_empty() {
            return None;
        }
        let id = ids[dice.random_range(0..ids.len())].clone();
        let person = self.store.person("LeadsObj", &id)?;
        let account = dice.random_bool(0.5).then(|| self.add_customer(dice, person, at));
        let contact = self.add_contact(dice, person, account.as_deref(), at);
        self.store.update("LeadsObj", &id, at, |record| {
            set(record, "biz_status", "transformed".into());
            set(record, "contact_id", contact.into());
        });
        Some((Change::Converted, "LeadsObj", id))
    }

    fn void(&mut self, dice: &mut Dice, at: i64) -> Option<Done> {
        let object = pick(dice, VOIDABLE);
        let id = self.any(dice, object, false)?;
        self.store.set_life(object, &id, at, "invalid");
        Some((Change::Invalidated, object, id))
    }

    /// Something void is deleted, and with it all trace of when.
    fn gone(&mut self, dice: &mut Dice) -> Option<Done> {
        let object = pick(dice, VOIDABLE);
        let id = self.any(dice, object, true)?;
        self.store.delete(object, &id).then_some((Change::Deleted, object, id))
    }

    fn new_order(&mut self, dice: &mut Dice, at: i64) -> Option<Done> {
        let account = self.any(dice, "AccountObj", false)?;
        let person = self.store.person("AccountObj", &account);
        Some((Change::Created, "SalesOrderObj", self.add_order(dice, &account, person, at)))
    }

    /// A ticket or a visit of a contact.
    fn of_contact(&mut self, dice: &mut Dice, at: i64) -> Option<Done> {
        let contact = self.any(dice, "ContactObj", false)?;
        let person = self.store.person("ContactObj", &contact)?;
        Some(if dice.random_bool(0.5) {
            (Change::Created, "CasesObj", self.add_case(dice, &contact, None, person, at))
        } else {
            (Change::Created, VISITS, self.add_visit(dice, &contact, person, at))
        })
    }
}

fn set(record: &mut Record, field: &str, value: Value) {
    record.values.insert(field.to_owned(), value);
}
