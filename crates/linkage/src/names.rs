//! Are two person names forms of one name?
//!
//! The question is asked of records that already share an identifier (a phone, a card), to tell one person written twice
//! from two people at one number. So the answer may be generous about spelling and must be strict about people: a wrong
//! *unlike* costs a certain edge, which scoring can still find; a wrong *alike* joins two customers.
//!
//! Alike are
//! - one edit apart in three or more hanzi, two neighbours swapped, family and given name swapped, or the same sounds in
//!   other characters (張偉 and 张伟, 张伟 and 章威): see `names/han.rs`;
//! - a masked name and one that shows the same characters where both are visible: 张** and 张伟明. The number of asterisks
//!   means nothing; a mask in the middle hides at least one character;
//! - a family name alone and a whole name of that family: 王 and 王伟, Smith and John Smith;
//! - Latin names with a typo, words in another order, a middle name left out, an initial: see `names/latin.rs`;
//! - a hanzi name and its pinyin, in either order, by every reading of its characters (单 is Shan): see `names/spelling.rs`.
//!
//! Unlike are two-character names that share one character and differ in the other's sound (张伟 and 张敏, 王伟 and 李伟),
//! hanzi names of different length (王明 and 王小明), and whatever these rules do not name.
//!
//! **Siblings.** 王小明 and 王小红 share the family name and the generation name, and differ as a typo does. They are called
//! alike: a typo of any one character cannot be told apart from a sibling here. Nor can Maria from Mario.
//!
//! Alike is symmetric and not transitive: 张** is alike with 张伟 and 张敏, which are unlike. [`classes()`] is what to use for
//! more than two names.
//!
//! Not done: cleaning (titles, width, noise words belong to `clean`), traditional forms that also sound different,
//! Cantonese and Wade-Giles spellings, nicknames (Bob), Chinese people's English names.

mod classes;
mod han;
mod latin;
mod spelling;
#[cfg(test)]
mod tests;

pub use classes::{Classes, MOST_SPELLINGS, Standing, classes, group_unlike};
use han::Cell;
pub(crate) use han::{family_len, is_han};
pub(crate) use latin::{fold, splits};

/// Are these two cleaned names forms of one name? A name of which nothing is visible contradicts no other.
pub fn alike(a: &str, a_masked: bool, b: &str, b_masked: bool) -> bool {
    Name::read(a, a_masked).alike(&Name::read(b, b_masked))
}

/// A name taken apart, for comparing one name with many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// Its hanzi, with a [`Cell::Any`] for each run of mask characters among them.
    han: Vec<Cell>,
    /// Its words in other scripts, folded; a run of mask characters is one `*`.
    words: Vec<String>,
    masked: bool,
}

/// How much of a person's name a name tells; the more, the earlier it is looked at by [`classes()`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fullness {
    Han,
    Latin,
    Partial,
}

/// Longer names are cut: nobody's is, and the cost of a comparison grows with the square.
const MOST_CHARS: usize = 64;

impl Name {
    /// Takes a cleaned name apart. Asterisks count as a mask even where `masked` is false; where it is true and nothing
    /// shows what was hidden, the end of the name was.
    pub fn read(text: &str, masked: bool) -> Name {
        let mut name = Name { han: Vec::new(), words: Vec::new(), masked };
        let (mut in_han, mut in_word, mut leading_mask, mut marked) = (false, false, false, false);
        for c in text.chars().flat_map(char::to_lowercase).take(MOST_CHARS) {
            if matches!(c, '*' | '＊' | '●' | '•') || (masked && c == '某') {
                marked = true;
                if in_han {
                    push_mask(&mut name.han);
                } else if name.words.is_empty() {
                    leading_mask = true;
                } else {
                    push_letter(&mut name.words, in_word, '*');
                    in_word = true;
                }
            } else if is_han(c) {
                if std::mem::take(&mut leading_mask) {
                    push_mask(&mut name.han);
                }
                name.han.push(Cell::Char(c));
                (in_han, in_word) = (true, false);
            } else if let Some(c) = latin::fold(c) {
                if std::mem::take(&mut leading_mask) {
                    push_letter(&mut name.words, false, '*');
                    in_word = true;
                }
                push_letter(&mut name.words, in_word, c);
                (in_han, in_word) = (false, true);
            } else if latin::splits(c) {
                in_word = false;
            }
        }
        name.masked |= marked;
        if name.masked && !marked {
            if !name.han.is_empty() {
                push_mask(&mut name.han);
            }
            if let Some(last) = name.words.last_mut() {
                last.push('*');
            }
        }
        name
    }

    /// Whether nothing of the name can be seen: it is empty, or all mask.
    pub fn is_silent(&self) -> bool {
        self.han.is_empty() && self.words.is_empty()
    }

    /// See [`alike`].
    pub fn alike(&self, other: &Name) -> bool {
        if self == other || self.is_silent() || other.is_silent() {
            return true;
        }
        let both_han = !self.han.is_empty() && !other.han.is_empty();
        let both_words = !self.words.is_empty() && !other.words.is_empty();
        // 张伟 David: what both write in one script decides; where they share none, one is read aloud.
        if both_han || both_words {
            return (!both_han || han::alike(&self.han, &other.han))
                && (!both_words || latin::alike(&self.words, &other.words));
        }
        if self.han.is_empty() {
            spelling::alike(&other.han, &self.words)
        } else {
            spelling::alike(&self.han, &other.words)
        }
    }

    /// How many characters can be seen.
    fn visible(&self) -> usize {
        let han = self.han.iter().filter(|cell| **cell != Cell::Any).count();
        han + self.words.iter().flat_map(|word| word.chars()).filter(|c| *c != '*').count()
    }

    fn fullness(&self) -> Fullness {
        let han = han::clear(&self.han).unwrap_or_default();
        if self.masked {
            Fullness::Partial
        } else if han.len() > han::family_len(&han) {
            Fullness::Han
        } else if han.is_empty() && latin::is_full(&self.words) {
            Fullness::Latin
        } else {
            Fullness::Partial
        }
    }
}

fn push_mask(han: &mut Vec<Cell>) {
    if han.last() != Some(&Cell::Any) {
        han.push(Cell::Any);
    }
}

fn push_letter(words: &mut Vec<String>, in_word: bool, c: char) {
    match words.last_mut() {
        Some(word) if in_word => {
            if !(c == '*' && word.ends_with('*')) {
                word.push(c);
            }
        }
        _ => words.push(c.to_string()),
    }
}
