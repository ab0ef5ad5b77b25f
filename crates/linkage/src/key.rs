//! What records may be blocked on: *atoms*, values derived from one field, and *keys*, sets of atoms that must all agree.

use serde::{Deserialize, Serialize};

use crate::features::{BIRTHDAY, CODES, EMAIL, Excluded, FAMILY, Features, GIVEN, PHONE, PLACE, STREET};
use crate::field::phone;
use crate::text::{fold32, mix};

/// A value to block on, derived from a record; 0 where the record has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Atom {
    /// Given and family name, in either order.
    Name,
    /// The consonants of both, in either order.
    NameSound,
    Given,
    GivenSound,
    GivenFirst,
    GivenLast,
    Family,
    FamilySound,
    Birthday,
    /// Month and day, in either order, without the year.
    MonthDay,
    YearMonth,
    Year,
    Phone,
    PhoneEnds,
    PhoneFront,
    PhoneBack,
    Email,
    EmailLocal,
    Street,
    StreetWords,
    StreetNumber,
    District,
    City,
    Postcode,
    Code(u8),
    CodeHead(u8),
    CodeTail(u8),
}

const FIXED: [Atom; 24] = [
    Atom::Name,
    Atom::NameSound,
    Atom::Given,
    Atom::GivenSound,
    Atom::GivenFirst,
    Atom::GivenLast,
    Atom::Family,
    Atom::FamilySound,
    Atom::Birthday,
    Atom::MonthDay,
    Atom::YearMonth,
    Atom::Year,
    Atom::Phone,
    Atom::PhoneEnds,
    Atom::PhoneFront,
    Atom::PhoneBack,
    Atom::Email,
    Atom::EmailLocal,
    Atom::Street,
    Atom::StreetWords,
    Atom::StreetNumber,
    Atom::District,
    Atom::City,
    Atom::Postcode,
];

impl Atom {
    /// All that records with these fields can have; at most 64.
    pub(crate) fn all(features: &Features) -> Vec<Atom> {
        let codes = (0..(features.fields().len() - CODES) as u8)
            .flat_map(|code| [Atom::Code(code), Atom::CodeHead(code), Atom::CodeTail(code)]);
        FIXED.into_iter().chain(codes).collect()
    }

    /// The fields it is derived from: bits by number.
    pub(crate) fn fields(self) -> u32 {
        match self {
            Atom::Name | Atom::NameSound => 1 << GIVEN | 1 << FAMILY,
            Atom::Given | Atom::GivenSound | Atom::GivenFirst | Atom::GivenLast => 1 << GIVEN,
            Atom::Family | Atom::FamilySound => 1 << FAMILY,
            Atom::Birthday | Atom::MonthDay | Atom::YearMonth | Atom::Year => 1 << BIRTHDAY,
            Atom::Phone | Atom::PhoneEnds | Atom::PhoneFront | Atom::PhoneBack => 1 << PHONE,
            Atom::Email | Atom::EmailLocal => 1 << EMAIL,
            Atom::Street | Atom::StreetWords | Atom::StreetNumber => 1 << STREET,
            Atom::District | Atom::City | Atom::Postcode => 1 << PLACE,
            Atom::Code(code) | Atom::CodeHead(code) | Atom::CodeTail(code) => 1 << (CODES + usize::from(code)),
        }
    }

    pub(crate) fn of(self, features: &Features, excluded: &Excluded, record: u32) -> u32 {
        let value = |field: usize| features.value(excluded, record, field);
        let row = features.row(record);
        let values = &features.values;
        let given = || Some(row[GIVEN]).filter(|value| *value != 0 && !values.names.masked(*value));
        let family = || Some(row[FAMILY]).filter(|value| *value != 0 && !values.names.masked(*value));
        let hashed = |field: usize| match value(field) {
            0 => 0,
            value => fold32(features.hashes(field)[value as usize]),
        };
        let either = |a: u32, b: u32| fold32(mix(u64::from(a.min(b)) << 32 | u64::from(a.max(b))));
        let spread = |x: u64| if x == 0 { 0 } else { fold32(mix(x)) };
        let date = || values.birthdays[row[BIRTHDAY] as usize];
        let place = |level: usize| match row[PLACE] {
            0 => 0,
            value => values.places.levels(value)[level],
        };
        let number = || values.phones[value(PHONE) as usize];
        match self {
            Atom::Name => match (given(), family()) {
                (Some(_), Some(_)) => either(hashed(GIVEN), hashed(FAMILY)),
                _ => 0,
            },
            Atom::NameSound => match (given(), family()) {
                (Some(given), Some(family)) => either(values.names.skeleton(given), values.names.skeleton(family)),
                _ => 0,
            },
            Atom::Given => given().map_or(0, |_| hashed(GIVEN)),
            Atom::GivenSound => given().map_or(0, |value| values.names.skeleton(value)),
            Atom::GivenFirst => given().map_or(0, |value| values.names.first(value)),
            Atom::GivenLast => given().map_or(0, |value| values.names.last(value)),
            Atom::Family => family().map_or(0, |_| hashed(FAMILY)),
            Atom::FamilySound => family().map_or(0, |value| values.names.skeleton(value)),
            Atom::Birthday => hashed(BIRTHDAY),
            Atom::MonthDay => {
                let date = date();
                let (low, high) = (date.month.min(date.day), date.month.max(date.day));
                if low == 0 { 0 } else { u32::from(low) << 8 | u32::from(high) }
            }
            Atom::YearMonth => {
                let date = date();
                if date.year == 0 || date.month == 0 { 0 } else { u32::from(date.year) << 8 | u32::from(date.month) }
            }
            Atom::Year => date().year.into(),
            Atom::Phone => {
                if phone::masked(number()) {
                    0
                } else {
                    hashed(PHONE)
                }
            }
            Atom::PhoneEnds => spread(phone::ends(number())),
            Atom::PhoneFront => spread(phone::front(number())),
            Atom::PhoneBack => spread(phone::back(number())),
            Atom::Email => hashed(EMAIL),
            Atom::EmailLocal => match value(EMAIL) {
                0 => 0,
                value => values.emails.local(value),
            },
            Atom::Street => hashed(STREET),
            Atom::StreetWords => match row[STREET] {
                0 => 0,
                value => values.streets.words(value),
            },
            Atom::StreetNumber => match row[STREET] {
                0 => 0,
                value => values.streets.numbers(value),
            },
            Atom::District => place(2),
            Atom::City => place(1),
            Atom::Postcode => place(3),
            Atom::Code(code) => hashed(CODES + usize::from(code)),
            Atom::CodeHead(code) => {
                let field = CODES + usize::from(code);
                values.codes[usize::from(code)].half(value(field), 0)
            }
            Atom::CodeTail(code) => {
                let field = CODES + usize::from(code);
                values.codes[usize::from(code)].half(value(field), 1)
            }
        }
    }
}

/// Records that agree in all of these atoms are compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    pub atoms: Vec<Atom>,
    /// Where this key splits the blocks of another that are too large: that key's place in the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub splits: Option<usize>,
}

impl Atom {
    /// In words; `codes` are the names of the identifiers.
    fn words(self, codes: &[&str]) -> String {
        let code = |code: u8| codes.get(usize::from(code)).copied().unwrap_or("identifier");
        let words = match self {
            Atom::Name => "name",
            Atom::NameSound => "sound of name",
            Atom::Given => "given name",
            Atom::GivenSound => "sound of given name",
            Atom::GivenFirst => "first letter of given name",
            Atom::GivenLast => "last letter of given name",
            Atom::Family => "family name",
            Atom::FamilySound => "sound of family name",
            Atom::Birthday => "birthday",
            Atom::MonthDay => "month and day of birth",
            Atom::YearMonth => "year and month of birth",
            Atom::Year => "year of birth",
            Atom::Phone => "phone",
            Atom::PhoneEnds => "ends of phone",
            Atom::PhoneFront => "front of phone",
            Atom::PhoneBack => "back of phone",
            Atom::Email => "e-mail",
            Atom::EmailLocal => "local part of e-mail",
            Atom::Street => "street",
            Atom::StreetWords => "words of street",
            Atom::StreetNumber => "numbers of street",
            Atom::District => "district",
            Atom::City => "city",
            Atom::Postcode => "postcode",
            Atom::Code(of) => return code(of).to_owned(),
            Atom::CodeHead(of) => return format!("head of {}", code(of)),
            Atom::CodeTail(of) => return format!("tail of {}", code(of)),
        };
        words.to_owned()
    }
}

impl Key {
    /// In words; `codes` are the names of the identifiers.
    pub(crate) fn words(&self, codes: &[&str]) -> String {
        self.atoms.iter().map(|atom| atom.words(codes)).collect::<Vec<_>>().join(" + ")
    }
}
