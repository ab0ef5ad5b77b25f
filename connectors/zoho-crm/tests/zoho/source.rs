//! A source over a stand-in, and what is asked of it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tributary_connector::http::{Policy, Settings, VirtualClock};
use tributary_connector::{Connector, Context, Error, Event, Position, ReadRequest, Registry, State, Stream};
use tributary_sandbox::http::{Handle, Scenario};
use tributary_sandbox::zoho::{Credential, Crm, Options, serve};
use tributary_zoho_crm::ZohoCrm;

pub fn server() -> Handle<Crm> {
    serve(Options { people: 400, ..Options::default() }, Scenario::default(), 0).unwrap()
}

/// A credential that may not query.
pub fn without_coql() -> Options {
    let scope = "ZohoCRM.modules.ALL ZohoCRM.settings.ALL ZohoCRM.users.READ ZohoCRM.org.READ".to_owned();
    Options { people: 400, credentials: vec![Credential { scope, ..Credential::default() }], ..Options::default() }
}

pub struct Source {
    pub connector: Box<dyn Connector>,
}

fn with_secrets(mut config: Value) -> Value {
    for (name, value) in [("client_id", "client"), ("client_secret", "secret"), ("refresh_token", "refresh")] {
        let secret = json!({ "command": ["printf", value] });
        config.as_object_mut().unwrap().entry(name).or_insert(secret);
    }
    config
}

/// A run that does not wait.
fn context(streams: Option<Vec<String>>) -> Context {
    let clock = Arc::new(VirtualClock::new("2026-07-01T00:00:00Z".parse().unwrap()));
    let policy = Policy { base: Duration::from_millis(10), ..Policy::default() };
    let http = Settings { clock, policy, ..Settings::default() };
    Context { streams, http, ..Context::new("crm", chrono_tz::Asia::Shanghai) }
}

/// What a reading gave: events up to the end, or to an error.
pub struct Taken {
    pub events: Vec<Event>,
    pub error: Option<Error>,
}

impl Source {
    pub fn new(server: &Handle<Crm>) -> Self {
        Self::with(server, json!({ "bulk": "never" }))
    }

    pub fn with(server: &Handle<Crm>, more: Value) -> Self {
        let url = server.url();
        let mut config = json!({ "accounts_url": url, "api_url": url });
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Self::configured(config, None).unwrap()
    }

    /// With pages so small that their edges are everywhere.
    pub fn small(server: &Handle<Crm>, more: Value, page: u64) -> Self {
        let url = server.url();
        let mut config = json!({ "accounts_url": url, "api_url": url });
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let config = serde_json::from_value(with_secrets(config)).unwrap();
        Self { connector: Box::new(ZohoCrm::new(config, &context(None)).unwrap().with_page_records(page)) }
    }

    pub fn configured(config: Value, streams: Option<Vec<String>>) -> Result<Self, Error> {
        let mut registry = Registry::new();
        tributary_zoho_crm::register(&mut registry);
        let connector = registry.get("zoho-crm").unwrap().build(with_secrets(config), &context(streams))?;
        Ok(Self { connector })
    }

    pub async fn streams(&self) -> BTreeMap<String, Stream> {
        let streams = self.connector.discover().await.unwrap();
        streams.into_iter().map(|stream| (stream.name.clone(), stream)).collect()
    }

    pub async fn stream(&self, name: &str) -> Stream {
        self.streams().await.remove(name).unwrap()
    }

    pub async fn take(&self, stream: &Stream, state: &State) -> Taken {
        let request = ReadRequest::new(stream.clone(), state.clone());
        let mut events = Vec::new();
        let mut reader = match self.connector.read(request).await {
            Ok(reader) => reader,
            Err(error) => return Taken { events, error: Some(error) },
        };
        loop {
            match reader.next().await {
                Ok(Some(event)) => events.push(event),
                Ok(None) => return Taken { events, error: None },
                Err(error) => return Taken { events, error: Some(error) },
            }
        }
    }
}

impl Taken {
    pub fn whole(self) -> Vec<Event> {
        if let Some(error) = self.error {
            panic!("{error} ({:?})", error.hint);
        }
        self.events
    }
}

/// The state after these events.
pub fn state_after(events: &[Event]) -> State {
    let mut state = State::default();
    for event in events {
        if let Event::Checkpoint(positions) = event {
            for (partition, position) in positions {
                let position: &Option<Position> = position;
                state.0.insert(partition.clone(), position.clone().unwrap());
            }
        }
    }
    state
}

/// One who looks at single records, over one connection.
pub struct Client {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
    token: String,
}

impl Client {
    pub fn new(server: &Handle<Crm>) -> Self {
        let address = server.address();
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut client = Self { stream: BufReader::new(stream), address, token: String::new() };
        let query = "refresh_token=refresh&client_id=client&client_secret=secret&grant_type=refresh_token";
        let answer = client.send("POST", &format!("/oauth/v2/token?{query}"), b"");
        client.token = answer["access_token"].as_str().unwrap().to_owned();
        client
    }

    pub fn post(&mut self, path: &str, body: &Value) -> Value {
        self.send("POST", path, body.to_string().as_bytes())
    }

    /// A record as a single read shows it.
    pub fn record(&mut self, module: &str, id: &str) -> Value {
        self.send("GET", &format!("/crm/v8/{module}/{id}"), b"")["data"][0].take()
    }

    fn send(&mut self, method: &str, target: &str, body: &[u8]) -> Value {
        let head = format!(
            "{method} {target} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n\
             authorization: Zoho-oauthtoken {}\r\ncontent-length: {}\r\n\r\n",
            self.address,
            self.token,
            body.len()
        );
        self.stream.get_mut().write_all(&[head.as_bytes(), body].concat()).unwrap();
        let mut length = 0;
        loop {
            let mut line = String::new();
            assert!(self.stream.read_line(&mut line).unwrap() > 0);
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer).unwrap();
        serde_json::from_slice(&answer).unwrap_or(Value::Null)
    }
}
