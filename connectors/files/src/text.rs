//! Text files as bytes that records can be cut from: without byte order mark, and in UTF-8 where the file's own encoding
//! cannot be cut (UTF-16, Shift_JIS, …). A malformed character becomes a byte that is not UTF-8 either, so that decoding
//! rejects its record and no other.

use std::io;

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8};

use crate::encoding;
use crate::input::Input;

/// Bytes at a file's start that its layout is found out from.
pub const HEAD: usize = 256 * 1024;

/// Where other encodings are read in pieces of this size.
const PIECE: usize = 256 * 1024;

/// A byte that no UTF-8 text has.
const MALFORMED: u8 = 0xff;

/// A text file being read.
pub struct Text {
    input: Input,
    /// Bytes already read from the input.
    head: Vec<u8>,
    /// The encoding of the bytes given out.
    pub encoding: &'static Encoding,
    /// The encoding of the file.
    pub source_encoding: &'static Encoding,
    mode: Mode,
    ended: bool,
}

enum Mode {
    AsItIs,
    /// Lines end with a carriage return alone.
    CarriageReturns,
    Transcode {
        decoder: Decoder,
        carriage_returns: bool,
    },
}

impl Text {
    /// Starts reading; `declared` is believed unless there is a byte order mark.
    ///
    /// # Errors
    /// If reading fails.
    pub fn start(input: Input, declared: Option<&'static Encoding>) -> io::Result<Self> {
        Self::start_as(input, declared, encoding::is_cut_as_it_is)
    }

    /// The same for what has to be UTF-8 whatever the file is.
    ///
    /// # Errors
    /// If reading fails.
    pub fn start_utf8(input: Input, declared: Option<&'static Encoding>) -> io::Result<Self> {
        Self::start_as(input, declared, |encoding| encoding == UTF_8)
    }

    fn start_as(
        mut input: Input,
        declared: Option<&'static Encoding>,
        is_kept: impl Fn(&'static Encoding) -> bool,
    ) -> io::Result<Self> {
        let mut head = Vec::new();
        let ended = input.fill(&mut head, HEAD)? < HEAD;
        let (source_encoding, mark) = encoding::detect(&head, declared);
        head.drain(..mark);
        let as_it_is = is_kept(source_encoding);
        let encoding = if as_it_is { source_encoding } else { UTF_8 };
        let mut text = Self { input, head, encoding, source_encoding, mode: Mode::AsItIs, ended };
        let carriage_returns = {
            let sample = text.sample();
            sample.contains('\r') && !sample.contains('\n')
        };
        text.mode = match (as_it_is, carriage_returns) {
            (true, false) => Mode::AsItIs,
            (true, true) => Mode::CarriageReturns,
            (false, carriage_returns) => {
                Mode::Transcode { decoder: source_encoding.new_decoder_without_bom_handling(), carriage_returns }
            }
        };
        Ok(text)
    }

    /// The start of the text, up to the last line end there is unless it is all of it; bad characters replaced.
    pub fn sample(&self) -> String {
        let (text, _) = self.source_encoding.decode_without_bom_handling(&self.head);
        let mut text = text.into_owned();
        if matches!(self.mode, Mode::CarriageReturns | Mode::Transcode { carriage_returns: true, .. }) {
            text = text.replace('\r', "\n");
        }
        if !self.ended
            && let Some(end) = text.rfind('\n')
        {
            text.truncate(end + 1);
        }
        text
    }

    /// Whether the sample is the whole text.
    pub fn is_whole(&self) -> bool {
        self.ended
    }

    /// Appends about `bytes` more to `buffer`; true at the end of the file.
    ///
    /// # Errors
    /// If reading fails.
    pub fn fill(&mut self, buffer: &mut Vec<u8>, bytes: usize) -> io::Result<bool> {
        match &mut self.mode {
            Mode::AsItIs => fill(&mut self.input, &mut self.head, &mut self.ended, buffer, bytes)?,
            Mode::CarriageReturns => {
                let start = buffer.len();
                fill(&mut self.input, &mut self.head, &mut self.ended, buffer, bytes)?;
                unify(&mut buffer[start..]);
            }
            Mode::Transcode { decoder, carriage_returns } => {
                let start = buffer.len();
                let mut piece = Vec::new();
                while buffer.len() < start + bytes && !(self.ended && self.head.is_empty()) {
                    piece.clear();
                    fill(&mut self.input, &mut self.head, &mut self.ended, &mut piece, bytes.min(PIECE))?;
                    transcode(decoder, &piece, buffer, self.ended && self.head.is_empty());
                }
                if *carriage_returns {
                    unify(&mut buffer[start..]);
                }
            }
        }
        Ok(self.ended && self.head.is_empty())
    }

    /// Reads what is left, and gives the size of the file and the hash of its content.
    ///
    /// # Errors
    /// If reading fails.
    pub fn finish(self) -> io::Result<(u64, String)> {
        self.input.finish()
    }
}

/// Appends what is left of the head, and then from the input.
fn fill(input: &mut Input, head: &mut Vec<u8>, ended: &mut bool, buffer: &mut Vec<u8>, bytes: usize) -> io::Result<()> {
    let from_head = head.len().min(bytes);
    if from_head > 0 {
        buffer.extend(head.drain(..from_head));
    }
    if from_head < bytes && !*ended {
        *ended = input.fill(buffer, bytes - from_head)? < bytes - from_head;
    }
    Ok(())
}

fn transcode(decoder: &mut Decoder, mut source: &[u8], out: &mut Vec<u8>, last: bool) {
    loop {
        let start = out.len();
        let room = decoder.max_utf8_buffer_length_without_replacement(source.len()).unwrap_or(source.len() * 3 + 16);
        out.resize(start + room, 0);
        let (result, read, written) = decoder.decode_to_utf8_without_replacement(source, &mut out[start..], last);
        out.truncate(start + written);
        source = &source[read..];
        match result {
            DecoderResult::InputEmpty => return,
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(..) => out.push(MALFORMED),
        }
    }
}

fn unify(text: &mut [u8]) {
    text.iter_mut().filter(|b| **b == b'\r').for_each(|b| *b = b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], piece: usize) -> (Vec<u8>, &'static str) {
        let mut text = Text::start(Input::new(Box::new(io::Cursor::new(bytes.to_vec()))), None).unwrap();
        let mut out = Vec::new();
        while !text.fill(&mut out, piece).unwrap() {}
        (out, text.source_encoding.name())
    }

    #[test]
    fn utf16_comes_out_as_utf8_whatever_the_pieces() {
        let utf16: Vec<u8> =
            [0xfeffu16].into_iter().chain("姓名,b\n𠮷,\"x\"\n".encode_utf16()).flat_map(u16::to_le_bytes).collect();
        for piece in [1, 3, 1000] {
            assert_eq!(read(&utf16, piece), ("姓名,b\n𠮷,\"x\"\n".as_bytes().to_vec(), "UTF-16LE"));
        }
        let mut broken = utf16.clone();
        broken.extend_from_slice(&[0x00, 0xd8, b'\n', 0, b'z']);
        assert!(read(&broken, 2).0.ends_with(b"\"x\"\n\xff\n\xff"));
    }

    #[test]
    fn lines_of_old_macs_end_with_a_line_end() {
        assert_eq!(read(b"a,b\r1,2\r", 4).0, b"a,b\n1,2\n");
        assert_eq!(read(b"\xef\xbb\xbfa,b\r\n1,2\r\n", 4).0, b"a,b\r\n1,2\r\n");
    }
}
