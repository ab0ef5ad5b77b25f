//! Names in hanzi: family names, masks, typos.

use super::spelling;

/// One place of a hanzi name: a character, or a mask that hides some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cell {
    Char(char),
    Any,
}

/// Whether two characters are one family name. A name that begins with them is read as of that family (东方 as Dongfang,
/// not as Dong).
fn compound(first: char, second: char) -> bool {
    let seconds = match first {
        '欧' => "阳",
        '歐' => "陽",
        '太' => "史叔",
        '端' => "木",
        '上' | '亓' => "官",
        '司' => "马馬徒空寇",
        '东' => "方郭里",
        '東' => "方",
        '独' | '獨' => "孤",
        '南' => "宫宮门荣",
        '万' => "俟",
        '闻' | '聞' => "人",
        '夏' => "侯",
        '诸' | '諸' => "葛",
        '尉' => "迟遲",
        '公' => "羊冶孙孫西良",
        '赫' => "连連",
        '澹' => "台臺",
        '皇' => "甫",
        '宗' => "政",
        '濮' => "阳陽",
        '申' => "屠",
        '慕' => "容",
        '仲' => "孙孫长",
        '钟' => "离",
        '鍾' => "離",
        '长' | '颛' => "孙",
        '長' => "孫",
        '宇' => "文",
        '鲜' | '鮮' | '单' | '單' => "于",
        '闾' | '梁' | '左' => "丘",
        '子' => "车",
        '巫' => "马",
        '壤' => "驷",
        '漆' => "雕",
        '乐' => "正",
        '宰' => "父",
        '谷' => "梁",
        '拓' => "跋",
        '夹' => "谷",
        '轩' => "辕",
        '軒' => "轅",
        '令' => "狐",
        '段' | '叱' => "干",
        '百' => "里",
        '呼' => "延",
        '羊' => "舌",
        '微' => "生",
        '西' => "门門",
        '第' => "五",
        '即' => "墨",
        '达' => "奚",
        '完' => "颜顏",
        '耶' => "律",
        '纳' => "兰",
        '叶' => "赫",
        _ => return false,
    };
    seconds.contains(second)
}

pub(crate) fn is_han(c: char) -> bool {
    let unified = matches!(c, '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{20000}'..='\u{323AF}');
    unified || matches!(c, '々' | '〇' | '\u{F900}'..='\u{FAFF}')
}

/// The characters of a name that has no mask.
pub(super) fn clear(cells: &[Cell]) -> Option<Vec<char>> {
    cells
        .iter()
        .map(|cell| match cell {
            Cell::Char(c) => Some(*c),
            Cell::Any => None,
        })
        .collect()
}

/// How many characters at the start are the family name: two for a compound one, else one (none of an empty name).
pub(crate) fn family_len(name: &[char]) -> usize {
    match name {
        [first, second, ..] if compound(*first, *second) => 2,
        [_, ..] => 1,
        [] => 0,
    }
}

pub(super) fn alike(a: &[Cell], b: &[Cell]) -> bool {
    match (clear(a), clear(b)) {
        (Some(a), Some(b)) => clear_alike(&a, &b),
        (Some(clear), None) => masked_alike(b, &clear),
        (None, Some(clear)) => masked_alike(a, &clear),
        // What both show at the start, and at the end, must agree.
        (None, None) => agree(a.iter(), b.iter()) && agree(a.iter().rev(), b.iter().rev()),
    }
}

fn masked_alike(masked: &[Cell], clear: &[char]) -> bool {
    let family_only = clear.len() == family_len(clear);
    let same_family =
        || clear.iter().zip(masked).all(|(c, cell)| *cell == Cell::Char(*c)) && clear.len() <= masked.len();
    fits(masked, clear, same_char) || (family_only && same_family())
}

fn agree<'a>(a: impl Iterator<Item = &'a Cell>, b: impl Iterator<Item = &'a Cell>) -> bool {
    a.zip(b).take_while(|(a, b)| **a != Cell::Any && **b != Cell::Any).all(|(a, b)| a == b)
}

fn same_char(cell: char, text: &[char], take: &mut dyn FnMut(usize)) {
    if text.first() == Some(&cell) {
        take(1);
    }
}

/// Whether a name with masks can stand for all of `text`. `take` is told each length of text that a character can stand for,
/// at the start of what it is shown. A mask at either end may hide nothing, since sources add asterisks by habit; one in
/// the middle hides something.
pub(super) fn fits(cells: &[Cell], text: &[char], stands_for: impl Fn(char, &[char], &mut dyn FnMut(usize))) -> bool {
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for (place, cell) in cells.iter().enumerate() {
        let mut next = vec![false; text.len() + 1];
        match cell {
            Cell::Char(c) => {
                for at in (0..text.len()).filter(|at| reached[*at]) {
                    stands_for(*c, &text[at..], &mut |length| {
                        if let Some(end) = next.get_mut(at + length) {
                            *end = true;
                        }
                    });
                }
            }
            Cell::Any => {
                let may_be_empty = place == 0 || place + 1 == cells.len();
                let mut before = false;
                for (at, end) in next.iter_mut().enumerate() {
                    *end = before || (may_be_empty && reached[at]);
                    before |= reached[at];
                }
            }
        }
        reached = next;
    }
    reached[text.len()]
}

fn clear_alike(a: &[char], b: &[char]) -> bool {
    if a == b {
        return true;
    }
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let family = family_len(long);
    // 王 and 王伟, 欧阳 and 欧阳修; but 王 and 张 are two families.
    if short.len() == family_len(short) && short.len() < long.len() {
        return short == &long[..family];
    }
    if a.len() != b.len() {
        // Long names are transcriptions (阿卜杜热合曼), where a character more or less is a typo; 王明 and 王小明 are two people.
        return short.len() >= 4 && strsim::generic_damerau_levenshtein(a, b) <= 1;
    }
    let differing: Vec<usize> = (0..a.len()).filter(|at| a[*at] != b[*at]).collect();
    if differing.iter().all(|at| spelling::homophones(a[*at], b[*at], *at == 0)) {
        // Two family names alone have no given name to speak for them.
        return a.len() > 1;
    }
    match differing[..] {
        [at] => a.len() >= 3 && !(a.len() == 3 && at == 2 && family_len(a) == 2 && family_len(b) == 2),
        [first, second] if second == first + 1 && a[first] == b[second] && a[second] == b[first] => true,
        _ => rotated(a, b) || rotated(b, a),
    }
}

/// Whether `b` is `a` with the family name put last.
fn rotated(a: &[char], b: &[char]) -> bool {
    let (family, given) = a.split_at(family_len(a));
    given.iter().chain(family).eq(b)
}
