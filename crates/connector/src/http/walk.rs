//! A guard over a walk through pages: it ends walks that would never end.
//!
//! A server that ignores the page token shows the same page for ever, and one that keeps saying that there is more shows
//! nothing for ever. Either would otherwise read as a large stream.

use std::collections::HashSet;

use crate::{Error, Kind};

/// This many empty pages in a row may say that there is more.
const EMPTY_PAGES: u32 = 3;

/// What a walk has seen. One per walk: a second walk may well show the same pages.
#[derive(Debug, Default)]
pub struct Walk {
    seen: HashSet<[u8; 16]>,
    empty: u32,
}

impl Walk {
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks at a page: the bytes of its records (not of the envelope, which may hold a time or a trace id), how many there are,
    /// and whether the server says that there is more. On an error the walk must stop with its position as it was.
    ///
    /// # Errors
    /// [`Kind::Protocol`] if these records came before in this walk, or the server said "more" over too many empty pages.
    pub fn page(&mut self, records: &[u8], count: u64, more: bool) -> Result<(), Error> {
        if count == 0 {
            self.empty += u32::from(more);
            if self.empty >= EMPTY_PAGES {
                return Err(Error::new(
                    Kind::Protocol,
                    format!("{EMPTY_PAGES} pages in a row are empty and say there is more"),
                )
                .hint("nothing was taken from this walk; if it comes again, ask the vendor"));
            }
            return Ok(());
        }
        self.empty = 0;
        let mut fingerprint = [0; 16];
        fingerprint.copy_from_slice(&blake3::hash(records).as_bytes()[..16]);
        if !self.seen.insert(fingerprint) {
            return Err(Error::new(Kind::Protocol, "the same page came twice")
                .hint("the server seems not to heed the page number or token"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_comes_again_ends_the_walk() {
        let mut walk = Walk::new();
        walk.page(b"[1]", 1, true).unwrap();
        walk.page(b"[2]", 1, true).unwrap();
        assert_eq!(walk.page(b"[1]", 1, true).unwrap_err().message, "the same page came twice");
    }

    #[test]
    fn empty_pages_are_passed_over_but_not_for_ever() {
        let mut walk = Walk::new();
        walk.page(b"[]", 0, true).unwrap();
        walk.page(b"[]", 0, true).unwrap();
        walk.page(b"[1]", 1, true).unwrap();
        walk.page(b"[]", 0, true).unwrap();
        walk.page(b"[]", 0, true).unwrap();
        assert_eq!(walk.page(b"[]", 0, true).unwrap_err().kind, Kind::Protocol);
        assert!(Walk::new().page(b"[]", 0, false).is_ok());
    }
}
