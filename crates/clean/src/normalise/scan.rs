//! A cursor over text, for the hand-written readers of dates and times.

pub(super) struct Scan<'a> {
    pub rest: &'a str,
}

impl<'a> Scan<'a> {
    pub fn new(rest: &'a str) -> Self {
        Scan { rest }
    }

    pub fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Takes `token` if it stands here.
    pub fn eat(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Takes the first of `tokens` that stands here, ASCII letters in any case.
    pub fn eat_word(&mut self, tokens: &[&str]) -> bool {
        let here = self.rest;
        let found =
            tokens.iter().find(|token| here.get(..token.len()).is_some_and(|head| head.eq_ignore_ascii_case(token)));
        if let Some(token) = found {
            self.rest = &here[token.len()..];
        }
        found.is_some()
    }

    /// Takes one character of `set`.
    pub fn eat_any(&mut self, set: &[char]) -> Option<char> {
        let c = self.peek().filter(|c| set.contains(c))?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    pub fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches(' ');
    }

    pub fn take_while(&mut self, pick: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c: char| !pick(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// Takes the ASCII digits that stand here.
    pub fn digits(&mut self) -> &'a str {
        self.take_while(|c| c.is_ascii_digit())
    }

    /// Takes a number of `1..=most` digits; nothing is taken where more stand here.
    pub fn number(&mut self, most: usize) -> Option<u32> {
        let before = self.rest;
        let digits = self.digits();
        if digits.is_empty() || digits.len() > most {
            self.rest = before;
            return None;
        }
        digits.parse().ok()
    }

    pub fn is_done(&self) -> bool {
        self.rest.is_empty()
    }
}
