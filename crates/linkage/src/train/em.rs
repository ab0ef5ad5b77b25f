//! Expectation–maximisation over agreement patterns.
//!
//! Each source of pairs is a mixture of pairs of one person and of two, in a proportion of its own; what they have in common
//! are `m` and `u`. The comparisons that pairs were chosen by say nothing about a source's pairs, and are left out there:
//! so a pair is judged by the fields that it was not chosen by. `u` of levels other than equality comes from the pairs at random,
//! each counted by its chance of being two persons; `u` of equality comes from the frequencies of values, times the share
//! of two persons among the pairs chosen by such a value alone. The number of matches comes from each source as
//! its pairs × its proportion / the chance that two records of one person agree so.

use crate::features::level_of;
use crate::field::{CLASSES, DIFFERENT, Kind, LEVELS, NEAR};

/// Pairs by what they were chosen for.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// Fields that all its pairs agree in, as bits; 0: pairs at random, which come first.
    pub agree: u32,
    /// Where they agree in one field: only in values of this class of frequency.
    pub class: Option<usize>,
    /// How many such pairs there are; known by what was counted, not by the sample.
    pub total: f64,
    /// Agreement patterns and how often each was seen.
    pub patterns: Vec<(u64, f64)>,
}

/// What has been estimated.
#[derive(Debug, Clone)]
pub struct Estimate {
    pub m: Vec<[f64; LEVELS]>,
    pub u: Vec<[f64; LEVELS]>,
    pub known: Vec<f64>,
    pub strangers: Vec<[f64; CLASSES]>,
    /// Expected number of pairs of one person among all pairs.
    pub matches: f64,
    /// By source: the proportion of pairs of one person.
    pub share: Vec<f64>,
}

const MOST_ROUNDS: usize = 60;
/// A source with a smaller share of matches says nothing about them.
const LEAST_SHARE: f64 = 0.05;

/// Estimates the parameters. `mean` is, by field and class of frequency, the chance that another record has the same value.
pub fn estimate(sources: &[Source], kinds: &[Kind], mean: &[[f64; CLASSES]], all_pairs: f64) -> Estimate {
    let width = kinds.len();
    let mut now = start(sources, kinds, all_pairs);
    let mut last = now.m.clone();
    for _ in 0..MOST_ROUNDS {
        let ratios = now.ratios(mean);
        let mut m = vec![[0.0; LEVELS]; width];
        let mut missing = vec![0.0; width];
        let mut u = vec![[0.0; LEVELS]; width];
        for (number, source) in sources.iter().enumerate() {
            let odds = now.share[number] / (1.0 - now.share[number]);
            let says_something = now.share[number] >= LEAST_SHARE;
            let (mut matches, mut all) = (0.0, 0.0);
            for (pattern, count) in &source.patterns {
                let posterior = posterior(&ratios, source.agree, *pattern, odds);
                matches += count * posterior;
                all += count;
                for field in 0..width {
                    let level = usize::from(level_of(*pattern, field));
                    let level = if (1..usize::from(NEAR)).contains(&level) { 1 } else { level };
                    if source.agree == 0 {
                        u[field][level] += count * (1.0 - posterior);
                    } else if says_something && source.agree >> field & 1 == 0 {
                        if level == 0 {
                            missing[field] += count * posterior;
                        } else {
                            m[field][level] += count * posterior;
                        }
                    }
                }
            }
            if source.agree != 0 {
                now.share[number] = ((matches + 0.05) / (all + 0.1)).clamp(1e-6, 1.0 - 1e-4);
            }
        }
        now.update(sources, kinds, &m, &missing, &u);
        now.count_matches(sources, all_pairs);
        let moved = now.m.iter().flatten().zip(last.iter().flatten()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        if moved < 1e-5 {
            break;
        }
        last = now.m.clone();
    }
    now
}

/// Chance that a pair is of one person, by the fields that it was not chosen by.
pub(super) fn posterior(ratios: &[[f64; LEVELS]], agree: u32, pattern: u64, odds: f64) -> f64 {
    let mut product = odds;
    for (field, of_level) in ratios.iter().enumerate() {
        if agree >> field & 1 == 0 {
            product *= of_level[usize::from(level_of(pattern, field))];
        }
    }
    product / (1.0 + product)
}

fn start(sources: &[Source], kinds: &[Kind], all_pairs: f64) -> Estimate {
    let width = kinds.len();
    let mut m = vec![[0.0; LEVELS]; width];
    for (of_level, kind) in m.iter_mut().zip(kinds) {
        shape(*kind, |level, part| of_level[level] = part);
    }
    // As many matches as there are records, were they all so.
    let guess = (2.0 * all_pairs).sqrt();
    let share = |source: &Source| match source.agree {
        0 => (0.3 * guess / all_pairs).min(0.5),
        _ => (0.5 * guess / source.total.max(1.0)).clamp(1e-4, 0.5),
    };
    let mut begun = Estimate {
        m,
        u: vec![[1.0; LEVELS]; width],
        known: vec![1.0; width],
        strangers: vec![[1.0; CLASSES]; width],
        matches: 0.3 * guess,
        share: sources.iter().map(share).collect(),
    };
    let mut u = vec![[0.0; LEVELS]; width];
    for (pattern, count) in sources.iter().filter(|source| source.agree == 0).flat_map(|source| &source.patterns) {
        for (field, of_level) in u.iter_mut().enumerate() {
            let level = level_of(*pattern, field);
            of_level[usize::from(if (1..NEAR).contains(&level) { 1 } else { level })] += count;
        }
    }
    begun.u = u.iter().zip(kinds).map(|(counts, kind)| normal(counts, *kind, 0.0)).collect();
    begun
}

/// What is believed of `m` before anything is seen.
fn shape(kind: Kind, mut set: impl FnMut(usize, f64)) {
    let near = kind.levels().len();
    set(1, if near == 0 { 0.95 } else { 0.85 });
    for level in 0..near {
        set(usize::from(NEAR) + level, 0.1 / near as f64);
    }
    set(usize::from(DIFFERENT), 0.05);
}

/// Counts as probabilities over the levels that a kind has, each with a little belief that it occurs.
fn normal(counts: &[f64; LEVELS], kind: Kind, believed: f64) -> [f64; LEVELS] {
    let mut out = [1.0; LEVELS];
    let mut all = 0.0;
    shape(kind, |level, part| {
        out[level] = counts[level] + if believed > 0.0 { believed * part } else { 0.5 };
        all += out[level];
    });
    shape(kind, |level, _| out[level] /= all);
    out
}

/// So many matches' worth of belief in `shape`.
const BELIEF: f64 = 4.0;

impl Estimate {
    /// By field and level: `m / u`; 1 where a value is missing.
    pub(super) fn ratios(&self, mean: &[[f64; CLASSES]]) -> Vec<[f64; LEVELS]> {
        let of_field = |field: usize| {
            let mut ratio = [1.0; LEVELS];
            for at in 0..CLASSES {
                ratio[at + 1] = self.m[field][1] / (mean[field][at] * self.strangers[field][at]).clamp(1e-12, 1.0);
            }
            for (level, ratio) in ratio.iter_mut().enumerate().skip(usize::from(NEAR)) {
                *ratio = self.m[field][level] / self.u[field][level];
            }
            ratio
        };
        (0..self.m.len()).map(of_field).collect()
    }

    fn update(
        &mut self,
        sources: &[Source],
        kinds: &[Kind],
        m: &[[f64; LEVELS]],
        missing: &[f64],
        u: &[[f64; LEVELS]],
    ) {
        for (field, kind) in kinds.iter().enumerate() {
            let known: f64 = m[field].iter().sum();
            self.m[field] = normal(&m[field], *kind, BELIEF);
            self.known[field] = (known + 0.5) / (known + missing[field] + 1.0);
            self.u[field] = normal(&u[field], *kind, 0.0);
        }
        for (source, share) in sources.iter().zip(&self.share) {
            if let (Some(class), 1) = (source.class, source.agree.count_ones()) {
                let seen: f64 = source.patterns.iter().map(|(_, count)| count).sum();
                let field = source.agree.trailing_zeros() as usize;
                self.strangers[field][class] = ((1.0 - share) * seen + 0.5) / (seen + 1.0);
            }
        }
    }

    /// The middle of what the sources say, each by the matches that it holds.
    fn count_matches(&mut self, sources: &[Source], all_pairs: f64) {
        let mut said: Vec<(f64, f64)> = Vec::new();
        let mut of_field = vec![(0.0, false); self.m.len()];
        for (source, share) in sources.iter().zip(&self.share) {
            let found = source.total * share;
            match source.agree.count_ones() {
                0 => {}
                // One field's classes belong together.
                1 => {
                    let of = &mut of_field[source.agree.trailing_zeros() as usize];
                    of.0 += if *share >= LEAST_SHARE { found } else { 0.0 };
                    of.1 |= *share < LEAST_SHARE && source.total > 0.0;
                }
                _ if *share >= 0.2 => {
                    let fields = (0..self.m.len()).filter(|field| source.agree >> field & 1 == 1);
                    let chance: f64 = fields.map(|field| self.known[field] * self.m[field][1]).product();
                    said.push((found / chance.max(1e-3), found));
                }
                _ => {}
            }
        }
        for (field, (found, partial)) in of_field.into_iter().enumerate() {
            if !partial && found > 0.0 {
                said.push((found / (self.known[field] * self.m[field][1]).max(1e-3), found));
            }
        }
        said.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let half: f64 = said.iter().map(|(_, found)| found).sum::<f64>() / 2.0;
        let mut before = 0.0;
        for (matches, found) in said {
            before += found;
            if before >= half {
                self.matches = matches.clamp(1.0, all_pairs / 2.0);
                break;
            }
        }
        for (source, share) in sources.iter().zip(&mut self.share) {
            if source.agree == 0 {
                *share = (self.matches / all_pairs).clamp(1e-15, 0.5);
            }
        }
    }
}
