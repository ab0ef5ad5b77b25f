//! One pass over a record: it is checked to be valid JSON as a whole, and where its values are is put down on a tape.
//!
//! The columns say what is put down: of an object or array that no column looks into, there is only where it begins and
//! ends. Nothing is appended to a column before the whole record is known to be good.

use super::names::{NONE, Names, Number};
use super::stops::stop;
use super::text::unit;
use super::tree::{Shape, Tree};

/// How deep a record may be nested.
pub(super) const MAX_DEPTH: usize = 128;

/// A value, or the name of a member that [`Names`] does not remember, which comes before its value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// Where it is in the record, with its quotes or brackets.
    pub(super) start: u32,
    pub(super) end: u32,
    /// The place on the tape after all that is in it.
    pub(super) next: u32,
    /// Of a member of an object.
    pub(super) name: Number,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    /// A number, `true` or `false`.
    Word,
    /// A string that means what it says.
    Text,
    /// A string with escapes.
    Escaped,
    Object,
    Array,
    Name,
}

/// Reads the object at the start of `bytes` onto `tape` and gives its length; `None` if it is no valid object, is too deep or
/// has half a surrogate pair.
pub(super) fn object(bytes: &[u8], names: &mut Names, columns: &mut [Tree], tape: &mut Vec<Token>) -> Option<usize> {
    tape.clear();
    if bytes.first() != Some(&b'{') {
        return None;
    }
    // A token has no room for more.
    let bytes = bytes.get(..u32::MAX as usize).unwrap_or(bytes);
    Reader { bytes, tape }.object(0, NONE, names, columns, 1)
}

struct Reader<'a> {
    bytes: &'a [u8],
    tape: &'a mut Vec<Token>,
}

impl Reader<'_> {
    /// Reads the value at `at` for `column`; gives where it ends.
    #[inline(always)]
    fn value(&mut self, at: usize, name: Number, column: Option<&mut Tree>, depth: usize) -> Option<usize> {
        let (kind, end) = match *self.bytes.get(at)? {
            b'"' => {
                let (end, escaped) = string(self.bytes, at + 1)?;
                (if escaped { Kind::Escaped } else { Kind::Text }, end)
            }
            b'{' => match column.map(Tree::shape) {
                Some(Shape::Object(names, columns)) => return self.object(at, name, names, columns, depth + 1),
                _ => (Kind::Object, passed(self.bytes, at, depth)?),
            },
            b'[' => match column.map(Tree::shape) {
                Some(Shape::List(column)) => return self.array(at, name, column, depth + 1),
                _ => (Kind::Array, passed(self.bytes, at, depth)?),
            },
            b'n' => (Kind::Null, word(self.bytes, at)?),
            _ => (Kind::Word, word(self.bytes, at)?),
        };
        let next = self.tape.len() as u32 + 1;
        self.tape.push(Token { kind, start: at as u32, end: end as u32, next, name });
        Some(end)
    }

    fn object(
        &mut self,
        start: usize,
        name: Number,
        names: &mut Names,
        columns: &mut [Tree],
        depth: usize,
    ) -> Option<usize> {
        let place = self.open(Kind::Object, start, name, depth)?;
        let mut at = blank(self.bytes, start + 1);
        if self.bytes.get(at) == Some(&b'}') {
            return self.close(place, at);
        }
        let mut before = NONE;
        loop {
            let (number, end) = names.find(self.bytes, at, before)?;
            if number == NONE {
                let next = self.tape.len() as u32 + 1;
                self.tape.push(Token { kind: Kind::Name, start: at as u32, end: end as u32, next, name: NONE });
            } else {
                before = number;
            }
            at = colon(self.bytes, end)?;
            at = self.value(at, number, columns.get_mut(number as usize), depth)?;
            at = blank(self.bytes, at);
            match self.bytes.get(at) {
                Some(b',') => at = blank(self.bytes, at + 1),
                Some(b'}') => return self.close(place, at),
                _ => return None,
            }
        }
    }

    fn array(&mut self, start: usize, name: Number, column: &mut Tree, depth: usize) -> Option<usize> {
        let place = self.open(Kind::Array, start, name, depth)?;
        let mut at = blank(self.bytes, start + 1);
        if self.bytes.get(at) == Some(&b']') {
            return self.close(place, at);
        }
        loop {
            at = self.value(at, NONE, Some(column), depth)?;
            at = blank(self.bytes, at);
            match self.bytes.get(at) {
                Some(b',') => at = blank(self.bytes, at + 1),
                Some(b']') => return self.close(place, at),
                _ => return None,
            }
        }
    }

    /// Puts down what begins at `start` and is the `depth`th within another; gives its place on the tape.
    fn open(&mut self, kind: Kind, start: usize, name: Number, depth: usize) -> Option<usize> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.tape.push(Token { kind, start: start as u32, end: 0, next: 0, name });
        Some(self.tape.len() - 1)
    }

    /// Puts down that what is at `place` of the tape ends with the byte at `last`.
    fn close(&mut self, place: usize, last: usize) -> Option<usize> {
        let next = self.tape.len() as u32;
        let token = self.tape.get_mut(place)?;
        (token.end, token.next) = (last as u32 + 1, next);
        Some(last + 1)
    }
}

/// Where the object or array at `at` ends, which is within `depth` others.
fn passed(bytes: &[u8], mut at: usize, depth: usize) -> Option<usize> {
    if depth >= MAX_DEPTH {
        return None;
    }
    let object = bytes.get(at) == Some(&b'{');
    let closing = if object { b'}' } else { b']' };
    at = blank(bytes, at + 1);
    if bytes.get(at) == Some(&closing) {
        return Some(at + 1);
    }
    loop {
        if object {
            if bytes.get(at) != Some(&b'"') {
                return None;
            }
            at = colon(bytes, string(bytes, at + 1)?.0)?;
        }
        at = match bytes.get(at)? {
            b'"' => string(bytes, at + 1)?.0,
            b'{' | b'[' => passed(bytes, at, depth + 1)?,
            _ => word(bytes, at)?,
        };
        at = blank(bytes, at);
        match bytes.get(at) {
            Some(b',') => at = blank(bytes, at + 1),
            Some(byte) if *byte == closing => return Some(at + 1),
            _ => return None,
        }
    }
}

/// Where the string whose content begins at `at` ends, after its quote, and whether there are escapes in it.
#[inline]
pub(super) fn string(bytes: &[u8], at: usize) -> Option<(usize, bool)> {
    let (stop, byte) = stop(bytes, at)?;
    match byte {
        b'"' => Some((stop + 1, false)),
        b'\\' => Some((escaped(bytes, stop)?, true)),
        _ => None,
    }
}

/// Where a string ends whose first escape is at `at`.
#[inline(never)]
fn escaped(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += match bytes.get(at + 1)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
            b'u' => match unit(bytes.get(at..)?)? {
                0xd800..=0xdbff => match unit(bytes.get(at + 6..)?)? {
                    0xdc00..=0xdfff => 12,
                    _ => return None,
                },
                0xdc00..=0xdfff => return None,
                _ => 6,
            },
            _ => return None,
        };
        let (stop, byte) = stop(bytes, at)?;
        match byte {
            b'"' => return Some(stop + 1),
            b'\\' => at = stop,
            _ => return None,
        }
    }
}

/// Where the number, `true`, `false` or `null` at `at` ends.
#[inline]
fn word(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes.get(at..)?;
    let word: &[u8] = match rest.first()? {
        b'n' => b"null",
        b't' => b"true",
        b'f' => b"false",
        _ => return number(bytes, at),
    };
    rest.starts_with(word).then_some(at + word.len())
}

#[inline]
fn number(bytes: &[u8], mut at: usize) -> Option<usize> {
    if bytes.get(at) == Some(&b'-') {
        at += 1;
    }
    at = match bytes.get(at)? {
        b'0' => at + 1,
        b'1'..=b'9' => digits(bytes, at)?,
        _ => return None,
    };
    if bytes.get(at) == Some(&b'.') {
        at = digits(bytes, at + 1)?;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        at += 1;
        if let Some(b'+' | b'-') = bytes.get(at) {
            at += 1;
        }
        at = digits(bytes, at)?;
    }
    Some(at)
}

/// Where one or more digits at `at` end.
#[inline]
fn digits(bytes: &[u8], mut at: usize) -> Option<usize> {
    let start = at;
    while let Some(b'0'..=b'9') = bytes.get(at) {
        at += 1;
    }
    (at > start).then_some(at)
}

/// What comes after the colon at `at` and the blanks around it.
#[inline]
fn colon(bytes: &[u8], mut at: usize) -> Option<usize> {
    at = blank(bytes, at);
    (bytes.get(at) == Some(&b':')).then(|| blank(bytes, at + 1))
}

#[inline]
fn blank(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\r' | b'\n') = bytes.get(at) {
        at += 1;
    }
    at
}
