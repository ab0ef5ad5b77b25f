//! Which columns name a record.

use std::collections::HashMap;

use super::guess::Map;
use super::words;
use crate::columns::Column;

/// Fewer rows say too little of a column.
const ENOUGH: usize = 5;

/// The first column, or two, that look like ids and name one record each in the sample; and whether that is sure enough.
pub fn guess(columns: &[Column], maps: &[Map]) -> (Vec<String>, bool) {
    let top: Vec<&Column> = columns.iter().filter(|column| column.path.len() == 1 && column.list.is_none()).collect();
    let rows = top.first().map_or(0, |column| column.values.len());
    let role = |column: &Column| words::role(&column.path).map_or("", |(role, _)| role);
    let lines = maps.iter().any(|map| map.to == "order_line" && map.each.is_none());
    let of_someone = maps.first().is_some_and(|map| map.to != "party");
    let id = |column: &&&Column| match role(column) {
        "phone" | "email" | "postcode" | "name" | "store" | "line_no" => false,
        "member_no" | "customer_id" if of_someone => false,
        "order_no" if lines => false,
        _ => words::is_id(&column.path[0]),
    };
    let with = |wanted: &str| top.iter().find(|column| role(column) == wanted);
    let both = with("order_no").zip(with("line_no")).map(|(order, line)| vec![*order, *line]);
    let names = |key: &[&Column]| key.iter().map(|column| column.path[0].clone()).collect();
    let candidates: Vec<Vec<&Column>> = top.iter().filter(id).map(|column| vec![*column]).chain(both).collect();
    if let Some(key) = candidates.iter().find(|key| repeats(key, &top) == Some(Repeats::Equal)) {
        return (names(key), rows >= ENOUGH);
    }
    // Rows that share a key and differ are versions of a record, where something says when it was changed.
    if let Some(key) = candidates.iter().find(|key| repeats(key, &top) == Some(Repeats::Few)) {
        return (names(key), with("updated").is_some() && rows >= ENOUGH);
    }
    let other =
        top.iter().find(|column| words::is_id(&column.path[0]) && repeats(&[column], &top) == Some(Repeats::Equal));
    (other.filter(|column| role(column) != "phone").map(|column| names(&[column])).unwrap_or_default(), false)
}

/// How rows share a key.
#[derive(Debug, PartialEq)]
enum Repeats {
    /// Not at all, or rows that are equal in everything.
    Equal,
    /// At most one in ten does.
    Few,
}

/// `None`: too many rows share a key, or lack one.
fn repeats(key: &[&Column], all: &[&Column]) -> Option<Repeats> {
    let rows = key.first().map_or(0, |column| column.values.len());
    let row = |of: &[&Column], at: usize| {
        of.iter().map(|column| column.values.get(at).cloned().flatten()).collect::<Vec<_>>()
    };
    let (mut first, mut differ) = (HashMap::new(), 0);
    for at in 0..rows {
        let of_row = row(key, at);
        if of_row.contains(&None) {
            return None;
        }
        let before = *first.entry(of_row).or_insert(at);
        differ += usize::from(before != at && row(all, before) != row(all, at));
    }
    let shared = rows - first.len();
    match (rows, differ) {
        (0 | 1, _) => None,
        (_, 0) if shared * 2 < rows => Some(Repeats::Equal),
        _ => (shared * 10 <= rows).then_some(Repeats::Few),
    }
}
