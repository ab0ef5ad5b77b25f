//! Tables for people: columns aligned, Chinese characters counted as two, numbers to the right.

use unicode_width::UnicodeWidthStr;

/// Rows under a header.
#[derive(Debug, Default)]
pub struct Grid {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    right: Vec<bool>,
}

impl Grid {
    /// A header whose names begin with `>` is of a column of numbers.
    pub fn new<'a>(header: impl IntoIterator<Item = &'a str>) -> Self {
        let mut grid = Self::default();
        for name in header {
            grid.right.push(name.starts_with('>'));
            grid.header.push(name.trim_start_matches('>').to_owned());
        }
        grid
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| cell.replace(['\n', '\r', '\t'], " ")).collect());
    }

    pub fn render(&self, indent: &str) -> String {
        let mut widths: Vec<usize> = self.header.iter().map(|name| name.width()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        let line = |cells: &[String]| {
            let mut text = indent.to_owned();
            for (at, (cell, width)) in cells.iter().zip(&widths).enumerate() {
                let gap = " ".repeat(width - cell.width().min(*width));
                let between = if at == 0 { "" } else { "  " };
                if self.right.get(at) == Some(&true) {
                    text.push_str(&format!("{between}{gap}{cell}"));
                } else {
                    text.push_str(&format!("{between}{cell}{gap}"));
                }
            }
            text.trim_end().to_owned() + "\n"
        };
        let rule: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
        let mut text = line(&self.header);
        text.push_str(&line(&rule));
        self.rows.iter().for_each(|row| text.push_str(&line(row)));
        text
    }
}

/// A number with its thousands set apart.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
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
    fn chinese_and_numbers_line_up() {
        let mut grid = Grid::new(["name", ">rows"]);
        grid.row(["会员".into(), count(1_234_567)]);
        grid.row(["x".into(), count(7)]);
        assert_eq!(grid.render(""), "name       rows\n────  ─────────\n会员  1,234,567\nx             7\n");
    }
}
