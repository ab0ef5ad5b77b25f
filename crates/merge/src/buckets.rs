//! Looking numbers up in a sorted list, of keyed hashes, in few places of memory.

use std::ops::Range;

/// Where the numbers that begin with the same bits lie in a sorted list. Keyed hashes are spread evenly, so these are few.
#[derive(Debug)]
pub(crate) struct Buckets {
    shift: u32,
    begins: Vec<u32>,
}

impl Buckets {
    /// `bits` are those of the largest number there may be.
    pub fn new(sorted: impl ExactSizeIterator<Item = u128>, bits: u32) -> Self {
        let first = sorted.len().max(2).ilog2() - 1;
        let mut buckets = Self { shift: bits - first, begins: vec![0; (1 << first) + 1] };
        for number in sorted {
            let at = buckets.at(number) + 1;
            if let Some(count) = buckets.begins.get_mut(at) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for begin in &mut buckets.begins {
            sum += *begin;
            *begin = sum;
        }
        buckets
    }

    fn at(&self, number: u128) -> usize {
        usize::try_from(number >> self.shift).unwrap_or(usize::MAX - 1)
    }

    /// Where a number is, if it is there.
    pub fn range(&self, number: u128) -> Range<usize> {
        let at = self.at(number);
        let begin = |at: usize| self.begins.get(at).copied().unwrap_or_default() as usize;
        begin(at)..begin(at + 1)
    }
}
