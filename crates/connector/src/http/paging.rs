//! Ways through pages, as state machines that know no network: where the next page is, and whether there is one.
//!
//! `more` is what the server says of it (`has_more`, `more_records`), where it says anything. Where it does not, a page that is
//! not full is the last one; a full one never is, whatever a total says, because totals are switched off, cached and wrong.

use reqwest::header::{HeaderMap, LINK};
use url::Url;

use super::origin::{Origins, shown};
use crate::{Error, Kind};

/// Pages by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageNumber {
    page: u64,
    size: u64,
    last: Option<u64>,
}

impl PageNumber {
    /// From page `first` on, `size` records each.
    pub fn new(first: u64, size: u64) -> Self {
        Self { page: first, size, last: None }
    }

    /// The vendor shows no page after `last`.
    pub fn up_to(mut self, last: u64) -> Self {
        self.last = Some(last);
        self
    }

    /// The page to ask for.
    pub fn page(&self) -> u64 {
        self.page
    }

    /// A page of `records` came; true if there is another.
    ///
    /// # Errors
    /// [`Kind::Refused`] if there is more, but beyond what the vendor shows.
    pub fn advance(&mut self, records: u64, more: Option<bool>) -> Result<bool, Error> {
        if !more.unwrap_or(records >= self.size) {
            return Ok(false);
        }
        if self.last.is_some_and(|last| self.page >= last) {
            return Err(beyond(&format!("page {}", self.page)));
        }
        self.page += 1;
        Ok(true)
    }
}

/// Pages by the number of records before them, in steps of a page's size, also where a page came short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offset {
    offset: u64,
    size: u64,
    last: Option<u64>,
}

impl Offset {
    pub fn new(size: u64) -> Self {
        Self { offset: 0, size, last: None }
    }

    /// The vendor takes no offset beyond `last`.
    pub fn up_to(mut self, last: u64) -> Self {
        self.last = Some(last);
        self
    }

    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// A page of `records` came; true if there is another.
    ///
    /// # Errors
    /// [`Kind::Refused`] if there is more, but beyond what the vendor shows.
    pub fn advance(&mut self, records: u64, more: Option<bool>) -> Result<bool, Error> {
        if !more.unwrap_or(records >= self.size) {
            return Ok(false);
        }
        if self.last.is_some_and(|last| self.offset + self.size > last) {
            return Err(beyond(&format!("offset {}", self.offset)));
        }
        self.offset += self.size;
        Ok(true)
    }
}

fn beyond(place: &str) -> Error {
    Error::new(Kind::Refused, format!("there are records after {place}, and the source shows no page beyond it"))
        .hint("read by key or in smaller windows of time")
}

/// Pages by a token that each one gives for the next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Token {
    token: Option<String>,
}

impl Token {
    /// From the start, or from a token kept before.
    pub fn new(token: Option<String>) -> Self {
        Self { token }
    }

    /// The token to send; none for the first page.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// A page came with the token `next`; true if there is another page. An empty token is none.
    ///
    /// # Errors
    /// [`Kind::Protocol`] if there is said to be more, but there is no token for it, or the same one as before.
    pub fn advance(&mut self, next: Option<&str>, more: Option<bool>) -> Result<bool, Error> {
        let next = next.filter(|next| !next.is_empty());
        if !more.unwrap_or(next.is_some()) {
            return Ok(false);
        }
        let next =
            next.ok_or_else(|| Error::new(Kind::Protocol, "there is said to be more, but no token for the next page"))?;
        if self.token.as_deref() == Some(next) {
            return Err(Error::new(Kind::Protocol, "the token for the next page is that of this one"));
        }
        self.token = Some(next.to_owned());
        Ok(true)
    }
}

/// Pages by the greatest key of the one before: ask for what is greater (or greater in time and, at the same time, in id), in
/// order. The one way that neither shifts nor ends early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyset {
    after: Option<String>,
    size: u64,
}

impl Keyset {
    pub fn new(after: Option<String>, size: u64) -> Self {
        Self { after, size }
    }

    /// The key to ask beyond.
    pub fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// A page of `records` came, the last of them with the key `last`; true if there is another.
    ///
    /// # Errors
    /// [`Kind::Protocol`] if the page does not move on.
    pub fn advance(&mut self, last: Option<&str>, records: u64, more: Option<bool>) -> Result<bool, Error> {
        let more = more.unwrap_or(records >= self.size);
        let Some(last) = last else {
            return if more && records > 0 {
                Err(Error::new(Kind::Protocol, "the last record has no key"))
            } else {
                Ok(more)
            };
        };
        if self.after.as_deref() == Some(last) {
            return Err(Error::new(Kind::Protocol, "the page ends at the key it was to begin after"));
        }
        self.after = Some(last.to_owned());
        Ok(more)
    }
}

/// The URL that a page names for the next, if it is of an allowed origin. `base`: the page's own.
///
/// # Errors
/// [`Kind::Refused`] if it is of another origin; [`Kind::Protocol`] if it is none, or the page's own.
pub fn next_url(origins: &Origins, base: &Url, next: &str) -> Result<Url, Error> {
    let url = origins.resolve(base, next).map_err(|error| {
        let message = format!("the link to the next page: {}", error.message);
        Error { message, ..error }
    })?;
    if url == *base {
        return Err(Error::new(Kind::Protocol, format!("the next page of `{}` is that page again", shown(base))));
    }
    Ok(url)
}

/// The next page by the `Link` header (RFC 8288), if there is one.
///
/// # Errors
/// As [`next_url`].
pub fn next_link(origins: &Origins, base: &Url, headers: &HeaderMap) -> Result<Option<Url>, Error> {
    headers
        .get_all(LINK)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .find_map(next_of)
        .map(|target| next_url(origins, base, target))
        .transpose()
}

/// The target of the first link whose relations include `next`: `<url>; rel="prev next"; …, <url>…`.
fn next_of(mut header: &str) -> Option<&str> {
    while let Some(start) = header.find('<') {
        let rest = &header[start + 1..];
        let (target, parameters) = rest.split_at(rest.find('>')?);
        let parameters = &parameters[1..];
        let end = unquoted(parameters, b',').unwrap_or(parameters.len());
        let mut unread = &parameters[..end];
        while !unread.is_empty() {
            let parameter;
            (parameter, unread) = match unquoted(unread, b';') {
                Some(at) => (&unread[..at], &unread[at + 1..]),
                None => (unread, ""),
            };
            if let Some((name, value)) = parameter.split_once('=')
                && name.trim().eq_ignore_ascii_case("rel")
                && value.trim().trim_matches('"').split_ascii_whitespace().any(|rel| rel.eq_ignore_ascii_case("next"))
            {
                return Some(target.trim());
            }
        }
        header = &parameters[end..];
    }
    None
}

/// Where `wanted` first stands outside of quotes.
fn unquoted(text: &str, wanted: u8) -> Option<usize> {
    let mut quoted = false;
    text.bytes().position(|byte| {
        quoted ^= byte == b'"';
        byte == wanted && !quoted
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbered_pages_end_with_one_that_is_not_full_or_when_the_server_says_so() {
        let mut pages = PageNumber::new(1, 200).up_to(10);
        assert!(pages.advance(200, None).unwrap() && pages.page() == 2);
        assert!(pages.advance(3, Some(true)).unwrap() && pages.page() == 3);
        assert!(!pages.advance(199, None).unwrap());
        assert!(!pages.advance(200, Some(false)).unwrap());
        let mut last = PageNumber::new(10, 200).up_to(10);
        assert_eq!(last.advance(200, None).unwrap_err().kind, Kind::Refused);
        assert!(!last.advance(7, None).unwrap());
    }

    #[test]
    fn offsets_stay_multiples_of_the_size() {
        let mut offset = Offset::new(100).up_to(10_000);
        assert!(offset.advance(97, Some(true)).unwrap());
        assert_eq!(offset.offset(), 100);
        let reached = (0..200).find_map(|_| offset.advance(100, None).err());
        assert_eq!((reached.unwrap().kind, offset.offset()), (Kind::Refused, 10_000));
    }

    #[test]
    fn a_token_has_to_be_there_and_to_move_on() {
        let mut token = Token::default();
        assert!(token.advance(Some("a"), Some(true)).unwrap() && token.token() == Some("a"));
        assert_eq!(token.advance(Some("a"), None).unwrap_err().kind, Kind::Protocol);
        assert_eq!(token.advance(None, Some(true)).unwrap_err().kind, Kind::Protocol);
        assert!(!token.advance(Some(""), None).unwrap() && !token.advance(Some("b"), Some(false)).unwrap());
    }

    #[test]
    fn keys_move_on_or_the_walk_stops() {
        let mut keys = Keyset::new(None, 2);
        assert!(keys.advance(Some("b"), 2, None).unwrap() && keys.after() == Some("b"));
        assert!(keys.advance(Some("b"), 2, None).is_err() && keys.advance(None, 2, None).is_err());
        assert!(!keys.advance(Some("c"), 1, None).unwrap() && !keys.advance(None, 0, None).unwrap());
    }

    #[test]
    fn the_next_link_is_found_among_others_and_only_of_an_allowed_origin() {
        let origins = Origins::new("https://api.example.com").unwrap();
        let base = Url::parse("https://api.example.com/items?page=1").unwrap();
        let next = |value: &str| {
            let headers = [(LINK, value.parse().unwrap())].into_iter().collect();
            next_link(&origins, &base, &headers).map(|url| url.map(|url| url.to_string()))
        };
        let found = Some("https://api.example.com/items?page=2".to_owned());
        for good in [
            "</items?page=2>; rel=next",
            "<https://api.example.com/items?page=1>; rel=\"prev\"; title=\"a, <b>; rel=next\", </items?page=2>; REL=\"last Next\"",
            "</x>; rel=prev, </items?page=2>; rel=\"next\"",
        ] {
            assert_eq!(next(good).unwrap(), found, "{good}");
        }
        assert_eq!(next("</x>; rel=prev").unwrap(), None);
        assert_eq!(next("<https://169.254.169.254/>; rel=next").unwrap_err().kind, Kind::Refused);
        assert_eq!(next_url(&origins, &base, "http://api.example.com/items?page=2").unwrap_err().kind, Kind::Refused);
        assert_eq!(next_url(&origins, &base, "?page=1").unwrap_err().kind, Kind::Protocol);
    }

    proptest! {
        #[test]
        fn no_link_header_makes_it_panic(header in "[<>;,=\" a-z]{0,40}") {
            let _ = next_of(&header);
        }
    }
}
