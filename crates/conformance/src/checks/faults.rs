//! What goes wrong between here and the vendor.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tributary_connector::{Retry, Stream};

use super::each_stream;
use super::values::met;
use crate::clock::locked;
use crate::failure::During;
use crate::ledger::{Ledger, Truth};
use crate::stage::{Ended, Go, Stage, described, run};
use crate::traffic::{Fault, RetryAfter, Rule};
use crate::wire::{Between, Delivery, Onward, Reply, Request, Wire};
use crate::{Change, DeclaredStream, Failure, Passed, Size, Subject};

/// More than a page may hold here.
const BOMB_MEBIBYTES: usize = 6;

/// What is asked of a reading under a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// It gets over it.
    Recovers,
    /// It gets over it, or ends with an error.
    Either,
    /// It ends with an error that says that it may be tried again.
    Later,
}

/// Each fault, once or for good, at the first, second or last page, ends in all that the vendor holds, or in an error after which the
/// positions lead to it.
///
/// # Errors
/// What is not so.
pub fn faults(subject: &dyn Subject) -> Result<Passed, Failure> {
    each_stream(super::FAULTS, subject, |declared| {
        let stage = Stage::new(subject, Size::Small)?;
        if !stage.has_http() {
            return Ok(Passed::skipped("it is not read by HTTP"));
        }
        run(async {
            let stream = stage.stream(declared.name).await?;
            let truth = stage.truth(declared)?;
            stage.traffic.forget();
            stage.full(declared, &stream).await?;
            let last = stage.traffic.count(declared.pages);
            let (mut tried, mut errors) = (0, 0);
            let (passing, web_pages) = (passing(&stage), pages_for_people());
            let once = |from| Rule { pattern: declared.pages, from, times: Some(1) };
            let mut ordeals: Vec<(Rule, Fault, Wish)> = Vec::new();
            ordeals.extend(passing.into_iter().map(|(fault, wish)| (once(2), fault, wish)));
            for from in [1, 2, last] {
                ordeals.extend(web_pages.iter().map(|fault| (once(from), fault.clone(), Wish::Either)));
            }
            ordeals.push((
                once(last),
                Fault::delivered("a reset in the last page", |bytes| Delivery::Reset { after: bytes / 2 }),
                Wish::Recovers,
            ));
            ordeals.push((
                Rule { times: Some(3), ..once(1) },
                Fault::answer("three failures in a row", stage.declared.failed.clone()),
                Wish::Recovers,
            ));
            let repeat = Fault::repeat(&declared.none);
            ordeals.push((once(last), repeat.clone(), Wish::Either));
            ordeals.push((Rule { times: None, ..once(2) }, repeat, Wish::Either));
            for (fault, wish) in lasting(&stage) {
                ordeals.push((Rule { times: None, ..once(2) }, fault, wish));
            }
            for (rule, fault, wish) in ordeals {
                let name = fault.name;
                let place = match rule.times {
                    Some(_) => format!("{name}, from page {}", rule.from),
                    None => format!("{name}, from page {} on for good", rule.from),
                };
                errors +=
                    usize::from(ordeal(&stage, declared, &stream, &truth, rule, fault, wish).await.during(|| place)?);
                tried += 1;
            }
            Ok(Passed::with(format!("{tried} faults, {} of them got over", tried - errors)))
        })
    })
}

/// Faults that happen once.
fn passing(stage: &Stage) -> Vec<(Fault, Wish)> {
    let (throttled, failed) = (stage.declared.throttled.clone(), stage.declared.failed.clone());
    let now = tributary_connector::http::Clock::now(&*stage.clock);
    let page = |name, how: fn(usize) -> Delivery| Fault::delivered(name, how);
    vec![
        (Fault::answer("too many requests", throttled.clone()), Wish::Recovers),
        (
            Fault::answer("too many requests, and a hint that makes no sense", RetryAfter::Nonsense.on(throttled, now)),
            Wish::Recovers,
        ),
        (Fault::answer("a failure", failed.clone()), Wish::Recovers),
        (Fault::answer("a bad gateway", Reply { status: 502, ..failed }), Wish::Recovers),
        (page("no answer", |_| Delivery::Nothing), Wish::Recovers),
        (page("a reset before the body", |_| Delivery::Reset { after: 0 }), Wish::Recovers),
        (page("a reset after the first bytes", |_| Delivery::Reset { after: 9 }), Wish::Recovers),
        (page("a reset in the middle", |bytes| Delivery::Reset { after: bytes / 2 }), Wish::Recovers),
        (
            page("a reset before the last byte", |bytes| Delivery::Reset { after: bytes.saturating_sub(1) }),
            Wish::Recovers,
        ),
        (page("silence in the middle", |bytes| Delivery::Silence { after: bytes / 2 }), Wish::Recovers),
        (page("a body that comes in drops", |_| Delivery::Drip { milliseconds: 3 }), Wish::Recovers),
        (Fault::truncated_gzip(), Wish::Recovers),
        (Fault::gzip_bomb(BOMB_MEBIBYTES), Wish::Either),
        (page("a body without end", |_| Delivery::Endless), Wish::Either),
        (page("a length that is too long", |_| Delivery::Length { plus: 7 }), Wish::Recovers),
        (page("a length that is too short", |_| Delivery::Length { plus: -7 }), Wish::Either),
    ]
}

/// Answers with a good status and no data.
fn pages_for_people() -> Vec<Fault> {
    let html =
        "<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>We will be back soon</h1></body></html>";
    vec![
        Fault::answer("a web page with 200", Reply::of(200, "text/html;charset=UTF-8", html)),
        Fault::answer("a web page that says it is JSON", Reply::of(200, "application/json", html)),
        Fault::answer("an empty body with 200", Reply::of(200, "application/json", "")),
        Fault::answer("`null` with 200", Reply::of(200, "application/json", "null")),
        Fault::answer("an empty object with 200", Reply::of(200, "application/json", "{}")),
    ]
}

/// Faults that do not end.
fn lasting(stage: &Stage) -> Vec<(Fault, Wish)> {
    vec![
        (Fault::answer("too many requests", stage.declared.throttled.clone()), Wish::Later),
        (Fault::answer("failures", stage.declared.failed.clone()), Wish::Later),
        (Fault::delivered("no answer", |_| Delivery::Nothing), Wish::Later),
        (Fault::delivered("resets", |bytes| Delivery::Reset { after: bytes / 2 }), Wish::Later),
    ]
}

/// Reads under a fault, and again without it; whether there was an error.
async fn ordeal(
    stage: &Stage,
    declared: &DeclaredStream,
    stream: &Stream,
    truth: &Truth<'_>,
    rule: Rule,
    fault: Fault,
    wish: Wish,
) -> Result<bool, Failure> {
    let (mut ledger, connector) = (Ledger::default(), stage.connector()?);
    stage.traffic.clear();
    stage.traffic.forget();
    stage.traffic.lay(rule, fault);
    let ended = stage.read(&*connector, declared, stream, &mut ledger, |_| Go::On).await;
    stage.traffic.clear();
    let ended = ended?;
    met(stage, declared).map_err(|failure| match &ended {
        Ended::Broken(error) => Failure::new("to read as far as the fault", described(error)),
        _ => failure,
    })?;
    let error = match ended {
        Ended::Broken(error) => Some(error),
        _ => ledger.errors.pop(),
    };
    match &error {
        None => ledger
            .against(truth, stream)
            .map_err(|failure| failure.hint("an answer that is not understood is an error, never \"no records\""))?,
        Some(error) if wish == Wish::Recovers => {
            return Err(Failure::new("the read to get over it", described(error)));
        }
        Some(error) if wish == Wish::Later && error.retry == Retry::Never => {
            return Err(Failure::new("an error that says that it may be tried again", described(error)));
        }
        Some(_) => {}
    }
    drop(connector);
    stage.finish(declared, stream, &mut ledger).await.during(|| "afterwards".to_owned())?;
    ledger.against(truth, stream).during(|| "afterwards".to_owned())?;
    Ok(error.is_some())
}

/// A place where no credential should come.
#[derive(Default)]
struct Sink(Mutex<Vec<Request>>);

#[async_trait]
impl Between for Sink {
    async fn answer(&self, request: Request, _onward: &Onward) -> Reply {
        locked(&self.0).push(request);
        Reply::json(200, &serde_json::json!({}))
    }
}

/// A redirect to another origin takes no credential there, and loses nothing.
///
/// # Errors
/// What is not so.
pub fn redirects(subject: &dyn Subject) -> Result<Passed, Failure> {
    each_stream(super::REDIRECTS, subject, |declared| {
        let stage = Stage::new(subject, Size::Small)?;
        if !stage.has_http() {
            return Ok(Passed::skipped("it is not read by HTTP"));
        }
        let sink = Arc::new(Sink::default());
        let there = Wire::alone(Arc::clone(&sink) as Arc<dyn Between>).map_err(|e| Failure::ours("open a port", e))?;
        run(async {
            let stream = stage.stream(declared.name).await?;
            let truth = stage.truth(declared)?;
            let target = there.url();
            for (status, location) in [
                (302, format!("{target}/steal?page=2")),
                (307, format!("//{}/steal", target.trim_start_matches("http://"))),
                (301, "file:///etc/passwd".to_owned()),
            ] {
                let fault =
                    Fault::answer("a redirect to another origin", Reply::empty(status).with("location", location));
                let rule = Rule { pattern: declared.pages, from: 2, times: Some(1) };
                ordeal(&stage, declared, &stream, &truth, rule, fault, Wish::Either)
                    .await
                    .during(|| format!("a redirect ({status})"))?;
                let came = locked(&sink.0).len();
                if came > 0 {
                    let secrets = secrets_in(&stage, &locked(&sink.0));
                    return Err(Failure::new(
                        "no request at the other origin",
                        format!("{came}, with {secrets} secrets"),
                    )
                    .during(format!("a redirect ({status})"))
                    .hint("send with the kit's client, which goes nowhere but to the origins it was given"));
                }
            }
            Ok(Passed::with(""))
        })
    })
}

fn secrets_in(stage: &Stage, requests: &[Request]) -> usize {
    let mut secrets = stage.traffic.credentials();
    secrets.extend(locked(&stage.world).secrets());
    let holds = |request: &Request, secret: &str| {
        request.headers.iter().any(|(_, value)| value.contains(secret)) || request.target().contains(secret)
    };
    secrets.iter().filter(|secret| requests.iter().any(|request| holds(request, secret))).count()
}

/// An access token that ends in the middle of a read is replaced, once, and the page is asked for again.
///
/// # Errors
/// What is not so.
pub fn expired_token(subject: &dyn Subject) -> Result<Passed, Failure> {
    each_stream(super::EXPIRED_TOKEN, subject, |declared| {
        let stage = Stage::new(subject, Size::Small)?;
        let Some(tokens) = stage.declared.tokens else { return Ok(Passed::skipped("there are no access tokens")) };
        run(async {
            let stream = stage.stream(declared.name).await?;
            let truth = stage.truth(declared)?;
            stage.full(declared, &stream).await?;
            let before = stage.traffic.count(tokens);
            let (world, name) = (Arc::clone(&stage.world), declared.name);
            let expire = Fault::before("the token ends", move || {
                // What the world cannot do shows in the number of tokens.
                let _ = locked(&world).change(name, &Change::ExpireTokens);
            });
            stage.traffic.lay(Rule { pattern: declared.pages, from: 2, times: Some(1) }, expire);
            let (ledger, _) = stage.full(declared, &stream).await?;
            stage.traffic.clear();
            ledger.against(&truth, &stream)?;
            let fetched = stage.traffic.count(tokens) - before;
            if fetched != 1 {
                return Err(Failure::new("one request for another token", format!("{fetched}")));
            }
            Ok(Passed::with(""))
        })
    })
}
