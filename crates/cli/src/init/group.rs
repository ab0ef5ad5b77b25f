//! Files that belong to one source: their names differ in digits alone.

use std::collections::BTreeSet;

use tributary_connector::{AnyFactory, Configuration};

/// Files of one kind, and how they are read.
pub struct Group<'a> {
    pub factory: &'a dyn AnyFactory,
    pub paths: Vec<String>,
    pub columns: BTreeSet<String>,
    /// What every one of them wants to be read with.
    pub pinned: Configuration,
    /// What the first looks like, in words.
    pub form: String,
}

/// Files whose names differ in digits alone, as one if their columns are much the same.
pub fn together(mut kind: Vec<Group<'_>>) -> Vec<Group<'_>> {
    let alike = |a: &Group<'_>, b: &Group<'_>| {
        a.columns.intersection(&b.columns).count() * 2 >= a.columns.union(&b.columns).count()
    };
    if kind.len() < 2 || !kind.iter().all(|group| alike(group, &kind[0])) {
        return kind;
    }
    let rest = kind.split_off(1);
    kind.iter_mut().for_each(|one| {
        for group in &rest {
            one.pinned.retain(|key, value| group.pinned.get(key) == Some(value));
            one.paths.extend(group.paths.iter().cloned());
        }
    });
    kind
}

impl Group<'_> {
    /// What matches its files and no others that have another kind of name.
    pub fn path(&self) -> String {
        let path = pattern(&self.paths);
        if self.paths.len() > 1 && takes_others(&path, &self.paths[0]) { path.replacen('*', "[0-9]*", 1) } else { path }
    }
}

/// One pattern for files whose names differ in digits.
fn pattern(paths: &[String]) -> String {
    let Some((first, rest)) = paths.split_first().filter(|(_, rest)| !rest.is_empty()) else {
        return paths.first().cloned().unwrap_or_default();
    };
    let common = |of: &dyn Fn(&str) -> Vec<char>| {
        let first = of(first);
        rest.iter().fold(first.clone(), |common, path| {
            common.into_iter().zip(of(path)).take_while(|(a, b)| a == b).map(|(a, _)| a).collect()
        })
    };
    let digits = |c: char| c.is_ascii_digit() || c == '-' || c == '_';
    let before: String = common(&|path| path.chars().collect()).into_iter().collect();
    let after: String = common(&|path| path.chars().rev().collect()).into_iter().rev().collect();
    let trimmed = before.trim_end_matches(digits);
    // What stands between the name and its number stays.
    let joint: String = before[trimmed.len()..].chars().take_while(|c| !c.is_ascii_digit()).collect();
    format!("{trimmed}{joint}*{}", after.trim_start_matches(digits))
}

/// Whether the pattern takes files of other names beside those like `one`.
fn takes_others(pattern: &str, one: &str) -> bool {
    let (folder, name) = pattern.rsplit_once('/').unwrap_or((".", pattern));
    let Some((before, after)) = name.split_once('*') else { return false };
    let like = digits_apart(one.rsplit('/').next().unwrap_or(one));
    let names = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.into_iter().any(|name| {
        name.len() >= before.len() + after.len()
            && name.starts_with(before)
            && name.ends_with(after)
            && digits_apart(&name) != like
    })
}

/// A name with every number made the same.
pub fn digits_apart(path: &str) -> String {
    let mut text = String::new();
    for c in path.chars() {
        match c.is_ascii_digit() {
            true if text.ends_with('0') => {}
            true => text.push('0'),
            false => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_differ_in_digits_are_one_pattern() {
        let of = |paths: &[&str]| pattern(&paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>());
        assert_eq!(of(&["e/tickets_2026-01.csv", "e/tickets_2026-02.csv", "e/tickets_2026-11.csv"]), "e/tickets_*.csv");
        assert_eq!(of(&["e/20260101.csv", "e/20260201.csv"]), "e/*.csv");
        assert_eq!(of(&["e/会员2025导出.xlsx", "e/会员2026导出.xlsx"]), "e/会员*导出.xlsx");
        assert_eq!(of(&["one.csv"]), "one.csv");
        assert_eq!(digits_apart("t_2026-01.csv"), digits_apart("t_99-1.csv"));
    }
}
