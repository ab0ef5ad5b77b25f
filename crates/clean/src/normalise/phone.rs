//! Phone numbers to E.164, by libphonenumber's plans.
//!
//! A number becomes a key that joins people, so anything that does not certainly reach one person is refused with a
//! kind instead of repaired: hotlines, relays, two numbers in one field, a spreadsheet's `1.38E+10`. Plain mainland
//! mobiles, nearly all of the volume, never reach the library.

use rlibphonenumber::{NumberLengthType, PHONE_NUMBER_UTIL, PhoneNumberFormat, PhoneNumberType, Region};

use super::IssueKind;
use super::fold::{is_mask, is_scientific, prepare, without_zero_fraction};

pub const VERSION: u32 = 1;

/// The library whose metadata decides; part of the fingerprint.
pub const METADATA: &str = "rlibphonenumber 2.2.15";

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Phone {
    /// E.164 (`+8613800138000`); when masked, the pattern with `*` for each hidden digit (`138****1234`), with a
    /// leading `+` only where a country code other than the region's own was written.
    pub value: String,
    pub masked: bool,
}

/// `region` is the ISO 3166 code whose national form the text may have; with an unknown one only `+…` is understood.
///
/// # Errors
/// `ScientificNotation`; `Placeholder` (one digit repeated, in the last eight or throughout, or counted up);
/// `NotPersonal` (400, 800, 95xxx, 10086, toll-free, premium); `Alias` (any number with an extension);
/// `Ambiguous` (two numbers, or a local number without its area code); `Impossible` (in no plan); `Unparsable`.
pub fn phone(text: &str, region: &str) -> Result<Option<Phone>, IssueKind> {
    let china = region.eq_ignore_ascii_case("CN");
    if china && is_cn_mobile(text.as_bytes()) {
        return cn_mobile(text.as_bytes()).map(Some);
    }
    let Some(text) = prepare(text) else { return Ok(None) };
    if is_scientific(&text) {
        return Err(IssueKind::ScientificNotation);
    }
    let written = Written::scan(without_zero_fraction(without_label(&text), 7))?;
    let digits = written.digits();
    if digits.contains(&b'*') {
        // Eleven places before a dash are a whole number.
        return match written.extension() {
            Some(number) if number.len() >= 11 => Err(IssueKind::Alias),
            _ => masked(digits, written.plus, china).map(Some),
        };
    }
    let found = resolve(digits, written.plus, region, china);
    match found {
        // A whole number that is valid wins; only then may a part of it be one.
        Err(IssueKind::Impossible | IssueKind::Unparsable | IssueKind::Ambiguous) => {
            if let Some((left, right)) = written.split(china) {
                return match (resolve(left, written.plus, region, china), resolve(right, false, region, china)) {
                    (Ok(one), Ok(other)) if one == other => Ok(Some(one)),
                    (Ok(_), Ok(_)) => Err(IssueKind::Ambiguous),
                    _ => Err(IssueKind::Unparsable),
                };
            }
            match written.extension().map(|number| resolve(number, written.plus, region, china)) {
                Some(Ok(_)) => Err(IssueKind::Alias),
                Some(Err(kind @ (IssueKind::Placeholder | IssueKind::NotPersonal))) => Err(kind),
                _ => found.map(Some),
            }
        }
        _ if written.marked.is_some() => Err(IssueKind::Alias),
        _ => found.map(Some),
    }
}

/// E.164 has 15 digits; two numbers and their separators' positions must still fit.
const CAPACITY: usize = 40;

/// The digits (and `*`) of a number, and where its punctuation divided them.
struct Written {
    buffer: [u8; CAPACITY],
    len: usize,
    plus: bool,
    /// Before which digit the last dash stood.
    dash: Option<usize>,
    /// Before which digit `/`, `,`, `;` or a second `+` stood, which divide two numbers.
    split: Option<usize>,
    /// Before which digit `转`, `ext` or the like stood.
    marked: Option<usize>,
}

impl Written {
    fn scan(text: &str) -> Result<Written, IssueKind> {
        let mut written = Written { buffer: [0; CAPACITY], len: 0, plus: false, dash: None, split: None, marked: None };
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let len = written.len;
            let mut width = c.len_utf8();
            match c {
                '0'..='9' => written.push(c as u8)?,
                '+' if len == 0 => written.plus = true,
                'x' | 'X' => {
                    width = rest.len() - rest.trim_start_matches(['x', 'X']).len();
                    let last = width == rest.len();
                    if width == 1 && !last && len >= 7 {
                        written.marked = Some(len);
                    } else {
                        for _ in 0..width {
                            written.push(b'*')?;
                        }
                    }
                }
                _ if is_mask(c) => written.push(b'*')?,
                '-' | '‐' | '‑' | '‒' | '–' | '—' | '−' | '_' | '~' => written.dash = Some(len),
                ' ' | '(' | ')' | '.' | '[' | ']' | '【' | '】' | '·' => {}
                '/' | ',' | '、' | ';' | '|' | '\\' | '+' => {
                    written.split.get_or_insert(len);
                }
                '#' => written.marked = Some(len),
                _ => {
                    width = extension_mark(rest).ok_or(IssueKind::Unparsable)?;
                    written.marked = Some(len);
                }
            }
            rest = &rest[width..];
        }
        if written.len == 0 {
            return Err(IssueKind::Unparsable);
        }
        // A separator at either end divides nothing.
        let inner = |at: &usize| *at > 0 && *at < written.len;
        written.dash = written.dash.filter(inner);
        written.split = written.split.filter(inner);
        written.marked = written.marked.filter(inner);
        Ok(written)
    }

    fn push(&mut self, digit: u8) -> Result<(), IssueKind> {
        *self.buffer.get_mut(self.len).ok_or(IssueKind::Unparsable)? = digit;
        self.len += 1;
        Ok(())
    }

    fn digits(&self) -> &[u8] {
        &self.buffer[..self.len]
    }

    /// Two numbers in one field: parted by a sign, or two mainland mobiles in a row.
    fn split(&self, china: bool) -> Option<(&[u8], &[u8])> {
        let parted =
            self.split.map(|at| self.digits().split_at(at)).filter(|(left, right)| left.len().min(right.len()) >= 7);
        let row =
            || self.digits().split_at_checked(11).filter(|(left, right)| is_cn_mobile(left) && is_cn_mobile(right));
        parted.or_else(|| row().filter(|_| china))
    }

    /// What stands before a mark, or before the last dash or comma, where at most six digits follow.
    fn extension(&self) -> Option<&[u8]> {
        let at = self.marked.or(self.dash.max(self.split))?;
        (self.len - at <= 6).then(|| &self.digits()[..at])
    }
}

/// `tel:`, `手机：` before the number.
fn without_label(text: &str) -> &str {
    let start = text.find(|c: char| c.is_ascii_digit() || c == '+' || c == '(' || is_mask(c)).unwrap_or(0);
    let label = text[..start].trim_end_matches([':', ' ', '.']);
    let known = ["tel", "phone", "mobile", "mob", "cell", "手机", "手机号", "手机号码", "电话", "电话号码", "联系电话"];
    if known.iter().any(|name| label.eq_ignore_ascii_case(name)) { &text[start..] } else { text }
}

fn extension_mark(rest: &str) -> Option<usize> {
    ["转接", "转", "分机号", "分机", "extension", "ext", "Extension", "Ext", "EXT"]
        .iter()
        .find(|mark| rest.starts_with(**mark))
        .map(|mark| mark.len())
}

fn is_cn_mobile(digits: &[u8]) -> bool {
    digits.len() == 11 && digits[0] == b'1' && digits[1] >= b'3' && digits.iter().all(u8::is_ascii_digit)
}

fn cn_mobile(digits: &[u8]) -> Result<Phone, IssueKind> {
    if ends_in_one_digit(digits) || counts_up(digits) {
        return Err(IssueKind::Placeholder);
    }
    let mut value = String::with_capacity(3 + digits.len());
    value.push_str("+86");
    value.extend(digits.iter().map(|digit| char::from(*digit)));
    Ok(Phone { value, masked: false })
}

/// `13333333333`, `18800000000`: the last eight alike.
fn ends_in_one_digit(digits: &[u8]) -> bool {
    match digits {
        [.., last] if digits.len() >= 8 => digits[digits.len() - 8..].iter().all(|digit| digit == last),
        _ => false,
    }
}

fn counts_up(digits: &[u8]) -> bool {
    matches!(digits, b"1234567" | b"12345678" | b"123456789" | b"1234567890" | b"12345678901" | b"12345678910")
        || matches!(digits, b"0123456789" | b"01234567890" | b"0987654321" | b"987654321" | b"9876543210")
}

fn resolve(digits: &[u8], plus: bool, region: &str, china: bool) -> Result<Phone, IssueKind> {
    let alike = digits.iter().all(|digit| Some(digit) == digits.first());
    if alike && (digits.len() >= 5 || digits.first() == Some(&b'0')) || counts_up(digits) {
        return Err(IssueKind::Placeholder);
    }
    if !china {
        return by_plan(digits, plus, region);
    }
    let (national, international) = cn_national(digits, plus);
    if plus && !international {
        return by_plan(digits, true, region);
    }
    if is_cn_mobile(national) {
        return cn_mobile(national);
    }
    if is_cn_service(national) {
        return Err(IssueKind::NotPersonal);
    }
    if matches!(national.len(), 7 | 8) && national[0] >= b'2' {
        return Err(IssueKind::Ambiguous);
    }
    by_plan(national, false, region)
}

/// Without the country code, a carrier's call-by-call prefix and the trunk `0` of a mobile. The flag tells whether a
/// country code was there.
fn cn_national(digits: &[u8], plus: bool) -> (&[u8], bool) {
    let mut rest = digits;
    let mut international = false;
    if let Some(after) = rest.strip_prefix(b"0086") {
        (rest, international) = (after, true);
    } else if let Some(after) = rest.strip_prefix(b"86") {
        // Without `+`, 86 may begin a local number; after it stands a mobile or an area code with eight digits or more.
        if plus || is_cn_mobile(after) || after.len() >= 11 || (after.len() >= 10 && after[0] == b'0') {
            (rest, international) = (after, true);
        }
    }
    for carrier in [&b"17951"[..], b"17911", b"17901", b"17909", b"12593", b"10193", b"11808"] {
        if let Some(after) = rest.strip_prefix(carrier)
            && (is_cn_mobile(after) || (after.len() >= 10 && after[0] == b'0'))
        {
            rest = after;
            break;
        }
    }
    if let Some(after) = rest.strip_prefix(b"0")
        && is_cn_mobile(after)
    {
        rest = after;
    }
    (rest, international)
}

/// 400 and 800 numbers; 95xxx, 96xxx, 10086, 12345 and the short emergency numbers.
fn is_cn_service(digits: &[u8]) -> bool {
    match digits {
        [b'4' | b'8', b'0', b'0', ..] => digits.len() == 10,
        [b'9', b'5' | b'6', ..] => (5..=8).contains(&digits.len()),
        [b'1', ..] => (3..=6).contains(&digits.len()),
        _ => false,
    }
}

fn by_plan(digits: &[u8], plus: bool, region: &str) -> Result<Phone, IssueKind> {
    let mut buffer = [b'+'; CAPACITY + 1];
    buffer[1..=digits.len()].copy_from_slice(digits);
    let text = str::from_utf8(&buffer[usize::from(!plus)..=digits.len()]).map_err(|_| IssueKind::Unparsable)?;
    let region = Region::from_code(region).ok();
    if region.is_none() && !plus {
        return Err(IssueKind::Ambiguous);
    }
    let number = PHONE_NUMBER_UTIL.parse(text, region).map_err(|_| IssueKind::Impossible)?;
    match number.get_type() {
        PhoneNumberType::Unknown => Err(match number.is_possible_with_reason() {
            Ok(NumberLengthType::IsPossibleLocalOnly) => IssueKind::Ambiguous,
            _ => IssueKind::Impossible,
        }),
        PhoneNumberType::TollFree
        | PhoneNumberType::PremiumRate
        | PhoneNumberType::SharedCost
        | PhoneNumberType::UAN
        | PhoneNumberType::VoiceMail
        | PhoneNumberType::Pager => Err(IssueKind::NotPersonal),
        _ => {
            let value = number.format_as(PhoneNumberFormat::E164).into_owned();
            if ends_in_one_digit(value.as_bytes()) {
                return Err(IssueKind::Placeholder);
            }
            Ok(Phone { value, masked: false })
        }
    }
}

fn masked(pattern: &[u8], plus: bool, china: bool) -> Result<Phone, IssueKind> {
    let mut rest = pattern;
    let mut foreign = plus;
    if china {
        let after = rest.strip_prefix(b"0086").or(rest.strip_prefix(b"86").filter(|rest| plus || rest.len() == 11));
        if let Some(after) = after {
            (rest, foreign) = (after, false);
        }
    }
    match rest.iter().filter(|c| c.is_ascii_digit()).count() {
        0 => return Err(IssueKind::Placeholder),
        // All of a number and a star besides hides nothing.
        11.. if china => return Err(IssueKind::Unparsable),
        _ => {}
    }
    let mut value = String::with_capacity(rest.len().max(11) + 1);
    if foreign {
        value.push('+');
    }
    // A mainland mobile has eleven places, however many stars the source has drawn.
    let head = rest.iter().position(|c| *c == b'*').unwrap_or(rest.len());
    let tail = rest.iter().rev().position(|c| *c == b'*').unwrap_or(0);
    let one_run = head + tail < rest.len() && rest[head..rest.len() - tail].iter().all(|c| *c == b'*');
    let mobile = rest.first() == Some(&b'1') && rest.get(1).is_some_and(|c| *c == b'*' || *c >= b'3');
    if china && !foreign && one_run && mobile && head + tail < 11 {
        value.extend(rest[..head].iter().map(|c| char::from(*c)));
        value.extend(std::iter::repeat_n('*', 11 - head - tail));
        value.extend(rest[rest.len() - tail..].iter().map(|c| char::from(*c)));
    } else {
        value.extend(rest.iter().map(|c| char::from(*c)));
    }
    Ok(Phone { value, masked: true })
}

#[cfg(test)]
mod tests {
    use super::*;
    use IssueKind::*;

    fn clear(text: &str, region: &str) -> Result<Option<String>, IssueKind> {
        phone(text, region).map(|found| {
            found.map(|phone| {
                assert!(!phone.masked, "{text}");
                phone.value
            })
        })
    }

    #[test]
    fn mainland_mobiles_in_every_dress_become_one_number() {
        for text in [
            "13812345678",
            " 13812345678 ",
            "+8613812345678",
            "+86 138 1234 5678",
            "+86-138-1234-5678",
            "86 13812345678",
            "8613812345678",
            "008613812345678",
            "(+86)13812345678",
            "（+86）138-1234-5678",
            "１３８１２３４５６７８",
            "+８６１３８１２３４５６７８",
            "'13812345678",
            "=\"13812345678\"",
            "13812345678.0",
            "138.1234.5678",
            "1795113812345678",
            "17951 138 1234 5678",
            "013812345678",
            "138　1234　5678",
            "\u{202d}138 1234 5678\u{202c}",
            "tel:13812345678",
            "手机：138-1234-5678",
            "TEL: +86 13812345678",
            "13812345678\n",
            "138–1234–5678",
            "+86（138）12345678",
            "13812345678/",
            "+8617951 13812345678",
        ] {
            assert_eq!(clear(text, "CN"), Ok(Some("+8613812345678".into())), "{text}");
        }
        assert_eq!(clear("13812345678/13812345678", "CN"), Ok(Some("+8613812345678".into())));
        assert_eq!(clear("13800138000", "cn"), Ok(Some("+8613800138000".into())));
        assert_eq!(clear("+86 13812345678", "US"), Ok(Some("+8613812345678".into())));
    }

    #[test]
    fn landlines_and_other_regions_go_by_their_plan() {
        for (text, region, expected) in [
            ("010-62345678", "CN", "+861062345678"),
            ("(021) 6234 5678", "CN", "+862162345678"),
            ("0571-88889999", "CN", "+8657188889999"),
            ("+86 0755 2654 3210", "CN", "+8675526543210"),
            ("86-755-26543210", "CN", "+8675526543210"),
            ("+852 9123 4567", "CN", "+85291234567"),
            ("00852 9123 4567", "CN", "+85291234567"),
            ("9123 4567", "HK", "+85291234567"),
            ("(202) 456-1414", "US", "+12024561414"),
            ("202.456.1414", "US", "+12024561414"),
            ("+1 202 456 1414", "CN", "+12024561414"),
            ("020 7183 8750", "GB", "+442071838750"),
            ("+44 (0)20 7183 8750", "US", "+442071838750"),
            ("0170 1234567", "DE", "+491701234567"),
        ] {
            assert_eq!(clear(text, region), Ok(Some(expected.into())), "{text}");
        }
    }

    #[test]
    fn what_reaches_no_single_person_is_refused_by_kind() {
        for (text, kind) in [
            ("1.38E+10", ScientificNotation),
            ("1.38001E+10", ScientificNotation),
            ("1.38E10", ScientificNotation),
            ("13333333333", Placeholder),
            ("11111111111", Placeholder),
            ("13800000000", Placeholder),
            ("+8613888888888", Placeholder),
            ("12345678901", Placeholder),
            ("1234567890", Placeholder),
            ("00000000", Placeholder),
            ("0", Placeholder),
            ("***********", Placeholder),
            ("+86***********", Placeholder),
            ("021-88888888", Placeholder),
            ("4008001234", NotPersonal),
            ("400-800-1234", NotPersonal),
            ("800-810-1234", NotPersonal),
            ("95588", NotPersonal),
            ("10086", NotPersonal),
            ("12306", NotPersonal),
            ("110", NotPersonal),
            ("18877771111-123", Alias),
            ("18877771111转123", Alias),
            ("18877771111 ext 123", Alias),
            ("18877771111,123", Alias),
            ("18877771111x123", Alias),
            ("18877771111#4321", Alias),
            ("0571-88889999-801", Alias),
            ("13812345678/13912345678", Ambiguous),
            ("13812345678,13912345678", Ambiguous),
            ("13812345678；13912345678", Ambiguous),
            ("13812345678 13912345678", Ambiguous),
            ("010-8888 8888 转 123", Placeholder),
            ("400-800-1234转5", NotPersonal),
            ("138****8000-1234", Alias),
            ("13812345678*", Unparsable),
            ("62345678", Ambiguous),
            ("8862345", Ambiguous),
            ("1381234567", Impossible),
            ("138123456789", Impossible),
            ("22812345678", Impossible),
            ("张三", Unparsable),
            ("138abc45678", Unparsable),
            ("QQ:12345678", Unparsable),
            ("()", Unparsable),
            ("1234567890123456789012345678901234567890123", Unparsable),
        ] {
            assert_eq!(phone(text, "CN"), Err(kind), "{text}");
        }
        assert_eq!(phone("1-800-356-9377", "US"), Err(NotPersonal));
        assert_eq!(phone("+1 202-456-1414 ext. 89", "US"), Err(Alias));
        assert_eq!(phone("555-1234", "US"), Err(Ambiguous));
        assert_eq!(phone("13812345678", "ZZZ"), Err(Ambiguous));
    }

    #[test]
    fn masked_numbers_keep_their_pattern() {
        for (text, expected) in [
            ("138****1234", "138****1234"),
            ("138＊＊＊＊1234", "138****1234"),
            ("138xxxx1234", "138****1234"),
            ("138XXXX1234", "138****1234"),
            ("138**1234", "138****1234"),
            ("138 **** 1234", "138****1234"),
            ("138-****-1234", "138****1234"),
            ("+86138****1234", "138****1234"),
            ("+86-138****1234", "138****1234"),
            ("86138****1234", "138****1234"),
            ("1**********", "1**********"),
            ("*******1234", "*******1234"),
            ("138••••1234", "138****1234"),
            ("+852****4567", "+852****4567"),
            ("0571-****9999", "0571****9999"),
            ("13*-**34-5678", "13***345678"),
        ] {
            let expected = Phone { value: expected.into(), masked: true };
            assert_eq!(phone(text, "CN"), Ok(Some(expected)), "{text}");
        }
    }

    #[test]
    fn nothing_is_no_phone() {
        for text in ["", "  ", "-", "NULL", "无", "N/A", "\\N", "未填写", "'"] {
            assert_eq!(phone(text, "CN"), Ok(None), "{text}");
        }
    }
}
