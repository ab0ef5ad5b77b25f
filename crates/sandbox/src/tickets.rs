//! `stores/tickets_<month>.csv`: what the tills sold, one file for each of six months.
//!
//! GB18030, CRLF, a title row, a header, one row per line of a ticket, a total row over all rows printed. Only members buy
//! here, 1.2 tickets each on average, and not all of them say so: a ticket shows card and phone, one of them, or nothing (an
//! anonymous sale, whose person the truth does not know either). Phones and cards on tickets are right: the fixed noise is
//! one of party records.

use std::collections::HashMap;
use std::path::Path;

use chrono::{Datelike, Months, NaiveDate, NaiveDateTime, TimeDelta};
use rand::{RngExt, SeedableRng};

use crate::catalog::{Good, grouped_money, money, quantity};
use crate::chance::{Dice, Purpose, Weighted, dice, moment, pick, scramble};
use crate::output::{CsvLine, Output, Repeats};
use crate::parties::Parties;
use crate::people::{Person, card_no};
use crate::places::{STORES, store};
use crate::truth::OrdersFile;
use crate::{Config, Error, FileCount, Summary};

#[rustfmt::skip]
const HEADER: &[&str] = &[
    "小票号", "行号", "门店", "收银员", "销售时间", "商品编码", "商品名称", "数量", "单价", "金额", "支付方式", "会员卡号", "手机号码",
];
/// How many tickets a member has, per thousand members: 1.2 on average.
const TICKETS: [u32; 6] = [301, 361, 217, 87, 26, 8];
const PAYMENTS: &[&str] = &["微信支付", "微信支付", "微信支付", "支付宝", "支付宝", "现金", "银行卡", "储值卡"];

/// What a ticket shows of its buyer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shows {
    Both,
    Card,
    Phone,
    Nothing,
}

/// A ticket; its lines follow from its seed.
#[derive(Debug, Clone, Copy)]
struct Ticket {
    at: NaiveDateTime,
    seed: u64,
    person: u32,
    store: u8,
    shows: Shows,
    second_card: bool,
    /// Gives back the first line of an earlier ticket.
    refund: bool,
}

/// One row of a file, with what the total row sums.
#[derive(Debug)]
struct Row {
    text: String,
    quantity: i64,
    cents: i64,
}

/// The first day of the six months that tickets and orders are of.
pub(crate) fn first_day(as_of: NaiveDate) -> NaiveDate {
    let month = as_of.with_day(1).unwrap_or(as_of);
    month.checked_sub_months(Months::new(5)).unwrap_or(month)
}

pub(crate) fn write(
    folder: &Path,
    config: &Config,
    people: &[Person],
    parties: &Parties,
    orders: &mut OrdersFile,
    summary: &mut Summary,
) -> Result<(), Error> {
    let mut dice = dice(config.seed, Purpose::Tickets);
    let tickets = draw(config, &mut dice, people, parties);
    let first = first_day(config.as_of);
    let (mut rest, mut number) = (tickets.as_slice(), (first, 0));
    for month in (0..6).filter_map(|months| first.checked_add_months(Months::new(months))) {
        let of_month =
            rest.partition_point(|ticket| (ticket.at.year(), ticket.at.month()) <= (month.year(), month.month()));
        let (now, later) = rest.split_at(of_month);
        rest = later;
        let path = format!("stores/tickets_{}.csv", month.format("%Y-%m"));
        let mut file = Output::create(folder, &path)?;
        file.gb18030(&format!("门店销售小票明细 {}\r\n", month.format("%Y年%m月")))?;
        file.gb18030(&CsvLine::default().fields(HEADER.iter().copied()).end("\r\n"))?;
        let (mut repeats, mut quantity, mut cents) = (Repeats::default(), 0, 0);
        let mut emit = |row: &Row| {
            quantity += row.quantity;
            cents += row.cents;
            file.gb18030(&row.text)
        };
        for ticket in now {
            let day = ticket.at.date();
            number = if number.0 == day { (day, number.1 + 1) } else { (day, 1) };
            let number = format!("T{:03}{}{:06}", ticket.store + 1, day.format("%Y%m%d"), number.1);
            orders.order("stores", "tickets", &number, (ticket.shows != Shows::Nothing).then_some(ticket.person))?;
            for row in rows(config, ticket, &number, &people[ticket.person as usize]) {
                repeats.offer(&mut dice, row, &mut emit)?;
            }
        }
        let count = repeats.finish(&mut emit)?;
        let (rows, quantity, cents) = (count.rows.to_string(), quantity.to_string(), grouped_money(cents));
        let total = ["合计", &rows, "", "", "", "", "", &quantity, "", &cents, "", "", ""];
        file.gb18030(&CsvLine::default().fields(total).end("\r\n"))?;
        summary.file(&path, FileCount { bytes: file.finish()?, ..count });
    }
    Ok(())
}

/// All tickets by their time.
fn draw(config: &Config, dice: &mut Dice, people: &[Person], parties: &Parties) -> Vec<Ticket> {
    let how_many = Weighted::new(TICKETS);
    let first = first_day(config.as_of).and_time(chrono::NaiveTime::MIN);
    let last = config.as_of.and_time(chrono::NaiveTime::MIN) + TimeDelta::hours(21);
    let second_cards: HashMap<u32, NaiveDateTime> =
        parties.members.iter().filter(|party| party.second_card).map(|party| (party.person, party.created)).collect();
    let mut tickets = Vec::with_capacity(people.len());
    for party in parties.members.iter().filter(|party| !party.second_card) {
        for _ in 0..how_many.index(dice) {
            let at = opening_hours(moment(dice, first.max(party.created), last));
            let ticket = Ticket {
                at,
                seed: dice.random(),
                person: party.person,
                store: store(dice),
                shows: pick(
                    dice,
                    &[
                        Shows::Both,
                        Shows::Both,
                        Shows::Both,
                        Shows::Card,
                        Shows::Card,
                        Shows::Phone,
                        Shows::Phone,
                        Shows::Nothing,
                    ],
                ),
                second_card: second_cards.get(&party.person).is_some_and(|opened| *opened < at)
                    && dice.random_bool(0.5),
                refund: false,
            };
            tickets.push(ticket);
            let back = opening_hours(at + TimeDelta::hours(dice.random_range(24..480)));
            if dice.random_bool(0.03) && back <= last {
                tickets.push(Ticket { at: back, refund: true, ..ticket });
            }
        }
    }
    tickets.sort_unstable_by_key(|ticket| (ticket.at, ticket.seed, ticket.refund));
    tickets
}

/// The same day, between 10:00 and 21:00.
fn opening_hours(at: NaiveDateTime) -> NaiveDateTime {
    let second = (at - at.date().and_time(chrono::NaiveTime::MIN)).num_seconds();
    at.date().and_time(chrono::NaiveTime::MIN) + TimeDelta::seconds(36_000 + second * 11 / 24)
}

/// The ticket's rows: one to four lines, or the one that is given back.
fn rows(config: &Config, ticket: &Ticket, number: &str, person: &Person) -> Vec<Row> {
    let mut dice = Dice::seed_from_u64(scramble(ticket.seed));
    let lines = if ticket.refund { 1 } else { pick(&mut dice, &[1, 1, 1, 2, 2, 3, 4]) };
    let cashier = format!("C{:03}{:02}", ticket.store + 1, ticket.seed % 6 + 1);
    let at = ticket.at.format("%Y/%m/%d %H:%M:%S").to_string();
    let card =
        matches!(ticket.shows, Shows::Both | Shows::Card).then(|| card_no(config, ticket.person, ticket.second_card));
    let phone = matches!(ticket.shows, Shows::Both | Shows::Phone).then(|| person.phone.to_string());
    let (payment, grouped) = (PAYMENTS[(ticket.seed % 8) as usize], ticket.seed & 16 == 0);
    let text = |cents: i64| {
        if grouped { grouped_money(cents) } else { money(cents) }
    };
    // What is bought is drawn apart, so that a refund finds the first line of its ticket.
    let mut goods = Dice::seed_from_u64(ticket.seed);
    (1..=lines)
        .map(|line| {
            let good = Good::draw(&mut goods);
            let quantity = quantity(&mut goods) * if ticket.refund { -1 } else { 1 };
            let cents = good.cents * quantity;
            let text = CsvLine::default()
                .fields([
                    number,
                    &line.to_string(),
                    STORES[usize::from(ticket.store)],
                    &cashier,
                    &at,
                    &good.sku,
                    &good.title,
                ])
                .fields([quantity.to_string().as_str(), &text(good.cents), &text(cents), payment])
                .fields([card.as_deref().unwrap_or(""), phone.as_deref().unwrap_or("")])
                .end("\r\n");
            Row { text, quantity, cents }
        })
        .collect()
}
