//! The server: one thread, one runtime, one stand-in behind a lock; stopped by its handle.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::oneshot;

use super::fault::{Sending, alter, instead};
use super::scenario::{Fault, Scenario};
use super::wire::{Body, Wire, body};
use super::{Answer, Api, Entry, Request, control};
use crate::Error;

/// What a running server holds.
#[derive(Debug)]
pub(super) struct State<A> {
    pub(super) api: A,
    pub(super) scenario: Scenario,
    pub(super) log: Vec<Entry>,
    started: Instant,
    requests: u64,
    /// Paths being answered, by the request's number.
    under_way: HashMap<u64, String>,
    last_good: HashMap<String, Answer>,
}

/// A server that runs until this is dropped or stopped.
#[derive(Debug)]
pub struct Handle<A> {
    address: SocketAddr,
    state: Arc<Mutex<State<A>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl<A: Api> Handle<A> {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:port`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Looks at the stand-in, or changes it, while no request is being answered.
    pub fn with<T>(&self, look: impl FnOnce(&mut A) -> T) -> T {
        look(&mut locked(&self.state).api)
    }

    /// What was asked so far, in order of arrival.
    pub fn requests(&self) -> Vec<Entry> {
        locked(&self.state).log.clone()
    }

    /// From now on it misbehaves by this scenario; rules count anew.
    pub fn misbehave(&self, scenario: Scenario) {
        locked(&self.state).scenario = scenario;
    }

    /// Stops it and waits until its port is free. Connections are cut.
    pub fn stop(self) {}

    /// Waits until it ends, which it does only if its thread dies.
    pub fn wait(mut self) {
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap_or_default();
        }
    }
}

impl<A> Drop for Handle<A> {
    fn drop(&mut self) {
        // Whoever is not there any more needs no stopping, and a thread that panicked has said so.
        self.stop.take().map(|stop| stop.send(()));
        self.thread.take().map(JoinHandle::join);
    }
}

/// Serves a stand-in on 127.0.0.1 and the port, 0 for any that is free. `make` makes the stand-in, being told its base URL.
///
/// # Errors
///
/// [`Error::Serve`] when it cannot listen there; what `make` answers.
pub fn serve<A: Api>(
    port: u16,
    scenario: Scenario,
    make: impl FnOnce(&str) -> Result<A, Error>,
) -> Result<Handle<A>, Error> {
    let cannot = |source| Error::Serve { port, source };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(cannot)?;
    listener.set_nonblocking(true).map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?;
    let api = make(&format!("http://{address}"))?;
    let state = Arc::new(Mutex::new(State {
        api,
        scenario,
        log: Vec::new(),
        started: Instant::now(),
        requests: 0,
        under_way: HashMap::new(),
        last_good: HashMap::new(),
    }));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(cannot)?;
    let (stop, stopped) = oneshot::channel();
    let shared = Arc::clone(&state);
    let thread = std::thread::Builder::new().name("sandbox".into());
    let thread = thread.spawn(move || runtime.block_on(accept(listener, shared, stopped))).map_err(cannot)?;
    Ok(Handle { address, state, stop: Some(stop), thread: Some(thread) })
}

fn locked<A>(state: &Mutex<State<A>>) -> MutexGuard<'_, State<A>> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept<A: Api>(listener: TcpListener, state: Arc<Mutex<State<A>>>, mut stopped: oneshot::Receiver<()>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    loop {
        let stream = tokio::select! {
            biased;
            _ = &mut stopped => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(_) => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                }
            },
        };
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let reset = Arc::new(AtomicBool::new(false));
            let wire = TokioIo::new(Wire::new(stream, Arc::clone(&reset)));
            let service = service_fn(move |request| exchange(Arc::clone(&state), Arc::clone(&reset), request));
            // How a connection ends is the client's affair.
            let _ended = http1::Builder::new().timer(TokioTimer::new()).serve_connection(wire, service).await;
        });
    }
}

/// One request and its answer.
async fn exchange<A: Api>(
    state: Arc<Mutex<State<A>>>,
    reset: Arc<AtomicBool>,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Body>, Infallible> {
    let request = match received(request).await {
        Ok(request) => request,
        Err(reason) => return Ok(response(Answer::of(400, "text/plain", reason), Sending::Whole, &reset)),
    };
    if request.path.starts_with(control::PREFIX) {
        let answer = control::answer(&mut locked(&state), &request);
        return Ok(response(answer, Sending::Whole, &reset));
    }
    let (under_way, answer, sending, delay) = begin(&state, request);
    if delay > 0 {
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
    drop(under_way);
    Ok(response(answer, sending, &reset))
}

/// A request counts as being answered until this is dropped, be it because its connection is gone.
struct UnderWay<A> {
    number: u64,
    state: Arc<Mutex<State<A>>>,
}

impl<A> Drop for UnderWay<A> {
    fn drop(&mut self) {
        locked(&self.state).under_way.remove(&self.number);
    }
}

/// Lets the scenario and the stand-in decide, all at the moment of arrival: answer, way of sending, milliseconds to wait.
fn begin<A: Api>(state: &Arc<Mutex<State<A>>>, mut request: Request) -> (UnderWay<A>, Answer, Sending, u64) {
    let mut held = locked(state);
    let held = &mut *held;
    held.requests += 1;
    let number = held.requests;
    request.beside = held.under_way.values().cloned().collect();
    held.under_way.insert(number, request.path.clone());
    let described = held.api.describe(&request);

    let rules = held.scenario.rules.iter_mut();
    let faults: Vec<Fault> = rules
        .filter_map(|rule| {
            rule.applies(&request.method, &request.path, described.table.as_deref()).then(|| rule.fault.clone())
        })
        .collect();
    let mut broken = None;
    for fault in &faults {
        if let Fault::Disturb(disturbance) = fault
            && let Err(reason) = held.api.disturb(disturbance)
        {
            broken = Some(Answer::of(500, "text/plain", format!("the sandbox cannot follow its scenario: {reason}")));
        }
    }
    let place = format!("{} {}", request.path, described.table.as_deref().unwrap_or_default());
    let last_good = held.last_good.get(&place);
    let replaced = broken.or_else(|| faults.iter().find_map(|fault| instead(fault, &held.api, last_good)));
    let mut answer = match replaced {
        Some(answer) => answer,
        None => {
            let answer = held.api.answer(&request);
            if answer.status == 200 && answer.failure.is_none() {
                held.last_good.insert(place, answer.clone());
            }
            answer
        }
    };
    let (mut sending, mut delay) = (Sending::Whole, 0);
    for fault in &faults {
        if let Fault::Delay { milliseconds } = fault {
            delay += milliseconds;
        }
        sending = alter(fault, &mut answer).unwrap_or(sending);
    }
    held.log.push(Entry {
        number,
        method: request.method,
        path: request.path,
        page: described.page,
        table: described.table,
        time: described.time,
        milliseconds: held.started.elapsed().as_millis() as u64,
        credential: described.credential,
        status: answer.status,
        failure: answer.failure,
        faults: faults.iter().map(name).collect(),
    });
    (UnderWay { number, state: Arc::clone(state) }, answer, sending, delay)
}

/// The fault's name in a scenario.
fn name(fault: &Fault) -> String {
    match serde_json::to_value(fault) {
        Ok(serde_json::Value::Object(named)) => named.keys().next().cloned().unwrap_or_default(),
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}

async fn received(request: hyper::Request<Incoming>) -> Result<Request, String> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|error| format!("the request's body did not come: {error}"))?.to_bytes();
    let header = |(name, value): (&hyper::header::HeaderName, &hyper::header::HeaderValue)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    };
    Ok(Request {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect(),
        headers: parts.headers.iter().filter_map(header).collect(),
        body,
        beside: Vec::new(),
    })
}

fn response(answer: Answer, sending: Sending, reset: &Arc<AtomicBool>) -> hyper::Response<Body> {
    let mut builder = hyper::Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        builder = builder.header(name, value);
    }
    match sending {
        Sending::Whole | Sending::Endless => {}
        Sending::Declared(length) => builder = builder.header("content-length", length),
        _ => builder = builder.header("content-length", answer.body.len()),
    }
    builder.body(body(answer.body, sending, reset)).unwrap_or_else(|error| {
        let text = format!("the sandbox could not send its answer: {error}").into_bytes();
        let mut response = hyper::Response::new(body(text, Sending::Whole, reset));
        *response.status_mut() = hyper::StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}
