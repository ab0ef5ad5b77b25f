//! What it costs to match one record in a hundred again, given an index of records by block, and that it finds what the full
//! run found.

use std::collections::HashSet;
use std::error::Error;

use serde_json::{Value, json};
use tributary_linkage::increment::{RecordBlocks, near, score_changed};
use tributary_linkage::refine::refine;
use tributary_linkage::{Edge, Features, Model};

use crate::{Columns, batch, cpu};

const EVERY: usize = 100;

pub fn cost(
    path: &str,
    columns: &Columns,
    model: &Model,
    features: &Features,
    edges: &[Edge],
) -> Result<Value, Box<dyn Error>> {
    // The index: kept by the lake, so its making is not counted.
    let mut of_record: Vec<Vec<u64>> = vec![vec![]; features.len()];
    let blocks = RecordBlocks::new(model, features, 2);
    of_record.iter_mut().zip(0..).for_each(|(of, record)| blocks.of(record, of));
    let changed: Vec<u32> = (0..features.len() as u32).step_by(EVERY).collect();
    let touched: HashSet<u32> = changed.iter().copied().collect();
    let own: Vec<Vec<u64>> = changed.iter().map(|record| of_record[*record as usize].clone()).collect();
    let begun = cpu();
    let around = near(model, &own, &own, |see| {
        for (record, of) in of_record.iter().enumerate().filter(|(record, _)| record % EVERY != 0) {
            see(record as u32, of);
        }
    });
    let looking = cpu() - begun;
    let mut near: Vec<u32> = around.near.iter().chain(&changed).copied().collect();
    near.sort_unstable();
    let mut rows = Vec::with_capacity(near.len());
    let mut reader = csv::Reader::from_path(path)?;
    let (mut number, mut wanted) = (0, near.iter().peekable());
    loop {
        let batch = batch(&mut reader)?;
        if batch.is_empty() {
            break;
        }
        for record in batch {
            if wanted.next_if(|next| **next == number).is_some() {
                rows.push(record);
            }
            number += 1;
        }
    }
    let begun = cpu();
    let mut builder = columns.builder();
    for row in &rows {
        columns.push(row, 0, &mut builder)?;
    }
    let part = builder.finish();
    let building = cpu() - begun;
    let here: Vec<u32> =
        changed.iter().filter_map(|record| near.binary_search(record).ok()).map(|at| at as u32).collect();
    let begun = cpu();
    let found = score_changed(model, &part, &here, &around.refused, 2).edges;
    let scoring = cpu() - begun;
    let begun = cpu();
    let clusters = refine(model, &part, &found);
    let clustering = cpu() - begun;
    let found: HashSet<(u32, u32, u32)> =
        found.iter().map(|e| (near[e.a as usize], near[e.b as usize], e.bits.to_bits())).collect();
    let full: HashSet<(u32, u32, u32)> = edges
        .iter()
        .filter(|e| touched.contains(&e.a) || touched.contains(&e.b))
        .map(|e| (e.a, e.b, e.bits.to_bits()))
        .collect();
    Ok(json!({
        "records": changed.len(), "with_neighbours": near.len(), "edges": found.len(), "as_the_full_run": found == full,
        "cut": clusters.cut.len(), "cpu": {"index": looking, "features": building, "scoring": scoring, "clusters": clustering},
    }))
}
