//! The calendar against the oracle, over years in which something happens to the clocks.

use chrono::TimeDelta;
use tributary_server::Calendar;

use crate::oracle;
use crate::support::time;

/// A zone, and a year in which its clocks do something of note.
pub const ZONES: [(&str, &str); 10] = [
    ("Europe/Berlin", "2026"),
    ("America/New_York", "2026"),
    ("Australia/Lord_Howe", "2026"),
    // The gap is at midnight.
    ("America/Sao_Paulo", "2018"),
    ("Asia/Shanghai", "1988"),
    ("Asia/Kathmandu", "1985"),
    // The clocks go back for Ramadan.
    ("Africa/Casablanca", "2026"),
    // A day is left out.
    ("Pacific/Apia", "2011"),
    ("America/St_Johns", "2026"),
    ("UTC", "2024"),
];

const LINES: [&str; 9] = [
    "30 2 * * *",
    "0 0 * * *",
    "*/30 * * * *",
    "7 */2 * * *",
    "0,15,30,45 1,2,3 * * *",
    "*/20 0-3 * * *",
    "0 12 1 * *",
    "0 6 13 * 5",
    "5 0 29 2 *",
];

#[test]
fn the_slots_of_ten_zones_are_those_of_a_walk_through_all_minutes() {
    for (zone, year) in ZONES {
        let zone: chrono_tz::Tz = zone.parse().unwrap();
        let from = time(&format!("{year}-01-01"));
        let to = from + TimeDelta::days(366);
        for (line, wanted) in LINES.iter().zip(oracle::slots(&LINES, zone, from, to)) {
            let found: Vec<_> = Calendar::new(line, zone).unwrap().between(from, to).collect();
            assert_eq!(found, wanted, "`{line}` in {zone}");
        }
    }
}

#[test]
fn the_next_slot_is_the_same_wherever_the_search_begins() {
    let zone = chrono_tz::Europe::Berlin;
    let (from, to) = (time("2026-10-24T20:00:00"), time("2026-10-25T06:00:00"));
    for (line, wanted) in LINES.iter().zip(oracle::slots(&LINES, zone, from, to)) {
        let calendar = Calendar::new(line, zone).unwrap();
        let mut after = from;
        while after < to {
            let next = wanted.iter().find(|slot| **slot > after);
            let found = calendar.next(after).filter(|slot| *slot <= to);
            assert_eq!(found, next.copied(), "`{line}` after {after}");
            after += TimeDelta::seconds(61);
        }
    }
}
