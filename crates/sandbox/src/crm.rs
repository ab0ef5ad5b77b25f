//! `crm/contacts.csv`: the contacts as the CRM exports them.
//!
//! UTF-8 with byte order mark, LF, fields quoted where they must be, some streets with a line feed inside. The phone comes in
//! three styles, dates in ISO form, changes with their offset. A third of the contacts who are members show a card number;
//! it is always right.

use std::path::Path;

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
        let card = (person.member && dice.random_bool(0.35)).then(|| {
            let second = person.second_card && dice.random_bool(0.5);
            card_no(config, party.person, second)
        });
        let line = row(&mut dice, person, party, card.as_deref().unwrap_or(""), names, phones, &mut summary.noise);
        repeats.offer(&mut dice, line, |line| file.bytes(line.as_bytes()))?;
    }
    let count = repeats.finish(|line| file.bytes(line.as_bytes()))?;
    summary.file(PATH, FileCount { bytes: file.finish()?, ..count });
    Ok(())
}

fn row(
    dice: &mut Dice,
    person: &Person,
    party: &Party,
    card: &str,
    names: &Names,
    phones: &mut Phones,
    noise: &mut NoiseCounts,
) -> String {
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
    let birthday =
        faults.birthday(person.birthday).map_or_else(String::new, |date| date.format("%Y-%m-%d").to_string());
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
    CsvLine::default()
        .field(&party.number.to_string())
        .field(&last)
        .field(&first)
        .field(&full)
        .field(&mobile)
        .field(if faults.email_missing { "" } else { &person.email })
        .field(if dice.random_bool(0.1) { "" } else { gender })
        .field(&birthday)
        .fields([street.as_str(), city, state])
        .field(card)
        .field(&party.created.format("%Y-%m-%dT%H:%M:%S+08:00").to_string())
        .field(&party.modified.format("%Y-%m-%dT%H:%M:%S+08:00").to_string())
        .end("\n")
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
