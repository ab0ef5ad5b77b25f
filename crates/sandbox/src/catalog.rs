//! What the retailer sells, and how its tills and its shop write money.
//!
//! Money is whole cents (分) in an `i64` everywhere; it becomes text only here.

use rand::RngExt;

use crate::chance::{Dice, pick};

/// Name and price in cents.
#[rustfmt::skip]
const MODELS: &[(&str, i64)] = &[
    ("纯棉圆领T恤", 7_900), ("速干运动T恤", 12_900), ("修身牛仔裤", 25_900), ("休闲短裤", 14_950), ("连帽卫衣", 29_900),
    ("轻薄羽绒服", 69_900), ("长款羽绒服", 149_900), ("羊毛大衣", 239_900), ("真丝衬衫", 45_900), ("免烫衬衫", 19_900),
    ("针织开衫", 26_800), ("百褶裙", 18_800), ("连衣裙", 35_900), ("跑步鞋", 49_900), ("小白鞋", 32_900), ("登山鞋", 89_900),
    ("棉袜三双装", 3_990), ("真皮腰带", 22_850), ("双肩包", 27_900), ("羊绒围巾", 59_900), ("渔夫帽", 8_900),
    ("儿童雨衣", 11_900), ("保温杯, 500ml", 9_980), ("行李箱20\"", 109_900),
];

const COLOURS: &[&str] = &["黑色", "白色", "藏青", "米色", "浅灰"];
const SIZES: &[&str] = &["S", "M", "L", "XL"];

/// One thing for sale.
#[derive(Debug, Clone)]
pub(crate) struct Good {
    pub(crate) sku: String,
    pub(crate) title: String,
    pub(crate) cents: i64,
}

impl Good {
    pub(crate) fn draw(dice: &mut Dice) -> Self {
        let (model, colour, size) = (
            dice.random_range(0..MODELS.len()),
            dice.random_range(0..COLOURS.len()),
            dice.random_range(0..SIZES.len()),
        );
        let (name, cents) = MODELS[model];
        Self {
            sku: (100_000 + model * 100 + colour * 10 + size).to_string(),
            title: format!("{name} {} {}", COLOURS[colour], SIZES[size]),
            cents,
        }
    }
}

/// One, seldom more.
pub(crate) fn quantity(dice: &mut Dice) -> i64 {
    pick(dice, &[1, 1, 1, 1, 1, 1, 2, 2, 3])
}

/// `-1299.00`.
pub(crate) fn money(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", cents.unsigned_abs() / 100, cents.unsigned_abs() % 100)
}

/// `-1,299.00`.
pub(crate) fn grouped_money(cents: i64) -> String {
    let plain = money(cents);
    let (sign, digits) = plain.strip_prefix('-').map_or(("", plain.as_str()), |digits| ("-", digits));
    let whole = digits.len() - 3;
    let mut text = sign.to_owned();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && place < whole && (whole - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_written_with_two_decimals() {
        assert_eq!(money(5), "0.05");
        assert_eq!(money(-29_900), "-299.00");
        assert_eq!(grouped_money(99_999), "999.99");
        assert_eq!(grouped_money(123_456_789), "1,234,567.89");
        assert_eq!(grouped_money(-129_900), "-1,299.00");
    }
}
