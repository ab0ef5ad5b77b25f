//! Many names in one place: which are one person's, and how many people are there?
//!
//! Names join a class one spelling after another: whole hanzi names first, then whole Latin ones, then what tells less (family
//! names alone, initials, masks); within these the more frequent first, since a typo is rarer than the name it spoils, then
//! by text. So the result does not depend on the order of the input. A clear name joins a class only if it is alike with
//! every spelling in it, hence no two clear names of a class are unlike, whatever stands between them. A name that fits
//! several classes (张** beside 张伟 and 张敏) joins none and counts as none.

#[cfg(test)]
mod tests;

use super::{Fullness, Name};
use std::cmp::Reverse;

/// With more spellings than this a value belongs to nobody, and comparing all of them would cost more than it is worth.
pub const MOST_SPELLINGS: usize = 1024;

/// Where a name stands among the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is a form of the names of this class.
    Class(u32),
    /// It fits several classes, or only some spellings of one.
    Torn,
    /// Nothing of it can be seen.
    Silent,
}

/// The names of a block, parted by person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classes {
    /// One for each name, in the order given.
    pub of: Vec<Standing>,
    /// How many classes there are.
    pub count: usize,
}

/// Parts names into classes. With more than `most` classes, or more than [`MOST_SPELLINGS`] spellings, it stops and gives
/// as error how many it had counted by then.
pub fn classes(names: &[(&str, bool)], most: usize) -> Result<Classes, usize> {
    part(names, most, MOST_SPELLINGS)
}

/// How many unlike names there are. The cost grows with the square of the spellings: [`classes()`] has a limit.
pub fn group_unlike(names: &[(&str, bool)]) -> usize {
    match part(names, usize::MAX, usize::MAX) {
        Ok(classes) => classes.count,
        Err(counted) => counted,
    }
}

/// One text and where it stands in the input.
struct Spelling<'a> {
    text: (&'a str, bool),
    places: &'a [usize],
    name: Name,
    fullness: Fullness,
    /// Of partial names, how many characters they show.
    shown: usize,
}

impl<'a> Spelling<'a> {
    fn read(text: (&'a str, bool), places: &'a [usize]) -> Spelling<'a> {
        let name = Name::read(text.0, text.1);
        let fullness = name.fullness();
        let shown = if fullness == Fullness::Partial { name.visible() } else { 0 };
        Spelling { text, places, name, fullness, shown }
    }
}

fn part(names: &[(&str, bool)], most: usize, most_spellings: usize) -> Result<Classes, usize> {
    let mut places: Vec<usize> = (0..names.len()).collect();
    places.sort_unstable_by_key(|at| names[*at]);
    let same = |a: &usize, b: &usize| names[*a] == names[*b];
    if places.chunk_by(same).nth(most_spellings).is_some() {
        return Err(most_spellings.saturating_add(1));
    }
    let by_text = places.chunk_by(same);
    let mut spellings: Vec<Spelling> = by_text.map(|of| Spelling::read(names[of[0]], of)).collect();
    spellings.sort_unstable_by_key(|s| (s.fullness, Reverse(s.shown), s.name.masked, Reverse(s.places.len()), s.text));

    let mut members: Vec<Vec<usize>> = Vec::new();
    let mut of = vec![Standing::Silent; names.len()];
    for (at, spelling) in spellings.iter().enumerate().filter(|(_, s)| !s.name.is_silent()) {
        let standing = place(&spellings, &members, spelling);
        match standing {
            Standing::Class(class) if class as usize == members.len() => {
                members.push(vec![at]);
                if members.len() > most {
                    return Err(members.len());
                }
            }
            Standing::Class(class) => members[class as usize].push(at),
            Standing::Torn | Standing::Silent => {}
        }
        spelling.places.iter().for_each(|place| of[*place] = standing);
    }
    Ok(Classes { of, count: members.len() })
}

/// The class that a spelling joins, or the number of the next one if it founds one.
fn place(spellings: &[Spelling], members: &[Vec<usize>], spelling: &Spelling) -> Standing {
    // Classes with some spelling alike, and those where all are.
    let (mut some, mut all, mut joins) = (0, 0, None);
    for (class, others) in members.iter().enumerate() {
        let alike = others.iter().filter(|other| spellings[**other].name.alike(&spelling.name)).count();
        some += usize::from(alike > 0);
        all += usize::from(alike == others.len());
        // A class may hold a typo that a mask does not cover: for a masked name one whole spelling is enough.
        let is_whole = |other: &usize| spellings[*other].fullness != Fullness::Partial;
        let through_whole =
            || others.iter().any(|other| is_whole(other) && spellings[*other].name.alike(&spelling.name));
        if alike == others.len() || (spelling.name.masked && alike > 0 && through_whole()) {
            joins = Some(class);
        }
    }
    let founds = if spelling.fullness == Fullness::Partial { some == 0 } else { all == 0 };
    match joins {
        _ if founds => Standing::Class(u32::try_from(members.len()).unwrap_or(u32::MAX)),
        Some(class) if some == 1 => Standing::Class(u32::try_from(class).unwrap_or(u32::MAX)),
        _ => Standing::Torn,
    }
}
