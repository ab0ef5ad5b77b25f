//! E-mail addresses, lower-cased.
//!
//! Providers disagree on dots and `+tags`, so neither is touched. No network is asked: an address is well formed or
//! not. The local part must be ASCII; a domain may be international and keeps the form it came in.

use super::IssueKind;
use super::fold::{is_mask, prepare};

pub const VERSION: u32 = 1;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Email {
    /// Lower case; when masked, with `*` for what is hidden (`a***@qq.com`).
    pub value: String,
    pub masked: bool,
}

/// Endings that are typed by mistake or reserved (RFC 2606, RFC 6762) and will never be delegated.
const NEVER: [&str; 12] =
    ["con", "cmo", "ocm", "comm", "coom", "vom", "local", "localhost", "localdomain", "invalid", "test", "lan"];

/// Locals nobody reads.
#[rustfmt::skip]
const NOBODY: [&str; 12] = [
    "noreply", "no-reply", "no_reply", "no.reply", "donotreply", "do-not-reply", "noemail", "no-email",
    "nomail", "no-mail", "noone", "nobody",
];

/// Locals and first labels that together make a placeholder: `none@none.com`, `a@b.com`, `abc@abc.com`.
const FILLERS: [&str; 20] = [
    "test", "none", "no", "na", "null", "abc", "a", "b", "aa", "aaa", "x", "xx", "xxx", "1", "11", "111", "123",
    "email", "mail", "unknown",
];

/// # Errors
/// `Placeholder` (`test@test.com`, `noreply@…`, `…@example.com`); `Alias` (a marketplace's relay); `Impossible` (an
/// ending such as `.con`); `Ambiguous` (two addresses); `Unparsable`.
pub fn email(text: &str) -> Result<Option<Email>, IssueKind> {
    let Some(text) = prepare(text) else { return Ok(None) };
    let text = bare(&text);
    if text.bytes().filter(|b| *b == b'@').count() > 1 && text.contains([',', ';', ' ', '/']) {
        return Err(IssueKind::Ambiguous);
    }
    let mut masked = false;
    let mut value = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '。' => value.push('.'),
            _ if is_mask(c) => {
                masked = true;
                value.push('*');
            }
            'A'..='Z' => value.push(c.to_ascii_lowercase()),
            _ if c.is_ascii() => value.push(c),
            _ => value.extend(c.to_lowercase()),
        }
    }
    let (local, domain) = value.split_once('@').ok_or(IssueKind::Unparsable)?;
    if value.len() > 254 || !is_local(local) || !is_domain(domain) {
        return Err(IssueKind::Unparsable);
    }
    if !masked {
        refuse(local, domain)?;
    } else if local.bytes().all(|b| b == b'*') && domain.bytes().all(|b| matches!(b, b'*' | b'.')) {
        return Err(IssueKind::Placeholder);
    }
    Ok(Some(Email { value, masked }))
}

/// Without `mailto:`, a display name before `<…>`, or punctuation after the end.
fn bare(text: &str) -> &str {
    let text = match (text.rfind('<'), text.strip_suffix('>')) {
        (Some(open), Some(closed)) => &closed[open + 1..],
        _ => text,
    };
    let text = match text.get(..7) {
        Some(scheme) if scheme.eq_ignore_ascii_case("mailto:") => &text[7..],
        _ => text,
    };
    text.trim_end_matches(['.', ',', ';', '。', '、', ' ']).trim_start()
}

/// RFC 5321's dot-string, at most 64 bytes.
fn is_local(local: &str) -> bool {
    let atom = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&b);
    !local.is_empty() && local.len() <= 64 && local.bytes().all(atom) && local.split('.').all(|part| !part.is_empty())
}

fn is_domain(domain: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c == '-' || c == '*' || c.is_alphanumeric())
    };
    let Some((_, top)) = domain.rsplit_once('.') else { return false };
    domain.split('.').all(label)
        && top.chars().count() >= 2
        && (top.starts_with("xn--") || top.chars().all(|c| c == '*' || c.is_alphabetic()))
}

fn refuse(local: &str, domain: &str) -> Result<(), IssueKind> {
    let (first, rest) = domain.split_once('.').unwrap_or((domain, ""));
    let top = rest.rsplit('.').next().unwrap_or(rest);
    let filler = |part: &str| FILLERS.contains(&part);
    if NOBODY.contains(&local)
        || first == "example" && matches!(rest, "com" | "org" | "net" | "cn")
        || domain == "test.com"
        || top == "example"
        || filler(first) && (filler(local) || local == first)
    {
        return Err(IssueKind::Placeholder);
    }
    if NEVER.contains(&top) {
        return Err(IssueKind::Impossible);
    }
    if domain.starts_with("marketplace.amazon.") || domain.starts_with("members.ebay.") || domain == "guest.booking.com"
    {
        return Err(IssueKind::Alias);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use IssueKind::*;

    #[test]
    fn real_forms_become_one_spelling() {
        for (text, expected) in [
            ("zhang.san@qq.com", "zhang.san@qq.com"),
            (" Zhang.San@QQ.COM ", "zhang.san@qq.com"),
            ("ｚｈａｎｇ＠ｑｑ．ｃｏｍ", "zhang@qq.com"),
            ("zhang@qq。com", "zhang@qq.com"),
            ("'zhang@qq.com", "zhang@qq.com"),
            ("mailto:Zhang@qq.com", "zhang@qq.com"),
            ("Zhang San <zhang@qq.com>", "zhang@qq.com"),
            ("zhang@qq.com;", "zhang@qq.com"),
            ("\u{200b}zhang@qq.com", "zhang@qq.com"),
            ("first.last+tag@sub.domain.co.uk", "first.last+tag@sub.domain.co.uk"),
            ("o'brien@mail.example-shop.ie", "o'brien@mail.example-shop.ie"),
            ("user@xn--fiqs8s.xn--fiqs8s", "user@xn--fiqs8s.xn--fiqs8s"),
            ("info@bücher.de", "info@bücher.de"),
            ("123456@163.com", "123456@163.com"),
            ("x@abc123.privaterelay.appleid.com", "x@abc123.privaterelay.appleid.com"),
        ] {
            assert_eq!(email(text), Ok(Some(Email { value: expected.into(), masked: false })), "{text}");
        }
    }

    #[test]
    fn masked_addresses_are_kept_as_patterns() {
        for (text, expected) in [
            ("a***@qq.com", "a***@qq.com"),
            ("A＊＊＊@QQ.com", "a***@qq.com"),
            ("***@qq.com", "***@qq.com"),
            ("zh*****n@g****.com", "zh*****n@g****.com"),
            ("a•••@qq.com", "a***@qq.com"),
        ] {
            assert_eq!(email(text), Ok(Some(Email { value: expected.into(), masked: true })), "{text}");
        }
    }

    #[test]
    fn what_is_no_persons_address_is_refused_by_kind() {
        for (text, kind) in [
            ("test@test.com", Placeholder),
            ("Test@Test.com", Placeholder),
            ("none@none.com", Placeholder),
            ("noreply@shop.com", Placeholder),
            ("no-reply@shop.com", Placeholder),
            ("someone@example.com", Placeholder),
            ("a@a.com", Placeholder),
            ("a@b.com", Placeholder),
            ("123@123.com", Placeholder),
            ("***@***.***", Placeholder),
            ("zhang@qq.con", Impossible),
            ("zhang@shop.local", Impossible),
            ("b7@marketplace.amazon.de", Alias),
            ("a1@qq.com, b2@qq.com", Ambiguous),
            ("a1@qq.com;b2@qq.com", Ambiguous),
            ("zhang", Unparsable),
            ("zhang@", Unparsable),
            ("@qq.com", Unparsable),
            ("zhang@@qq.com", Unparsable),
            ("zhang@qq", Unparsable),
            ("zhang san@qq.com", Unparsable),
            ("zhang..san@qq.com", Unparsable),
            (".zhang@qq.com", Unparsable),
            ("zhang@-qq.com", Unparsable),
            ("zhang@qq..com", Unparsable),
            ("zhang@qq.c", Unparsable),
            ("zhang@127.0.0.1", Unparsable),
            ("张三@qq.com", Unparsable),
            ("13800138000", Unparsable),
        ] {
            assert_eq!(email(text), Err(kind), "{text}");
        }
        for text in ["", " ", "null", "无", "-"] {
            assert_eq!(email(text), Ok(None), "{text}");
        }
    }
}
