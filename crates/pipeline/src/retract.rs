//! Rows that no longer count. Nothing is deleted: a row `_op = "retract"` names the first and the last commit of a stretch of the
//! stream's commits, and the stages derive from what is left, as if those rows had never come.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array,
};
use arrow::datatypes::{Field, SchemaRef};
use chrono::Utc;
use serde_json::{Value, json};
use tributary_lake::{Lake, StreamLog, Table, TableSpec, TableWriter, WriterOptions, fault};

use crate::raw::Place;
use crate::run::Error;
use crate::standing::{self, RETRACTED};

/// What else becomes visible together with a retraction.
pub(crate) struct With {
    pub positions: BTreeMap<String, Value>,
    pub counts: BTreeMap<String, u64>,
    pub commit: i64,
    /// Names the place for planted faults.
    pub point: &'static str,
}

/// Commits as stretches, first and last of each, in which none of `others` lies.
pub(crate) fn stretches(mut commits: Vec<i64>, others: &[i64]) -> Vec<(i64, i64)> {
    commits.sort_unstable();
    let mut stretches: Vec<(i64, i64)> = Vec::new();
    for commit in commits {
        match stretches.last_mut() {
            Some((_, last)) if !others.iter().any(|other| (*last..commit).contains(other)) => *last = commit,
            _ => stretches.push((commit, commit)),
        }
    }
    stretches
}

/// Whether a commit is in one of the stretches.
pub(crate) fn covers(stretches: &[(i64, i64)], commit: i64) -> bool {
    stretches.iter().any(|(first, last)| (*first..=*last).contains(&commit))
}

/// Takes the rows of `gone` out of the stream, as the next batch of `next`.
///
/// # Errors
/// If the store fails, or another run has gone on from here.
pub(crate) async fn commit(
    lake: &Lake,
    table: &mut Table,
    next: &mut StreamLog,
    gone: &[(i64, i64)],
    with: With,
) -> Result<(), Error> {
    let With { mut positions, mut counts, commit, point } = with;
    let mut files = Vec::new();
    if !gone.is_empty() {
        let mut all = standing::retracted(next);
        all.retain(|(first, last)| !gone.iter().any(|(from, to)| from <= first && last <= to));
        all.extend(gone);
        positions.insert(RETRACTED.into(), json!(all));
        counts.insert("retracted".into(), gone.len() as u64);
        let spec = TableSpec { name: table.name.clone(), schema: table.schema().clone() };
        let place =
            Place { epoch: i64::from(next.next_epoch()), commit, first_row: 0, read_at: Utc::now().timestamp_micros() };
        let mut writer = TableWriter::new(lake, &spec, WriterOptions::default());
        writer.write(&rows(&spec.schema, gone, next.id.incarnation, &place)?).await?;
        files = writer.finish().await?;
    }
    fault::point(&format!("{point}.before"))?;
    next.commit(lake, table, files, positions, counts, commit).await?;
    Ok(fault::point(&format!("{point}.after"))?)
}

/// The control rows.
fn rows(
    schema: &SchemaRef,
    gone: &[(i64, i64)],
    incarnation: i32,
    place: &Place,
) -> Result<RecordBatch, arrow::error::ArrowError> {
    let many = gone.len();
    let number = |value: i64| Arc::new(Int64Array::from(vec![value; many])) as ArrayRef;
    let value = |field: &Field| match field.name().as_str() {
        "_op" => Arc::new(StringArray::from(vec!["retract"; many])) as ArrayRef,
        "_version" => {
            let stretches = gone.iter().map(|(first, last)| format!("{first}-{last}"));
            Arc::new(StringArray::from_iter_values(stretches))
        }
        "_incarnation" => Arc::new(Int32Array::from(vec![incarnation; many])),
        "_epoch" => number(place.epoch),
        "_row" => Arc::new(Int64Array::from_iter_values((place.first_row..).take(many))),
        "_commit" => number(place.commit),
        "_read_at" => Arc::new(TimestampMicrosecondArray::from(vec![place.read_at; many]).with_timezone("UTC")),
        _ => new_null_array(field.data_type(), many),
    };
    RecordBatch::try_new(schema.clone(), schema.fields().iter().map(|field| value(field)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_ends_where_something_else_was_committed() {
        assert_eq!(stretches(vec![7, 3, 5], &[2, 8]), [(3, 7)]);
        assert_eq!(stretches(vec![3, 5, 7, 9], &[6]), [(3, 5), (7, 9)]);
        assert!(stretches(vec![], &[6]).is_empty());
        assert!(covers(&[(3, 5), (7, 9)], 9) && !covers(&[(3, 5), (7, 9)], 6));
    }
}
