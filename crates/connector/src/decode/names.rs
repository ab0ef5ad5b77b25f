//! The names of an object's members, and which column each belongs to.
//!
//! Objects of one stream mostly have their members in one order, so each name remembers which came after it the last time:
//! mostly a name is found by one comparison with the bytes at hand, without looking for its end.

use super::parse::string;
use super::text::unescaped;

/// A name's number in its [`Names`]: for the first ones, the column's place among its siblings.
pub(super) type Number = u32;

/// No number: what comes before an object's first name, and a name that is not remembered.
pub(super) const NONE: Number = Number::MAX;

/// Unknown names that are remembered; data that has keys for names has no end of them.
const UNKNOWN: usize = 256;

pub(super) struct Names {
    names: Vec<Name>,
    known: usize,
    first: Number,
}

pub(super) struct Name {
    /// The first bytes of `json`, and which of them count.
    head: u128,
    mask: u128,
    /// As it last came in JSON, with its quotes.
    json: Vec<u8>,
    pub(super) text: String,
    /// What came after it the last time.
    next: Number,
    /// Its number among the keys of `_extra`, as it was the last time.
    pub(super) key: Option<u32>,
    /// Where it was last met with on a tape.
    pub(super) last: u32,
}

impl Names {
    pub(super) fn new<'a>(known: impl Iterator<Item = &'a str>) -> Self {
        let names: Vec<_> =
            (1..).zip(known).map(|(next, text)| Name::new(quoted(text), text.to_owned(), next)).collect();
        Self { known: names.len(), names, first: 0 }
    }

    pub(super) fn get_mut(&mut self, number: Number) -> Option<&mut Name> {
        self.names.get_mut(number as usize)
    }

    /// Puts down that the name was met with at `at` of a tape.
    pub(super) fn set_last(&mut self, number: Number, at: u32) {
        if let Some(name) = self.get_mut(number) {
            name.last = at;
        }
    }

    /// The number of the name at `at`, which came after the one of number `before`, and where it ends; `None` if there is
    /// no valid string.
    #[inline]
    pub(super) fn find(&mut self, bytes: &[u8], at: usize, before: Number) -> Option<(Number, usize)> {
        let expected = self.names.get(before as usize).map_or(self.first, |name| name.next);
        match self.names.get(expected as usize) {
            Some(name) if name.begins(bytes.get(at..)?) => Some((expected, at + name.json.len())),
            _ => self.search(bytes, at, before, expected),
        }
    }

    #[inline(never)]
    fn search(&mut self, bytes: &[u8], at: usize, before: Number, expected: Number) -> Option<(Number, usize)> {
        if bytes.get(at) != Some(&b'"') {
            return None;
        }
        let (end, _) = string(bytes, at + 1)?;
        let json = bytes.get(at..end)?;
        let (earlier, later) = self.names.split_at((expected as usize).min(self.names.len()));
        let place = match later.iter().position(|name| name.json == json) {
            Some(place) => Some(earlier.len() + place),
            None => earlier.iter().position(|name| name.json == json),
        };
        let number = match place {
            Some(place) => place as Number,
            None => self.learn(json)?,
        };
        if number != NONE {
            match self.names.get_mut(before as usize) {
                Some(name) => name.next = number,
                None => self.first = number,
            }
        }
        Some((number, end))
    }

    /// The number of a name that did not come in this form before.
    fn learn(&mut self, json: &[u8]) -> Option<Number> {
        let text = String::from_utf8(unescaped(json)).ok()?;
        if let Some(place) = self.names.iter().position(|name| name.text == text) {
            self.names[place].set_json(json.to_vec());
            return Some(place as Number);
        }
        if self.names.len() >= self.known + UNKNOWN {
            return Some(NONE);
        }
        let number = self.names.len() as Number;
        self.names.push(Name::new(json.to_vec(), text, number + 1));
        Some(number)
    }
}

impl Name {
    fn new(json: Vec<u8>, text: String, next: Number) -> Self {
        let mut name = Self { head: 0, mask: 0, json: Vec::new(), text, next, key: None, last: 0 };
        name.set_json(json);
        name
    }

    fn set_json(&mut self, json: Vec<u8>) {
        let (mut head, mut mask) = ([0; 16], [0; 16]);
        for ((head, mask), byte) in head.iter_mut().zip(&mut mask).zip(&json) {
            (*head, *mask) = (*byte, 0xff);
        }
        (self.head, self.mask, self.json) = (u128::from_le_bytes(head), u128::from_le_bytes(mask), json);
    }

    /// Whether `bytes` begin with this name.
    #[inline]
    fn begins(&self, bytes: &[u8]) -> bool {
        match bytes.split_first_chunk() {
            Some((head, rest)) => {
                (u128::from_le_bytes(*head) ^ self.head) & self.mask == 0
                    && self.json.get(head.len()..).is_none_or(|json| rest.starts_with(json))
            }
            None => bytes.starts_with(&self.json),
        }
    }
}

/// `name` as it mostly comes in JSON; another way of writing it is learned.
fn quoted(name: &str) -> Vec<u8> {
    // A text always has a form in JSON; no name begins with a zero.
    serde_json::to_vec(name).unwrap_or_else(|_| vec![0])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(names: &mut Names, json: &str, before: Number) -> Option<Number> {
        let (number, end) = names.find(json.as_bytes(), 0, before)?;
        assert_eq!(end, json.len());
        Some(number)
    }

    #[test]
    fn names_are_found_in_any_order_and_writing() {
        let mut names = Names::new(["id", "名", "a\"b"].into_iter());
        for _ in 0..2 {
            assert_eq!(find(&mut names, r#""名""#, NONE), Some(1));
            assert_eq!(find(&mut names, r#""a\"b""#, 1), Some(2));
            assert_eq!(find(&mut names, r#""\u540d""#, 2), Some(1));
            assert_eq!(find(&mut names, r#""id""#, 1), Some(0));
            assert_eq!(find(&mut names, r#""other""#, 0), Some(3));
            assert_eq!(find(&mut names, r#""i""#, 3), Some(4));
            assert_eq!(find(&mut names, r#""\u0069""#, 4), Some(4));
        }
        assert_eq!(names.get_mut(3).unwrap().text, "other");
        for wrong in ["id", "\"id", "\"\\x\"", "", "1"] {
            assert_eq!(names.find(wrong.as_bytes(), 0, NONE), None);
        }
    }

    #[test]
    fn a_name_as_known_is_no_name_if_it_is_no_json() {
        let mut names = Names::new(["a\"b", "c\nd", "e\\"].into_iter());
        for wrong in ["\"c\nd\"", "\"e\\\""] {
            assert_eq!(names.find(wrong.as_bytes(), 0, NONE), None);
        }
        // It ends at its second quote.
        assert_eq!(names.find(b"\"a\"b\"", 0, NONE), Some((3, 3)));
        for wrong in ["\"c\nd\"", "\"e\\\""] {
            assert_eq!(names.find(wrong.as_bytes(), 0, NONE), None);
        }
    }

    #[test]
    fn data_that_has_keys_for_names_is_not_remembered() {
        let mut names = Names::new(["id"].into_iter());
        let numbers: Vec<_> = (0..1000).map(|key| find(&mut names, &format!("\"{key}\""), NONE).unwrap()).collect();
        assert_eq!(numbers.iter().filter(|&&number| number == NONE).count(), 1000 - UNKNOWN);
        assert_eq!(find(&mut names, "\"id\"", NONE), Some(0));
        assert_eq!(find(&mut names, "\"7\"", 0), Some(8));
    }
}
