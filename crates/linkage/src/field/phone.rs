//! Phone numbers as four bits per digit, the last digit lowest; what a mask hides is a digit of its own.

use super::{DIFFERENT, NEAR};
use crate::text::edits;

/// A digit `d` is `d + 1`; 0 lies before the number.
pub(crate) type Packed = u64;
const MASK: u64 = 15;

/// The last 15 digits; a leading `+86` or `0086` is left out. `None` below five digits.
pub(crate) fn parse(text: &str) -> Option<Packed> {
    let mut packed: Packed = 0;
    let mut length = 0u32;
    for c in text.chars() {
        let digit = match c {
            '0'..='9' => u64::from(c as u32 - '0' as u32) + 1,
            '*' | '＊' | 'x' | 'X' | '•' | '●' => MASK,
            _ => continue,
        };
        packed = packed << 4 | digit;
        length += 1;
    }
    packed &= (1 << 60) - 1;
    let china = 9 << 4 | 7;
    if (13..=15).contains(&length) && text.trim_start().starts_with(['+', '0', '8']) && packed >> 44 & 0xff == china {
        packed &= (1 << 44) - 1;
    }
    let digits = (0..15).filter(|at| !matches!(packed >> (4 * at) & 15, 0 | MASK)).count();
    Some(packed).filter(|_| digits >= 5)
}

pub(crate) fn length(packed: Packed) -> u32 {
    (64 - packed.leading_zeros()).div_ceil(4)
}

pub(crate) fn masked(packed: Packed) -> bool {
    (0..15).any(|at| packed >> (4 * at) & 15 == MASK)
}

/// The first three and the last four digits, which masks leave: `138****1234`.
pub(crate) fn ends(packed: Packed) -> u64 {
    let length = length(packed);
    let ends = if length < 8 { 0 } else { (packed >> (4 * (length - 3))) << 16 | (packed & 0xffff) };
    if (0..7).any(|at| ends >> (4 * at) & 15 == MASK) { 0 } else { ends }
}

/// All but the last four digits.
pub(crate) fn front(packed: Packed) -> u64 {
    if length(packed) < 8 || masked(packed) { 0 } else { packed >> 16 }
}

/// The last six digits.
pub(crate) fn back(packed: Packed) -> u64 {
    if length(packed) < 8 || masked(packed) { 0 } else { packed & 0xff_ffff }
}

/// Equal masked numbers are compatible, not equal: a mask of four stands for ten thousand numbers.
pub(crate) fn compare(a: Packed, b: Packed) -> u8 {
    let (long_a, long_b) = (length(a), length(b));
    if masked(a) || masked(b) {
        let compatible = long_a == long_b
            && (0..long_a).all(|at| {
                let (x, y) = (a >> (4 * at) & 15, b >> (4 * at) & 15);
                x == y || x == MASK || y == MASK
            });
        return if compatible { NEAR } else { DIFFERENT };
    }
    if long_a == long_b {
        // Most pairs differ in many digits: counted in a few operations.
        let unlike = a ^ b;
        let spread = unlike | unlike >> 1;
        let apart = ((spread | spread >> 2) & 0x1111_1111_1111_1111).count_ones();
        if apart > 4 {
            return DIFFERENT;
        }
    }
    let digits = |packed: Packed, length: u32| {
        let mut out = [0u8; 16];
        for at in 0..length {
            out[(length - 1 - at) as usize] = (packed >> (4 * at) & 15) as u8;
        }
        out
    };
    let (x, y) = (digits(a, long_a), digits(b, long_b));
    match edits(&x[..long_a as usize], &y[..long_b as usize], 2) {
        Some(0 | 1) => NEAR + 1,
        Some(2) => NEAR + 2,
        _ => DIFFERENT,
    }
}
