//! Mobile numbers: each given out once, and the wrong, masked and styled forms of them.
//!
//! Numbers are of eleven digits, `1[3-9]` and nine more. Every number that was ever given out is remembered, the wrong ones
//! too, so that a wrong digit never makes another person's phone, nor a till's, nor the wrong phone of somebody else.

use std::collections::HashSet;

use rand::RngExt;

use crate::chance::{Dice, pick};

/// Prefixes of the three operators.
#[rustfmt::skip]
const PREFIXES: &[u64] = &[
    130, 131, 132, 133, 135, 136, 137, 138, 139, 150, 151, 152, 155, 156, 157, 158, 159, 166, 176, 177, 178, 180, 182, 183, 185,
    186, 187, 188, 189, 191, 198, 199,
];

/// The numbers that are taken.
#[derive(Debug, Clone, Default)]
pub(crate) struct Phones {
    taken: HashSet<u64>,
}

impl Phones {
    /// A number that nobody has.
    pub(crate) fn fresh(&mut self, dice: &mut Dice) -> u64 {
        loop {
            let phone = pick(dice, PREFIXES) * 100_000_000 + dice.random_range(0..100_000_000);
            if self.taken.insert(phone) {
                return phone;
            }
        }
    }

    /// The number with one of its last nine digits changed, such that nobody has the result.
    pub(crate) fn wrong_digit(&mut self, dice: &mut Dice, phone: u64) -> u64 {
        loop {
            let place = 10_u64.pow(dice.random_range(0..9));
            let digit = phone / place % 10;
            let other = (digit + dice.random_range(1..10)) % 10;
            let wrong = phone - digit * place + other * place;
            if self.taken.insert(wrong) {
                return wrong;
            }
        }
    }
}

/// `138****1234`.
pub(crate) fn masked(phone: u64) -> String {
    format!("{:03}****{:04}", phone / 100_000_000, phone % 10_000)
}

/// `138-0013-8000`.
pub(crate) fn dashed(phone: u64) -> String {
    format!("{:03}-{:04}-{:04}", phone / 100_000_000, phone / 10_000 % 10_000, phone % 10_000)
}

/// `+86 138 0013 8000`.
pub(crate) fn international(phone: u64) -> String {
    format!("+86 {:03} {:04} {:04}", phone / 100_000_000, phone / 10_000 % 10_000, phone % 10_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::{Purpose, dice};

    #[test]
    fn a_wrong_digit_changes_one_digit_and_meets_nobody() {
        let (mut phones, mut dice) = (Phones::default(), dice(1, Purpose::Parties));
        // All but one of the neighbours are somebody's.
        let phone = 13_800_138_000_u64;
        for place in 0..9 {
            let place = 10_u64.pow(place);
            let digit = phone / place % 10;
            phones.taken.extend((0..10).map(|other| phone - digit * place + other * place));
        }
        phones.taken.remove(&13_800_138_007);
        assert_eq!(phones.wrong_digit(&mut dice, phone), 13_800_138_007);
    }

    #[test]
    fn styles_keep_leading_zeros_of_their_parts() {
        assert_eq!(masked(13_800_130_007), "138****0007");
        assert_eq!(dashed(13_800_130_007), "138-0013-0007");
        assert_eq!(international(13_800_130_007), "+86 138 0013 0007");
    }
}
