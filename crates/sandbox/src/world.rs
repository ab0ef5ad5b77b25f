//! The made-up retailer's people as the stand-ins know them: drawn as for the files, and typed anew by other clerks.

use chrono::{Days, NaiveDate, NaiveTime};

use crate::chance::Dice;
use crate::clock::of_shanghai;
use crate::crm::{Contact, contacts};
use crate::names::Names;
use crate::noise::{Faults, PhoneFault};
use crate::people::Person;
use crate::phones::{Phones, masked};
use crate::truth::true_people;
use crate::{Config, Error, TruePerson, parties, people, stores};

/// Everybody, and what is needed to draw more records of them.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) config: Config,
    pub(crate) people: Vec<Person>,
    pub(crate) names: Names,
    pub(crate) phones: Phones,
}

/// A person as a clerk typed them, with the noise of all party records; what is missing is empty.
#[derive(Debug)]
pub(crate) struct Typed {
    pub(crate) last: String,
    pub(crate) first: String,
    pub(crate) full: String,
    pub(crate) mobile: String,
    pub(crate) email: String,
    pub(crate) birthday: Option<NaiveDate>,
}

impl World {
    /// The people of a configuration, and the contacts that the files show.
    pub(crate) fn draw(config: Config) -> Result<(Self, Vec<Contact>), Error> {
        config.check()?;
        let (names, mut phones) = (Names::new(), Phones::default());
        let mut people = people::draw(&config, &names, &mut phones);
        let parties = parties::draw(&config, &mut people, &mut phones);
        stores::take_phones(&config, &people, &parties, &names, &mut phones);
        let contacts = contacts(&config, &people, &parties, &names, &mut phones);
        Ok((Self { config, people, names, phones }, contacts))
    }

    /// The midnight after the export, when the clocks of stand-ins start; in seconds since 1970.
    pub(crate) fn started(&self) -> i64 {
        of_shanghai((self.config.as_of + Days::new(1)).and_time(NaiveTime::MIN))
    }

    /// Types a person, which another clerk would do with other mistakes.
    pub(crate) fn typed(&mut self, dice: &mut Dice, index: u32) -> Typed {
        let person = &self.people[index as usize];
        let faults = Faults::draw(dice, person.birthday);
        let full = faults.name(dice, &self.names, &person.name, person.female);
        let (last, first) = if person.name.is_latin() {
            let (first, last) = full.split_once(' ').unwrap_or(("", &full));
            (last.to_owned(), first.to_owned())
        } else {
            let surname = usize::from(person.name.surname_chars);
            (full.chars().take(surname).collect::<String>(), full.chars().skip(surname).collect())
        };
        let mobile = match faults.phone {
            PhoneFault::Missing => String::new(),
            PhoneFault::Masked => masked(person.phone),
            PhoneFault::WrongDigit => self.phones.wrong_digit(dice, person.phone).to_string(),
            PhoneFault::None | PhoneFault::Till(_) | PhoneFault::Recycled(_) => person.phone.to_string(),
        };
        let email = if faults.email_missing { String::new() } else { person.email.clone() };
        Typed { last, first, full, mobile, email, birthday: faults.birthday(person.birthday) }
    }

    /// What each person truly is, by number.
    pub(crate) fn truth(&self) -> std::collections::BTreeMap<u32, TruePerson> {
        true_people(&self.config, &self.people)
    }
}
