//! A page's bytes as they come in: decoded, counted, and whole or an error.
//!
//! Compression is undone here and not by the HTTP library, because the ratio has to be watched while decoding (a megabyte can
//! hold ten gigabytes), and because an archive that ends too early must be an error and never a short page.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use reqwest::header::{CONTENT_ENCODING, HeaderMap};

use super::limits::Limits;
use crate::{Error, Kind, Retry};

/// From how many decoded bytes on the ratio counts.
const RATIO_COUNTS_FROM: u64 = 1 << 20;

/// Collects a body.
pub(super) enum Body {
    Plain(Sink),
    Gzip(Box<MultiGzDecoder<Sink>>),
}

/// Decoded bytes within their limits.
pub(super) struct Sink {
    bytes: Vec<u8>,
    received: u64,
    max_bytes: u64,
    max_ratio: u64,
    /// Why it takes no more.
    over: Option<Over>,
}

#[derive(Clone, Copy)]
enum Over {
    Bytes,
    Ratio,
}

impl Body {
    /// # Errors
    /// [`Kind::Protocol`] if the body is encoded in a way that was not asked for.
    pub(super) fn new(headers: &HeaderMap, limits: &Limits) -> Result<Self, Error> {
        let sink = Sink {
            bytes: Vec::new(),
            received: 0,
            max_bytes: limits.max_bytes,
            max_ratio: limits.max_ratio,
            over: None,
        };
        let encoding = headers.get(CONTENT_ENCODING).map_or(b"".as_slice(), |value| value.as_bytes()).trim_ascii();
        match encoding.to_ascii_lowercase().as_slice() {
            b"" | b"identity" => Ok(Self::Plain(sink)),
            b"gzip" | b"x-gzip" => Ok(Self::Gzip(Box::new(MultiGzDecoder::new(sink)))),
            _ => Err(Error::new(Kind::Protocol, "the page is encoded in a way that was not asked for")
                .hint("only gzip is understood")),
        }
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// [`Kind::Refused`] beyond a limit; [`Kind::Transport`], to be retried, if it cannot be decoded.
    pub(super) fn push(&mut self, piece: &[u8]) -> Result<(), Error> {
        self.sink().received += piece.len() as u64;
        let written = match self {
            Self::Plain(sink) => sink.write_all(piece),
            Self::Gzip(decoder) => decoder.write_all(piece),
        };
        written.map_err(|e| self.explain(e))
    }

    /// The whole body.
    ///
    /// # Errors
    /// [`Kind::Transport`], to be retried, if the archive ends too early or its check sum is wrong.
    pub(super) fn finish(mut self) -> Result<Bytes, Error> {
        if let Self::Gzip(decoder) = &mut self
            && decoder.get_ref().received > 0
            && let Err(e) = decoder.try_finish()
        {
            return Err(self.explain(e));
        }
        Ok(Bytes::from(std::mem::take(&mut self.sink().bytes)))
    }

    /// How many bytes came over the wire.
    pub(super) fn received(&mut self) -> u64 {
        self.sink().received
    }

    fn sink(&mut self) -> &mut Sink {
        match self {
            Self::Plain(sink) => sink,
            Self::Gzip(decoder) => decoder.get_mut(),
        }
    }

    fn explain(&mut self, e: io::Error) -> Error {
        let (max_bytes, max_ratio) = (self.sink().max_bytes, self.sink().max_ratio);
        match self.sink().over {
            Some(Over::Bytes) => Error::new(Kind::Refused, format!("the page is over {max_bytes} bytes"))
                .hint("ask for smaller pages, or raise the limit"),
            Some(Over::Ratio) => {
                Error::new(Kind::Refused, format!("the page unpacks to over {max_ratio} times its size"))
                    .hint("a page of records does not; if this one does, raise the limit")
            }
            None => Error::new(Kind::Transport, "the page's compressed bytes are broken or end too early")
                .retry(Retry::BackOff)
                .source(e),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let total = self.bytes.len() as u64 + piece.len() as u64;
        if total > self.max_bytes {
            self.over = Some(Over::Bytes);
        } else if total > RATIO_COUNTS_FROM && total / self.received.max(1) > self.max_ratio {
            self.over = Some(Over::Ratio);
        }
        if self.over.is_some() {
            return Err(io::Error::other("over the limit"));
        }
        self.bytes.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn body(encoding: &str, limits: &Limits) -> Body {
        let headers = [(CONTENT_ENCODING, encoding.parse().unwrap())].into_iter().collect();
        Body::new(&headers, limits).unwrap()
    }

    fn read(encoding: &str, bytes: &[u8], piece: usize, limits: &Limits) -> Result<Bytes, Error> {
        let mut body = body(encoding, limits);
        bytes.chunks(piece).try_for_each(|piece| body.push(piece))?;
        body.finish()
    }

    #[test]
    fn an_archive_is_unpacked_whatever_its_pieces_and_members() {
        let two = [gzip(b"hello "), gzip(b"world")].concat();
        for piece in 1..two.len() {
            assert_eq!(&read("GZip", &two, piece, &Limits::default()).unwrap()[..], b"hello world");
        }
        assert_eq!(&read("gzip", b"", 1, &Limits::default()).unwrap()[..], b"");
        assert_eq!(&read("identity", b"plain", 2, &Limits::default()).unwrap()[..], b"plain");
    }

    #[test]
    fn an_archive_cut_anywhere_or_with_a_flipped_bit_is_fetched_again() {
        let whole = gzip("[1,2,3,4,5,6]".repeat(40).as_bytes());
        for end in 1..whole.len() {
            let error = read("gzip", &whole[..end], 7, &Limits::default()).unwrap_err();
            assert_eq!((error.kind, error.retry), (Kind::Transport, Retry::BackOff), "cut at {end}");
        }
        let mut flipped = whole.clone();
        let last = flipped.len() - 5;
        flipped[last] ^= 1;
        assert_eq!(read("gzip", &flipped, 7, &Limits::default()).unwrap_err().kind, Kind::Transport);
    }

    #[test]
    fn a_bomb_is_refused_before_it_is_unpacked() {
        let bomb = gzip(&vec![0; 32 << 20]);
        let mut body = body("gzip", &Limits::default());
        let error = bomb.chunks(4096).find_map(|piece| body.push(piece).err()).unwrap();
        assert_eq!(error.message, "the page unpacks to over 100 times its size");
        assert!(body.sink().bytes.len() <= 2 << 20);
    }

    #[test]
    fn a_page_over_its_limit_is_refused_packed_or_not() {
        let limits = Limits { max_bytes: 1000, ..Limits::default() };
        assert!(read("identity", &[b'x'; 1000], 64, &limits).is_ok());
        assert_eq!(read("identity", &[b'x'; 1001], 64, &limits).unwrap_err().message, "the page is over 1000 bytes");
        assert_eq!(read("gzip", &gzip(&[b'x'; 1001]), 64, &limits).unwrap_err().kind, Kind::Refused);
    }

    #[test]
    fn an_encoding_that_was_not_asked_for_is_a_fault_of_the_protocol() {
        let headers = [(CONTENT_ENCODING, "br".parse().unwrap())].into_iter().collect();
        assert_eq!(Body::new(&headers, &Limits::default()).err().unwrap().kind, Kind::Protocol);
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(bytes in prop::collection::vec(any::<u8>(), 1..2000), piece in 1usize..300) {
            prop_assert_eq!(&read("gzip", &gzip(&bytes), piece, &Limits::default()).unwrap()[..], &bytes[..]);
        }
    }
}
