//! The shop at the start: half of all people are customers, some of them twice, with up to three orders each.

use rand::RngExt;
use serde_json::{Value, json};

use super::list::written;
use super::{CUSTOMERS, ORDERS, Row, Shop};
use crate::catalog::{Good, money, quantity};
use crate::chance::{Dice, Purpose, dice, pick};
use crate::clock::DAY;
use crate::world::Typed;

const KNOWN: f64 = 0.5;
const TWICE: f64 = 0.05;

impl Shop {
    pub(super) fn fill(&mut self) {
        let mut dice = dice(self.world.config.seed, Purpose::Sample);
        let dice = &mut dice;
        for person in 0..self.world.people.len() as u32 {
            if !dice.random_bool(KNOWN) {
                continue;
            }
            for _ in 0..if dice.random_bool(TWICE) { 2 } else { 1 } {
                let at = self.before(dice, 700);
                let customer = self.add_customer(dice, person, at);
                for _ in 0..pick(dice, &[0, 1, 1, 2, 3]) {
                    let at = self.before(dice, 170);
                    self.add_order(dice, &customer, person, at);
                }
            }
        }
    }

    /// A time of chance in the days before the start, in milliseconds.
    fn before(&self, dice: &mut Dice, days: i64) -> i64 {
        self.world.started() * 1_000 - dice.random_range(DAY * 1_000..days * DAY * 1_000)
    }

    pub(super) fn add_customer(&mut self, dice: &mut Dice, person: u32, at: i64) -> String {
        let Typed { full, mobile, email, birthday, .. } = self.world.typed(dice, person);
        let birthday = birthday.map(|day| day.to_string());
        let id = self.add(
            CUSTOMERS,
            at,
            json!({ "name": full, "phone": given(mobile), "email": given(email), "birthday": birthday }),
        );
        self.truth.records.entry("sample.customers".into()).or_default().insert(id.clone(), person + 1);
        id
    }

    pub(super) fn add_order(&mut self, dice: &mut Dice, customer: &str, person: u32, at: i64) -> String {
        let mut cents = 0;
        let lines: Vec<Value> = (0..pick(dice, &[1, 1, 2, 3]))
            .map(|_| {
                let (good, quantity) = (Good::draw(dice), quantity(dice));
                cents += good.cents * quantity;
                json!({ "sku": good.sku, "title": good.title, "quantity": quantity, "price": money(good.cents) })
            })
            .collect();
        let ordered = written(at - dice.random_range(0..DAY) * 1_000);
        let values = json!({
            "customer_id": customer, "ordered_at": ordered, "status": pick(dice, &["paid", "sent", "done", "done"]),
            "total": money(cents), "currency": "CNY", "lines": lines,
        });
        let id = self.add(ORDERS, at, values);
        self.truth.orders.entry("sample.orders".into()).or_default().insert(id.clone(), Some(person + 1));
        id
    }

    pub(super) fn add(&mut self, table: &str, at: i64, values: Value) -> String {
        let (Some(rows), Value::Object(values)) = (self.tables.get_mut(table), values) else {
            return String::new();
        };
        // Rows never go, so that their count is a number that was not given yet.
        let id = format!("{}_{:06}", &table[..3], rows.len() + 1);
        rows.insert(id.clone(), Row { updated: at, deleted: false, values });
        id
    }
}

fn given(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}
