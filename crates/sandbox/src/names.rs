//! Names of people: Chinese ones from surnames and given characters by how frequent they are, and a few Latin ones.
//!
//! Weights are rough shares of the population (the 2020 census's surname order), so that a few names are shared by many
//! people, as in truth. Which name a record shows, with its mistakes, is decided in `noise`.

use rand::RngExt;

use crate::chance::{Dice, Weighted, pick};
use crate::sounds::Sounds;

/// Surnames of one character: character, pinyin, weight.
#[rustfmt::skip]
const SURNAMES: &[(&str, &str, u32)] = &[
    ("王", "wang", 72), ("李", "li", 72), ("张", "zhang", 68), ("刘", "liu", 54), ("陈", "chen", 45), ("杨", "yang", 31),
    ("黄", "huang", 22), ("赵", "zhao", 23), ("吴", "wu", 21), ("周", "zhou", 21), ("徐", "xu", 16), ("孙", "sun", 15),
    ("马", "ma", 13), ("朱", "zhu", 13), ("胡", "hu", 13), ("郭", "guo", 12), ("何", "he", 11), ("林", "lin", 11),
    ("高", "gao", 10), ("罗", "luo", 10), ("郑", "zheng", 9), ("梁", "liang", 9), ("谢", "xie", 8), ("宋", "song", 8),
    ("唐", "tang", 7), ("许", "xu", 7), ("邓", "deng", 6), ("韩", "han", 6), ("冯", "feng", 6), ("曹", "cao", 6),
    ("彭", "peng", 6), ("曾", "zeng", 6), ("肖", "xiao", 6), ("田", "tian", 5), ("董", "dong", 5), ("潘", "pan", 5),
    ("袁", "yuan", 5), ("蔡", "cai", 5), ("蒋", "jiang", 5), ("余", "yu", 5), ("于", "yu", 5), ("杜", "du", 5),
    ("叶", "ye", 4), ("程", "cheng", 4), ("魏", "wei", 4), ("苏", "su", 4), ("吕", "lyu", 4), ("丁", "ding", 4),
    ("任", "ren", 4), ("卢", "lu", 4), ("姚", "yao", 4), ("沈", "shen", 4), ("钟", "zhong", 4), ("姜", "jiang", 4),
    ("崔", "cui", 4), ("谭", "tan", 4), ("陆", "lu", 4), ("范", "fan", 3), ("汪", "wang", 3), ("廖", "liao", 3),
    ("石", "shi", 3), ("金", "jin", 3), ("韦", "wei", 3), ("贾", "jia", 3), ("夏", "xia", 3), ("付", "fu", 3),
    ("方", "fang", 3), ("邹", "zou", 3), ("熊", "xiong", 2), ("白", "bai", 2), ("孟", "meng", 2), ("秦", "qin", 2),
    ("邱", "qiu", 2), ("侯", "hou", 2), ("江", "jiang", 2), ("尹", "yin", 2), ("薛", "xue", 2), ("闫", "yan", 2),
    ("段", "duan", 2), ("雷", "lei", 2), ("龙", "long", 2), ("黎", "li", 2), ("史", "shi", 2), ("陶", "tao", 2),
    ("贺", "he", 2), ("毛", "mao", 2), ("郝", "hao", 2), ("顾", "gu", 2), ("龚", "gong", 2), ("邵", "shao", 2),
    ("万", "wan", 2), ("覃", "qin", 2), ("武", "wu", 2), ("钱", "qian", 2), ("戴", "dai", 2), ("严", "yan", 2),
    ("莫", "mo", 2), ("孔", "kong", 2), ("向", "xiang", 2), ("常", "chang", 2), ("章", "zhang", 1), ("艾", "ai", 1),
];

/// Surnames of two characters.
#[rustfmt::skip]
const COMPOUND: &[(&str, &str, u32)] = &[
    ("欧阳", "ouyang", 10), ("司马", "sima", 3), ("诸葛", "zhuge", 3), ("上官", "shangguan", 4), ("皇甫", "huangfu", 3),
    ("尉迟", "yuchi", 1), ("令狐", "linghu", 2), ("慕容", "murong", 2), ("夏侯", "xiahou", 2), ("东方", "dongfang", 2),
    ("司徒", "situ", 2), ("端木", "duanmu", 1),
];

/// Given characters, the most frequent first.
const GIVEN_MALE: &str = "伟强磊军洋勇杰涛明超平刚辉鹏飞宇浩轩文斌博睿泽俊凯龙波建国庆志远栋峰海林鑫旭阳健亮成晨威翔昊天宁毅恒铭坤诚荣振东帆";
const GIVEN_FEMALE: &str = "芳娜敏静丽艳娟霞秀英华玉兰萍红梅玲燕婷雪琳慧颖梦洁佳琪欣怡雅思雨涵诗嘉蕾薇倩莹云凤菲琴珍晶瑶璐妍彤悦馨淑蓉春菊桂岚黛";

/// Given characters whose second byte in GBK is `\` or `|` (俓, 珅, 簗), and one that GBK lacks and GB18030 has (䶮).
const GIVEN_AWKWARD: &[char] = &['俓', '珅', '簗', '䶮'];

#[rustfmt::skip]
const LATIN_FIRST: &[&str] = &["James", "Mary", "John", "Linda", "Robert", "Emma", "David", "Sophie", "Marco", "Yuki", "Ivan", "Elena"];
const LATIN_LAST: &[&str] =
    &["Smith", "Johnson", "Brown", "Miller", "Schmidt", "Rossi", "Tanaka", "Petrov", "Martin", "Wilson"];

/// A person's true name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    /// As written: `欧阳静`, or `James Smith`.
    pub(crate) text: String,
    /// How many of its characters are the surname; 0 for a Latin name.
    pub(crate) surname_chars: u8,
}

impl Name {
    pub(crate) fn is_latin(&self) -> bool {
        self.surname_chars == 0
    }
}

/// The tables, ready to draw from.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    pub(crate) sounds: Sounds,
    surnames: Weighted,
    compound: Weighted,
    male: (Vec<char>, Weighted),
    female: (Vec<char>, Weighted),
}

impl Names {
    pub(crate) fn new() -> Self {
        let given = |characters: &str| {
            let characters: Vec<char> = characters.chars().collect();
            let weights = Weighted::new((0..characters.len() as u32).map(|place| 4_000 / (place + 10)));
            (characters, weights)
        };
        Self {
            sounds: Sounds::new(),
            surnames: Weighted::new(SURNAMES.iter().map(|&(_, _, weight)| weight)),
            compound: Weighted::new(COMPOUND.iter().map(|&(_, _, weight)| weight)),
            male: given(GIVEN_MALE),
            female: given(GIVEN_FEMALE),
        }
    }

    /// A name: one in two hundred Latin, one in twelve with a compound surname, one in a hundred with an awkward character.
    pub(crate) fn draw(&self, dice: &mut Dice, female: bool) -> Name {
        if dice.random_bool(0.005) {
            return Name { text: format!("{} {}", pick(dice, LATIN_FIRST), pick(dice, LATIN_LAST)), surname_chars: 0 };
        }
        let (surname, surname_chars) = if dice.random_bool(0.08) {
            (COMPOUND[self.compound.index(dice)].0, 2)
        } else {
            (SURNAMES[self.surnames.index(dice)].0, 1)
        };
        let mut text = surname.to_owned();
        if dice.random_bool(0.82) {
            text.push(self.given(dice, female));
        }
        text.push(if dice.random_bool(0.01) { pick(dice, GIVEN_AWKWARD) } else { self.given(dice, female) });
        Name { text, surname_chars }
    }

    /// A given character, drawn by its frequency.
    pub(crate) fn given(&self, dice: &mut Dice, female: bool) -> char {
        let (characters, weights) = if female { &self.female } else { &self.male };
        characters[weights.index(dice)]
    }

    /// Surname and given name in Latin letters, each with a capital: (`Ouyang`, `Jing`), (`Smith`, `James`).
    pub(crate) fn latin(&self, name: &Name) -> (String, String) {
        if name.is_latin() {
            let (first, last) = name.text.split_once(' ').unwrap_or((&name.text, ""));
            return (last.to_owned(), first.to_owned());
        }
        let surname: String = name.text.chars().take(name.surname_chars.into()).collect();
        let known = SURNAMES.iter().chain(COMPOUND).find(|(written, _, _)| *written == surname);
        let given: String =
            name.text.chars().skip(name.surname_chars.into()).filter_map(|one| self.sounds.syllable(one)).collect();
        (capital(known.map_or("", |(_, pinyin, _)| pinyin)), capital(&given))
    }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::{Purpose, dice};

    #[test]
    fn every_character_of_a_name_has_a_reading() {
        let sounds = Sounds::new();
        let surnames = SURNAMES.iter().chain(COMPOUND).flat_map(|(written, _, _)| written.chars());
        let missing: String = surnames
            .chain(GIVEN_MALE.chars())
            .chain(GIVEN_FEMALE.chars())
            .chain(GIVEN_AWKWARD.iter().copied())
            .filter(|&one| sounds.syllable(one).is_none())
            .collect();
        assert_eq!(missing, "");
    }

    #[test]
    fn one_surname_in_twelve_is_compound() {
        let (names, mut dice) = (Names::new(), dice(1, Purpose::People));
        let compound = (0..10_000).filter(|_| names.draw(&mut dice, true).surname_chars == 2).count();
        assert!((700..900).contains(&compound), "{compound}");
    }

    #[test]
    fn a_chinese_name_is_written_in_pinyin_surname_apart() {
        let name = Name { text: "欧阳静雨".to_owned(), surname_chars: 2 };
        assert_eq!(Names::new().latin(&name), ("Ouyang".to_owned(), "Jingyu".to_owned()));
    }
}
