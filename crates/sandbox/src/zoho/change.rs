//! The world goes on: people become leads and contacts, records are changed, converted and deleted, in a way that repeats.
//!
//! The n-th step of a CRM depends on its seed, on n and on what it holds, and on nothing else.

use rand::RngExt;
use serde_json::{Value, json};

use super::Crm;
use crate::chance::{Dice, Purpose, dice, pick, sample, scramble};
use crate::clock::written;
use crate::standin::SHANGHAI;
use crate::step::{Advanced, Change, Step};

impl Crm {
    /// Lets the world go on by a step.
    pub fn advance(&mut self, step: &Step) -> Advanced {
        self.steps += 1;
        let mut dice = dice(self.world.config.seed ^ scramble(self.steps), Purpose::Changes);
        let mut done = Advanced::default();
        for at in step.moments(&mut dice, self.clock.now(), 1) {
            let (change, module, id) = self.change(&mut dice, at - step.late_seconds);
            done.note(change, module, id.to_string());
        }
        let last = self.clock.now() + step.seconds - step.late_seconds;
        for id in self.imported(&mut dice, step.tied, last) {
            done.note(Change::Updated, "Contacts", id.to_string());
        }
        self.clock.pass(step.seconds);
        done.time = written(self.clock.now(), SHANGHAI);
        done
    }

    /// An import that touches so many contacts at once.
    fn imported(&mut self, dice: &mut Dice, count: usize, at: i64) -> Vec<u64> {
        let contacts = self.store.table("Contacts").map(|table| table.records.keys().copied().collect());
        let ids: Vec<u64> = sample(dice, contacts.unwrap_or_default(), count);
        for &id in &ids {
            let segment = pick(dice, &["Store", "Web Shop", "Employee Referral", "Advertisement"]);
            self.store.update("Contacts", id, at, |record| {
                record.values.insert("Lead_Source".into(), segment.into());
            });
        }
        ids
    }

    /// One change; where what was drawn cannot be, a new lead or, in an empty world, a new account.
    fn change(&mut self, dice: &mut Dice, at: i64) -> (Change, &'static str, u64) {
        let drawn = match dice.random_range(0..100) {
            0..10 => self.new_contact(dice, at),
            10..55 => self.changed_contact(dice, at),
            55..60 => self.changed(dice, at, "Leads", "Lead_Status", &["Contacted", "Junk Lead"]),
            60..66 => self.changed(dice, at, "Deals", "Stage", &["Closed Won", "Closed Lost"]),
            66..70 => self.changed(dice, at, "Cases", "Status", &["On Hold", "Closed"]),
            70..74 => self.changed(dice, at, "Loyalty_Cards", "Tier", &["Gold", "Silver"]),
            74..79 => self.converted(dice, at),
            79..84 => self.gone(dice, at, "Contacts"),
            84..86 => self.gone(dice, at, "Leads"),
            86..93 => self.of_contact(dice, at),
            _ => None,
        };
        drawn.unwrap_or_else(|| {
            if self.world.people.is_empty() {
                let id = self.add("Accounts", dice, at, json!({ "Account_Name": "新客户" }), None);
                return (Change::Created, "Accounts", id);
            }
            let person = dice.random_range(0..self.world.people.len() as u32);
            (Change::Created, "Leads", self.add_lead(dice, person, at))
        })
    }

    /// One of a module's records that is no converted lead.
    fn any(&self, dice: &mut Dice, module: &str) -> Option<u64> {
        let records = self.store.table(module)?.records.values();
        let ids: Vec<u64> = records.filter(|record| !record.converted).map(|record| record.id).collect();
        (!ids.is_empty()).then(|| pick(dice, &ids))
    }

    fn new_contact(&mut self, dice: &mut Dice, at: i64) -> Option<(Change, &'static str, u64)> {
        let strangers: Vec<u32> =
            (0_u32..).zip(&self.world.people).filter(|(_, person)| !person.contact).map(|(index, _)| index).collect();
        if strangers.is_empty() {
            return None;
        }
        let person = pick(dice, &strangers);
        let values = self.party(dice, person);
        Some((Change::Created, "Contacts", self.add("Contacts", dice, at, values, Some(person))))
    }

    fn changed_contact(&mut self, dice: &mut Dice, at: i64) -> Option<(Change, &'static str, u64)> {
        let id = self.any(dice, "Contacts")?;
        let person = self.store.person("Contacts", id).map(|person| &self.world.people[person as usize]);
        let (phone, email) =
            person.map_or_else(Default::default, |person| (person.phone.to_string(), person.email.clone()));
        let (kind, points, visits) =
            (dice.random_range(0..4), dice.random_range(0..90_000_i64), dice.random_range(0..60));
        self.store.update("Contacts", id, at, |record| {
            let (name, value) = match kind {
                0 if !phone.is_empty() => ("Mobile", Value::from(phone)),
                1 if !email.is_empty() => ("Email", Value::from(email)),
                2 => ("Visits", Value::from(visits)),
                _ => ("Points", Value::from(points.to_string())),
            };
            record.values.insert(name.into(), value);
            record.values.insert("Last_Activity_Time".into(), at.into());
        });
        Some((Change::Updated, "Contacts", id))
    }

    fn changed(
        &mut self,
        dice: &mut Dice,
        at: i64,
        module: &'static str,
        field: &str,
        values: &[&'static str],
    ) -> Option<(Change, &'static str, u64)> {
        let (id, value) = (self.any(dice, module)?, pick(dice, values));
        self.store.update(module, id, at, |record| {
            record.values.insert(field.into(), value.into());
        });
        Some((Change::Updated, module, id))
    }

    fn gone(&mut self, dice: &mut Dice, at: i64, module: &'static str) -> Option<(Change, &'static str, u64)> {
        let (id, permanent) = (self.any(dice, module)?, dice.random_bool(0.2));
        self.store.delete(module, id, at, permanent).then_some((Change::Deleted, module, id))
    }

    /// A lead becomes a contact, and half the time there is a deal; the lead stays, hidden.
    fn converted(&mut self, dice: &mut Dice, at: i64) -> Option<(Change, &'static str, u64)> {
        let id = self.any(dice, "Leads")?;
        let lead = self.store.record("Leads", id)?;
        let shared = ["Last_Name", "First_Name", "Full_Name", "Mobile", "Email", "Lead_Source"];
        let values = shared.iter().filter_map(|name| Some(((*name).to_owned(), lead.values.get(*name)?.clone())));
        let values = Value::Object(values.collect());
        let person = self.store.person("Leads", id);
        let contact = self.add("Contacts", dice, at, values, person).to_string();
        if dice.random_bool(0.5) {
            self.add_deal(dice, &contact, None, at, person);
        }
        self.store.update("Leads", id, at, |record| record.converted = true);
        Some((Change::Converted, "Leads", id))
    }

    /// A deal or a case of a contact.
    fn of_contact(&mut self, dice: &mut Dice, at: i64) -> Option<(Change, &'static str, u64)> {
        let contact = self.any(dice, "Contacts")?;
        let person = self.store.person("Contacts", contact);
        let contact = contact.to_string();
        Some(if dice.random_bool(0.5) {
            (Change::Created, "Deals", self.add_deal(dice, &contact, None, at, person))
        } else {
            (Change::Created, "Cases", self.add_case(dice, &contact, at, person))
        })
    }
}
