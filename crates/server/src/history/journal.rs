//! The history as lines of JSON: a head with the format's number, the state when it was last made short, the records since.

use std::io;

use serde::{Deserialize, Serialize};

use super::{Record, State};
use crate::Error;

const FORMAT: u32 = 1;

/// Bytes of records after which the state is written in their place.
const SHORTEN: usize = 8 << 20;

/// Where the lines are kept.
pub trait Medium: Send {
    /// All that is there; nothing if it was never written.
    ///
    /// # Errors
    /// If it cannot be read.
    fn read(&mut self) -> io::Result<Vec<u8>>;

    /// Adds to the end, durably.
    ///
    /// # Errors
    /// If it may not be durable. Then any part of it may be there, and [`Medium::replace`] comes before the next append.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Puts `bytes` in the place of everything, durably and at once: a crash leaves the old or the new.
    ///
    /// # Errors
    /// If it may not be durable.
    fn replace(&mut self, bytes: &[u8]) -> io::Result<()>;
}

/// The history's writer.
pub struct Journal {
    medium: Box<dyn Medium>,
    appended: usize,
    /// An append failed: what is there may end in the middle of a record.
    torn: bool,
}

#[derive(Serialize, Deserialize)]
struct Head {
    tributary: String,
    format: u32,
}

#[derive(Serialize, Deserialize)]
struct Whole {
    state: State,
}

impl Journal {
    /// Reads what is there and makes it short.
    ///
    /// # Errors
    /// If it cannot be read or written, is of another format, or is broken other than at its end.
    pub fn open(mut medium: Box<dyn Medium>) -> Result<(Self, State), Error> {
        let bytes = medium.read().map_err(|e| Error::new("could not read the history").source(e))?;
        let state = read(&bytes)?;
        let mut journal = Self { medium, appended: 0, torn: false };
        journal.shorten(&state).map_err(|e| Error::new("could not write the history").source(e))?;
        Ok((journal, state))
    }

    /// Makes `records` durable, after what `state` knows.
    ///
    /// # Errors
    /// If they may not be durable. They must not be applied then; after a crash they may be found all the same.
    pub fn append(&mut self, state: &State, records: &[Record]) -> io::Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        if self.torn || self.appended > SHORTEN {
            self.shorten(state)?;
        }
        let mut lines = Vec::new();
        for record in records {
            line(&mut lines, record)?;
        }
        self.torn = true;
        self.medium.append(&lines)?;
        self.torn = false;
        self.appended += lines.len();
        Ok(())
    }

    fn shorten(&mut self, state: &State) -> io::Result<()> {
        let mut lines = Vec::new();
        line(&mut lines, &Head { tributary: "schedule".to_owned(), format: FORMAT })?;
        line(&mut lines, &Whole { state: state.clone() })?;
        self.medium.replace(&lines)?;
        (self.appended, self.torn) = (0, false);
        Ok(())
    }
}

fn line(lines: &mut Vec<u8>, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *lines, value)?;
    lines.push(b'\n');
    Ok(())
}

/// A last record that is cut off was never relied on, so it is passed over; one before that must be whole.
fn read(bytes: &[u8]) -> Result<State, Error> {
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n').enumerate();
    let Some((_, head)) = lines.next() else { return Ok(State::default()) };
    let broken = |number: usize| {
        Error::new(format!("line {} of the history is broken", number + 1))
            .hint("move the file away to begin anew: pipelines then run at their next slots")
    };
    let head: Head = serde_json::from_slice(head).map_err(|e| broken(0).source(e))?;
    if head.tributary != "schedule" || head.format != FORMAT {
        let Head { tributary, format } = head;
        return Err(Error::new(format!(
            "the history is in format {format} of `{tributary}`, and this program knows {FORMAT}"
        ))
        .hint("serve this state folder with the program that wrote it, or a newer one"));
    }
    let Some((_, whole)) = lines.next() else { return Err(broken(1)) };
    let Whole { mut state } = serde_json::from_slice(whole).map_err(|e| broken(1).source(e))?;
    let mut cut = None;
    for (number, text) in lines {
        match serde_json::from_slice::<Record>(text) {
            Ok(_) if cut.is_some() => return Err(broken(cut.unwrap_or(number))),
            Ok(record) if text.ends_with(b"\n") => state.apply(&record),
            Ok(_) => {}
            Err(_) => cut = cut.or(Some(number)),
        }
    }
    Ok(state)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    const HEAD: &str =
        "{\"tributary\":\"schedule\",\"format\":1}\n{\"state\":{\"last_run\":4,\"jobs\":{},\"told\":[]}}\n";

    fn due(run: u64) -> String {
        let at = DateTime::UNIX_EPOCH;
        let record = Record::Due { at, job: "a".into(), run, ready: at, slots: Vec::new(), missed: Vec::new() };
        format!("{}\n", serde_json::to_string(&record).unwrap())
    }

    #[test]
    fn a_record_that_is_cut_off_is_passed_over() {
        let whole = format!("{HEAD}{}{}", due(5), due(6));
        for end in HEAD.len()..whole.len() {
            let state = read(&whole.as_bytes()[..end]).unwrap();
            assert_eq!(state.last_run, if end < HEAD.len() + due(5).len() { 4 } else { 5 }, "cut at {end}");
        }
        let zeros = format!("{HEAD}{}\0\0\0\0", due(5));
        assert_eq!(read(zeros.as_bytes()).unwrap().last_run, 5);
    }

    #[test]
    fn a_broken_line_in_the_middle_and_another_format_are_refused() {
        let broken = read(format!("{HEAD}nonsense\n{}", due(5)).as_bytes()).unwrap_err();
        assert_eq!(broken.to_string(), "line 3 of the history is broken");
        let newer = read(HEAD.replace("\"format\":1", "\"format\":2").as_bytes()).unwrap_err();
        assert_eq!(newer.to_string(), "the history is in format 2 of `schedule`, and this program knows 1");
    }
}
