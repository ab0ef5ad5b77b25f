//! Charts as SVG. Bars begin at zero and axes are linear; where one is not it says so.

use std::collections::BTreeMap;

use maud::{Markup, html};
use tributary_linkage::explain::Explanation;
use tributary_merge::report::ComparisonReport;

use crate::grid::count;

const WIDTH: f64 = 860.0;

/// Where a value lies between two ends of an axis.
#[derive(Clone, Copy)]
struct Axis {
    from: f64,
    to: f64,
    start: f64,
    end: f64,
}

impl Axis {
    fn at(self, value: f64) -> f64 {
        self.start + (value - self.from) / (self.to - self.from).max(f64::MIN_POSITIVE) * (self.end - self.start)
    }

    /// Round values along it, about so many.
    fn ticks(self, about: f64) -> Vec<f64> {
        let raw = (self.to - self.from) / about;
        let power = 10f64.powf(raw.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|of| of * power).find(|step| *step >= raw).unwrap_or(raw);
        let step = step.max(f64::MIN_POSITIVE);
        let first = (self.from / step).ceil() as i64;
        (first..).map(|n| n as f64 * step).take_while(|value| *value <= self.to + step * 1e-9).take(64).collect()
    }
}

fn px(value: f64) -> String {
    format!("{value:.1}")
}

/// A share of one, as a bar in a table.
pub fn bar(share: f64) -> Markup {
    html! { svg width="120" height="12" viewBox="0 0 120 12" role="img" { rect.for x="0" y="1" width=(px(120.0 * share)) height="10" {} } }
}

/// A count for each of some numbers; those beyond the twentieth are put together.
pub fn bars(counts: &[(u64, u64)], across: &str, up: &str) -> Markup {
    const MOST: u64 = 20;
    let mut shown: BTreeMap<u64, u64> = BTreeMap::new();
    for (size, n) in counts {
        *shown.entry((*size).min(MOST)).or_default() += n;
    }
    let last = shown.keys().next_back().copied().unwrap_or(1);
    let largest = counts.iter().map(|(size, _)| *size).max().unwrap_or(1);
    let most = shown.values().max().copied().unwrap_or(1) as f64;
    let (left, bottom, height) = (80.0, 40.0, 200.0);
    let y = Axis { from: 0.0, to: most, start: height - bottom, end: 24.0 };
    let step = (WIDTH - left - 10.0) / last.max(8) as f64;
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {height}")) width=(WIDTH) role="img" aria-label=(format!("{up} by {across}")) {
            (rows(y, left, 4.0))
            text.dim x="0" y="12" { (up) }
            @for (size, n) in &shown {
                @let x = left + (*size - 1) as f64 * step;
                rect.for x=(px(x + step * 0.1)) y=(px(y.at(*n as f64))) width=(px(step * 0.8)) height=(px(y.start - y.at(*n as f64))) {}
                text.dim x=(px(x + step / 2.0)) y=(px(y.at(*n as f64) - 4.0)) text-anchor="middle" font-size="10" { (short(*n)) }
                text.dim x=(px(x + step / 2.0)) y=(px(y.start + 16.0)) text-anchor="middle" {
                    (if *size == MOST && largest > MOST { format!("≥{MOST}") } else { size.to_string() })
                }
            }
            text.dim x=(px((left + WIDTH) / 2.0)) y=(px(height - 6.0)) text-anchor="middle" { (across) }
        }
    }
}

/// A large count in few letters.
fn short(n: u64) -> String {
    match n {
        0..10_000 => n.to_string(),
        10_000..1_000_000 => format!("{:.0}k", n as f64 / 1e3),
        _ => format!("{:.1}m", n as f64 / 1e6),
    }
}

/// Lines across, with their counts.
fn rows(y: Axis, left: f64, about: f64) -> Markup {
    html! {
        @for tick in y.ticks(about).into_iter().filter(|tick| tick.fract() == 0.0) {
            line.grid x1=(px(left)) x2=(px(WIDTH - 10.0)) y1=(px(y.at(tick))) y2=(px(y.at(tick))) {}
            text.dim x=(px(left - 8.0)) y=(px(y.at(tick) + 4.0)) text-anchor="end" { (count(tick as u64)) }
        }
        line.axis x1=(px(left)) x2=(px(WIDTH - 10.0)) y1=(px(y.start)) y2=(px(y.start)) {}
    }
}

/// How many pairs have so many bits, one bit wide; with the threshold.
pub fn histogram(pairs: &BTreeMap<i64, u64>, from: f64, threshold: f64) -> Markup {
    let (Some(first), Some(last)) = (pairs.keys().next(), pairs.keys().next_back()) else {
        return html! { p.note { "No pair reaches that." } };
    };
    let first = (*first as f64).min(from.floor());
    let most = pairs.values().max().copied().unwrap_or(1) as f64;
    let (left, bottom, height) = (80.0, 44.0, 260.0);
    let x = Axis { from: first, to: (*last + 1) as f64, start: left, end: WIDTH - 10.0 };
    let y = Axis { from: 0.0, to: most, start: height - bottom, end: 34.0 };
    let width = (x.at(1.0) - x.at(0.0)).max(0.5);
    let mark = x.at(threshold);
    let late = mark > WIDTH - 200.0;
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {height}")) width=(WIDTH) role="img" aria-label="pairs by bits" {
            (rows(y, left, 5.0))
            text.dim x="0" y="14" { "pairs" }
            @for (bits, n) in pairs {
                @let (at, top) = (*bits as f64, y.at(*n as f64));
                rect class=(if at >= threshold { "for" } else { "against" }) x=(px(x.at(at))) y=(px(top)) width=(px(width * 0.92))
                    height=(px((y.start - top).max(0.6))) {}
            }
            line.mark x1=(px(mark)) x2=(px(mark)) y1="20" y2=(px(y.start)) {}
            text x=(px(if late { mark - 6.0 } else { mark + 6.0 })) y="28" text-anchor=(if late { "end" } else { "start" }) {
                "threshold, " (format!("{threshold:+.1}")) " bits"
            }
            @for tick in x.ticks(12.0) {
                text.dim x=(px(x.at(tick))) y=(px(y.start + 16.0)) text-anchor="middle" { (format!("{tick:+}").replace("+0", "0")) }
            }
            text.dim x=(px((left + WIDTH) / 2.0)) y=(px(height - 6.0)) text-anchor="middle" { "bits of evidence for one person, prior included" }
        }
    }
}

const ROW: f64 = 20.0;

/// What each level of each comparison weighs, all on one scale.
pub fn model(comparisons: &[ComparisonReport]) -> Markup {
    let all = || comparisons.iter().flat_map(|of| &of.levels).map(|level| level.bits);
    let (least, most) = (all().fold(-1.0, f64::min), all().fold(1.0, f64::max));
    let x = Axis { from: least, to: most, start: 290.0, end: WIDTH - 230.0 };
    let lines: usize = comparisons.iter().map(|of| of.levels.len() + 1).sum();
    let height = lines as f64 * ROW + 86.0;
    let mut y = 24.0;
    let mut place = move || {
        y += ROW;
        y
    };
    let share = |p: f64| if p < 0.0001 { format!("{p:.0e}") } else { format!("{:.2} %", p * 100.0) };
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {height}")) width=(WIDTH) role="img" aria-label="weights of the model" {
            text.dim x=(px(WIDTH - 100.0)) y="16" text-anchor="end" { "of one person" }
            text.dim x=(px(WIDTH)) y="16" text-anchor="end" { "of two" }
            @for tick in x.ticks(8.0) {
                line.grid x1=(px(x.at(tick))) x2=(px(x.at(tick))) y1="24" y2=(px(height - 30.0)) {}
                text.dim x=(px(x.at(tick))) y=(px(height - 14.0)) text-anchor="middle" { (format!("{tick:+}").replace("+0", "0")) }
            }
            text.dim x=(px((x.start + x.end) / 2.0)) y=(px(height)) text-anchor="middle" font-size="11" { "bits" }
            @for of in comparisons {
                @let title = place();
                text x="0" y=(px(title + 10.0)) font-weight="600" { (of.name.replace('_', " ")) }
                @for level in &of.levels {
                    @let top = place();
                    @let (a, b) = (x.at(level.bits.min(0.0)), x.at(level.bits.max(0.0)));
                    text.dim x="280" y=(px(top + 10.0)) text-anchor="end" { (level.name) }
                    rect class=(if level.bits < 0.0 { "against" } else { "for" }) x=(px(a)) y=(px(top)) width=(px(b - a)) height=(px(ROW - 7.0)) {}
                    text x=(px(b + 5.0)) y=(px(top + 10.0)) font-size="11" { (format!("{:+.1}", level.bits)) }
                    text.dim x=(px(WIDTH - 100.0)) y=(px(top + 10.0)) text-anchor="end" { (share(level.m)) }
                    text.dim x=(px(WIDTH)) y=(px(top + 10.0)) text-anchor="end" { (share(level.u)) }
                }
            }
            line.axis x1=(px(x.at(0.0))) x2=(px(x.at(0.0))) y1="24" y2=(px(height - 30.0)) {}
        }
    }
}

/// From the prior to the sum, comparison by comparison.
pub fn waterfall(explanation: &Explanation) -> Markup {
    let mut steps: Vec<(String, f64, f64)> = vec![("two records at random".into(), 0.0, explanation.prior)];
    let mut sum = explanation.prior;
    for evidence in explanation.evidence.iter().filter(|evidence| evidence.level != "missing") {
        let next = sum + evidence.bits + evidence.frequency_bits;
        steps.push((format!("{}: {}", evidence.name.replace('_', " "), evidence.level), sum, next));
        sum = next;
    }
    if explanation.household < -0.05 {
        let next = sum + explanation.household;
        steps.push(("a household may share some of it".into(), sum, next));
        sum = next;
    }
    let ends = || steps.iter().flat_map(|(_, a, b)| [*a, *b]);
    let x = Axis { from: ends().fold(-1.0, f64::min), to: ends().fold(1.0, f64::max), start: 300.0, end: WIDTH - 70.0 };
    let height = (steps.len() + 1) as f64 * ROW + 34.0;
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {height}")) width=(WIDTH) role="img" aria-label="what each comparison adds" {
            @for tick in x.ticks(8.0) {
                line.grid x1=(px(x.at(tick))) x2=(px(x.at(tick))) y1="4" y2=(px(height - 28.0)) {}
                text.dim x=(px(x.at(tick))) y=(px(height - 14.0)) text-anchor="middle" { (format!("{tick:+}").replace("+0", "0")) }
            }
            @for (at, (name, from, to)) in steps.iter().enumerate() {
                @let top = 6.0 + at as f64 * ROW;
                @let (a, b) = (x.at(from.min(*to)), x.at(from.max(*to)));
                text.dim x="290" y=(px(top + 10.0)) text-anchor="end" { (name) }
                rect class=(if to < from { "against" } else { "for" }) x=(px(a)) y=(px(top)) width=(px((b - a).max(1.0))) height=(px(ROW - 7.0)) {}
                text x=(px(b + 5.0)) y=(px(top + 10.0)) font-size="11" { (format!("{:+.1}", to - from)) }
            }
            @let top = 6.0 + steps.len() as f64 * ROW;
            @let (a, b) = (x.at(sum.min(0.0)), x.at(sum.max(0.0)));
            text x="290" y=(px(top + 10.0)) text-anchor="end" font-weight="600" { "all" }
            rect.sum x=(px(a)) y=(px(top)) width=(px((b - a).max(1.0))) height=(px(ROW - 7.0)) {}
            text x=(px(b + 5.0)) y=(px(top + 10.0)) font-size="11" font-weight="600" { (format!("{sum:+.1}")) }
            line.axis x1=(px(x.at(0.0))) x2=(px(x.at(0.0))) y1="4" y2=(px(height - 28.0)) {}
        }
    }
}
