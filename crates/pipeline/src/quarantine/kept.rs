//! What a raw table keeps of a rejected record beside its bytes, in `_extra`: how these are read by themselves, and what its page
//! said of it.

use std::sync::Arc;

use serde_json::{Value, json};
use tributary_connector::{Connector, CsvPage, Data, Form, JsonPage, JsonShape, Op, Page, Rejected};

use super::Record;

/// `None` if only a part of the record was kept.
pub(crate) fn write(rejected: &Rejected, op: Op) -> Option<String> {
    let form = rejected.form.as_ref()?.to_json();
    // The number comes last, so that texts of one file are alike up to their end.
    Some(format!("{{\"op\":{},\"form\":{form},\"record\":{}}}", json!(op.as_str()), rejected.record))
}

/// A kept record as a page of its own.
pub(super) struct Kept {
    pub page: Page,
    /// Whether its values are all there is of it, and not its bytes.
    pub is_values: bool,
}

/// What was kept of a record, to be decoded as `connector` reads now; `None` if that was not all of it.
pub(super) fn read(record: &Record, connector: &dyn Connector) -> Option<Kept> {
    let kept: Value = serde_json::from_str(record.extra.as_deref()?).ok()?;
    let form = Form::from_json(kept.get("form")?)?;
    let bytes = record.bytes.as_deref()?;
    let data = match &form {
        Form::Csv(then) => Data::Csv(CsvPage {
            dialect: Arc::new(connector.dialect(bytes, then.as_ref().clone())),
            bytes: bytes.to_vec().into(),
            first_line: record.line.and_then(|line| u64::try_from(line).ok()).unwrap_or(1),
        }),
        // A broken line stays one record; what has several was an element of an array.
        Form::Json | Form::Values if !bytes.contains(&b'\n') => {
            Data::Json(JsonPage { bytes: bytes.to_vec().into(), shape: JsonShape::Lines, first_line: 1 })
        }
        Form::Json | Form::Values => {
            let bytes = [b"[", bytes, b"]"].concat().into();
            Data::Json(JsonPage { bytes, shape: JsonShape::Array, first_line: 1 })
        }
    };
    let op = if kept.get("op")?.as_str()? == Op::Delete.as_str() { Op::Delete } else { Op::Upsert };
    let scope: Arc<str> = record.scope.as_deref().unwrap_or_default().into();
    let page = Page {
        partition: Arc::clone(&scope),
        scope,
        version: record.version.as_deref().map(Into::into),
        first_record: kept.get("record")?.as_u64()?,
        records: 1,
        op,
        data,
    };
    Some(Kept { page, is_values: form == Form::Values })
}
