//! Writing golden records and where their fields come from.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use tributary_engine::{Error, Result};
use tributary_lake::{DataFile, Lake, TableChange, TableName, TableSpec, TableWriter, WriterOptions};

use super::fields::{Given, Golden};
use super::{Changes, STAGE};
use crate::batch::{batch, flags, numbers, texts};
use crate::id::RecordKey;
use crate::members::Members;
use crate::records::Sources;
use crate::tables::{customer, provenance};

/// Writes both tables anew.
pub(super) struct Written {
    customers: (TableSpec, TableWriter, u64),
    provenance: (TableSpec, TableWriter, u64),
    removes: BTreeMap<TableName, Vec<DataFile>>,
}

impl Written {
    pub async fn open(lake: &Lake) -> Result<Self> {
        let mut removes = BTreeMap::new();
        for spec in [customer(), provenance()] {
            let table = lake.ensure_table(&spec).await?;
            removes.insert(spec.name, table.files()?);
        }
        let open = |spec: TableSpec| {
            let writer = TableWriter::new(lake, &spec, WriterOptions::default());
            (spec, writer, 0)
        };
        Ok(Self { customers: open(customer()), provenance: open(provenance()), removes })
    }

    pub async fn write(&mut self, rows: &[Golden<'_>], sources: &Sources, members: &Members) -> Result<()> {
        let (customers, provenance) = (customer_rows(rows, sources)?, provenance_rows(rows, sources, members)?);
        for ((_, writer, count), batch) in [(&mut self.customers, customers), (&mut self.provenance, provenance)] {
            *count += batch.num_rows() as u64;
            writer.write(&batch).await?;
        }
        Ok(())
    }

    /// # Errors
    /// [`Error::Ledger`] if there is not one row for each of `customers`, or a file holds other rows than it was given.
    pub async fn finish(mut self, customers: u64) -> Result<Changes> {
        let mut changes = Changes::new();
        if self.customers.2 != customers {
            let why = format!("there are {customers} customers and {} golden records", self.customers.2);
            return Err(Error::Ledger { stage: STAGE.into(), why });
        }
        for (spec, writer, count) in [self.customers, self.provenance] {
            let adds = writer.finish().await?;
            let written: u64 = adds.iter().map(|file| file.rows).sum();
            if written != count {
                let why = format!("{count} rows were made for `{}` and {written} written", spec.name);
                return Err(Error::Ledger { stage: STAGE.into(), why });
            }
            let removes = self.removes.remove(&spec.name).unwrap_or_default();
            changes.insert(spec.name, TableChange { adds, removes });
        }
        Ok(changes)
    }
}

fn customer_rows(rows: &[Golden], sources: &Sources) -> Result<RecordBatch> {
    let value = |name: &'static str| texts(Golden::column(rows, name));
    let names = |row: &Golden| {
        let mut names: Vec<&str> = row.sources.iter().map(|source| sources.name(*source)).collect();
        names.sort_unstable();
        names.join(", ")
    };
    batch(
        &customer().schema,
        vec![
            texts(rows.iter().map(|row| Some(row.id.text()))),
            value("name"),
            value("family_name"),
            value("given_name"),
            flags(rows.iter().map(|row| row.name_masked)),
            value("gender"),
            numbers(Golden::column(rows, "birthday").map(|days| days?.parse().ok())),
            value("phone"),
            flags(rows.iter().map(|row| row.phone_masked)),
            value("email"),
            value("member_no"),
            value("company"),
            value("language"),
            value("segment"),
            value("country"),
            value("province"),
            value("city"),
            value("district"),
            value("street"),
            value("postcode"),
            numbers(rows.iter().map(|row| row.joined)),
            numbers(rows.iter().map(|row| row.at)),
            numbers(rows.iter().map(|row| Some(row.records))),
            texts(rows.iter().map(|row| Some(names(row)))),
            flags(rows.iter().map(|row| row.stub)),
        ],
    )
}

fn provenance_rows(rows: &[Golden], sources: &Sources, members: &Members) -> Result<RecordBatch> {
    let all: Vec<(&Golden, &Given)> =
        rows.iter().flat_map(|row| row.provenance.iter().map(move |given| (row, given))).collect();
    batch(
        &provenance().schema,
        vec![
            texts(all.iter().map(|(row, _)| Some(row.id.text()))),
            texts(all.iter().map(|(_, given)| Some(given.field))),
            texts(all.iter().map(|(_, given)| members.record(given.place).map(RecordKey::text))),
            texts(all.iter().map(|(_, given)| Some(sources.name(given.source)))),
            texts(all.iter().map(|(_, given)| Some(given.rule))),
        ],
    )
}
