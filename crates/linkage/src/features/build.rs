//! From raw normalised values to rows of numbers.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::{BIRTHDAY, CODES, EMAIL, FAMILY, Features, Field, GENDER, GIVEN, PHONE, PLACE, STREET, Values};
use crate::field::birthday::{self, Birthday};
use crate::field::code::Codes;
use crate::field::email::{self, Emails};
use crate::field::name::{self, Names};
use crate::field::phone;
use crate::field::place::Places;
use crate::field::street::{self, Streets};
use crate::field::{Kind, MOST_FIELDS};
use crate::text::hash;

/// One record, its values as `clean` writes them. What is `None` or empty is missing.
#[derive(Debug, Clone, Default)]
pub struct Party<'a> {
    /// A hash of the record's key: what is sampled is chosen by it, so that the order of records does not matter.
    pub key: u64,
    pub source: u32,
    /// The whole name; where `family` and `given` are missing it is cut into them.
    pub name: Option<&'a str>,
    pub name_masked: bool,
    pub family: Option<&'a str>,
    pub given: Option<&'a str>,
    pub gender: Option<&'a str>,
    /// Year first; parts may be missing or out of range.
    pub birthday: Option<&'a str>,
    pub phone: Option<&'a str>,
    pub email: Option<&'a str>,
    pub province: Option<&'a str>,
    pub city: Option<&'a str>,
    pub district: Option<&'a str>,
    pub street: Option<&'a str>,
    pub postcode: Option<&'a str>,
    /// Number of the identifier's name as given to [`Builder::new`], and value.
    pub identifiers: &'a [(usize, &'a str)],
}

/// Numbers for values, by their hash. The table holds the hashes too: a look-up touches one place in memory.
struct Interner {
    table: HashTable<(u64, u32)>,
    hashes: Vec<u64>,
}

impl Interner {
    fn new() -> Interner {
        Interner { table: HashTable::new(), hashes: vec![0] }
    }

    /// The value's number, and whether it is new.
    fn number(&mut self, hash: u64) -> (u32, bool) {
        let next = self.hashes.len() as u32;
        match self.table.entry(hash, |(other, _)| *other == hash, |(other, _)| *other) {
            Entry::Occupied(known) => (known.get().1, false),
            Entry::Vacant(place) => {
                place.insert((hash, next));
                self.hashes.push(hash);
                (next, true)
            }
        }
    }
}

/// Takes records one after the other.
pub struct Builder {
    seed: u64,
    fields: Vec<Field>,
    rows: Vec<u32>,
    keys: Vec<u64>,
    sources: Vec<u32>,
    values: Values,
    interners: Vec<Interner>,
    scratch: [String; 4],
}

impl Builder {
    /// `seed` is for hashes of values, which a model keeps of frequent ones; `identifiers` are the names of the identifiers
    /// other than phone and e-mail, of which the first eight are compared.
    pub fn new(seed: u64, identifiers: &[&str]) -> Builder {
        let named = [
            ("given_name", Kind::Given),
            ("family_name", Kind::Family),
            ("birthday", Kind::Birthday),
            ("phone", Kind::Phone),
            ("email", Kind::Email),
            ("gender", Kind::Gender),
            ("street", Kind::Street),
            ("place", Kind::Place),
        ];
        let codes = identifiers.iter().map(|name| (*name, Kind::Code));
        let fields: Vec<Field> = named
            .into_iter()
            .chain(codes)
            .take(MOST_FIELDS)
            .map(|(name, kind)| Field { name: name.to_owned(), kind })
            .collect();
        let mut values = Values {
            names: Names::new(),
            birthdays: vec![Birthday::default()],
            phones: vec![0],
            emails: Emails::new(),
            streets: Streets::new(),
            places: Places::new(),
            codes: vec![Codes::new(); fields.len() - CODES],
            hashes: vec![],
        };
        values.names.push("", false);
        values.emails.push("");
        values.streets.push("");
        values.places.push([""; 4]);
        values.codes.iter_mut().for_each(|codes| codes.push(""));
        let interners = fields.iter().map(|_| Interner::new()).collect();
        Builder {
            seed,
            fields,
            rows: vec![],
            keys: vec![],
            sources: vec![],
            values,
            interners,
            scratch: Default::default(),
        }
    }

    /// Takes a record; it has the number of records before it.
    pub fn push(&mut self, party: &Party) {
        let mut row = [0; MOST_FIELDS];
        self.names(party, &mut row);
        if let Some(parsed) = party.birthday.and_then(birthday::parse) {
            let bits = u64::from(parsed.year) << 16 | u64::from(parsed.month) << 8 | u64::from(parsed.day);
            row[BIRTHDAY] = self.number(BIRTHDAY, &bits.to_le_bytes(), |values, _| values.birthdays.push(parsed));
        }
        if let Some(parsed) = party.phone.and_then(phone::parse) {
            row[PHONE] = self.number(PHONE, &parsed.to_le_bytes(), |values, _| values.phones.push(parsed));
        }
        let mut text = std::mem::take(&mut self.scratch[0]);
        if party.email.is_some_and(|raw| email::folded(raw, &mut text)) {
            row[EMAIL] = self.number(EMAIL, text.as_bytes(), |values, _| values.emails.push(&text));
        }
        if party.gender.is_some_and(|raw| street::folded(raw, &mut text)) {
            row[GENDER] = self.number(GENDER, text.as_bytes(), |_, _| {});
        }
        for (which, raw) in party.identifiers {
            let field = CODES + which;
            if field < self.fields.len() && row[field] == 0 && email::folded(raw, &mut text) {
                row[field] = self.number(field, text.as_bytes(), |values, _| values.codes[*which].push(&text));
            }
        }
        self.scratch[0] = text;
        row[PLACE] = self.place(party);
        let mut text = std::mem::take(&mut self.scratch[0]);
        if party.street.is_some_and(|raw| street::folded(raw, &mut text)) {
            // A street is one of its place: 1 Main Street is in many.
            let at = self.interners[PLACE].hashes[row[PLACE] as usize];
            let hashed = hash(self.seed ^ at, text.as_bytes());
            let (number, new) = self.interners[STREET].number(hashed);
            if new {
                self.values.streets.push(&text);
            }
            row[STREET] = number;
        }
        self.scratch[0] = text;
        self.rows.extend_from_slice(&row[..self.fields.len()]);
        self.keys.push(party.key);
        self.sources.push(party.source);
    }

    fn names(&mut self, party: &Party, row: &mut [u32; MOST_FIELDS]) {
        let mut folded = std::mem::take(&mut self.scratch[0]);
        let parts = [(GIVEN, party.given), (FAMILY, party.family)];
        if parts.iter().all(|(_, part)| part.is_none_or(str::is_empty)) {
            let raw = party.name.unwrap_or_default();
            let marked = name::folded(raw, &mut folded);
            let masked = marked || party.name_masked;
            // 张** shows its family name; of *伟 only the given name is left.
            let hidden_head = marked && raw.trim_start().starts_with(['*', '＊', '●', '•']);
            let (family, given) = if hidden_head { ("", folded.as_str()) } else { name::cut(&folded) };
            for (field, text, masked) in [(FAMILY, family, false), (GIVEN, given, masked)] {
                row[field] = self.name(text, masked);
            }
        } else {
            for (field, raw) in parts {
                let marked = name::folded(raw.unwrap_or_default(), &mut folded);
                row[field] = self.name(&folded, marked || (party.name_masked && field == GIVEN));
            }
        }
        self.scratch[0] = folded;
    }

    fn name(&mut self, text: &str, masked: bool) -> u32 {
        if text.is_empty() {
            return 0;
        }
        // A masked name is another value than what it shows.
        let hash = hash(self.seed ^ u64::from(masked), text.as_bytes());
        let (number, new) = self.interners[GIVEN].number(hash);
        if new {
            self.values.names.push(text, masked);
        }
        number
    }

    fn place(&mut self, party: &Party) -> u32 {
        let levels = [party.province, party.city, party.district, party.postcode];
        if levels.iter().all(|level| level.is_none_or(str::is_empty)) {
            return 0;
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        for (text, raw) in scratch.iter_mut().zip(levels) {
            street::folded(raw.unwrap_or_default(), text);
        }
        let levels = [0, 1, 2, 3].map(|level| scratch[level].as_str());
        let number = if levels.iter().all(|level| level.is_empty()) {
            0
        } else {
            let hashed = levels.iter().fold(self.seed, |seed, level| hash(seed, level.as_bytes()));
            let (number, new) = self.interners[PLACE].number(hashed);
            if new {
                self.values.places.push(levels);
            }
            number
        };
        self.scratch = scratch;
        number
    }

    fn number(&mut self, field: usize, bytes: &[u8], push: impl FnOnce(&mut Values, u32)) -> u32 {
        let (number, new) = self.interners[field].number(hash(self.seed, bytes));
        if new {
            push(&mut self.values, number);
        }
        number
    }

    /// The records, ready to be matched.
    pub fn finish(mut self) -> Features {
        self.values.hashes = self.interners.into_iter().map(|interner| interner.hashes).collect();
        let width = self.fields.len();
        let mut counts: Vec<Vec<u32>> =
            (0..width).map(|field| vec![0; self.values.hashes[Features::list(field)].len()]).collect();
        for row in self.rows.chunks_exact(width) {
            for (field, value) in row.iter().enumerate() {
                counts[field][*value as usize] += 1;
            }
        }
        Features {
            fields: self.fields,
            rows: self.rows,
            keys: self.keys,
            sources: self.sources,
            values: self.values,
            counts,
        }
    }
}
