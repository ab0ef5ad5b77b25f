//! `shop/orders.jsonl`: the web shop's orders, one nested JSON object per line.
//!
//! Ids are JSON numbers of 19 digits, more than a double holds; money is text; times have no zone and are Shanghai's. Half of
//! the orders show their receiver, who is the buyer, in clear, the other half masked. The buyer's `ouid` is always right.

use std::path::Path;

use chrono::{NaiveDateTime, NaiveTime, TimeDelta};
use rand::RngExt;
use serde::Serialize;

use crate::catalog::{Good, money, quantity};
use crate::chance::{Dice, Purpose, Weighted, dice, moment, pick, scramble};
use crate::noise::mask_name;
use crate::output::{Output, Repeats};
use crate::people::{Person, ouid};
use crate::phones::masked;
use crate::tickets::first_day;
use crate::truth::OrdersFile;
use crate::{Config, Error, FileCount, Summary};

const PATH: &str = "shop/orders.jsonl";
/// How many orders a buyer has, from one: 1.7 on average.
const ORDERS: [u32; 5] = [58, 24, 11, 5, 2];
const NICKS: &str = "小大阿爱快花晴木一天云梦星海果";
const REASONS: &[&str] = &["七天无理由退换货", "尺码不合适", "颜色与图片不符", "拍错/不想要"];

#[derive(Debug, Serialize)]
struct Order {
    order_id: u64,
    created: String,
    modified: String,
    status: &'static str,
    buyer: Buyer,
    receiver: Receiver,
    email: Option<String>,
    payment: String,
    post_fee: String,
    lines: Vec<Line>,
    refunds: Vec<Refund>,
}

#[derive(Debug, Serialize)]
struct Buyer {
    ouid: String,
    nick: String,
}

#[derive(Debug, Serialize)]
struct Receiver {
    name: String,
    mobile: String,
    province: &'static str,
    city: &'static str,
    district: &'static str,
    address: String,
}

#[derive(Debug, Serialize)]
struct Line {
    line_id: u64,
    sku: String,
    title: String,
    num: i64,
    price: String,
    payment: String,
}

#[derive(Debug, Serialize)]
struct Refund {
    refund_id: u64,
    line_id: u64,
    amount: String,
    status: &'static str,
    reason: &'static str,
    created: String,
}

pub(crate) fn write(
    folder: &Path,
    config: &Config,
    people: &[Person],
    orders: &mut OrdersFile,
    summary: &mut Summary,
) -> Result<(), Error> {
    let mut dice = dice(config.seed, Purpose::Orders);
    let first = first_day(config.as_of).and_time(NaiveTime::MIN);
    let last = config.as_of.and_time(NaiveTime::MIN) + TimeDelta::hours(22);
    let how_many = Weighted::new(ORDERS);
    let mut times: Vec<(NaiveDateTime, u32)> = Vec::new();
    for (index, _) in (0_u32..).zip(people).filter(|(_, person)| person.buyer) {
        times.extend((0..=how_many.index(&mut dice)).map(|_| (moment(&mut dice, first, last), index)));
    }
    times.sort_unstable();

    let mut file = Output::create(folder, PATH)?;
    let mut repeats = Repeats::default();
    let mut order_id = 4_123_456_789_000_000_000;
    for (created, person) in times {
        order_id += dice.random_range(64..4_000_000);
        orders.order("shop", "orders", &order_id.to_string(), Some(person))?;
        let order = order(config, &mut dice, order_id, created, last, person, &people[person as usize]);
        repeats.offer(&mut dice, order, |order| file.json_line(order))?;
    }
    let count = repeats.finish(|order| file.json_line(order))?;
    summary.file(PATH, FileCount { bytes: file.finish()?, ..count });
    Ok(())
}

fn order(
    config: &Config,
    dice: &mut Dice,
    order_id: u64,
    created: NaiveDateTime,
    last: NaiveDateTime,
    index: u32,
    person: &Person,
) -> Order {
    let nick = NICKS.chars().nth((scramble(u64::from(index) ^ config.seed) % 15) as usize).unwrap_or('小');
    let modified = moment(dice, created, last.min(created + TimeDelta::days(20)));
    let status = match (last - created).num_days() {
        0..3 => pick(dice, &["WAIT_BUYER_PAY", "WAIT_SELLER_SEND_GOODS", "WAIT_SELLER_SEND_GOODS"]),
        3..10 => pick(dice, &["WAIT_BUYER_CONFIRM_GOODS", "TRADE_FINISHED"]),
        _ => pick(
            dice,
            &["TRADE_FINISHED", "TRADE_FINISHED", "TRADE_FINISHED", "TRADE_FINISHED", "TRADE_FINISHED", "TRADE_CLOSED"],
        ),
    };
    let mut paid = 0;
    let mut amounts = Vec::new();
    let lines: Vec<Line> = (0..pick(dice, &[1_u64, 1, 1, 2, 2, 3]))
        .map(|place| {
            let (good, num) = (Good::draw(dice), quantity(dice));
            // A coupon, of a whole number of yuan.
            let discount = if dice.random_bool(0.2) { dice.random_range(1..30) * 100 } else { 0 };
            let cents = good.cents * num - discount;
            paid += cents;
            amounts.push(cents);
            let (sku, title, price, payment) = (good.sku, good.title, money(good.cents), money(cents));
            Line { line_id: order_id + place + 1, sku, title, num, price, payment }
        })
        .collect();
    let post_fee = if paid < 9_900 { 800 } else { 0 };
    let refunds = if status != "WAIT_BUYER_PAY" && dice.random_bool(0.06) {
        vec![Refund {
            refund_id: order_id + 32,
            line_id: order_id + 1,
            amount: money(amounts[0]),
            status: "SUCCESS",
            reason: pick(dice, REASONS),
            created: text(moment(dice, created, modified)),
        }]
    } else {
        Vec::new()
    };
    Order {
        order_id,
        created: text(created),
        modified: text(modified),
        status,
        buyer: Buyer { ouid: ouid(config, index), nick: format!("{nick}**") },
        receiver: receiver(dice, person),
        email: dice.random_bool(0.3).then(|| person.email.clone()),
        payment: money(paid + post_fee),
        post_fee: money(post_fee),
        lines,
        refunds,
    }
}

fn receiver(dice: &mut Dice, person: &Person) -> Receiver {
    let (home, clear) = (person.home, dice.random_bool(0.5));
    Receiver {
        name: if clear { person.name.text.clone() } else { mask_name(&person.name.text) },
        mobile: if clear { person.phone.to_string() } else { masked(person.phone) },
        province: home.province(),
        city: home.city(),
        district: home.district(),
        address: if clear { home.road() + &home.door() } else { home.masked() },
    }
}

fn text(at: NaiveDateTime) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}
