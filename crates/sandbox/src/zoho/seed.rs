//! The CRM as it is at the start: the contacts of the export, and what a CRM has beside them.
//!
//! Leads are people too, with the same noise; one in five of them has become a contact and is hidden from lists.

use rand::RngExt;
use serde_json::{Map, Value, json};

use super::store::Record;
use super::{Crm, User};
use crate::catalog::Good;
use crate::chance::{Dice, Purpose, dice, pick};
use crate::clock::{DAY, of_shanghai};
use crate::crm::Contact;
use crate::people::card_no;
use crate::places::STORES;
use crate::world::Typed;

/// Per hundred people or contacts.
const LEADS: usize = 15;
const CONVERTED: f64 = 0.2;
const DEALS: f64 = 0.2;
const CASES: f64 = 0.1;
const CARDS: f64 = 0.6;
const FAMILIES: f64 = 0.15;
const LINKS: f64 = 0.05;
const PER_ACCOUNT: usize = 40;

pub(super) fn users() -> Vec<User> {
    let names = ["Pat Doe", "李店长", "王客服", "陈导购", "Sam Roe"];
    let user = |(index, name): (u64, &'static str)| User {
        id: 4_876_876_000_000_186_017 + index * 1_000,
        name,
        email: format!("user{index}@crm.example.com"),
    };
    (0..).zip(names).map(user).collect()
}

impl Crm {
    pub(super) fn fill(&mut self, contacts: Vec<Contact>) {
        let mut dice = dice(self.world.config.seed, Purpose::Crm);
        let dice = &mut dice;
        let accounts: Vec<u64> = (0..self.world.people.len() / PER_ACCOUNT + 3)
            .map(|number| {
                let at = self.before(dice, 900);
                let name = format!("{}团购客户{:03}", pick(dice, STORES).trim_end_matches('店'), number + 1);
                let phone = self.world.phones.fresh(dice).to_string();
                let values = json!({
                    "Account_Name": name, "Phone": phone, "Billing_City": pick(dice, &["杭州市", "上海市", "北京市"]),
                    "Employees": dice.random_range(3..800),
                });
                self.add("Accounts", dice, at, values, None)
            })
            .collect();
        for contact in contacts {
            self.add_contact(dice, &contact, &accounts);
        }
        for _ in 0..self.world.people.len() * LEADS / 100 {
            let (person, at) = (dice.random_range(0..self.world.people.len() as u32), self.before(dice, 400));
            let lead = self.add_lead(dice, person, at);
            if dice.random_bool(CONVERTED) {
                self.store.update("Leads", lead, at + DAY / 2, |record| record.converted = true);
            }
        }
    }

    /// A time of chance in the days before the start.
    fn before(&self, dice: &mut Dice, days: i64) -> i64 {
        self.world.started() - dice.random_range(DAY..days * DAY)
    }

    fn add_contact(&mut self, dice: &mut Dice, contact: &Contact, accounts: &[u64]) {
        let (created, modified) = (of_shanghai(contact.created), of_shanghai(contact.modified));
        let person = &self.world.people[contact.person as usize];
        let card =
            (person.member && dice.random_bool(CARDS)).then(|| card_no(&self.world.config, contact.person, false));
        let account = dice.random_bool(0.08).then(|| pick(dice, accounts).to_string());
        let mut values = json!({
            "Last_Name": contact.last, "First_Name": contact.first, "Full_Name": contact.full, "Mobile": contact.mobile,
            "Email": contact.email, "Gender": contact.gender, "Date_of_Birth": contact.birthday.map(|day| day.to_string()),
            "Mailing_Street": contact.street, "Mailing_City": contact.city, "Mailing_State": contact.state,
            "Member_No": contact.card, "Account_Name": account,
        });
        merge(&mut values, habits(dice, modified));
        let record = Record {
            id: contact.id,
            owner: dice.random_range(0..self.users.len()),
            created,
            modified,
            converted: false,
            values: tidy(values),
        };
        self.store.insert("Contacts", record, Some(contact.person));

        let (id, person) = (contact.id.to_string(), Some(contact.person));
        if let Some(card) = card {
            let values = json!({
                "Name": card, "Holder": id, "Tier": pick(dice, &["Gold", "Silver", "Basic"]),
                "Points": dice.random_range(0..90_000).to_string(), "Opened": contact.created.date().to_string(),
                "Email": contact.email,
            });
            self.add("Loyalty_Cards", dice, modified, values, person);
        }
        if dice.random_bool(DEALS) {
            self.add_deal(dice, &id, account.as_deref(), modified, person);
        }
        if dice.random_bool(CASES) {
            self.add_case(dice, &id, modified, person);
        }
        if dice.random_bool(FAMILIES) {
            for _ in 0..dice.random_range(1..4) {
                let name = format!("{}{}", contact.last, self.world.names.given(dice, true));
                let birthday = format!("{}-{:02}-{:02}", dice.random_range(1950..2025), dice.random_range(1..13), 15);
                let relation = pick(dice, &["Child", "Spouse", "Parent"]);
                let values = json!({ "Name": name, "Relation": relation, "Birthday": birthday, "Parent_Id": id });
                self.add("Family_Members", dice, modified, values, None);
            }
        }
        if dice.random_bool(LINKS) {
            let values = json!({ "Contact": id, "Other_Accounts": pick(dice, accounts).to_string() });
            self.add("Contacts_X_Accounts", dice, modified, values, None);
        }
    }

    /// A new record of a module, made at that time.
    pub(super) fn add(
        &mut self,
        module: &'static str,
        dice: &mut Dice,
        at: i64,
        values: Value,
        person: Option<u32>,
    ) -> u64 {
        let (id, owner) = (self.store.next_id(), dice.random_range(0..self.users.len()));
        let record = Record { id, owner, created: at, modified: at, converted: false, values: tidy(values) };
        self.store.insert(module, record, person);
        id
    }

    pub(super) fn add_lead(&mut self, dice: &mut Dice, person: u32, at: i64) -> u64 {
        let mut values = self.party(dice, person);
        merge(
            &mut values,
            json!({
                "Company": if dice.random_bool(0.1) { "个体经营" } else { "" },
                "Lead_Source": pick(dice, &["Store", "Web Shop", "Employee Referral", "Advertisement"]),
                "Lead_Status": pick(dice, &["Not Contacted", "Contacted", "Contacted", "Junk Lead"]),
            }),
        );
        self.add("Leads", dice, at, values, Some(person))
    }

    /// A person as a clerk would type them: name, mobile and mail, with the noise of all party records.
    pub(super) fn party(&mut self, dice: &mut Dice, index: u32) -> Value {
        let Typed { last, first, full, mobile, email, birthday: _ } = self.world.typed(dice, index);
        json!({ "Last_Name": last, "First_Name": first, "Full_Name": full, "Mobile": mobile, "Email": email })
    }

    pub(super) fn add_deal(
        &mut self,
        dice: &mut Dice,
        contact: &str,
        account: Option<&str>,
        at: i64,
        person: Option<u32>,
    ) -> u64 {
        let (good, pieces) = (Good::draw(dice), dice.random_range(1..200));
        let values = json!({
            "Deal_Name": format!("{} ×{pieces}", good.title), "Amount": yuan(good.cents * pieces),
            "Stage": pick(dice, &["Qualification", "Proposal/Price Quote", "Closed Won", "Closed Lost"]),
            "Closing_Date": self.world.config.as_of.to_string(), "Contact_Name": contact, "Account_Name": account,
        });
        self.add("Deals", dice, at, values, person)
    }

    pub(super) fn add_case(&mut self, dice: &mut Dice, contact: &str, at: i64, person: Option<u32>) -> u64 {
        let good = Good::draw(dice);
        let values = json!({
            "Subject": format!("{}：{}", pick(dice, &["退换货", "质量问题", "积分咨询"]), good.title),
            "Status": pick(dice, &["New", "On Hold", "Closed"]), "Priority": pick(dice, &["High", "Medium", "Low"]),
            "Related_To": contact, "Description": "顾客来电,\n\"尽快处理\"",
        });
        self.add("Cases", dice, at, values, person)
    }
}

/// What a CRM knows of a contact beyond the export: one kind of field each.
fn habits(dice: &mut Dice, modified: i64) -> Value {
    let interests: Vec<&str> =
        ["Shoes", "Bags", "Outdoor", "Kids"].into_iter().filter(|_| dice.random_bool(0.3)).collect();
    let tags = if dice.random_bool(0.1) { json!([{ "name": "vip", "id": "4876876000000777001" }]) } else { json!([]) };
    let notes = match dice.random_range(0..10) {
        0 => "喜欢简约风格，常买羊毛大衣。".repeat(60),
        1..4 => "<div>偏爱<b>深色</b></div>".to_owned(),
        _ => String::new(),
    };
    json!({
        "Lead_Source": pick(dice, &["Store", "Web Shop", "Employee Referral", ""]), "Interests": interests,
        "Email_Opt_Out": dice.random_bool(0.1), "Annual_Spend": yuan(dice.random_range(0..3_000_000)),
        "Points": dice.random_range(0..90_000_i64).to_string(), "Visits": dice.random_range(0..60),
        "Last_Activity_Time": modified - dice.random_range(0..30 * DAY), "Style_Notes": notes, "Tag": tags,
    })
}

/// Cents as the vendor's number.
fn yuan(cents: i64) -> f64 {
    cents as f64 / 100.0
}

fn merge(values: &mut Value, more: Value) {
    if let (Value::Object(values), Value::Object(more)) = (values, more) {
        values.extend(more);
    }
}

/// The values of an object; empty texts are null, as the vendor keeps them.
fn tidy(values: Value) -> Map<String, Value> {
    let Value::Object(mut values) = values else {
        return Map::new();
    };
    values.values_mut().filter(|value| value.as_str() == Some("")).for_each(|value| *value = Value::Null);
    values
}
