//! A server that says what a test tells it to, byte for byte, so that it can also break off, stand still and lie.
//!
//! One request a connection. What was asked is kept.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What a connection gets.
#[derive(Clone)]
pub enum Reply {
    /// These bytes, then the end.
    Close(Vec<u8>),
    /// These bytes, then a reset.
    Reset(Vec<u8>),
    /// These bytes, then nothing, and the connection stays open.
    Stall(Vec<u8>),
    /// These bytes, then one more every other millisecond.
    Drip(Vec<u8>),
    /// These bytes, then chunks without end.
    Endless(Vec<u8>),
    /// JSON after a while; what is called before it is sent.
    After(Duration, Arc<dyn Fn() + Send + Sync>, &'static str),
}

impl Reply {
    pub fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Close(bytes) | Self::Reset(bytes) | Self::Stall(bytes) | Self::Drip(bytes) | Self::Endless(bytes) => {
                bytes
            }
            Self::After(_, _, body) => json(200, body).into_bytes(),
        }
    }
}

pub struct Server {
    pub url: String,
    pub port: u16,
    requests: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Server {
    /// `script`: the reply to the n-th request, given as it came.
    pub async fn start(script: impl Fn(usize, &str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let (script, seen) = (Arc::new(script), Arc::clone(&requests));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (script, seen) = (Arc::clone(&script), Arc::clone(&seen));
                tokio::spawn(async move { drop(serve(stream, &*script, &seen).await) });
            }
        });
        Self { url: format!("http://127.0.0.1:{port}"), port, requests, task }
    }

    /// Head and body of each request so far.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// From now on nobody listens.
    pub async fn stop(&mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    script: &(dyn Fn(usize, &str) -> Reply + Send + Sync),
    seen: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let request = read(&mut stream).await?;
    let reply = {
        let mut seen = seen.lock().unwrap();
        seen.push(request.clone());
        script(seen.len() - 1, &request)
    };
    match reply {
        Reply::Close(bytes) => {
            stream.write_all(&bytes).await?;
            stream.shutdown().await
        }
        Reply::Reset(bytes) => {
            stream.write_all(&bytes).await?;
            stream.set_zero_linger()
        }
        Reply::Stall(bytes) => {
            stream.write_all(&bytes).await?;
            std::future::pending().await
        }
        Reply::Drip(bytes) => {
            stream.write_all(&bytes).await?;
            loop {
                tokio::time::sleep(Duration::from_millis(2)).await;
                stream.write_all(b" ").await?;
            }
        }
        Reply::Endless(bytes) => {
            stream.write_all(&bytes).await?;
            let chunk = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
            loop {
                stream.write_all(&chunk).await?;
            }
        }
        Reply::After(wait, before, body) => {
            tokio::time::sleep(wait).await;
            before();
            stream.write_all(&json(200, body).into_bytes()).await?;
            stream.shutdown().await
        }
    }
}

/// Reads a request with its body, if its length is given.
async fn read(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some(head) = text.find("\r\n\r\n") {
            let length =
                text[..head].lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
            if bytes.len() >= head + 4 + length {
                return Ok(text.into_owned());
            }
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// A reply with its true length.
pub fn reply(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let mut bytes = head(status, headers);
    if !matches!(status, 204 | 304) {
        bytes.extend(format!("content-length: {}\r\n", body.len()).bytes());
    }
    bytes.extend(b"\r\n");
    bytes.extend(body);
    Reply::Close(bytes)
}

pub fn json(status: u16, body: &str) -> Reply {
    reply(status, &[("content-type", "application/json;charset=utf-8")], body.as_bytes())
}

/// A reply of two chunks and a proper end, whatever the body is.
pub fn chunked(headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let mut bytes = head(200, headers);
    bytes.extend(b"transfer-encoding: chunked\r\n\r\n");
    let (first, second) = body.split_at(body.len() / 2);
    for chunk in [first, second].into_iter().filter(|chunk| !chunk.is_empty()) {
        bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
        bytes.extend(chunk);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    Reply::Close(bytes)
}

fn head(status: u16, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status} X\r\nconnection: close\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    text.into_bytes()
}
