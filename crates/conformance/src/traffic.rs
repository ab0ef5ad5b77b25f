//! What goes on between connector and world: a log of all requests, and faults laid on some of them.

use std::collections::{BTreeSet, HashMap};
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use flate2::Compression;
use flate2::write::GzEncoder;
use tributary_connector::http::Clock;

use crate::clock::locked;
use crate::wire::{Between, Delivery, Onward, Reply, Request, fits};

/// A request as the log keeps it.
#[derive(Debug, Clone)]
pub(crate) struct Logged {
    pub request: Request,
    /// By the clock that connector and world share.
    pub time: DateTime<Utc>,
    pub status: u16,
    /// Of the answer.
    pub bytes: usize,
    /// Requests under way, this one included.
    pub at_once: usize,
    pub fault: Option<&'static str>,
}

/// Where a fault is laid.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    pub pattern: &'static str,
    /// The first request it meets, of those that fit, from one.
    pub from: usize,
    /// How many in a row; all if none is said.
    pub times: Option<usize>,
}

/// What happens to a request.
#[derive(Clone)]
pub(crate) struct Fault {
    pub name: &'static str,
    act: Act,
}

#[derive(Clone)]
enum Act {
    /// Before it is handed on.
    Before(Arc<dyn Fn() + Send + Sync>),
    /// In place of an answer; what is given is the last good answer to this path.
    Instead(Arc<Instead>),
    /// To the answer.
    After(Arc<dyn Fn(Reply) -> Reply + Send + Sync>),
}

type Instead = dyn Fn(Option<&Reply>) -> Option<Reply> + Send + Sync;

/// The log and the faults.
pub(crate) struct Traffic {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    rules: Vec<(Rule, Fault, usize)>,
    log: Vec<Logged>,
    under_way: usize,
    good: HashMap<String, Reply>,
    credentials: BTreeSet<String>,
}

impl Traffic {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::default() }
    }

    /// Lays a fault beside those there are.
    pub fn lay(&self, rule: Rule, fault: Fault) {
        locked(&self.state).rules.push((rule, fault, 0));
    }

    /// All goes well again.
    pub fn clear(&self) {
        locked(&self.state).rules.clear();
    }

    pub fn log(&self) -> Vec<Logged> {
        locked(&self.state).log.clone()
    }

    /// A reading begins of which the log and the last good answers are to be.
    pub fn forget(&self) {
        let state = &mut *locked(&self.state);
        state.log.clear();
        state.good.clear();
    }

    /// How many requests fit a pattern.
    pub fn count(&self, pattern: &str) -> usize {
        locked(&self.state).log.iter().filter(|logged| fits(pattern, &logged.request)).count()
    }

    /// What was sent as credentials: the last words of `Authorization` headers.
    pub fn credentials(&self) -> BTreeSet<String> {
        locked(&self.state).credentials.clone()
    }

    fn arrive(&self, request: &Request) -> (usize, Vec<Fault>, Option<Reply>) {
        let time = self.clock.now();
        let state = &mut *locked(&self.state);
        state.under_way += 1;
        if let Some(token) = request.header("authorization").and_then(|value| value.split(' ').next_back()) {
            state.credentials.insert(token.to_owned());
        }
        let mut faults = Vec::new();
        for (rule, fault, seen) in state.rules.iter_mut().filter(|(rule, ..)| fits(rule.pattern, request)) {
            *seen += 1;
            if *seen >= rule.from && rule.times.is_none_or(|times| *seen - rule.from < times) {
                faults.push(fault.clone());
            }
        }
        state.log.push(Logged {
            request: request.clone(),
            time,
            status: 0,
            bytes: 0,
            at_once: state.under_way,
            fault: faults.first().map(|fault| fault.name),
        });
        (state.log.len() - 1, faults, state.good.get(&request.path).cloned())
    }
}

#[async_trait]
impl Between for Traffic {
    async fn answer(&self, request: Request, onward: &Onward) -> Reply {
        let (number, faults, last) = self.arrive(&request);
        let _leaving = Leaving(self);
        for fault in &faults {
            if let Act::Before(act) = &fault.act {
                act();
            }
        }
        let instead = faults.iter().find_map(|fault| match &fault.act {
            Act::Instead(act) => act(last.as_ref()),
            _ => None,
        });
        let path = request.path.clone();
        let mut reply = match instead {
            Some(reply) => reply,
            None => {
                let reply = onward.send(request).await;
                if reply.status == 200 {
                    locked(&self.state).good.insert(path, reply.clone());
                }
                reply
            }
        };
        for fault in &faults {
            if let Act::After(act) = &fault.act {
                reply = act(reply);
            }
        }
        if let Some(logged) = locked(&self.state).log.get_mut(number) {
            (logged.status, logged.bytes) = (reply.status, reply.body.len());
        }
        reply
    }
}

/// A request that is being answered.
struct Leaving<'a>(&'a Traffic);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        locked(&self.0.state).under_way -= 1;
    }
}

impl Fault {
    pub fn before(name: &'static str, act: impl Fn() + Send + Sync + 'static) -> Self {
        Self { name, act: Act::Before(Arc::new(act)) }
    }

    pub fn after(name: &'static str, act: impl Fn(Reply) -> Reply + Send + Sync + 'static) -> Self {
        Self { name, act: Act::After(Arc::new(act)) }
    }

    /// Another answer in place of the vendor's.
    pub fn answer(name: &'static str, reply: Reply) -> Self {
        Self { name, act: Act::Instead(Arc::new(move |_| Some(reply.clone()))) }
    }

    /// The answer goes over the wire in another way; how is found by its length.
    pub fn delivered(name: &'static str, how: impl Fn(usize) -> Delivery + Send + Sync + 'static) -> Self {
        Self::after(name, move |reply| {
            let how = how(reply.body.len());
            reply.delivered(how)
        })
    }

    /// The last good answer to the path comes again, unless it is one without records, which says nothing.
    pub fn repeat(none: &Reply) -> Self {
        let none = none.body.clone();
        let again = move |last: Option<&Reply>| last.filter(|last| last.body != none).cloned();
        Self { name: "a page comes again", act: Act::Instead(Arc::new(again)) }
    }

    pub fn truncated_gzip() -> Self {
        Self::after("gzip that ends early", |mut reply| {
            let packed = gzip(&reply.body, 0);
            reply.body = Bytes::copy_from_slice(&packed[..packed.len() / 2]);
            reply.with("content-encoding", "gzip")
        })
    }

    pub fn gzip_bomb(mebibytes: usize) -> Self {
        Self::after("a gzip bomb", move |mut reply| {
            reply.body = gzip(&reply.body, mebibytes).into();
            reply.with("content-encoding", "gzip")
        })
    }

    /// Puts `bytes` before, or else behind, the first `"field":"` of the answer.
    pub fn splice(name: &'static str, field: &str, before: bool, bytes: &[u8]) -> Self {
        let (field, bytes) = (field.to_owned(), bytes.to_vec());
        Self::after(name, move |mut reply| {
            if let Some(place) = field_at(&reply.body, &field) {
                let at = if before { place.start } else { place.end };
                reply.body = [&reply.body[..at], &bytes, &reply.body[at..]].concat().into();
            }
            reply
        })
    }
}

/// Where `"field":"` stands first, blanks after the colon allowed.
pub(crate) fn field_at(body: &[u8], field: &str) -> Option<std::ops::Range<usize>> {
    let quoted = format!("\"{field}\"");
    (0..body.len()).filter(|at| body[*at..].starts_with(quoted.as_bytes())).find_map(|start| {
        let mut end = start + quoted.len();
        for wanted in [b':', b'"'] {
            end += body[end..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            if body.get(end) != Some(&wanted) {
                return None;
            }
            end += 1;
        }
        Some(start..end)
    })
}

/// How a server says when to come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RetryAfter {
    Seconds(u64),
    DateIn(u64),
    /// Something that makes no sense.
    Nonsense,
}

impl RetryAfter {
    pub fn on(self, reply: Reply, now: DateTime<Utc>) -> Reply {
        let http_date = |time: DateTime<Utc>| time.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        match self {
            Self::Seconds(seconds) => reply.with("retry-after", seconds.to_string()),
            Self::DateIn(seconds) => {
                // In whole seconds, rounded up, so that nobody may come earlier.
                let now = now + TimeDelta::seconds(1);
                let then = now + TimeDelta::try_seconds(seconds.cast_signed()).unwrap_or_default();
                reply.with("date", http_date(now)).with("retry-after", http_date(then))
            }
            Self::Nonsense => reply.with("retry-after", "soon"),
        }
    }

    pub fn wait(self) -> Duration {
        match self {
            Self::Seconds(seconds) | Self::DateIn(seconds) => Duration::from_secs(seconds),
            Self::Nonsense => Duration::ZERO,
        }
    }
}

/// The body and so many MiB of blanks, packed. Writing to memory cannot fail.
fn gzip(body: &[u8], mebibytes: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let blanks = vec![b' '; if mebibytes > 0 { 1 << 20 } else { 0 }];
    let written = encoder.write_all(body).and_then(|()| (0..mebibytes).try_for_each(|_| encoder.write_all(&blanks)));
    written.and_then(|()| encoder.finish()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fields_place_is_found_whatever_blanks_there_are() {
        let place = |text: &str| field_at(text.as_bytes(), "name").map(|place| text[place].to_owned());
        assert_eq!(place(r#"{"id":1,"name":"x"}"#).as_deref(), Some(r#""name":""#));
        assert_eq!(place(r#"{"name": 5, "name" : "x"}"#).as_deref(), Some(r#""name" : ""#));
        assert_eq!(place(r#"{"names":"x"}"#), None);
    }
}
