//! The wire as a client that takes nothing for granted sees it: one connection per request, the bytes as they came.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// An answer, whole or not.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// How reading ended, if not in good order.
    pub broken: Option<io::ErrorKind>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        assert!(self.broken.is_none(), "{:?}", self.broken);
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends one request and reads until the end, or until the other side is silent for two seconds in the middle. Before the
/// first byte it is given longer, as some answers take their time to make.
pub fn send(address: SocketAddr, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let mut stream = TcpStream::connect(address).unwrap();
    let mut request = format!("{method} {target} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    stream.write_all(request.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let (mut bytes, mut chunk, mut broken) = (Vec::new(), vec![0; 1 << 16], None);
    while bytes.len() < 8 << 20 {
        let patience = if bytes.is_empty() { 60 } else { 2 };
        stream.set_read_timeout(Some(Duration::from_secs(patience))).unwrap();
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
            Err(error) => {
                broken = Some(error.kind());
                break;
            }
        }
    }
    parsed(bytes, broken)
}

fn parsed(bytes: Vec<u8>, broken: Option<io::ErrorKind>) -> Reply {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<(String, String)> = lines
        .map(|line| line.split_once(':').unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let body = bytes[end + 4..].to_vec();
    let declared = headers.iter().find(|(name, _)| name == "content-length");
    let short = declared.is_some_and(|(_, length)| length.parse::<usize>().unwrap() > body.len());
    Reply { status, headers, body, broken: broken.or(short.then_some(io::ErrorKind::UnexpectedEof)) }
}
