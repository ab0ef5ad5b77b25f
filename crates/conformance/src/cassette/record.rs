//! Writes a cassette while a connector reads.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::{Answered, Asked, Body, Error, Exchange, ORIGIN, Redaction};
use crate::clock::locked;
use crate::wire::{Between, Onward, Reply, Request, Wire};

/// A recording under way; it ends when it is dropped. Each exchange is in the file before the connector gets its answer.
#[derive(Debug)]
pub struct Recording {
    wire: Wire,
}

impl Recording {
    /// Records what is asked of `base` into the file at `path`, which is made or emptied.
    ///
    /// # Errors
    /// If the file cannot be written, or no port can be had.
    pub fn start(base: &str, path: impl AsRef<Path>, redaction: Redaction) -> Result<Self, Error> {
        let path = path.as_ref().to_owned();
        let file = File::create(&path).map_err(Error::file(&path))?;
        let recorder = Recorder { file: Mutex::new(file), path, redaction };
        Ok(Self { wire: Wire::before(base, Arc::new(recorder)).map_err(Error::Port)? })
    }

    /// What to use as the base URL.
    pub fn url(&self) -> String {
        self.wire.url()
    }
}

struct Recorder {
    file: Mutex<File>,
    path: PathBuf,
    redaction: Redaction,
}

#[async_trait]
impl Between for Recorder {
    async fn answer(&self, mut request: Request, onward: &Onward) -> Reply {
        // What is compressed cannot be redacted.
        request.headers.retain(|(name, _)| name != "accept-encoding");
        let own = format!("http://{}", request.header("host").unwrap_or_default());
        let reply = onward.send(request.clone()).await;
        let named = |text: &str| text.replace(&own, ORIGIN);
        let body = |bytes: &[u8]| match Body::of(bytes) {
            Body::Text(text) => Body::Text(named(&text)),
            bytes => bytes,
        };
        let query = request.parameters();
        let unheard = ["host", "connection", "content-length"];
        let headers = request.headers.iter().filter(|(name, _)| !unheard.contains(&name.as_str())).cloned().collect();
        let mut asked = Asked { method: request.method, path: request.path, query, headers, body: body(&request.body) };
        let headers = reply.headers.iter().map(|(name, value)| (name.clone(), named(value))).collect();
        let mut answered = Answered { status: reply.status, headers, body: body(&reply.body) };
        self.redaction.request(&mut asked);
        self.redaction.reply(&mut answered);
        let exchange = Exchange { at: chrono::Utc::now(), request: asked, reply: answered };
        if let Err(error) = self.write(&exchange) {
            return Reply::of(500, "text/plain", format!("could not write `{}`: {error}", self.path.display()));
        }
        reply
    }
}

impl Recorder {
    fn write(&self, exchange: &Exchange) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(exchange)?;
        line.push(b'\n');
        locked(&self.file).write_all(&line)
    }
}
