//! The server: one thread, one runtime, plain sockets.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::message::{Delivery, Reply, Request};
use super::{Between, Onward};

/// A head longer than this is none.
const LONGEST_HEAD: usize = 64 * 1024;

/// How much goes out at once where the body has no end.
const CHUNK: usize = 64 * 1024;

/// A server that runs until it is dropped. Connections are cut then.
#[derive(Debug)]
pub struct Wire {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Wire {
    /// A wire before the base URL `upstream`.
    ///
    /// # Errors
    /// If no port can be had.
    pub fn before(upstream: &str, between: Arc<dyn Between>) -> io::Result<Self> {
        let listening = Listening::open()?;
        let upstream = upstream.trim_end_matches('/').to_owned();
        let names = vec![(upstream.clone(), listening.url())];
        listening.serve(Onward::new(Some(upstream), names.into()), between)
    }

    /// A wire with nothing behind it: what is between answers by itself.
    ///
    /// # Errors
    /// If no port can be had.
    pub fn alone(between: Arc<dyn Between>) -> io::Result<Self> {
        Listening::open()?.serve(Onward::new(None, Vec::new().into()), between)
    }

    /// `http://127.0.0.1:port`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        // Whoever is not there any more needs no stopping, and a thread that panicked has said so.
        self.stop.take().map(|stop| stop.send(()));
        self.thread.take().map(JoinHandle::join);
    }
}

/// A port that is held and not served yet.
pub(super) struct Listening {
    listener: TcpListener,
    address: SocketAddr,
}

impl Listening {
    pub(super) fn open() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn serve(self, onward: Onward, between: Arc<dyn Between>) -> io::Result<Wire> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let (listener, onward) = (self.listener, Arc::new(onward));
        let thread = std::thread::Builder::new().name("wire".to_owned()).spawn(move || {
            runtime.block_on(accept(listener, onward, between, stopped));
            // Names are looked up on threads that nobody waits for.
            runtime.shutdown_background();
        })?;
        Ok(Wire { address: self.address, stop: Some(stop), thread: Some(thread) })
    }
}

async fn accept(
    listener: TcpListener,
    onward: Arc<Onward>,
    between: Arc<dyn Between>,
    mut stopped: oneshot::Receiver<()>,
) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
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
        let (onward, between) = (Arc::clone(&onward), Arc::clone(&between));
        // How a connection ends is the client's affair.
        tokio::spawn(async move { exchange(stream, &onward, &*between).await.unwrap_or_default() });
    }
}

async fn exchange(mut stream: TcpStream, onward: &Onward, between: &dyn Between) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let Some(request) = receive(&mut stream).await? else { return Ok(()) };
    let bare = request.method == "HEAD";
    let reply = between.answer(request, onward).await;
    deliver(&mut stream, reply, bare).await
}

/// The request; nothing if the connection closes before one.
async fn receive(stream: &mut TcpStream) -> io::Result<Option<Request>> {
    let mut bytes = Vec::with_capacity(4096);
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if bytes.len() > LONGEST_HEAD || stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (method, target) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (target, None),
    };
    let declared = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = declared.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
    while bytes.len() < end + 4 + length {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
    let body = Bytes::from(bytes).slice(end + 4..end + 4 + length);
    Ok(Some(Request { method: method.to_ascii_uppercase(), path: path.to_owned(), query, headers, body }))
}

async fn deliver(stream: &mut TcpStream, reply: Reply, bare: bool) -> io::Result<()> {
    if reply.delivery == Delivery::Nothing {
        return Ok(());
    }
    let mut head = format!("HTTP/1.1 {} .\r\nconnection: close\r\n", reply.status);
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let body = if bare { Bytes::new() } else { reply.body };
    let plus = if let Delivery::Length { plus } = reply.delivery { plus } else { 0 };
    if reply.delivery != Delivery::Endless && reply.status != 204 && reply.status != 304 && !bare {
        head.push_str(&format!("content-length: {}\r\n", body.len().saturating_add_signed(plus as isize)));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await?;
    match reply.delivery {
        Delivery::Nothing => {}
        Delivery::Whole | Delivery::Length { .. } => stream.write_all(&body).await?,
        Delivery::Reset { after } => {
            stream.write_all(&body[..after.min(body.len())]).await?;
            stream.flush().await?;
            // A reset overtakes what the other side has not taken from its kernel yet.
            tokio::time::sleep(Duration::from_millis(20)).await;
            return stream.set_zero_linger();
        }
        Delivery::Silence { after } => {
            stream.write_all(&body[..after.min(body.len())]).await?;
            stream.flush().await?;
            std::future::pending::<()>().await;
        }
        Delivery::Drip { milliseconds } => {
            for piece in body.chunks(body.len().div_ceil(8).max(1)) {
                stream.write_all(piece).await?;
                stream.flush().await?;
                tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            }
        }
        Delivery::Endless => {
            stream.write_all(&body).await?;
            let blanks = vec![b' '; CHUNK];
            loop {
                stream.write_all(&blanks).await?;
            }
        }
    }
    stream.shutdown().await
}
