//! Chance that can be repeated: one stream of ChaCha8 per purpose, and the few ways in which numbers are drawn from it.
//!
//! Each purpose has a stream of its own, so that another draw in one file changes no other file. Floats occur as
//! probabilities only; money is never drawn from one.

use chrono::{NaiveDateTime, TimeDelta};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The generator that everything is drawn from: its output is fixed by its specification, not by a version.
pub(crate) type Dice = ChaCha8Rng;

/// What a stream of chance is for. The numbers are part of what makes bytes repeatable: add, never renumber.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    People = 1,
    Parties = 2,
    Members = 3,
    Contacts = 4,
    Tickets = 5,
    Orders = 6,
    Answers = 7,
    Crm = 8,
    Changes = 9,
    Fxiaoke = 10,
    FxiaokeChanges = 11,
    Sample = 12,
    SampleChanges = 13,
    Alterations = 14,
}

pub(crate) fn dice(seed: u64, purpose: Purpose) -> Dice {
    let mut dice = Dice::seed_from_u64(seed);
    dice.set_stream(purpose as u64);
    dice
}

/// One of `from`, which is not empty.
pub(crate) fn pick<T: Copy>(dice: &mut Dice, from: &[T]) -> T {
    from[dice.random_range(0..from.len())]
}

/// `count` of `from`, or all if there are fewer, each at most once, in an order of chance.
pub(crate) fn sample<T>(dice: &mut Dice, mut from: Vec<T>, count: usize) -> Vec<T> {
    let count = count.min(from.len());
    for place in 0..count {
        let other = dice.random_range(place..from.len());
        from.swap(place, other);
    }
    from.truncate(count);
    from
}

/// A moment in `from..=to`, or `from` where that is the later.
pub(crate) fn moment(dice: &mut Dice, from: NaiveDateTime, to: NaiveDateTime) -> NaiveDateTime {
    let seconds = (to - from).num_seconds();
    if seconds <= 0 { from } else { from + TimeDelta::seconds(dice.random_range(0..=seconds)) }
}

/// Draws an index with a given weight for each.
#[derive(Debug, Clone)]
pub(crate) struct Weighted {
    sums: Vec<u32>,
}

impl Weighted {
    pub(crate) fn new(weights: impl IntoIterator<Item = u32>) -> Self {
        let mut total = 0;
        let sums = weights
            .into_iter()
            .map(|weight| {
                total += weight;
                total
            })
            .collect();
        Self { sums }
    }

    pub(crate) fn index(&self, dice: &mut Dice) -> usize {
        let total = self.sums.last().copied().unwrap_or(0).max(1);
        let at = dice.random_range(0..total);
        self.sums.partition_point(|&sum| sum <= at)
    }
}

/// A bijection of all `u64` that looks random (the finaliser of SplitMix64, Steele and others 2014): distinct in, distinct out.
pub(crate) fn scramble(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// A number below a thousand million, another for every index below that, in no visible order: four rounds of a Feistel
/// network over 30 bits, walked until the result is in range. Two salts give unrelated orders, so that no system's numbers
/// betray another's.
pub(crate) fn spread(salt: u64, index: u64) -> u64 {
    let mut number = index;
    loop {
        let (mut left, mut right) = (number >> 15 & 0x7FFF, number & 0x7FFF);
        for round in 0..4 {
            (left, right) = (right, left ^ (scramble(scramble(salt) ^ (round << 15 | right)) & 0x7FFF));
        }
        number = left << 15 | right;
        if number < 1_000_000_000 {
            return number;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_decide_how_often_an_index_is_drawn() {
        let mut dice = dice(1, Purpose::People);
        let weighted = Weighted::new([1, 0, 3]);
        let mut seen = [0_u32; 3];
        (0..4_000).for_each(|_| seen[weighted.index(&mut dice)] += 1);
        assert_eq!(seen[1], 0);
        assert!((900..1_100).contains(&seen[0]), "{seen:?}");
    }

    #[test]
    fn spread_never_repeats_and_stays_in_range() {
        assert!((0..100_000).all(|index| spread(7, index) < 1_000_000_000));
        let mut numbers: Vec<_> = (0..100_000).map(|index| spread(7, index)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 100_000);
    }

    #[test]
    fn purposes_draw_from_different_streams() {
        let first: u64 = dice(1, Purpose::People).random();
        let second: u64 = dice(1, Purpose::Parties).random();
        assert_ne!(first, second);
    }
}
