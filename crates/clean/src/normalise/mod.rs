//! Pure normalisers: text as a source wrote it, to one spelling per value.
//!
//! Each takes a field's text and gives `Ok(None)` for no value, `Ok(Some(_))` for one that may be compared with those of
//! other sources, or the [`IssueKind`] for which the field is lost. None repairs by guessing: a wrong value joins two
//! persons, a missing one merely fails to. None reads a clock, the environment or the network, and no error holds the
//! value.
//!
//! ```
//! use tributary_clean::normalise::{IssueKind, phone};
//!
//! let found = phone("+86 138-1234-5678", "CN")?.map(|phone| phone.value);
//! assert_eq!(found.as_deref(), Some("+8613812345678"));
//! assert_eq!(phone("1.38E+10", "CN"), Err(IssueKind::ScientificNotation));
//! assert_eq!(phone("N/A", "CN"), Ok(None));
//! # Ok::<(), IssueKind>(())
//! ```

pub mod address;
pub mod date;
pub mod email;
mod fold;
pub mod gender;
pub mod identifier;
mod issue;
pub mod money;
pub mod name;
mod null;
pub mod phone;
mod scan;
mod surname;
pub mod text;
pub mod timestamp;

pub use address::{Address, address, city, district, province};
pub use date::{DateOrder, birthday, date};
pub use email::{Email, email};
pub use gender::{Gender, gender};
pub use identifier::identifier;
pub use issue::IssueKind;
pub use money::{money, quantity};
pub use name::{PersonName, person_name};
pub use null::is_null;
pub use phone::{Phone, phone};
pub use text::text;
pub use timestamp::timestamp;

/// Names and versions of all normalisers and of the data they rest on: part of the fingerprint of a stage that uses
/// them. A change that gives any value another result raises its family's `VERSION`.
pub fn fingerprint() -> String {
    format!(
        "address={}+{},date={},email={},gender={},identifier={},money={},name={},phone={}+{},text={},timestamp={}+{}",
        address::VERSION,
        address::DICTIONARY,
        date::VERSION,
        email::VERSION,
        gender::VERSION,
        identifier::VERSION,
        money::VERSION,
        name::VERSION,
        phone::VERSION,
        phone::METADATA,
        text::VERSION,
        timestamp::VERSION,
        timestamp::ZONES,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::NaiveDate;
    use chrono_tz::{Asia::Shanghai, Tz};

    /// Pieces that real fields are made of, and signs that have broken readers.
    #[rustfmt::skip]
    const PIECES: [&str; 72] = [
        "1", "13", "138", "0", "00", "86", "+86", "+", "-", "--", "(", ")", ".", ",", "/", ":", ";", "*", "**",
        "＊", "x", "xx", "X", "@", "#", "=\"", "\"", "'", " ", "\u{3000}", "\u{a0}", "\n", "\0", "\u{200b}",
        "\u{feff}", "\u{202e}", "e", "E", "E+10", "年", "月", "日", "时", "上午", "下午", "T", "Z", "AM", "Mar",
        "元", "万", "亿", "¥", "$", "张", "某", "欧阳", "先生", "Mr.", "·", "•", "省", "广东省", "北京", "朝阳",
        "市", "区", "路", "邮编", "ß", "ﬀ", "e\u{301}",
    ];

    struct Random(u64);

    impl Random {
        fn below(&mut self, limit: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 % limit as u64) as usize
        }

        fn text(&mut self) -> String {
            let mut text = String::new();
            for _ in 0..self.below(12) {
                match self.below(8) {
                    0 => text.extend(char::from_u32(self.below(0x11_0000) as u32)),
                    1 => text.extend(char::from_u32(0x4e00 + self.below(0x5000) as u32)),
                    2 => text.extend(char::from_u32(self.below(0x80) as u32)),
                    3 | 4 => text.extend(char::from_digit(self.below(10) as u32, 10)),
                    _ => text.push_str(PIECES[self.below(PIECES.len())]),
                }
            }
            text
        }
    }

    const TODAY: NaiveDate = NaiveDate::from_ymd_opt(2026, 11, 22).unwrap();
    const ORDERS: [DateOrder; 3] = [DateOrder::Ymd, DateOrder::Mdy, DateOrder::Dmy];

    #[test]
    fn no_text_makes_any_of_them_panic_and_values_are_stable() {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        for round in 0..10_000 {
            let text = &random.text();
            let order = ORDERS[round % 3];
            let region = ["CN", "US", "DE", "GB", "NL", "ZZ", ""][round % 7];
            let zone: Tz = [Shanghai, chrono_tz::America::New_York, chrono_tz::Pacific::Apia][round % 3];
            if let Ok(Some(first)) = phone(text, region) {
                assert_eq!(phone(&first.value, region), Ok(Some(first.clone())), "{text:?}");
            }
            if let Ok(Some(first)) = email(text) {
                assert_eq!(email(&first.value), Ok(Some(first.clone())), "{text:?}");
            }
            if let Ok(Some(first)) = person_name(text) {
                assert!(!first.value.is_empty());
                // Parts turned about a comma were cased one by one.
                let again = person_name(&first.value).map(|name| name.map(|name| name.value));
                assert!(text.contains([',', '，']) || again == Ok(Some(first.value)), "{text:?} {again:?}");
            }
            if let Ok(Some((first, masked))) = identifier("member_no", text) {
                assert_eq!(identifier("member_no", &first), Ok(Some((first.clone(), masked))), "{text:?}");
            }
            if let Some(first) = super::text(text) {
                assert_eq!(super::text(&first).as_deref(), Some(&*first), "{text:?}");
            }
            for level in [province, city, district] {
                if let Some(first) = level(text) {
                    assert_eq!(level(&first).as_deref(), Some(&*first), "{text:?}");
                }
            }
            if let Ok(Some(first)) = date(text, order) {
                assert_eq!(date(&first.to_string(), order), Ok(Some(first)), "{text:?}");
            }
            if let Ok(Some(first)) = timestamp(text, zone, order) {
                assert_eq!(timestamp(&first.to_rfc3339(), zone, order), Ok(Some(first)), "{text:?}");
            }
            if let Ok(Some(first)) = money(text) {
                let (sign, amount) = (if first < 0 { "-" } else { "" }, first.abs());
                let written = format!("{sign}{}.{:04}", amount / 10_000, amount % 10_000);
                assert_eq!(money(&written), Ok(Some(first)), "{text:?}");
            }
            let _ = (gender(text), quantity(text), birthday(text, order, TODAY), address(text, region), is_null(text));
        }
    }

    #[test]
    fn an_error_never_holds_the_value() {
        for text in ["1381234567", "zhang@qq", "1990-02-30"] {
            for kind in
                [phone(text, "CN").err(), email(text).err(), date(text, DateOrder::Ymd).err()].into_iter().flatten()
            {
                assert!(!format!("{kind} {kind:?}").contains(text));
            }
        }
    }

    #[test]
    fn the_fingerprint_names_every_family_and_its_data() {
        let fingerprint = fingerprint();
        for name in [
            "address=",
            "date=",
            "email=",
            "gender=",
            "identifier=",
            "money=",
            "name=",
            "phone=",
            "text=",
            "timestamp=",
        ] {
            assert!(fingerprint.contains(name), "{name}");
        }
        // The data named is the data linked: both versions are pinned in the manifest.
        let manifest = include_str!("../../Cargo.toml");
        for (name, data) in [("cpca", address::DICTIONARY), ("rlibphonenumber", phone::METADATA)] {
            let version = data.strip_prefix(name).map(str::trim).unwrap();
            assert!(manifest.contains(&format!("{name} = \"={version}\"")), "{data}");
        }
    }
}
