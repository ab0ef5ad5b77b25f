//! Expectation–maximisation over agreement patterns.
//!
//! Each source of pairs is a mixture of pairs of one person, of two strangers, and of two who live together, in a proportion of its own; what
//! they have in common are `m`, `u` and `h`. Two of a household share its name, address and numbers as one person's records do, so that to take these
//! for independent would make them one; in all else they are strangers, and that is what tells them from one person. The comparisons that pairs were chosen by say nothing about a source's pairs, and are left out there:
//! so a pair is judged by the fields that it was not chosen by. `u` of levels other than equality comes from the pairs at random,
//! each counted by its chance of being two persons; `u` of equality comes from the frequencies of values, times the share
//! of two persons among the pairs chosen by such a value alone. The number of matches comes from each source as
//! its pairs × its proportion / the chance that two records of one person agree so.

use hashbrown::HashSet;

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
    /// By level, of fields that a household shares: probability given two of one household.
    pub h: Vec<[f64; LEVELS]>,
    /// Expected number of pairs of one person among all pairs, and of pairs of one household.
    pub matches: f64,
    pub households: f64,
    /// By source: the proportion of pairs of one person, and of one household.
    pub share: Vec<f64>,
    pub house: Vec<f64>,
}

const MOST_ROUNDS: usize = 60;
/// For so many rounds it is not asked how often a person's own name and birthday differ: until households are told from persons it would be seen
/// to be often, wherever there are more households.
const HELD: usize = 12;
/// A source with a smaller share of matches says nothing about them.
const LEAST_SHARE: f64 = 0.05;

/// Estimates the parameters. `mean` is, by field and class of frequency, the chance that another record has the same value.
pub fn estimate(sources: &[Source], kinds: &[Kind], mean: &[[f64; CLASSES]], all_pairs: f64) -> Estimate {
    let width = kinds.len();
    let mut now = start(sources, kinds, all_pairs);
    let mut last = now.m.clone();
    let at_home = households_seen(sources, kinds, &now.u, all_pairs);
    if !at_home {
        now.house.iter_mut().for_each(|share| *share = 0.0);
    }
    for round in 0..MOST_ROUNDS {
        let ratios = now.ratios(kinds, mean);
        let mut counts = Counts::new(width);
        for (number, source) in sources.iter().enumerate() {
            let shares = (now.share[number], now.house[number]);
            let says_something = (shares.0 >= LEAST_SHARE, shares.1 >= LEAST_SHARE);
            let (mut matches, mut households, mut all) = (0.0, 0.0, 0.0);
            for (pattern, count) in &source.patterns {
                if at_home && !told(kinds, *pattern) {
                    continue;
                }
                let (one, two) = ratios.posterior(source.agree, *pattern, shares);
                matches += count * one;
                households += count * two;
                all += count;
                for field in 0..width {
                    let level = usize::from(level_of(*pattern, field));
                    let level = if (1..usize::from(NEAR)).contains(&level) { 1 } else { level };
                    if source.agree == 0 {
                        counts.u[field][level] += count * (1.0 - one - two);
                    } else if source.agree >> field & 1 == 0 {
                        if says_something.0 && level == 0 {
                            counts.missing[field] += count * one;
                        } else if says_something.0 {
                            counts.m[field][level] += count * one;
                        }
                        if says_something.1 && level != 0 {
                            counts.h[field][level] += count * two;
                        }
                    }
                }
            }
            if source.agree != 0 {
                let [one, two] = [matches, households].map(|n| ((n + 0.05) / (all + 0.15)).clamp(1e-6, 1.0 - 1e-4));
                // Some are of strangers.
                let most = ((one + two) / (1.0 - 1e-4)).max(1.0);
                (now.share[number], now.house[number]) = (one / most, if at_home { two / most } else { 0.0 });
            }
        }
        now.update(sources, kinds, &counts, !at_home || round >= HELD);
        now.count(sources, kinds, all_pairs, at_home);
        let moved = now.m.iter().flatten().zip(last.iter().flatten()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        if moved < 1e-5 && (!at_home || round > HELD) {
            break;
        }
        last = now.m.clone();
    }
    now
}

/// What one round has seen, by field and level.
struct Counts {
    m: Vec<[f64; LEVELS]>,
    u: Vec<[f64; LEVELS]>,
    h: Vec<[f64; LEVELS]>,
    missing: Vec<f64>,
}

impl Counts {
    fn new(width: usize) -> Counts {
        let none = vec![[0.0; LEVELS]; width];
        Counts { m: none.clone(), u: none.clone(), h: none, missing: vec![0.0; width] }
    }
}

/// By field and level: `m / u` and `h / u`; 1 where a value is missing.
pub(super) struct Ratios {
    one: Vec<[f64; LEVELS]>,
    two: Vec<[f64; LEVELS]>,
}

impl Ratios {
    /// Chances that a pair is of one person, and of two of one household, by the fields that it was not chosen by.
    pub(super) fn posterior(&self, agree: u32, pattern: u64, (share, house): (f64, f64)) -> (f64, f64) {
        let (mut one, mut two) = (share, house);
        for (field, (m, h)) in self.one.iter().zip(&self.two).enumerate() {
            if agree >> field & 1 == 0 {
                let level = usize::from(level_of(pattern, field));
                one *= m[level];
                two *= h[level];
            }
        }
        let all = one + two + (1.0 - share - house);
        (one / all, two / all)
    }
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
    let shared = of_household(kinds);
    let house = |source: &Source| match source.agree {
        agree if agree != 0 && agree & !shared == 0 => share(source),
        _ => share(source) * 0.01,
    };
    let h = kinds.iter().map(|kind| {
        let mut h = [0.0; LEVELS];
        shape(*kind, |level, part| h[level] = part);
        h
    });
    let mut begun = Estimate {
        m,
        u: vec![[1.0; LEVELS]; width],
        known: vec![1.0; width],
        strangers: vec![[1.0; CLASSES]; width],
        h: h.collect(),
        matches: 0.3 * guess,
        households: 0.003 * guess,
        share: sources.iter().map(share).collect(),
        house: sources.iter().map(house).collect(),
    };
    let mut u = vec![[0.0; LEVELS]; width];
    for (pattern, count) in sources.iter().filter(|source| source.agree == 0).flat_map(|source| &source.patterns) {
        for (field, of_level) in u.iter_mut().enumerate() {
            let level = level_of(*pattern, field);
            of_level[usize::from(if (1..NEAR).contains(&level) { 1 } else { level })] += count;
        }
    }
    begun.u = u.iter().zip(kinds).map(|(counts, kind)| normal(counts, *kind, None)).collect();
    begun
}

/// Fields that a household shares, as bits.
fn of_household(kinds: &[Kind]) -> u32 {
    kinds.iter().enumerate().filter(|(_, kind)| kind.of_household()).fold(0, |bits, (field, _)| bits | 1 << field)
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

/// Of pairs that agree in two things a household shares and do not do so by chance, this share may differ in given name and birthday, both, and be one
/// person's all the same; or in the one of the two that there is.
const BOTH_DIFFER: f64 = 0.05;
const ONE_DIFFERS: f64 = 0.3;

/// Whether there are households among the records: where there are none, none is looked for, since it would be found in whatever fits.
fn households_seen(sources: &[Source], kinds: &[Kind], u: &[[f64; LEVELS]], all_pairs: f64) -> bool {
    let shared = of_household(kinds);
    let own: Vec<usize> =
        (0..kinds.len()).filter(|field| matches!(kinds[*field], Kind::Given | Kind::Birthday)).collect();
    // By how many of the two are known: pairs, and those that differ in all that are known.
    let (mut known, mut differ) = ([0.0; 3], [0.0; 3]);
    for source in sources.iter().filter(|source| source.agree.count_ones() == 2 && source.agree & !shared == 0) {
        let fields: Vec<usize> = (0..kinds.len()).filter(|field| source.agree >> field & 1 == 1).collect();
        let by_chance = fields.iter().map(|field| u[*field][1]).product::<f64>() * all_pairs;
        let groups: HashSet<usize> = fields.iter().map(|field| kinds[*field].group(*field)).collect();
        // A street is one of its place: that they agree in both is no more than in one.
        if by_chance > 0.2 * source.total || groups.len() < 2 {
            continue;
        }
        let seen: f64 = source.patterns.iter().map(|(_, count)| count).sum();
        for (pattern, count) in &source.patterns {
            let levels = own.iter().map(|field| level_of(*pattern, *field)).filter(|level| *level != 0);
            let (n, different) =
                levels.fold((0, 0), |(n, different), level| (n + 1, different + usize::from(level == DIFFERENT)));
            let pairs = count / seen * source.total;
            known[n] += pairs;
            differ[n] += if different == n { pairs } else { 0.0 };
        }
    }
    match known[2] > FEW_PAIRS {
        true => differ[2] > BOTH_DIFFER * known[2],
        false => known[1] > FEW_PAIRS && differ[1] > ONE_DIFFERS * known[1],
    }
}

/// Fewer pairs than this tell nothing.
const FEW_PAIRS: f64 = 10.0;

/// Whether a pattern holds what tells one person from two of a household. What does not says nothing of households: it would be taken for whatever
/// fits it best.
fn told(kinds: &[Kind], pattern: u64) -> bool {
    let own = |kind: &Kind| matches!(kind, Kind::Given | Kind::Birthday | Kind::Code);
    kinds.iter().enumerate().any(|(field, kind)| own(kind) && level_of(pattern, field) != 0)
}

/// Counts as probabilities over the levels that a kind has, each with some belief that it occurs: the weight of the belief, and the part of
/// each level in it.
fn normal(counts: &[f64; LEVELS], kind: Kind, believed: Option<(f64, &[f64; LEVELS])>) -> [f64; LEVELS] {
    let mut out = [1.0; LEVELS];
    let mut all = 0.0;
    shape(kind, |level, _| {
        out[level] = counts[level] + believed.map_or(0.5, |(weight, parts)| weight * parts[level]);
        all += out[level];
    });
    shape(kind, |level, _| out[level] /= all);
    out
}

/// A person's given names and birthdays differ no more often than this, or these are not one person's.
const MOST_DIFFERENT: f64 = 0.4;

fn bounded(m: &mut [f64; LEVELS], kind: Kind) {
    let different = m[usize::from(DIFFERENT)];
    if different > MOST_DIFFERENT {
        let rest = (1.0 - MOST_DIFFERENT) / (1.0 - different);
        shape(kind, |level, _| m[level] *= rest);
        m[usize::from(DIFFERENT)] = MOST_DIFFERENT;
    }
}

/// So many matches' worth of belief in `shape`.
const BELIEF: f64 = 4.0;

impl Estimate {
    pub(super) fn ratios(&self, kinds: &[Kind], mean: &[[f64; CLASSES]]) -> Ratios {
        let of_field = |field: usize, over: &[f64; LEVELS]| {
            let mut ratio = [1.0; LEVELS];
            for at in 0..CLASSES {
                ratio[at + 1] = over[1] / (mean[field][at] * self.strangers[field][at]).clamp(1e-12, 1.0);
            }
            for (level, ratio) in ratio.iter_mut().enumerate().skip(usize::from(NEAR)) {
                *ratio = over[level] / self.u[field][level];
            }
            ratio
        };
        let one = (0..kinds.len()).map(|field| of_field(field, &self.m[field])).collect();
        let two = kinds.iter().enumerate().map(|(field, kind)| match kind.of_household() {
            true => of_field(field, &self.h[field]),
            false => [1.0; LEVELS],
        });
        Ratios { one, two: two.collect() }
    }

    fn update(&mut self, sources: &[Source], kinds: &[Kind], seen: &Counts, own: bool) {
        for (field, kind) in kinds.iter().enumerate() {
            let known: f64 = seen.m[field].iter().sum();
            let mut parts = [0.0; LEVELS];
            shape(*kind, |level, part| parts[level] = part);
            let of_person = matches!(kind, Kind::Given | Kind::Birthday);
            if own || !of_person {
                self.m[field] = normal(&seen.m[field], *kind, Some((BELIEF, &parts)));
            }
            if of_person {
                bounded(&mut self.m[field], *kind);
            }
            self.h[field] = normal(&seen.h[field], *kind, Some((BELIEF, &parts)));
            self.known[field] = (known + 0.5) / (known + seen.missing[field] + 1.0);
            self.u[field] = normal(&seen.u[field], *kind, None);
        }
        for (source, share) in sources.iter().zip(&self.share) {
            if let (Some(class), 1) = (source.class, source.agree.count_ones()) {
                let seen: f64 = source.patterns.iter().map(|(_, count)| count).sum();
                let field = source.agree.trailing_zeros() as usize;
                self.strangers[field][class] = ((1.0 - share) * seen + 0.5) / (seen + 1.0);
            }
        }
    }

    /// How many pairs are of one person, and of one household.
    fn count(&mut self, sources: &[Source], kinds: &[Kind], all_pairs: f64, at_home: bool) {
        if let Some(matches) = self.middle(sources, &self.share, &self.m, u32::MAX) {
            self.matches = matches.clamp(1.0, all_pairs / 2.0);
        }
        if !at_home {
            self.households = 0.0;
            self.share_of_random(sources, all_pairs);
            return;
        }
        // Those who agree in something else do so by chance.
        let shared = of_household(kinds);
        self.households = self.middle(sources, &self.house, &self.h, shared).unwrap_or(0.0).min(all_pairs / 4.0);
        for (at, source) in sources.iter().enumerate().filter(|(_, source)| source.agree & !shared != 0) {
            // Two of a household agree by chance in what it does not share: so many, and no more.
            let of_field = |field: usize| {
                let equal = if shared >> field & 1 == 1 { self.h[field][1] } else { self.u[field][1] };
                self.known[field] * equal
            };
            let chance: f64 = (0..kinds.len()).filter(|field| source.agree >> field & 1 == 1).map(of_field).product();
            self.house[at] = (self.households * chance / source.total.max(1.0)).clamp(1e-6, 0.95);
            self.share[at] = self.share[at].min(1.0 - 1e-4 - self.house[at]);
        }
        self.share_of_random(sources, all_pairs);
    }

    fn share_of_random(&mut self, sources: &[Source], all_pairs: f64) {
        for at in (0..sources.len()).filter(|at| sources[*at].agree == 0) {
            self.share[at] = (self.matches / all_pairs).clamp(1e-15, 0.5);
            self.house[at] = (self.households / all_pairs).clamp(0.0, 0.25);
        }
    }

    /// The middle of what the sources that agree in some of these fields say, each by the pairs that it holds.
    fn middle(&self, sources: &[Source], shares: &[f64], equal: &[[f64; LEVELS]], fields: u32) -> Option<f64> {
        let mut said: Vec<(f64, f64)> = Vec::new();
        let mut of_field = vec![(0.0, false); equal.len()];
        for (source, share) in sources.iter().zip(shares).filter(|(source, _)| source.agree & !fields == 0) {
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
                    let fields = (0..equal.len()).filter(|field| source.agree >> field & 1 == 1);
                    let chance: f64 = fields.map(|field| self.known[field] * equal[field][1]).product();
                    said.push((found / chance.max(1e-3), found));
                }
                _ => {}
            }
        }
        for (field, (found, partial)) in of_field.into_iter().enumerate() {
            if !partial && found > 0.0 {
                said.push((found / (self.known[field] * equal[field][1]).max(1e-3), found));
            }
        }
        said.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let half: f64 = said.iter().map(|(_, found)| found).sum::<f64>() / 2.0;
        let mut before = 0.0;
        said.into_iter().find_map(|(pairs, found)| {
            before += found;
            (before >= half).then_some(pairs)
        })
    }
}
