//! What customers buy and say: orders with their lines, opportunities, service tickets, visits.
//!
//! Amounts are whole cents until they are written. An order's amount is the sum of its lines with its discount, to the cent
//! below. The numbers that the system counts (an account's orders) move without a change of the record that shows them.

use rand::RngExt;
use serde_json::{Value, json};

use super::Tenant;
use super::objects::VISITS;
use super::seed::{midnight, tags};
use crate::catalog::{Good, money, quantity};
use crate::chance::{Dice, pick};
use crate::clock::DAY;
use crate::places::STORES;

/// Of all contacts.
const OPPORTUNITIES: f64 = 0.2;
const CASES: f64 = 0.2;
const CALLS: f64 = 0.5;

impl Tenant {
    /// What there is of a contact at the start.
    pub(super) fn add_dealings(&mut self, dice: &mut Dice, contact: &str, account: Option<&str>, person: u32) {
        if dice.random_bool(OPPORTUNITIES) {
            let at = self.before(dice, 170);
            self.add_opportunity(dice, contact, account, person, at);
        }
        if dice.random_bool(CASES) {
            let at = self.before(dice, 170);
            self.add_case(dice, contact, account, person, at);
        }
        if dice.random_bool(CALLS) {
            let at = self.before(dice, 170);
            self.add_visit(dice, contact, person, at);
        }
    }

    /// An order and its lines, all of one moment; the buyer is a person, or nobody where a company buys.
    pub(super) fn add_order(&mut self, dice: &mut Dice, account: &str, person: Option<u32>, at: i64) -> String {
        let pieces = if person.is_some() { 1 } else { 20 };
        let bought: Vec<(Good, i64)> =
            (0..pick(dice, &[1, 1, 2, 2, 3, 4])).map(|_| (Good::draw(dice), quantity(dice) * pieces)).collect();
        let sum: i64 = bought.iter().map(|(good, quantity)| good.cents * quantity).sum();
        let discount = pick(dice, &[100, 100, 100, 95, 88]);
        let buyer = person.map(|person| &self.world.people[person as usize]);
        let tel = buyer.filter(|_| dice.random_bool(0.7)).map(|buyer| buyer.phone.to_string());
        let address = buyer.map(|buyer| buyer.home.city().to_owned() + buyer.home.district() + &buyer.home.road());
        let values = json!({
            "account_id": account, "order_time": at - dice.random_range(0..DAY) * 1_000,
            "order_amount": money(sum * discount / 100), "discount": discount.to_string(),
            "logistics_status": pick(dice, &["1", "2", "3", "5", "5"]), "ship_to_tel": tel,
            "ship_to_add": address.filter(|_| dice.random_bool(0.5)), "store__c": pick(dice, STORES),
            "line_count__c": bought.len().to_string(), "mc_currency": "CNY", "mc_exchange_rate": "1",
        });
        let order = self.add("SalesOrderObj", dice, at, values, None);
        self.store.orders.insert(order.clone(), person.map(|person| person + 1));
        for (good, quantity) in bought {
            let values = json!({
                "order_id": order, "sku__c": good.sku, "product_name__c": good.title, "quantity": quantity.to_string(),
                "product_price": money(good.cents), "discount": "100", "subtotal": money(good.cents * quantity),
            });
            self.add("SalesOrderProductObj", dice, at, values, None);
        }
        if let Some(account) = self.store.record_mut("AccountObj", account) {
            let counted =
                account.values.get("order_count__c").and_then(Value::as_str).and_then(|text| text.parse().ok());
            let counted: u64 = counted.unwrap_or(0);
            account.values.insert("order_count__c".into(), (counted + 1).to_string().into());
        }
        order
    }

    pub(super) fn add_opportunity(
        &mut self,
        dice: &mut Dice,
        contact: &str,
        account: Option<&str>,
        person: u32,
        at: i64,
    ) -> String {
        let (good, pieces) = (Good::draw(dice), dice.random_range(1..200));
        let stage = pick(dice, &["1", "2", "3", "5", "6"]);
        let probability = match stage {
            "5" => "100",
            "6" => "0",
            _ => pick(dice, &["10", "37.5", "75"]),
        };
        let values = json!({
            "name": format!("{} ×{pieces}", good.title), "account_id": account, "contact_id__c": contact,
            "amount": money(good.cents * pieces), "sales_stage": stage, "probability": probability,
            "close_date": midnight(self.world.config.as_of),
        });
        self.add("NewOpportunityObj", dice, at, values, Some(person))
    }

    pub(super) fn add_case(
        &mut self,
        dice: &mut Dice,
        contact: &str,
        account: Option<&str>,
        person: u32,
        at: i64,
    ) -> String {
        let good = Good::draw(dice);
        let status = pick(dice, &["unassigned", "in_progress", "completed", "completed"]);
        let done = status == "completed";
        let values = json!({
            "title__c": format!("{}：{}", pick(dice, &["退换货", "质量问题", "积分咨询"]), good.title),
            "account_id": account, "contact_id": contact, "case_status": status,
            "priority": pick(dice, &["high", "medium", "low"]),
            "problem_details": format!("<p>顾客来电,<b>{}</b></p>", good.title),
            "satisfaction__c": (done && dice.random_bool(0.7)).then(|| pick(dice, &["1", "3", "4", "5", "5"])),
            "close_time": done.then_some(at),
        });
        self.add("CasesObj", dice, at, values, Some(person))
    }

    pub(super) fn add_visit(&mut self, dice: &mut Dice, contact: &str, person: u32, at: i64) -> String {
        let channel = pick(dice, &["phone", "phone", "store", "wechat", "other"]);
        let photo = dice.random_bool(0.1).then(|| {
            let path = format!("N_202606_{:08x}", dice.random_range(0..u32::MAX));
            json!([{ "path": path, "ext": "jpg", "filename": "试衣.jpg", "size": 24_576 }])
        });
        let values = json!({
            "contact__c": contact, "visited_at__c": at - dice.random_range(0..DAY) * 1_000, "store__c": pick(dice, STORES),
            "channel__c": channel, "channel__c__o": (channel == "other").then_some("短信"),
            "score__c": dice.random_bool(0.8).then(|| dice.random_range(0..11).to_string()),
            "amount__c": dice.random_bool(0.3).then(|| money(dice.random_range(10_000..500_000))), "tags__c": tags(dice),
            "agreed__c": dice.random_bool(0.6), "photos__c": photo,
            "notes__c": pick(dice, &["", "满意", "未接通", "希望多一些大码\n下月再联系"]),
        });
        self.add(VISITS, dice, at, values, Some(person))
    }
}
