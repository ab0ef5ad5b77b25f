//! The fixed noise of a party record: which faults it has, and what a value looks like with one.
//!
//! A record's faults are drawn once, independently for each field and record; at most one per field. The rates are fixed
//! requirements, shares of all party records. A fault always shows: a typo changes the name, a swap the birthday. The noise
//! that runs across records (tills, recycled phones) is chosen in `parties`, re-sent rows in `output`.

use chrono::{Datelike, NaiveDate};
use rand::RngExt;

use crate::chance::Dice;
use crate::names::{Name, Names};

const NAME_TYPO: f64 = 0.10;
const NAME_MASKED: f64 = 0.03;
const PHONE_MISSING: f64 = 0.15;
const PHONE_MASKED: f64 = 0.05;
const PHONE_WRONG_DIGIT: f64 = 0.08;
const EMAIL_MISSING: f64 = 0.45;
const BIRTHDAY_MISSING: f64 = 0.30;
const BIRTHDAY_SWAPPED: f64 = 0.05;
/// The share of birthdays of which the swap is another valid date: in each month the days to the 12th but one.
const SWAPPABLE: f64 = 132.0 / 365.25;

/// What happened to a record's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NameFault {
    None,
    Typo,
    Masked,
}

/// What happened to a record's phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PhoneFault {
    None,
    Missing,
    Masked,
    WrongDigit,
    /// The cashier typed this phone of a till.
    Till(u64),
    /// The person's phone of long ago, which is another person's now.
    Recycled(u64),
}

/// What happened to a record's birthday.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BirthdayFault {
    None,
    Missing,
    Swapped,
}

/// What happened to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Faults {
    pub(crate) name: NameFault,
    pub(crate) phone: PhoneFault,
    pub(crate) email_missing: bool,
    pub(crate) birthday: BirthdayFault,
}

impl Faults {
    /// Draws the faults of one record of a person born on `birthday`.
    pub(crate) fn draw(dice: &mut Dice, birthday: NaiveDate) -> Self {
        let (name, phone, at): (f64, f64, f64) = (dice.random(), dice.random(), dice.random());
        let swapped = if swap_day_and_month(birthday).is_some() { BIRTHDAY_SWAPPED / SWAPPABLE } else { 0.0 };
        Self {
            name: match name {
                n if n < NAME_TYPO => NameFault::Typo,
                n if n < NAME_TYPO + NAME_MASKED => NameFault::Masked,
                _ => NameFault::None,
            },
            phone: match phone {
                n if n < PHONE_MISSING => PhoneFault::Missing,
                n if n < PHONE_MISSING + PHONE_MASKED => PhoneFault::Masked,
                n if n < PHONE_MISSING + PHONE_MASKED + PHONE_WRONG_DIGIT => PhoneFault::WrongDigit,
                _ => PhoneFault::None,
            },
            email_missing: dice.random_bool(EMAIL_MISSING),
            birthday: match at {
                n if n < BIRTHDAY_MISSING => BirthdayFault::Missing,
                n if n < BIRTHDAY_MISSING + swapped => BirthdayFault::Swapped,
                _ => BirthdayFault::None,
            },
        }
    }

    /// The name that the record shows.
    pub(crate) fn name(&self, dice: &mut Dice, names: &Names, name: &Name, female: bool) -> String {
        match self.name {
            NameFault::None => name.text.clone(),
            NameFault::Typo => typo(dice, names, name, female),
            NameFault::Masked => mask_name(&name.text),
        }
    }

    /// The birthday that the record shows.
    pub(crate) fn birthday(&self, birthday: NaiveDate) -> Option<NaiveDate> {
        match self.birthday {
            BirthdayFault::None => Some(birthday),
            BirthdayFault::Missing => None,
            BirthdayFault::Swapped => swap_day_and_month(birthday).or(Some(birthday)),
        }
    }
}

/// `张**`: a star for each character but the first; two after the first letter of a Latin name.
pub(crate) fn mask_name(name: &str) -> String {
    let stars = if name.is_ascii() { 2 } else { name.chars().count().saturating_sub(1) };
    name.chars().take(1).chain(std::iter::repeat_n('*', stars)).collect()
}

/// The date with day and month swapped, where that is another valid date.
pub(crate) fn swap_day_and_month(date: NaiveDate) -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(date.year(), date.day(), date.month()).filter(|&swapped| swapped != date)
}

/// The name with one character mistaken or two swapped; never the name itself.
fn typo(dice: &mut Dice, names: &Names, name: &Name, female: bool) -> String {
    let mut written: Vec<char> = name.text.chars().collect();
    if name.is_latin() {
        latin_typo(dice, &mut written);
        return written.into_iter().collect();
    }
    let given = usize::from(name.surname_chars);
    if dice.random_bool(0.2) && given + 1 < written.len() && written[given] != written[given + 1] {
        written.swap(given, given + 1);
        return written.into_iter().collect();
    }
    let place =
        if dice.random_bool(0.15) { dice.random_range(0..given) } else { dice.random_range(given..written.len()) };
    let right = written[place];
    written[place] = names.sounds.mistaken(dice, right).unwrap_or_else(|| {
        loop {
            let other = names.given(dice, female);
            if other != right {
                break other;
            }
        }
    });
    written.into_iter().collect()
}

/// Swaps two letters or changes one, in place; not the first, and no blank.
fn latin_typo(dice: &mut Dice, written: &mut [char]) {
    let places: Vec<usize> = (1..written.len()).filter(|&place| written[place].is_ascii_lowercase()).collect();
    if places.is_empty() {
        return;
    }
    let place = places[dice.random_range(0..places.len())];
    let swappable = written.get(place + 1).is_some_and(|next| next.is_ascii_lowercase() && *next != written[place]);
    if swappable && dice.random_bool(0.5) {
        written.swap(place, place + 1);
    } else {
        let shift = dice.random_range(1..26);
        written[place] = char::from(b'a' + (written[place] as u8 - b'a' + shift) % 26);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::{Purpose, dice};

    #[test]
    fn a_typo_changes_every_name_and_keeps_its_length_and_surname_place() {
        let (names, mut dice) = (Names::new(), dice(3, Purpose::Parties));
        for round in 0..20_000 {
            let name = names.draw(&mut dice, round % 2 == 0);
            let wrong = typo(&mut dice, &names, &name, round % 2 == 0);
            assert_ne!(wrong, name.text);
            assert_eq!(wrong.chars().count(), name.text.chars().count());
        }
    }

    #[test]
    fn a_birthday_is_swapped_only_into_another_valid_date() {
        let swap = |year, month, day| swap_day_and_month(NaiveDate::from_ymd_opt(year, month, day).unwrap());
        assert_eq!(swap(1990, 3, 7), NaiveDate::from_ymd_opt(1990, 7, 3));
        assert_eq!(swap(1990, 3, 13), None);
        assert_eq!(swap(1990, 4, 4), None);
    }

    #[test]
    fn a_masked_name_keeps_its_first_character() {
        assert_eq!(mask_name("张小明"), "张**");
        assert_eq!(mask_name("张明"), "张*");
        assert_eq!(mask_name("James Smith"), "J**");
    }
}
