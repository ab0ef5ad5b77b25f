//! What a scenario does to an answer: another answer in its place, another body, or a body that is not sent as it should be.

use std::io::Write;
use std::time::SystemTime;

use chrono::{DateTime, TimeDelta, Utc};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::scenario::{Fault, RetryAfter};
use super::{Answer, Api};

/// How the body goes over the wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Sending {
    #[default]
    Whole,
    ResetAfter(usize),
    SilentAfter(usize),
    Drip(u64),
    Endless,
    Declared(usize),
}

/// The answer that stands in place of the vendor's, if the fault is one that gives another.
pub(super) fn instead(fault: &Fault, api: &impl Api, last_good: Option<&Answer>) -> Option<Answer> {
    match fault {
        Fault::Throttle { retry_after: None } => Some(api.throttled()),
        Fault::Throttle { retry_after: Some(after) } => Some(retry_after(api.throttled(), after)),
        Fault::ServerError { status } => Some(api.failed(*status)),
        Fault::Html { status } => Some(Answer::of(
            *status,
            "text/html;charset=UTF-8",
            "<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>We will be back soon</h1></body></html>",
        )),
        Fault::Answer { status, content_type, body } => Some(Answer::of(*status, content_type, body.as_bytes())),
        Fault::Redirect { location } => Some(Answer::empty(302).with("location", location)),
        Fault::RepeatPage => last_good.cloned(),
        _ => None,
    }
}

fn retry_after(mut answer: Answer, after: &RetryAfter) -> Answer {
    let http_date = |moment: DateTime<Utc>| moment.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let value = match after {
        RetryAfter::Seconds(seconds) => seconds.to_string(),
        RetryAfter::DateIn(seconds) => {
            // A date is read against a clock: the two of this answer are one, whatever the stand-in's time is.
            let now = DateTime::<Utc>::from(SystemTime::now());
            answer.headers.retain(|(name, _)| name != "date");
            answer.headers.push(("date".into(), http_date(now)));
            http_date(now + TimeDelta::seconds(*seconds))
        }
        RetryAfter::Text(text) => text.clone(),
    };
    answer.with("retry-after", value)
}

/// Changes the answer, and says how it is to be sent if the fault has a say in that.
pub(super) fn alter(fault: &Fault, answer: &mut Answer) -> Option<Sending> {
    let half = answer.body.len() / 2;
    match fault {
        Fault::Reset { after } => return Some(Sending::ResetAfter(after.unwrap_or(half))),
        Fault::Silence { after } => return Some(Sending::SilentAfter(after.unwrap_or(half))),
        Fault::Drip { milliseconds } => return Some(Sending::Drip(*milliseconds)),
        Fault::EndlessBody => return Some(Sending::Endless),
        Fault::DeclaredLength { plus } => {
            return Some(Sending::Declared(answer.body.len().saturating_add_signed(*plus as isize)));
        }
        Fault::TruncatedGzip => {
            answer.body = gzip(&answer.body, 0);
            answer.body.truncate(answer.body.len() / 2);
            answer.headers.push(("content-encoding".into(), "gzip".into()));
        }
        Fault::GzipBomb { mebibytes } => {
            answer.body = gzip(&answer.body, *mebibytes);
            answer.headers.push(("content-encoding".into(), "gzip".into()));
        }
        Fault::DuplicateKey { key, value } => {
            let key = format!("\"{key}\":");
            insert(&mut answer.body, key.as_bytes(), 0, format!("{key}{value},").as_bytes());
        }
        Fault::Splice { after, hex } => {
            let digits: Vec<u8> = hex.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
            let bytes: Vec<u8> =
                digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
            insert(&mut answer.body, after.as_bytes(), after.len(), &bytes);
        }
        _ => {}
    }
    None
}

/// Puts bytes in, so many bytes after the start of the first occurrence of a text; nothing if it does not occur.
fn insert(body: &mut Vec<u8>, text: &[u8], behind: usize, bytes: &[u8]) {
    if text.is_empty() {
        return;
    }
    if let Some(at) = body.windows(text.len()).position(|window| window == text) {
        body.splice(at + behind..at + behind, bytes.iter().copied());
    }
}

/// The body and so many MiB of blanks, packed. Writing to memory cannot fail.
fn gzip(body: &[u8], mebibytes: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let blanks = vec![b' '; if mebibytes > 0 { 1 << 20 } else { 0 }];
    let written = encoder.write_all(body).and_then(|()| (0..mebibytes).try_for_each(|_| encoder.write_all(&blanks)));
    written.and_then(|()| encoder.finish()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_twice_and_bytes_are_put_in() {
        let mut answer = Answer::of(200, "application/json", r#"{"data":[{"id":"7","Name":"x"}]}"#);
        alter(&Fault::DuplicateKey { key: "id".into(), value: "\"8\"".into() }, &mut answer);
        alter(&Fault::Splice { after: "\"Name\":\"".into(), hex: "ff00".into() }, &mut answer);
        assert_eq!(answer.body, b"{\"data\":[{\"id\":\"8\",\"id\":\"7\",\"Name\":\"\xff\x00x\"}]}");
    }
}
