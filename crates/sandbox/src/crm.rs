//! `crm/contacts.csv`: the contacts as the CRM exports them.
//!
//! UTF-8 with byte order mark, LF, fields quoted where they must be, some streets with a line feed inside. The phone comes in
//! three styles, dates in ISO form, changes with their offset. A third of the contacts who are members show a card number;
//! it is always right.

use std::convert::Infallible;
use std::path::Path;

use chrono::{NaiveDate, NaiveDateTime};
use rand::RngExt;

use crate::chance::{Dice, Purpose, dice, pick};
use crate::names::Names;
use crate::noise::{NameFault, PhoneFault};
use crate::output::{CsvLine, Output, Repeats};
use crate::parties::{Parties, Party};
use crate::people::{Person, card_no};
use crate::phones::{Phones, dashed, international, masked};
use crate::summary::NoiseCounts;
use crate::truth::RecordsFile;
use crate::{Config, Error, FileCount, Summary};

const PATH: &str = "crm/contacts.csv";
#[rustfmt::skip]
const HEADER: &[&str] = &[
    "Contact Id", "Last Name", "First Name", "Full Name", "Mobile", "Email", "Gender", "Date of Birth", "Mailing Street",
    "Mailing City", "Mailing State", "Member No", "Created Time", "Modified Time",
];
const ESTATES: &[&str] = &["阳光花园", "翠苑小区", "金色家园"];

/// A contact as the CRM shows it.
#[derive(Debug)]
pub(crate) struct Contact {
    /// Index into the people.
    pub(crate) person: u32,
    pub(crate) id: u64,
    pub(crate) last: String,
    pub(crate) first: String,
    pub(crate) full: String,
    pub(crate) mobile: String,
    pub(crate) email: String,
    pub(crate) gender: &'static str,
    pub(crate) birthday: Option<NaiveDate>,
    pub(crate) street: String,
    pub(crate) city: &'static str,
    pub(crate) state: &'static str,
    pub(crate) card: String,
    pub(crate) created: NaiveDateTime,
    pub(crate) modified: NaiveDateTime,
}

/// The contacts of the file, for those who serve them in another way. `phones` is as the stores' members left it.
pub(crate) fn contacts(
    config: &Config,
    people: &[Person],
    parties: &Parties,
    names: &Names,
    phones: &mut Phones,
) -> Vec<Contact> {
    let mut dice = dice(config.seed, Purpose::Contacts);
    let mut repeats = Repeats::default();
    let mut noise = NoiseCounts::default();
    parties
        .contacts
        .iter()
        .map(|party| {
            let person = &people[party.person as usize];
            let contact = contact(&mut dice, config, person, party, names, phones, &mut noise);
            // What the file draws for rows sent again is drawn here too, for the sake of the contacts after this one.
            let Ok(()) = repeats.offer(&mut dice, (), |()| Ok::<(), Infallible>(()));
            contact
        })
        .collect()
}

#[expect(clippy::too_many_arguments, reason = "the whole world goes in, and two files and the counts come out")]
pub(crate) fn write(
    folder: &Path,
    config: &Config,
    people: &[Person],
    parties: &Parties,
    names: &Names,
    phones: &mut Phones,
    records: &mut RecordsFile,
    summary: &mut Summary,
) -> Result<(), Error> {
    let mut dice = dice(config.seed, Purpose::Contacts);
    let mut file = Output::create(folder, PATH)?;
    let mut repeats = Repeats::default();
    file.bytes("\u{feff}".as_bytes())?;
    file.bytes(CsvLine::default().fields(HEADER.iter().copied()).end("\n").as_bytes())?;
    for party in &parties.contacts {
        let person = &people[party.person as usize];
        records.record("crm", "contacts", &party.number.to_string(), party.person)?;
        let line = contact(&mut dice, config, person, party, names, phones, &mut summary.noise).line();
        repeats.offer(&mut dice, line, |line| file.bytes(line.as_bytes()))?;
    }
    let count = repeats.finish(|line| file.bytes(line.as_bytes()))?;
    summary.file(PATH, FileCount { bytes: file.finish()?, ..count });
    Ok(())
}

fn contact(
    dice: &mut Dice,
    config: &Config,
    person: &Person,
    party: &Party,
    names: &Names,
    phones: &mut Phones,
    noise: &mut NoiseCounts,
) -> Contact {
    let card = if person.member && dice.random_bool(0.35) {
        let second = person.second_card && dice.random_bool(0.5);
        card_no(config, party.person, second)
    } else {
        String::new()
    };
    let faults = &party.faults;
    let [last, first, full] = shown_name(dice, person, party, names, noise);
    let mobile = match faults.phone {
        PhoneFault::None => styled(dice, person.phone),
        PhoneFault::Missing => String::new(),
        PhoneFault::Masked => masked(person.phone),
        PhoneFault::WrongDigit => {
            let wrong = phones.wrong_digit(dice, person.phone);
            styled(dice, wrong)
        }
        PhoneFault::Till(other) | PhoneFault::Recycled(other) => styled(dice, other),
    };
    let gender = if person.female { "Female" } else { "Male" };
    let birthday = faults.birthday(person.birthday);
    let home = person.home;
    let (street, city, state) = match dice.random_range(0..100) {
        0..30 => (String::new(), "", ""),
        30..42 => (format!("{}{}\n{}", home.district(), home.road(), home.door()), home.city(), home.province()),
        42..44 => {
            let estate = pick(dice, ESTATES);
            (format!("{}{}, \"{estate}\"{}", home.district(), home.road(), home.door()), home.city(), home.province())
        }
        _ => (format!("{}{}{}", home.district(), home.road(), home.door()), home.city(), home.province()),
    };
    Contact {
        person: party.person,
        id: party.number,
        last,
        first,
        full,
        mobile,
        email: if faults.email_missing { String::new() } else { person.email.clone() },
        gender: if dice.random_bool(0.1) { "" } else { gender },
        birthday,
        street,
        city,
        state,
        card,
        created: party.created,
        modified: party.modified,
    }
}

impl Contact {
    fn line(&self) -> String {
        let birthday = self.birthday.map_or_else(String::new, |date| date.format("%Y-%m-%d").to_string());
        CsvLine::default()
            .field(&self.id.to_string())
            .fields([self.last.as_str(), &self.first, &self.full, &self.mobile, &self.email, self.gender, &birthday])
            .fields([self.street.as_str(), self.city, self.state, &self.card])
            .field(&self.created.format("%Y-%m-%dT%H:%M:%S+08:00").to_string())
            .field(&self.modified.format("%Y-%m-%dT%H:%M:%S+08:00").to_string())
            .end("\n")
    }
}

/// Last, first and full name. A typo or a mask runs through all three; one clear Chinese name in a hundred is in pinyin, one
/// in fifty is followed by 先生 or 女士 in the full name only.
fn shown_name(dice: &mut Dice, person: &Person, party: &Party, names: &Names, noise: &mut NoiseCounts) -> [String; 3] {
    let full = party.faults.name(dice, names, &person.name, person.female);
    if person.name.is_latin() {
        let (first, last) = full.split_once(' ').unwrap_or((full.as_str(), ""));
        return [last.to_owned(), first.to_owned(), full.clone()];
    }
    if party.faults.name == NameFault::None && dice.random_bool(0.01) {
        noise.names_in_pinyin += 1;
        let (last, first) = names.latin(&person.name);
        let full = format!("{first} {last}");
        return [last, first, full];
    }
    let last: String = full.chars().take(person.name.surname_chars.into()).collect();
    let first: String = full.chars().skip(person.name.surname_chars.into()).collect();
    let suffixed = party.faults.name != NameFault::Masked && dice.random_bool(0.02);
    noise.name_suffixes += u64::from(suffixed);
    let suffix = if !suffixed {
        ""
    } else if person.female {
        "女士"
    } else {
        "先生"
    };
    [last, first, full + suffix]
}

fn styled(dice: &mut Dice, phone: u64) -> String {
    match dice.random_range(0..10) {
        0..3 => dashed(phone),
        3..5 => international(phone),
        _ => phone.to_string(),
    }
}
