//! The people, as they truly are: name, phone, e-mail, birthday, home, and which of the retailer's systems know them.
//!
//! Everything here is clean. What the systems make of it is decided in `parties` and `noise`; a person's numbers in the
//! systems (card, buyer id) are functions of the person's index, so that they take no memory.

use chrono::{Days, NaiveDate};
use rand::RngExt;

use crate::Config;
use crate::chance::{Dice, Purpose, dice, pick, scramble, spread};
use crate::names::{Name, Names};
use crate::phones::Phones;
use crate::places::Home;

/// E-mail domains: reserved ones, or below one of a name kept for examples, so that no mail can reach anybody.
const DOMAINS: &[&str] =
    &["mail.example.com", "post.example.org", "box.example.net", "mail.example.cn", "qq.example.cn"];

/// The chance of each system before people whom no system knows are drawn again; afterwards 70, 50 and 40 %.
const MEMBER: f64 = 0.5897;
const CONTACT: f64 = 0.4212;
const BUYER: f64 = 0.3370;

/// How many of all people answer the survey.
const ANSWERS: f64 = 0.25;

/// One person.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) name: Name,
    pub(crate) female: bool,
    pub(crate) phone: u64,
    pub(crate) email: String,
    pub(crate) birthday: NaiveDate,
    pub(crate) home: Home,
    /// Holds a member card of the stores.
    pub(crate) member: bool,
    /// Holds a second one.
    pub(crate) second_card: bool,
    /// Is a contact in the CRM.
    pub(crate) contact: bool,
    /// Buys in the web shop.
    pub(crate) buyer: bool,
    /// Answers the survey.
    pub(crate) answers: bool,
}

pub(crate) fn draw(config: &Config, names: &Names, phones: &mut Phones) -> Vec<Person> {
    let mut dice = dice(config.seed, Purpose::People);
    (0..config.people).map(|index| person(config, names, phones, &mut dice, index)).collect()
}

fn person(config: &Config, names: &Names, phones: &mut Phones, dice: &mut Dice, index: usize) -> Person {
    let female = dice.random_bool(0.55);
    let name = names.draw(dice, female);
    let age = dice.random_range(18 * 365..75 * 365);
    let (member, contact, buyer) = loop {
        let known = (dice.random_bool(MEMBER), dice.random_bool(CONTACT), dice.random_bool(BUYER));
        if known != (false, false, false) {
            break known;
        }
    };
    Person {
        email: email(config, names, dice, &name, index),
        name,
        female,
        phone: phones.fresh(dice),
        birthday: config.as_of - Days::new(age),
        home: Home::draw(dice),
        member,
        second_card: false,
        contact,
        buyer,
        answers: dice.random_bool(ANSWERS),
    }
}

/// `wei.zhang483` at one of the domains: the number makes it the person's own.
fn email(config: &Config, names: &Names, dice: &mut Dice, name: &Name, index: usize) -> String {
    let (last, first) = names.latin(name);
    let domain = pick(dice, DOMAINS);
    let number = spread(config.seed ^ 1, index as u64);
    let (last, first) = (last.to_ascii_lowercase(), first.to_ascii_lowercase());
    match dice.random_range(0..3) {
        0 => format!("{first}.{last}{number}@{domain}"),
        1 => format!("{last}{first}_{number}@{domain}"),
        _ => format!("{number}@{domain}"),
    }
}

/// The number of a person's first or second member card: ten digits, the first of them 0.
pub(crate) fn card_no(config: &Config, person: u32, second: bool) -> String {
    format!("{:010}", card_number(config, person, second))
}

/// The same as a number, to sort by.
pub(crate) fn card_number(config: &Config, person: u32, second: bool) -> u64 {
    let index = u64::from(person) + if second { config.people as u64 } else { 0 };
    spread(config.seed ^ 2, index)
}

/// The web shop's name for a buyer: holds in this shop only.
pub(crate) fn ouid(config: &Config, person: u32) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut rest = u128::from(scramble(u64::from(person) ^ scramble(config.seed)));
    rest = (rest << 64) | u128::from(scramble(rest as u64));
    let mut text = "AAE".to_owned();
    for _ in 0..22 {
        text.push(LETTERS[(rest % 64) as usize].into());
        rest /= 64;
    }
    text
}
