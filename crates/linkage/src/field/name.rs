//! Given and family names: their letters, their sound, and how near two of them are.

use super::{DIFFERENT, NEAR};
use crate::names::{family_len, fold, is_han};
use crate::text::lower;
use crate::text::{Texts, fold32, hash};
use pinyin::ToPinyin;

pub(crate) const SOUND: u8 = NEAR;
pub(crate) const EDIT: u8 = NEAR + 1;
pub(crate) const CLOSE: u8 = NEAR + 2;
pub(crate) const SWAPPED: u8 = NEAR + 3;

const HAN: u8 = 1;
const MASKED: u8 = 2;

/// Above this Jaro–Winkler similarity two names in letters are close.
const LEAST_SIMILARITY: f32 = 0.88;

#[derive(Debug, Clone)]
pub(crate) struct Names {
    texts: Texts,
    flags: Vec<u8>,
    /// Of the name read aloud, in letters.
    sound: Vec<u32>,
    /// Of its consonants, by class.
    skeleton: Vec<u32>,
}

impl Names {
    pub(crate) fn new() -> Names {
        Names { texts: Texts::new(), flags: vec![], sound: vec![], skeleton: vec![] }
    }

    /// `text` is folded.
    pub(crate) fn push(&mut self, text: &str, masked: bool) {
        let han = text.chars().any(is_han);
        self.texts.push(text.chars());
        self.flags.push(if han { HAN } else { 0 } | if masked { MASKED } else { 0 });
        let mut letters = String::new();
        for c in text.chars() {
            match c.to_pinyin() {
                Some(reading) => letters.extend(reading.plain().chars().map(|c| if c == 'ü' { 'v' } else { c })),
                None if c != ' ' => letters.push(c),
                None => {}
            }
        }
        self.sound.push(fold32(hash(0, letters.as_bytes())));
        self.skeleton.push(fold32(hash(1, skeleton(&letters).as_bytes())));
    }

    pub(crate) fn compare(&self, a: u32, b: u32) -> u8 {
        let (text, other) = (self.texts.get(a), self.texts.get(b));
        let (x, y) = (text.units, other.units);
        let flags = (self.flags[a as usize], self.flags[b as usize]);
        if (flags.0 | flags.1) & MASKED != 0 {
            let (shown, whole) = if flags.0 & MASKED != 0 { (x, y) } else { (y, x) };
            return if within(shown, whole) { CLOSE } else { DIFFERENT };
        }
        if (flags.0 | flags.1) & HAN != 0 {
            if self.sound[a as usize] == self.sound[b as usize] {
                return SOUND;
            }
            if flags.0 & flags.1 & HAN == 0 {
                return DIFFERENT;
            }
            let turned = x.len() == y.len() && x.len() > 1 && x.iter().rev().eq(y);
            if turned || (x.len().min(y.len()) > 2 && text.edits(other, 1).is_some()) {
                return EDIT;
            }
            return if x.iter().any(|c| y.contains(c)) { CLOSE } else { DIFFERENT };
        }
        let shorter = x.len().min(y.len());
        if shorter == 1 || (shorter > 2 && (x.starts_with(y) || y.starts_with(x))) {
            return if x.first() == y.first() { CLOSE } else { DIFFERENT };
        }
        if shorter > 2 && text.edits(other, 1).is_some() {
            return EDIT;
        }
        if text.similar(other, LEAST_SIMILARITY) || shares_word(x, y) { CLOSE } else { DIFFERENT }
    }

    pub(crate) fn masked(&self, value: u32) -> bool {
        self.flags[value as usize] & MASKED != 0
    }

    pub(crate) fn skeleton(&self, value: u32) -> u32 {
        self.skeleton[value as usize]
    }

    pub(crate) fn first(&self, value: u32) -> u32 {
        self.texts.get(value).units.first().map_or(0, |unit| u32::from(*unit) + 1)
    }

    pub(crate) fn last(&self, value: u32) -> u32 {
        self.texts.get(value).units.last().map_or(0, |unit| u32::from(*unit) + 1)
    }
}

/// Whether the units of `shown` come in `whole` in their order.
fn within(shown: &[u16], whole: &[u16]) -> bool {
    let mut rest = whole.iter();
    shown.iter().all(|unit| rest.any(|other| other == unit))
}

const BLANK: u16 = b' ' as u16;

fn shares_word(a: &[u16], b: &[u16]) -> bool {
    let several = a.contains(&BLANK) || b.contains(&BLANK);
    several
        && a.split(|unit| *unit == BLANK)
            .any(|word| word.len() > 2 && b.split(|unit| *unit == BLANK).any(|other| other == word))
}

/// The first letter and the classes of the consonants after it, as in Soundex but of the whole name.
fn skeleton(letters: &str) -> String {
    let mut out = String::new();
    let mut last = ' ';
    for (at, c) in letters.chars().enumerate() {
        let class = match c {
            'b' | 'f' | 'p' | 'v' => '1',
            'c' | 'g' | 'j' | 'k' | 'q' | 's' | 'x' | 'z' => '2',
            'd' | 't' => '3',
            'l' => '4',
            'm' | 'n' => '5',
            'r' => '6',
            'h' | 'w' => continue,
            'a' | 'e' | 'i' | 'o' | 'u' | 'y' => '0',
            other => other,
        };
        if at == 0 {
            out.push(c);
        } else if class != '0' && class != last {
            out.push(class);
        }
        last = class;
    }
    out
}

/// Lower case without accents, one blank between words; nothing else but what can be part of a name.
pub(crate) fn folded(text: &str, out: &mut String) -> bool {
    out.clear();
    let mut masked = false;
    let mut blank = false;
    for c in text.chars().flat_map(lower) {
        if matches!(c, '*' | '＊' | '●' | '•') {
            masked = true;
        } else if let Some(c) = if is_han(c) { Some(c) } else { fold(c) } {
            if blank && !out.is_empty() && !is_han(c) {
                out.push(' ');
            }
            blank = false;
            out.push(c);
        } else if crate::names::splits(c) {
            blank = true;
        }
    }
    masked
}

/// Where a folded whole name is cut: the family name's range, the given name's range.
pub(crate) fn cut(name: &str) -> (&str, &str) {
    if name.chars().next().is_some_and(is_han) {
        let mut chars = name.chars();
        let length = match (chars.next(), chars.next()) {
            (Some(first), Some(second)) => family_len(&[first, second]),
            _ => 1,
        };
        let at = name.char_indices().nth(length).map_or(name.len(), |(at, _)| at);
        return (&name[..at], name[at..].trim_start());
    }
    match name.rsplit_once(' ') {
        Some((given, family)) => (family, given),
        None => (name, ""),
    }
}
