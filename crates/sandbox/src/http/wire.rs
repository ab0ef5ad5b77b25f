//! The wire: a connection that can be reset, and bodies that do not come as they should.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::channel::Channel;
use http_body_util::{Either, Full};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::fault::Sending;

pub(super) type Body = Either<Full<Bytes>, Channel<Bytes, io::Error>>;

/// How much goes out at once where the body has no end.
const CHUNK: usize = 64 * 1024;

/// A connection that, if told to, ends with a reset in place of an orderly close.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, reset: Arc<AtomicBool>) -> Self {
        Self { stream, reset }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.reset.load(Ordering::SeqCst) {
            // Without linger the kernel drops what is unsent and sends a reset; should it refuse, the close is orderly.
            self.stream.set_zero_linger().unwrap_or_default();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The body as it is to be sent. What is not sent whole is sent by a task of its own, which ends with the server at the latest.
pub(super) fn body(bytes: Vec<u8>, sending: Sending, reset: &Arc<AtomicBool>) -> Body {
    let bytes = Bytes::from(bytes);
    if matches!(sending, Sending::Whole) {
        return Either::Left(Full::new(bytes));
    }
    let (mut sender, body) = Channel::new(1);
    let reset = Arc::clone(reset);
    tokio::spawn(async move {
        match sending {
            Sending::Whole => {}
            Sending::Declared(_) => {
                let _gone = sender.send_data(bytes).await;
            }
            Sending::ResetAfter(after) => {
                let _gone = sender.send_data(bytes.slice(..after.min(bytes.len()))).await;
                // A reset overtakes what the other side has not taken from its kernel yet.
                tokio::time::sleep(Duration::from_millis(20)).await;
                reset.store(true, Ordering::SeqCst);
                sender.abort(io::Error::from(io::ErrorKind::ConnectionReset));
            }
            Sending::SilentAfter(after) => {
                let _gone = sender.send_data(bytes.slice(..after.min(bytes.len()))).await;
                std::future::pending::<()>().await;
            }
            Sending::Drip(milliseconds) => {
                for at in 0..bytes.len() {
                    if sender.send_data(bytes.slice(at..at + 1)).await.is_err() {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
                }
            }
            Sending::Endless => {
                let blanks = Bytes::from(vec![b' '; CHUNK]);
                let mut gone = sender.send_data(bytes).await.is_err();
                while !gone {
                    gone = sender.send_data(blanks.clone()).await.is_err();
                }
            }
        }
    });
    Either::Right(body)
}
