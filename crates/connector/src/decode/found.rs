//! Where the records of a JSON page are, well formed or not.
//!
//! An array's elements are found by brackets and strings alone, so that a bad one does not hide the others. A page that is no
//! array is one record, and so are an array's missing end and what stands after its end: nothing is passed over.

use memchr::{memchr, memchr2};

use crate::{JsonPage, JsonShape};

/// The records of a page, one after another.
pub(super) struct Found<'a> {
    bytes: &'a [u8],
    /// Where the last one ends.
    last: usize,
    ahead: Ahead,
    /// Whether the page should be an array and is none.
    pub(super) is_no_array: bool,
}

#[derive(Clone, Copy)]
enum Ahead {
    /// Lines from here on.
    Lines(usize),
    /// Elements from here on.
    Elements {
        start: usize,
        first: bool,
    },
    /// One record.
    Rest(usize, usize),
    Nothing,
}

impl<'a> Found<'a> {
    pub(super) fn new(page: &'a JsonPage) -> Self {
        let bytes = &page.bytes[..];
        let (first, last) = trim(bytes, 0, bytes.len());
        let ahead = match (page.shape, bytes.get(first)) {
            (_, None) => Ahead::Nothing,
            (JsonShape::Lines, _) => Ahead::Lines(first),
            (JsonShape::Array, Some(b'[')) => Ahead::Elements { start: first + 1, first: true },
            (JsonShape::Array, Some(_)) => Ahead::Rest(first, last),
        };
        Self { bytes, last, ahead, is_no_array: matches!(ahead, Ahead::Rest(..)) }
    }

    /// Where the next record begins, if there is one, and what it cannot reach beyond.
    #[inline]
    pub(super) fn ahead(&self) -> (usize, usize) {
        match self.ahead {
            Ahead::Lines(start) => {
                let rest = &self.bytes[start..self.last];
                (start, memchr(b'\n', rest).map_or(self.last, |end| start + end))
            }
            Ahead::Elements { start, .. } => (trim_start(self.bytes, start, self.last), self.last),
            Ahead::Rest(start, end) => (start, end),
            Ahead::Nothing => (self.last, self.last),
        }
    }

    /// The next record, if there is one. `read`: where it begins, or the end of a whole JSON value that begins there.
    #[inline]
    pub(super) fn next(&mut self, read: usize) -> Option<(usize, usize)> {
        match self.ahead {
            Ahead::Lines(start) => {
                let end = memchr(b'\n', &self.bytes[read..self.last]).map_or(self.last, |end| read + end);
                let next = trim_start(self.bytes, end, self.last);
                self.ahead = if next < self.last { Ahead::Lines(next) } else { Ahead::Nothing };
                Some(trim(self.bytes, start, end))
            }
            Ahead::Elements { start, first } => self.element(start, read, first),
            Ahead::Rest(start, end) => {
                self.ahead = Ahead::Nothing;
                Some((start, end))
            }
            Ahead::Nothing => None,
        }
    }

    /// The element that begins at `start` and goes on at `at`.
    fn element(&mut self, start: usize, mut at: usize, first: bool) -> Option<(usize, usize)> {
        let mut depth = 0usize;
        while at < self.last {
            match self.bytes[at] {
                b'"' => at = string_end(self.bytes, at),
                b'[' | b'{' => depth += 1,
                byte @ (b',' | b']' | b'}') if depth == 0 => {
                    let element = trim(self.bytes, start, at);
                    let (rest, _) = trim(self.bytes, at + 1, self.last);
                    self.ahead = match byte {
                        b',' => Ahead::Elements { start: at + 1, first: false },
                        _ if rest < self.last => Ahead::Rest(rest, self.last),
                        _ => Ahead::Nothing,
                    };
                    if first && byte != b',' && element.0 == element.1 {
                        return self.next(rest);
                    }
                    return Some(element);
                }
                b']' | b'}' => depth -= 1,
                _ => {}
            }
            at += 1;
        }
        let element = trim(self.bytes, start, self.last);
        self.ahead = Ahead::Nothing;
        if element.0 < element.1 {
            if depth == 0 {
                self.ahead = Ahead::Rest(self.last, self.last);
            }
            return Some(element);
        }
        (depth == 0).then_some((self.last, self.last))
    }
}

/// The closing quote of the string whose opening one is at `open`; the end if there is none.
pub(super) fn string_end(bytes: &[u8], open: usize) -> usize {
    let mut at = open + 1;
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        if bytes[at + found] == b'"' {
            return at + found;
        }
        at += found + 2;
    }
    bytes.len()
}

fn trim_start(bytes: &[u8], start: usize, end: usize) -> usize {
    end - bytes[start..end].trim_ascii_start().len()
}

fn trim(bytes: &[u8], start: usize, end: usize) -> (usize, usize) {
    let slice = &bytes[start..end];
    let start = end - slice.trim_ascii_start().len();
    (start, start + slice.trim_ascii().len())
}
