//! Finds out how text is encoded: by its byte order mark, else by what its bytes can be.
//!
//! A few bad bytes in a file must not make it look like another encoding, so lines vote: UTF-8 if nine in ten lines with
//! other than ASCII are UTF-8; else GB18030 if nine in ten are that and they look Chinese; else what chardetng says.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{BIG5, Encoding, GB18030, GBK, UTF_8, UTF_16BE, UTF_16LE};
use tributary_connector::{Error, Kind};

/// Bytes that are looked at from the first one that is not ASCII.
const SAMPLE: usize = 64 * 1024;

/// An encoding by its label.
///
/// # Errors
/// [`Kind::Config`] if there is none of that label.
pub fn by_label(label: &str) -> Result<&'static Encoding, Error> {
    Encoding::for_label(label.as_bytes()).map(widest).ok_or_else(|| {
        Error::new(Kind::Config, format!("there is no encoding `{label}`")).hint(
            "known are the labels of the WHATWG: `utf-8`, `gb18030`, `gbk`, `big5`, `utf-16le`, `windows-1252`, …",
        )
    })
}

/// The encoding of a file that starts with `head`, and the length of its byte order mark.
pub fn detect(head: &[u8], declared: Option<&'static Encoding>) -> (&'static Encoding, usize) {
    if let Some((encoding, mark)) = Encoding::for_bom(head) {
        return (encoding, mark);
    }
    if let Some(encoding) = declared {
        return (encoding, 0);
    }
    (by_bytes(head), 0)
}

fn by_bytes(head: &[u8]) -> &'static Encoding {
    if let Some(encoding) = utf16(head) {
        return encoding;
    }
    let Some(first) = head.iter().position(|b| !b.is_ascii()) else { return UTF_8 };
    let start = head[..first].iter().rposition(|&b| b == b'\n').map_or(0, |newline| newline + 1);
    let sample = &head[start..head.len().min(start + SAMPLE)];
    // The last line may be cut within a character.
    let sample = sample.iter().rposition(|&b| b == b'\n').map_or(sample, |newline| &sample[..=newline]);
    let lines: Vec<&[u8]> = sample.split_inclusive(|&b| b == b'\n').filter(|line| !line.is_ascii()).collect();
    let share = |encoding: &'static Encoding| {
        let (good, bad): (Vec<&[u8]>, Vec<&[u8]>) =
            lines.iter().partition(|line| encoding.decode_without_bom_handling_and_without_replacement(line).is_some());
        (good.len() >= bad.len() * 9).then_some(good)
    };
    if share(UTF_8).is_some() || ends_within_utf8(&lines) {
        return UTF_8;
    }
    if let Some(good) = share(GB18030)
        && matches!(guess(&good), guessed if guessed == GBK || guessed == GB18030)
    {
        return GB18030;
    }
    widest(guess(&lines))
}

fn guess(lines: &[&[u8]]) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    for line in lines {
        detector.feed(line, false);
    }
    detector.feed(b"", true);
    detector.guess(Some(b"cn"), Utf8Detection::Allow)
}

/// A single long line whose last character was cut off.
fn ends_within_utf8(lines: &[&[u8]]) -> bool {
    matches!(lines, [line] if std::str::from_utf8(line).is_err_and(|e| e.error_len().is_none() && e.valid_up_to() > 0))
}

/// UTF-16 without a mark: in a table every other byte of delimiters, digits and line ends is zero.
fn utf16(head: &[u8]) -> Option<&'static Encoding> {
    let sample = &head[..head.len().min(4096)];
    let zeros = |parity: usize| sample.iter().skip(parity).step_by(2).filter(|&&b| b == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    let many = sample.len() / 10;
    match (even, odd) {
        (0, odd) if odd > many => Some(UTF_16LE),
        (even, 0) if even > many => Some(UTF_16BE),
        _ => None,
    }
}

/// GB18030 holds all of GBK; what says GBK often has the rest as well.
fn widest(encoding: &'static Encoding) -> &'static Encoding {
    if encoding == GBK { GB18030 } else { encoding }
}

/// Whether records can be cut from the bytes as they are: line ends, quotes and commas are never part of a character.
pub fn is_cut_as_it_is(encoding: &'static Encoding) -> bool {
    encoding == UTF_8
        || encoding == GB18030
        || encoding == GBK
        || (encoding.is_single_byte() && encoding.is_ascii_compatible())
        || encoding == BIG5
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "会员号,姓名(必填),手机,备注\nM001,张伟,13800138000,老顾客 喜欢运动鞋\nM002,王芳,13900139000,\n";

    #[test]
    fn chinese_text_is_recognised_with_and_without_bad_bytes() {
        for encoding in [UTF_8, GB18030] {
            let (bytes, ..) = encoding.encode(TEXT);
            assert_eq!(detect(&bytes, None).0, encoding);
            let mut long: Vec<u8> = bytes.repeat(20);
            long.extend_from_slice(b"M003,\xff\xfe\x80,1,\n");
            long.extend_from_slice(&bytes);
            assert_eq!(detect(&long, None).0, encoding, "with a bad line");
            assert_eq!(detect(&long[..long.len() - 5], None).0, encoding, "and cut");
        }
    }

    #[test]
    fn short_text_and_text_that_begins_as_ascii_are_recognised() {
        let gb = |text: &str| GB18030.encode(text).0.into_owned();
        assert_eq!(detect(&gb("编号,姓名\n1,李雷\n"), None).0, GB18030);
        assert_eq!(detect(&gb("id,name\n1,𠮷野家\n2,韩梅梅\n"), None).0, GB18030);
        let mut late = b"id,name\n".repeat(1000);
        late.extend_from_slice(&gb("7,王小明\n8,欧阳\n"));
        assert_eq!(detect(&late, None).0, GB18030);
        assert_eq!(detect(b"id,name\n1,x\n", None).0, UTF_8);
        assert_eq!(detect("id\n张".as_bytes(), None).0, UTF_8);
        assert_eq!(detect(b"id,caf\xe9\n1,M\xfcller\n2,na\xefve\n", None).0.name(), "windows-1252");
    }

    #[test]
    fn marks_win_over_labels_and_utf16_is_seen_without_one() {
        let utf16: Vec<u8> = TEXT.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(detect(&utf16, None), (UTF_16LE, 0));
        let marked = [b"\xff\xfe".as_slice(), &utf16].concat();
        assert_eq!(detect(&marked, Some(GB18030)), (UTF_16LE, 2));
        assert_eq!(detect(b"\xef\xbb\xbfid\n", Some(GB18030)), (UTF_8, 3));
        assert_eq!(detect(b"id\n", by_label("GBK").ok()), (GB18030, 0));
        assert!(by_label("gbk2").is_err());
    }
}
