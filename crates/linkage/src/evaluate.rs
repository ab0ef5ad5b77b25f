//! How good clusters are, given the truth: pairwise and B-cubed precision, recall and F1.
//!
//! Pairwise counts pairs of records, so that one large cluster may outweigh many small ones; B-cubed (Bagga and Baldwin, 1998)
//! counts records, each by the share of its cluster that is right.

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

/// Precision, recall and their harmonic mean; 1 where there was nothing to find or nothing was found wrongly.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
}

impl Quality {
    fn new(precision: f64, recall: f64) -> Quality {
        let sum = precision + recall;
        Quality { precision, recall, f1: if sum > 0.0 { 2.0 * precision * recall / sum } else { 0.0 } }
    }
}

/// Both measures of one clustering.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    pub pairwise: Quality,
    pub b_cubed: Quality,
}

/// Compares clusters with the truth. Both give a label to each record, in the same order; a record of which the truth is not
/// known (`None`) is left out.
pub fn evaluate(clusters: &[u32], truth: &[Option<u32>]) -> Evaluation {
    let mut both: HashMap<(u32, u32), u64> = HashMap::new();
    let mut found: HashMap<u32, u64> = HashMap::new();
    let mut real: HashMap<u32, u64> = HashMap::new();
    let mut records = 0u64;
    for (cluster, truth) in clusters.iter().zip(truth) {
        if let Some(truth) = truth {
            *both.entry((*cluster, *truth)).or_default() += 1;
            *found.entry(*cluster).or_default() += 1;
            *real.entry(*truth).or_default() += 1;
            records += 1;
        }
    }
    let pairs = |n: &u64| u128::from(n * (n - 1) / 2);
    let right: u128 = both.values().map(pairs).sum();
    let share = |part: u128, whole: u128| if whole == 0 { 1.0 } else { part as f64 / whole as f64 };
    let pairwise =
        Quality::new(share(right, found.values().map(pairs).sum()), share(right, real.values().map(pairs).sum()));
    // Sums of many fractions in the order of a hash table would differ from run to run in the last digits.
    let mut cells: Vec<(u64, u64, u64)> =
        both.iter().map(|((cluster, truth), n)| (*n, found[cluster], real[truth])).collect();
    cells.sort_unstable();
    let of = |whole: fn(&(u64, u64, u64)) -> u64| -> f64 {
        let sum: f64 = cells.iter().map(|cell| (cell.0 * cell.0) as f64 / whole(cell) as f64).sum();
        if records == 0 { 1.0 } else { sum / records as f64 }
    };
    Evaluation { pairwise, b_cubed: Quality::new(of(|cell| cell.1), of(|cell| cell.2)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_measures_of_one_clustering_by_hand() {
        // Found {0,1,2} {3,4}; real {0,1} {2,3,4}; record 5 is not known.
        let found = [0, 0, 0, 3, 3, 0];
        let truth = [Some(7), Some(7), Some(8), Some(8), Some(8), None];
        let result = evaluate(&found, &truth);
        // Pairs found 4, real 4, right 2.
        assert_eq!((result.pairwise.precision, result.pairwise.recall, result.pairwise.f1), (0.5, 0.5, 0.5));
        // (2·2/3 + 1·1/3 + 2·1) / 5, and (2·1 + 1·1/3 + 2·2/3) / 5.
        assert!((result.b_cubed.precision - (4.0 / 3.0 + 1.0 / 3.0 + 2.0) / 5.0).abs() < 1e-12);
        assert!((result.b_cubed.recall - (2.0 + 1.0 / 3.0 + 4.0 / 3.0) / 5.0).abs() < 1e-12);
    }

    #[test]
    fn nothing_found_and_nothing_to_find_is_perfect() {
        let result = evaluate(&[0, 1], &[Some(0), Some(1)]);
        assert_eq!(result.pairwise.f1, 1.0);
        assert_eq!(result.b_cubed.f1, 1.0);
    }
}
