//! Finds a table in rows of text: the delimiter, the header row below title rows, the total row at the end.

/// Characters that may stand between fields.
const DELIMITERS: [u8; 4] = [b',', b';', b'|', b'\t'];

/// Rows that are looked at.
pub const ROWS: usize = 100;

/// A row of a table, for finding its layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Lines above it.
    pub line: usize,
    /// Lines it takes.
    pub lines: usize,
    pub cells: Vec<String>,
}

/// Splits the start of a text into at most `limit` rows, blank lines left out. A quote that is not closed is ordinary text.
pub fn rows(text: &str, delimiter: u8, quote: u8, limit: usize) -> Vec<Row> {
    let bytes = text.as_bytes();
    let (mut rows, mut at, mut line) = (Vec::new(), 0, 0);
    while at < bytes.len() && rows.len() < limit {
        let (cells, end) = quoted_row(text, at, delimiter, quote).unwrap_or_else(|| {
            let end = text[at..].find('\n').map_or(text.len(), |end| at + end + 1);
            let cells = text[at..end].trim_end_matches(['\r', '\n']).split(char::from(delimiter));
            (cells.map(str::to_owned).collect(), end)
        });
        let lines = bytes[at..end].iter().filter(|&&b| b == b'\n').count();
        if !matches!(&bytes[at..end], b"\n" | b"\r\n" | b"\r") {
            rows.push(Row { line, lines: lines.max(1), cells });
        }
        line += lines;
        at = end;
    }
    rows
}

fn quoted_row(text: &str, start: usize, delimiter: u8, quote: u8) -> Option<(Vec<String>, usize)> {
    let bytes = text.as_bytes();
    let (mut cells, mut at) = (Vec::new(), start);
    loop {
        let mut cell = String::new();
        let mut from = at;
        if bytes.get(at) == Some(&quote) {
            at += 1;
            loop {
                let close = at + text[at..].find(char::from(quote))?;
                cell.push_str(&text[at..close]);
                at = close + 1;
                if bytes.get(at) != Some(&quote) {
                    break;
                }
                cell.push(char::from(quote));
                at += 1;
            }
            from = at;
        }
        while bytes.get(at).is_some_and(|&b| b != delimiter && b != b'\n') {
            at += 1;
        }
        cell.push_str(&text[from..at]);
        let is_last = bytes.get(at) != Some(&delimiter);
        cells.push(if is_last { cell.trim_end_matches('\r').to_owned() } else { cell });
        at = (at + 1).min(bytes.len());
        if is_last {
            return Some((cells, at));
        }
    }
}

/// The delimiter that makes the most regular table; a comma if none makes any.
///
/// Regular is: many rows have as many fields as most. A decimal comma is regular too, but its table has a header of numbers.
pub fn delimiter(text: &str, quote: u8) -> u8 {
    let mut best = (0.0, b',');
    for delimiter in DELIMITERS {
        let rows = rows(text, delimiter, quote, ROWS);
        let width = usual_width(&rows);
        if width < 2 {
            continue;
        }
        let regular = rows.iter().filter(|row| row.cells.len() == width).count() as f64 / rows.len() as f64;
        let cells = || rows.iter().map(|row| &row.cells[..]).collect::<Vec<_>>();
        let header = header(&cells());
        let numbers = header.map_or(0, |row| rows[row].cells.iter().filter(|cell| is_number_like(cell)).count());
        let unlike_a_header = if numbers * 2 > width { 0.25 } else { 1.0 };
        let score = regular.powi(3) * (width as f64).ln_1p() * unlike_a_header;
        if score > best.0 {
            best = (score, delimiter);
        }
    }
    best.1
}

/// The number of fields that most rows have.
fn usual_width(rows: &[Row]) -> usize {
    let count = |width: usize| rows.iter().filter(|row| row.cells.len() == width).count();
    rows.iter().map(|row| row.cells.len()).max_by_key(|&width| (count(width), width)).unwrap_or(0)
}

/// The header's place among the first rows; `None` if there is no row.
///
/// Rows above it that fill fewer cells than the widest of the rows that follow are titles. A header may leave a few cells
/// empty, so a row that fills at least half is one, unless it looks like a title (`店铺：上海`, a date) and a fuller row that
/// looks like a header follows.
pub fn header(rows: &[&[String]]) -> Option<usize> {
    let filled: Vec<usize> = rows.iter().map(|cells| cells.iter().filter(|cell| !is_blank(cell)).count()).collect();
    let widest = filled.iter().copied().max()?;
    let enough = widest.div_ceil(2).max(2).min(widest);
    let first = filled.iter().position(|&count| count >= enough)?;
    let fullest = filled.iter().position(|&count| count == widest)?;
    let title_like = rows[first].iter().any(|cell| cell.contains([':', '：']) || is_number_like(cell));
    let header_like = !rows[fullest].iter().any(|cell| is_number_like(cell));
    Some(if fullest > first && title_like && header_like { fullest } else { first })
}

/// The columns' names: trimmed, on one line, none empty and none twice.
pub fn names(cells: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::with_capacity(cells.len());
    for (place, cell) in cells.iter().enumerate() {
        let invisible =
            |c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}' | '\u{200c}' | '\u{200d}' | '\0');
        let plain = cell.trim_matches(invisible).replace("\r\n", " ").replace(['\n', '\r'], " ");
        let plain = if plain.is_empty() { format!("column_{}", place + 1) } else { plain };
        let mut name = plain.clone();
        let mut number = 2;
        while names.contains(&name) {
            name = format!("{plain}_{number}");
            number += 1;
        }
        names.push(name);
    }
    names
}

/// Whether a last row sums up the rows above it: its first filled cell is a word for a sum, and any other cell is a number or
/// empty. A row with other text is a record, whatever it begins with; so is any row of a table of one column.
pub fn is_total(cells: &[String], width: usize) -> bool {
    let mut filled = cells.iter().filter(|cell| !is_blank(cell));
    width > 1 && filled.next().is_some_and(|first| is_sum_word(first)) && filled.all(|cell| is_amount(cell))
}

fn is_sum_word(cell: &str) -> bool {
    const WORDS: [&str; 14] = [
        "合计",
        "总计",
        "小计",
        "共计",
        "总和",
        "汇总",
        "合計",
        "總計",
        "小計",
        "grand total",
        "sub total",
        "subtotal",
        "total",
        "sum",
    ];
    const ENDINGS: [&str; 8] = ["", "金额", "数量", "人数", "笔数", "条数", "行", "项"];
    let text: String = cell.chars().filter(|c| !c.is_whitespace() || c.is_ascii()).collect();
    let text = text.trim().to_lowercase();
    // 合 计 is often written wide.
    let close: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    WORDS.iter().any(|word| {
        let rest = text.strip_prefix(word).or_else(|| close.strip_prefix(word));
        rest.is_some_and(|rest| {
            let rest = rest.trim_start();
            ENDINGS.contains(&rest) || rest.starts_with([':', '：', '(', '（']) || is_amount(rest)
        })
    })
}

/// A number with what stands around numbers in reports: signs, currencies, units, percent.
fn is_amount(cell: &str) -> bool {
    let cell = cell.trim().trim_end_matches(['元', '笔', '条', '人', '件', '个', '行', '%']);
    let mut digits = 0;
    let plain = cell.chars().all(|c| {
        digits += usize::from(c.is_ascii_digit());
        c.is_ascii_digit()
            || c.is_whitespace()
            || matches!(c, '.' | ',' | '，' | '+' | '-' | '(' | ')' | '$' | '¥' | '￥' | '€' | '£')
    });
    // Longer runs of digits are phones and card numbers, not sums.
    (plain && digits > 0 && longest_run(cell) <= 10) || matches!(cell, "-" | "--" | "/" | "—")
}

fn longest_run(cell: &str) -> usize {
    cell.split(|c: char| !c.is_ascii_digit()).map(str::len).max().unwrap_or(0)
}

/// Digits with what stands between the digits of numbers, dates and times.
fn is_number_like(cell: &str) -> bool {
    let cell = cell.trim();
    cell.contains(|c: char| c.is_ascii_digit())
        && cell.chars().all(|c| c.is_ascii_digit() || " .,;:-+/%$¥￥".contains(c))
}

fn is_blank(cell: &str) -> bool {
    cell.trim().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(text: &str) -> (char, usize, Vec<String>) {
        let delimiter = delimiter(text, b'"');
        let rows = rows(text, delimiter, b'"', ROWS);
        let cells: Vec<&[String]> = rows.iter().map(|row| &row.cells[..]).collect();
        let header = header(&cells).unwrap();
        (char::from(delimiter), rows[header].line, names(&rows[header].cells))
    }

    #[test]
    fn the_delimiter_is_the_one_that_makes_a_table() {
        assert_eq!(find("id;preis;menge\n1;1,50;2,5\n2;3,20;1,0\n").0, ';');
        assert_eq!(find("a;b;c\n1,5;2,5;3,5\n1,5;2,5;3,5\n").0, ';', "decimal commas are as regular");
        assert_eq!(find("id\tname\n1\tA, B\n2\tC, D\n").0, '\t');
        assert_eq!(find("a,b,sizes\n1,x,S|M\n2,y\n3,z,M|L\n").0, ',');
        assert_eq!(find("a|b\n\"1,2,3\"|x\n\"1,2,3\"|y\n").0, '|');
        assert_eq!(find("only\none\ncolumn\n"), (',', 0, vec!["only".to_owned()]));
    }

    #[test]
    fn titles_stand_above_the_header() {
        let header = |text: &str| find(text).1;
        assert_eq!(header("会员明细表\n\n导出时间：2025-01-01 08:00\n卡号,姓名,手机\n1,张,2\n"), 3);
        assert_eq!(header("会员明细表,,\n门店：上海,日期：2025,\n卡号,姓名,手机\n1,张,2\n"), 2);
        assert_eq!(header("\"标题\n两行\",,,\n卡号,姓名,手机,备注\n1,张,2,\n"), 2);
        assert_eq!(header("id,,c\n1,x,y\n2,x,y\n"), 0, "a header with an unnamed column");
        assert_eq!(header("id,name\n"), 0);
        assert_eq!(header("a,b,c,d\n1,,,\n2,,,\n"), 0);
        assert_eq!(header("name\nx,y\n"), 1);
    }

    #[test]
    fn names_are_plain_filled_and_unlike() {
        let cells = ["\u{feff} 姓名(必填)\u{3000}", "a\nb", "", "x", "x", "x_2"].map(str::to_owned);
        assert_eq!(names(&cells), ["姓名(必填)", "a b", "column_3", "x", "x_2", "x_2_2"]);
    }

    #[test]
    fn sums_are_told_from_records() {
        let total = |cells: &[&str]| is_total(&cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>(), 4);
        for cells in [
            &["合计", "", "3", "1,149.00"][..],
            &["总计：", "", "", ""],
            &["", "合 计", "", "¥12.5"],
            &["Total", "12"],
            &["合计: 3 笔"],
            &["Grand Total", "", "-", "($33.62)"],
            &["小计(元)", "1", "2", "3"],
            &["TOTAL 3", "", "", ""],
        ] {
            assert!(total(cells), "{cells:?}");
        }
        for cells in [
            &["Total Wine & More", "上海", "", ""][..],
            &["Total Wine & More", "1", "2", "3"],
            &["合计", "张伟", "", ""],
            &["合计", "13800138000", "", ""],
            &["总计科技有限公司", "", "1", "2"],
            &["M001", "", "", ""],
            &["", "", "", ""],
        ] {
            assert!(!total(cells), "{cells:?}");
        }
        assert!(!is_total(&["合计".to_owned()], 1));
    }
}
