//! The party records: which records the stores and the CRM hold of whom, since when, and with which faults.
//!
//! Faults within a record are drawn first; then the noise that runs across records is laid on records whose phone has no
//! fault yet, so that it shows and leaves the other rates as they are: two cards (2 % of people), the phone of a till (3 % of
//! people, in their store record), a recycled phone (2 % of people: an old record of somebody else still shows it).

use chrono::{Days, NaiveDateTime, NaiveTime};
use rand::RngExt;

use crate::Config;
use crate::chance::{Dice, Purpose, dice, moment, sample, spread};
use crate::noise::{BirthdayFault, Faults, NameFault, PhoneFault};
use crate::people::{Person, card_number};
use crate::phones::Phones;
use crate::summary::NoiseCounts;

const TILLS: usize = 5;
/// Per thousand people.
const SECOND_CARDS: usize = 20;
const TILL_PHONES: usize = 30;
const RECYCLED_PHONES: usize = 20;

/// One system's record of a person.
#[derive(Debug)]
pub(crate) struct Party {
    /// Index into the people.
    pub(crate) person: u32,
    /// Of the person's second card.
    pub(crate) second_card: bool,
    /// The record's number in its system: the card, or the contact's id.
    pub(crate) number: u64,
    pub(crate) created: NaiveDateTime,
    pub(crate) modified: NaiveDateTime,
    pub(crate) faults: Faults,
}

/// The records of each system, in the order of their numbers, which is no order of people.
#[derive(Debug)]
pub(crate) struct Parties {
    pub(crate) members: Vec<Party>,
    pub(crate) contacts: Vec<Party>,
}

impl Parties {
    /// Counts the records and their faults.
    pub(crate) fn count(&self, noise: &mut NoiseCounts) {
        for party in self.members.iter().chain(&self.contacts) {
            noise.party_records += 1;
            noise.second_cards += u64::from(party.second_card);
            match party.faults.name {
                NameFault::None => {}
                NameFault::Typo => noise.name_typos += 1,
                NameFault::Masked => noise.names_masked += 1,
            }
            match party.faults.phone {
                PhoneFault::None => {}
                PhoneFault::Missing => noise.phones_missing += 1,
                PhoneFault::Masked => noise.phones_masked += 1,
                PhoneFault::WrongDigit => noise.phones_wrong_digit += 1,
                PhoneFault::Till(_) => noise.phones_of_tills += 1,
                PhoneFault::Recycled(_) => noise.phones_recycled += 1,
            }
            noise.emails_missing += u64::from(party.faults.email_missing);
            match party.faults.birthday {
                BirthdayFault::None => {}
                BirthdayFault::Missing => noise.birthdays_missing += 1,
                BirthdayFault::Swapped => noise.birthdays_swapped += 1,
            }
        }
    }
}

/// Draws the records, and gives the second cards to people.
pub(crate) fn draw(config: &Config, people: &mut [Person], phones: &mut Phones) -> Parties {
    let mut dice = dice(config.seed, Purpose::Parties);
    let of_people = |per_thousand: usize| (people.len() * per_thousand + 500) / 1_000;
    let (second_cards, till_phones, recycled) =
        (of_people(SECOND_CARDS), of_people(TILL_PHONES), of_people(RECYCLED_PHONES));

    let members: Vec<usize> = (0..people.len()).filter(|&person| people[person].member).collect();
    for person in sample(&mut dice, members, second_cards) {
        people[person].second_card = true;
    }
    let mut parties = Parties { members: Vec::new(), contacts: Vec::new() };
    for (index, person) in (0_u32..).zip(people.iter()) {
        if person.member {
            parties.members.push(party(config, &mut dice, person, index, false, card_number(config, index, false)));
        }
        if person.second_card {
            parties.members.push(party(config, &mut dice, person, index, true, card_number(config, index, true)));
        }
        if person.contact {
            parties.contacts.push(party(config, &mut dice, person, index, false, contact_id(config, index)));
        }
    }
    parties.members.sort_unstable_by_key(|party| party.number);
    parties.contacts.sort_unstable_by_key(|party| party.number);
    lay_till_phones(&mut dice, &mut parties, till_phones, phones);
    lay_recycled_phones(config, &mut dice, &mut parties, people, recycled);
    parties
}

fn party(config: &Config, dice: &mut Dice, person: &Person, index: u32, second_card: bool, number: u64) -> Party {
    let created = moment(dice, days_before(config, 2_200), days_before(config, 1));
    let modified = moment(dice, created, days_before(config, 0));
    Party { person: index, second_card, number, created, modified, faults: Faults::draw(dice, person.birthday) }
}

/// The evening of a day before the export.
fn days_before(config: &Config, days: u64) -> NaiveDateTime {
    (config.as_of - Days::new(days)).and_time(NaiveTime::MIN) + chrono::TimeDelta::hours(21)
}

/// A number of 19 digits, or of 18 for the third of the contacts that came from an older system.
fn contact_id(config: &Config, person: u32) -> u64 {
    let number = spread(config.seed ^ 3, person.into());
    if number.is_multiple_of(3) { 554_023_000_000_000_000 + number } else { 4_876_876_000_000_000_000 + number * 7 }
}

fn lay_till_phones(dice: &mut Dice, parties: &mut Parties, count: usize, phones: &mut Phones) {
    let tills: [u64; TILLS] = std::array::from_fn(|_| phones.fresh(dice));
    let free: Vec<usize> = (0..parties.members.len())
        .filter(|&at| !parties.members[at].second_card && parties.members[at].faults.phone == PhoneFault::None)
        .collect();
    for at in sample(dice, free, count) {
        parties.members[at].faults.phone = PhoneFault::Till(tills[dice.random_range(0..TILLS)]);
    }
}

/// Lets old records of some people show phones that are others' now. What shows the phone of a new holder was changed within
/// the last 540 days, what shows it of the old holder not for 900: a reader who looks at the dates can tell.
fn lay_recycled_phones(config: &Config, dice: &mut Dice, parties: &mut Parties, people: &[Person], count: usize) {
    let mut new_holders = sample(dice, (0..people.len() as u32).collect(), count);
    let mut is_new_holder = vec![false; people.len()];
    let mut is_old_holder = vec![false; people.len()];
    let free = |records: &[Party], of_members: bool| -> Vec<(bool, usize)> {
        (0..records.len())
            .filter(|&at| records[at].faults.phone == PhoneFault::None)
            .map(|at| (of_members, at))
            .collect()
    };
    let mut records = free(&parties.members, true);
    records.extend(free(&parties.contacts, false));
    let all = records.len();
    for (of_members, at) in sample(dice, records, all) {
        let Some(&new_holder) = new_holders.last() else {
            break;
        };
        let record = if of_members { &mut parties.members[at] } else { &mut parties.contacts[at] };
        let old_holder = &mut is_old_holder[record.person as usize];
        if record.person == new_holder || *old_holder {
            continue;
        }
        *old_holder = true;
        is_new_holder[new_holder as usize] = true;
        new_holders.pop();
        record.faults.phone = PhoneFault::Recycled(people[new_holder as usize].phone);
        record.created = moment(dice, days_before(config, 2_600), days_before(config, 1_100));
        record.modified = moment(dice, record.created, days_before(config, 900));
    }
    for record in parties.members.iter_mut().chain(&mut parties.contacts) {
        if is_new_holder[record.person as usize] && !matches!(record.faults.phone, PhoneFault::Recycled(_)) {
            record.modified = moment(dice, record.created.max(days_before(config, 540)), days_before(config, 0));
        }
    }
}
