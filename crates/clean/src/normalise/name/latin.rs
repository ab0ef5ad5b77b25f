//! Case and parts of names in letters that have case.

use crate::normalise::surname;

/// Words inside a surname that stay in lower case and belong to what follows.
const PARTICLES: [&str; 16] =
    ["van", "von", "der", "den", "de", "del", "della", "di", "da", "dos", "du", "la", "le", "ter", "bin", "al"];

/// The last word and the particles before it, where no word might be a Chinese surname.
pub(super) fn parts(value: &str) -> (Option<String>, Option<String>) {
    let particle =
        value.split(' ').next().is_some_and(|first| PARTICLES.iter().any(|word| first.eq_ignore_ascii_case(word)));
    if particle || value.split(' ').any(surname::is_pinyin) {
        return (None, None);
    }
    let name = value.trim_end_matches([' ', '.']);
    let name = match name.rsplit_once(' ') {
        Some((rest, "Jr" | "Sr" | "II" | "III" | "IV")) => rest,
        _ => name,
    };
    let Some((mut given, _)) = name.rsplit_once(' ') else { return (None, None) };
    while let Some((rest, last)) = given.rsplit_once(' ')
        && PARTICLES.contains(&last)
    {
        given = rest;
    }
    (Some(name[given.len()..].trim().to_owned()), Some(given.to_owned()))
}

/// Title case where the writer used none: all capitals, or none at all.
pub(super) fn recase(value: &mut String) {
    let upper = value.contains(char::is_uppercase);
    let lower = value.contains(char::is_lowercase);
    if upper == lower || (upper && value.chars().filter(|c| c.is_alphabetic()).count() < 2) {
        return;
    }
    let mut cased = String::with_capacity(value.len());
    for (i, word) in value.split(' ').enumerate() {
        if i > 0 {
            cased.push(' ');
        }
        let small = word.to_lowercase();
        if i > 0 && PARTICLES.contains(&small.as_str()) {
            cased.push_str(&small);
        } else if upper && matches!(word, "II" | "III" | "IV") {
            cased.push_str(word);
        } else {
            capitalise(&small, &mut cased);
        }
    }
    *value = cased;
}

/// Capitals at the head of each part (`Anne-Marie`, `O'Brien`, `J.R.`) and after `Mc`.
fn capitalise(word: &str, cased: &mut String) {
    let scottish = word.starts_with("mc") && word.len() > 4;
    let mut head = true;
    for (at, c) in word.char_indices() {
        if head || (scottish && at == 2) {
            // `ß` has no capital of its own.
            let mut upper = c.to_uppercase();
            let single = upper.next().filter(|_| upper.next().is_none());
            cased.push(single.unwrap_or(c));
        } else {
            cased.push(c);
        }
        head = matches!(c, '-' | '.' | '·') || (c == '\'' && at == 1);
    }
}
