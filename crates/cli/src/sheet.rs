//! A table turned over: columns one below the other, records beside each other. Wide tables of few records fit a screen so.

use std::io::IsTerminal;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::grid::Grid;

/// Cells are cut to a width between these, and what stands left of them to that.
const CELL: (usize, usize) = (20, 30);
const LABEL: usize = 28;
/// The width where there is no terminal.
const WIDTH: usize = 160;

/// See the module.
pub struct Sheet {
    labels: Vec<String>,
    records: Vec<String>,
    lines: Vec<(Vec<String>, Vec<String>)>,
}

impl Sheet {
    /// `labels` head what stands left of the records.
    pub fn new<'a>(labels: impl IntoIterator<Item = &'a str>, records: impl IntoIterator<Item = String>) -> Self {
        let labels = labels.into_iter().map(str::to_owned).collect();
        Self { labels, records: records.into_iter().collect(), lines: Vec::new() }
    }

    /// A line: its labels, and a cell for each record.
    pub fn line<'a>(&mut self, labels: impl IntoIterator<Item = &'a str>, cells: impl IntoIterator<Item = String>) {
        let labels = labels.into_iter().map(|label| clip(label, LABEL)).collect();
        self.lines.push((labels, cells.into_iter().collect()));
    }

    /// As many records beside each other as fit `width`, the others below.
    pub fn render(&self, indent: &str, width: usize) -> String {
        let label = |at: usize| {
            let lines = self.lines.iter().filter_map(|(labels, _)| labels.get(at)).chain(self.labels.get(at));
            lines.map(|label| label.width() + 2).max().unwrap_or(0)
        };
        let left = indent.width() + (0..self.labels.len()).map(label).sum::<usize>();
        let even = (width + 2).saturating_sub(left) / self.records.len().max(1);
        let most = even.saturating_sub(2).clamp(CELL.0, CELL.1);
        let cell = |at: usize| {
            let lines = self.lines.iter().filter_map(|(_, cells)| cells.get(at)).chain(self.records.get(at));
            lines.map(|cell| clip(cell, most).width() + 2).max().unwrap_or(0)
        };
        let mut text = String::new();
        let mut from = 0;
        while from < self.records.len() || (from == 0 && text.is_empty()) {
            let mut used = left;
            let mut to = from;
            while to < self.records.len() && (to == from || used + cell(to) <= width + 2) {
                used += cell(to);
                to += 1;
            }
            if from > 0 {
                text.push('\n');
            }
            let header = self.labels.iter().chain(self.records.get(from..to).into_iter().flatten());
            let mut grid = Grid::new(header.map(String::as_str));
            for (labels, cells) in &self.lines {
                let cells = cells.get(from..to).into_iter().flatten().map(|cell| clip(cell, most));
                grid.row(labels.iter().cloned().chain(cells));
            }
            text.push_str(&grid.render(indent));
            from = to.max(from + 1);
        }
        text
    }
}

/// The width to print in.
pub fn width() -> usize {
    let terminal = console::Term::stdout().size_checked().filter(|_| std::io::stdout().is_terminal());
    terminal.map_or(WIDTH, |(_, columns)| usize::from(columns).max(60))
}

/// `text` on one line, without signs that act on a terminal, cut to `width`.
pub fn clip(text: &str, width: usize) -> String {
    let plain = |c: char| match c {
        '\n' | '\r' | '\t' => ' ',
        c if c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
        {
            '\u{fffd}'
        }
        c => c,
    };
    let text: String = text.chars().map(plain).collect();
    if text.width() <= width {
        return text;
    }
    let mut cut = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > width {
            break;
        }
        cut.push(c);
    }
    cut + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_is_cut_by_its_width() {
        assert_eq!(clip("幸福里559号", 11), "幸福里559号");
        assert_eq!(clip("幸福里559号", 8), "幸福里5…");
        assert_eq!(clip("幸福里559号", 4), "幸…");
        assert_eq!(clip("a\u{1b}[2J\nb", 9), "a\u{fffd}[2J b");
    }

    #[test]
    fn records_that_do_not_fit_stand_below() {
        let mut sheet = Sheet::new(["column"], ["1", "2", "3"].map(str::to_owned));
        sheet.line(["姓名"], ["刘杰阳", "朱蕾娜", "王"].map(str::to_owned));
        let wide = "column  1       2       3\n──────  ──────  ──────  ──\n姓名    刘杰阳  朱蕾娜  王\n";
        assert_eq!(sheet.render("", 80), wide);
        let narrow = "column  1\n──────  ──────\n姓名    刘杰阳\n";
        assert!(sheet.render("", 15).starts_with(narrow), "{}", sheet.render("", 15));
        assert_eq!(sheet.render("", 15).matches("姓名").count(), 3);
    }
}
