//! The tenant as it is at the start: customers who are companies or persons, contacts, leads, members of the stores.
//!
//! The people are those of the files, each object with a choice and with noise of its own; card numbers are the stores'. What
//! the customers bought and said is in `sales`.

use chrono::NaiveDate;
use rand::RngExt;
use serde_json::{Map, Value, json};

use super::Tenant;
use super::schema::Kind;
use super::staff::DEPARTMENTS;
use super::store::Record;
use crate::chance::{Dice, Purpose, dice, pick};
use crate::clock::{DAY, of_shanghai};
use crate::people::card_no;
use crate::phones::{dashed, international};
use crate::places::STORES;

/// Of all people or members.
const CUSTOMERS: f64 = 0.25;
const CONTACTS: f64 = 0.35;
const LEADS: f64 = 0.12;
const MEMBERS: f64 = 0.7;
const PER_COMPANY: usize = 40;
const TRADES: &[&str] = &["服饰", "贸易", "酒店管理", "文化传播", "科技", "物业"];

impl Tenant {
    pub(super) fn fill(&mut self) {
        let mut dice = dice(self.world.config.seed, Purpose::Fxiaoke);
        let dice = &mut dice;
        self.fill_staff();
        let companies: Vec<String> = (0..self.world.people.len() / PER_COMPANY + 3)
            .map(|_| {
                let at = self.before(dice, 900);
                let company = self.add_company(dice, at);
                for _ in 0..dice.random_range(2..6) {
                    let at = self.before(dice, 170);
                    self.add_order(dice, &company, None, at);
                }
                company
            })
            .collect();
        for person in 0..self.world.people.len() as u32 {
            self.fill_person(dice, person, &companies);
        }
        self.tie(self.options.tied);
    }

    fn fill_staff(&mut self) {
        let at = self.world.started() * 1_000 - 900 * DAY * 1_000;
        for (id, name, parent) in DEPARTMENTS {
            let parent = parent.map(|parent| json!([parent]));
            let values =
                json!({ "name": name, "dept_code": id, "parent_id": parent, "manager_id": [0], "status": "0" });
            self.enter_as(id, "DepartmentObj", 0, at, values);
        }
        for (index, one) in self.staff.clone().into_iter().enumerate() {
            let values = json!({
                "name": one.name, "user_id": one.id, "phone": one.mobile, "email": one.email, "status": "0",
                "main_department": [DEPARTMENTS[one.department].0],
            });
            self.enter_as(&one.id, "PersonnelObj", index, at, values);
        }
    }

    fn enter_as(&mut self, id: &str, object: &'static str, owner: usize, at: i64, values: Value) {
        let record = Record {
            id: id.to_owned(),
            owner,
            modified_by: 0,
            created: at,
            modified: at,
            life_status: "normal",
            version: 1,
            values: tidy(values),
        };
        self.store.insert(object, record, None);
    }

    fn fill_person(&mut self, dice: &mut Dice, person: u32, companies: &[String]) {
        let account = dice.random_bool(CUSTOMERS).then(|| {
            let at = self.before(dice, 700);
            let account = self.add_customer(dice, person, at);
            for _ in 0..dice.random_range(0..4) {
                let at = self.before(dice, 170);
                self.add_order(dice, &account, Some(person), at);
            }
            account
        });
        if dice.random_bool(CONTACTS) {
            let at = self.before(dice, 500);
            let company = dice.random_bool(0.3).then(|| companies[dice.random_range(0..companies.len())].clone());
            let account = account.or(company);
            let contact = self.add_contact(dice, person, account.as_deref(), at);
            self.add_dealings(dice, &contact, account.as_deref(), person);
        }
        if dice.random_bool(LEADS) {
            let at = self.before(dice, 200);
            self.add_lead(dice, person, at);
        }
        if self.world.people[person as usize].member && dice.random_bool(MEMBERS) {
            let at = self.before(dice, 600);
            self.add_member(dice, person, at);
        }
    }

    /// A time of chance in the days before the start, in milliseconds.
    pub(super) fn before(&self, dice: &mut Dice, days: i64) -> i64 {
        self.world.started() * 1_000 - dice.random_range(DAY * 1_000..days * DAY * 1_000)
    }

    /// Lets so many records of each object share the moment of one import, on the last evening.
    fn tie(&mut self, count: usize) {
        let at = self.world.started() * 1_000 - DAY * 100;
        for table in self.store.tables.iter_mut().filter(|table| !table.object.of_tenant()) {
            for record in table.records.values_mut().take(count) {
                record.modified = at;
            }
        }
    }

    /// A new record of an object, made at that time, in milliseconds.
    pub(super) fn add(
        &mut self,
        object: &'static str,
        dice: &mut Dice,
        at: i64,
        values: Value,
        person: Option<u32>,
    ) -> String {
        let mut values = tidy(values);
        self.number(object, at, &mut values);
        let (id, owner) = (self.store.next_id(at), dice.random_range(1..self.staff.len()));
        let record = Record {
            id: id.clone(),
            owner,
            modified_by: owner,
            created: at,
            modified: at,
            life_status: "normal",
            version: 1,
            values,
        };
        self.store.insert(object, record, person);
        id
    }

    /// Fills the auto-number fields of a new record.
    pub(super) fn number(&mut self, object: &'static str, at: i64, values: &mut Map<String, Value>) {
        let fields = self.store.table(object).map(|table| table.object.fields.as_slice()).unwrap_or_default();
        let numbered = fields.iter().filter(|field| field.kind == Kind::AutoNumber);
        let names: Vec<String> = numbered.map(|field| field.name.clone()).collect();
        for name in names {
            values.insert(name, self.store.next_number(object, &day_of(at)).into());
        }
    }

    fn add_company(&mut self, dice: &mut Dice, at: i64) -> String {
        let city: String = pick(dice, STORES).chars().take(2).collect();
        let name: String = (0..2).map(|_| self.world.names.given(dice, false)).collect();
        let values = json!({
            "name": format!("{city}{name}{}有限公司", pick(dice, TRADES)), "tel": self.world.phones.fresh(dice).to_string(),
            "account_level": pick(dice, &["A", "A", "B"]), "account_source": pick(dice, &["referral", "ads", "store"]),
            "deal_status": pick(dice, &["2", "3"]), "record_type": "default__c", "order_count__c": "0",
            "annual_spend__c": crate::catalog::money(dice.random_range(100_000..90_000_000)),
        });
        self.add("AccountObj", dice, at, values, None)
    }

    /// A customer who is a person.
    pub(super) fn add_customer(&mut self, dice: &mut Dice, index: u32, at: i64) -> String {
        let typed = self.world.typed(dice, index);
        let home = self.world.people[index as usize].home;
        let place = home.city().to_owned() + home.district() + &home.road();
        let source = pick(dice, &["store", "store", "web_shop", "referral", "other"]);
        let located = dice.random_bool(0.3);
        let values = json!({
            "name": typed.full, "tel": styled(dice, &typed.mobile), "email": typed.email, "account_source": source,
            "account_source__o": (source == "other").then_some("商场活动"), "account_level": pick(dice, &["B", "C", "C", ""]),
            "deal_status": pick(dice, &["1", "2", "3"]), "record_type": "person__c", "order_count__c": "0",
            "birth_date__c": typed.birthday.map(midnight), "address": if dice.random_bool(0.6) { &*place } else { "" },
            "area_location": located.then(|| format!("{}.{:06}#%${}.{:06}#%${place}",
                dice.random_range(104..122), dice.random_range(0..1_000_000), dice.random_range(22..40),
                dice.random_range(0..1_000_000))),
            "annual_spend__c": crate::catalog::money(dice.random_range(0..3_000_000)), "tags__c": tags(dice),
            "last_deal_closed_time": at - dice.random_range(0..30 * DAY * 1_000),
            "remark": pick(dice, &["", "", "常买羊毛大衣,\n要求\"素色\"", "老客"]),
        });
        self.add("AccountObj", dice, at, values, Some(index))
    }

    pub(super) fn add_contact(&mut self, dice: &mut Dice, index: u32, account: Option<&str>, at: i64) -> String {
        let typed = self.world.typed(dice, index);
        let person = &self.world.people[index as usize];
        let gender = if person.female { "female" } else { "male" };
        let card = (person.member && dice.random_bool(0.4)).then(|| card_no(&self.world.config, index, false));
        let values = json!({
            "name": typed.full, "account_id": account, "mobile1": styled(dice, &typed.mobile), "email": typed.email,
            "gender": if dice.random_bool(0.15) { "" } else { gender }, "date_of_birth": typed.birthday.map(midnight),
            "job_title": pick(dice, &["", "", "", "采购", "店主"]), "card_no__c": card, "is_vip__c": dice.random_bool(0.1),
            "contact_source__c": pick(dice, &["store", "web_shop", "referral", ""]),
            "remark": pick(dice, &["", "", "", "周末联系"]),
        });
        self.add("ContactObj", dice, at, values, Some(index))
    }

    pub(super) fn add_lead(&mut self, dice: &mut Dice, index: u32, at: i64) -> String {
        let typed = self.world.typed(dice, index);
        let source = pick(dice, &["store", "ads", "ads", "other"]);
        let values = json!({
            "name": typed.full, "mobile": styled(dice, &typed.mobile), "email": typed.email, "source": source,
            "source__o": (source == "other").then_some("抽奖"), "company": pick(dice, &["", "", "", "个体经营"]),
            "biz_status": pick(dice, &["un_assigned", "un_processed", "processed", "closed"]),
        });
        self.add("LeadsObj", dice, at, values, Some(index))
    }

    fn add_member(&mut self, dice: &mut Dice, index: u32, at: i64) -> String {
        let typed = self.world.typed(dice, index);
        let person = &self.world.people[index as usize];
        let second = person.second_card && dice.random_bool(0.5);
        let gender = if person.female { "female" } else { "male" };
        let values = json!({
            "name": typed.full, "card_no__c": card_no(&self.world.config, index, second), "phone": typed.mobile,
            "email": typed.email, "gender": if dice.random_bool(0.1) { "" } else { gender },
            "birthday": typed.birthday.map(midnight), "grade": pick(dice, &["basic", "basic", "silver", "gold"]),
            "integral_value": dice.random_range(0..90_000).to_string(),
            "growth_value": dice.random_range(0..9_000).to_string(), "register_time": at, "store__c": pick(dice, STORES),
            "opted_out__c": dice.random_bool(0.1),
        });
        self.add("MemberObj", dice, at, values, Some(index))
    }
}

/// Some phones with dashes, some with the country's number; what is no whole number stays.
fn styled(dice: &mut Dice, phone: &str) -> String {
    match (dice.random_range(0..10), phone.parse()) {
        (0..2, Ok(number)) => dashed(number),
        (2, Ok(number)) => international(number),
        _ => phone.to_owned(),
    }
}

pub(super) fn tags(dice: &mut Dice) -> Value {
    let tags: Vec<&str> = ["shoes", "bags", "outdoor", "kids"].into_iter().filter(|_| dice.random_bool(0.25)).collect();
    if tags.is_empty() { Value::Null } else { tags.into() }
}

/// A date as the vendor keeps it: the milliseconds of its midnight in Shanghai.
pub(super) fn midnight(date: NaiveDate) -> i64 {
    of_shanghai(date.and_time(chrono::NaiveTime::MIN)) * 1_000
}

/// `20260701`, in Shanghai.
fn day_of(at: i64) -> String {
    let local = chrono::DateTime::from_timestamp_millis(at + 8 * 3_600_000).unwrap_or_default();
    local.format("%Y%m%d").to_string()
}

/// The values of an object; what is empty is not kept.
fn tidy(values: Value) -> Map<String, Value> {
    let Value::Object(mut values) = values else {
        return Map::new();
    };
    values.retain(|_, value| !value.is_null() && value.as_str() != Some(""));
    values
}
