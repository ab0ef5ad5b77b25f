//! Discovery: each module that the API shows is a stream, and so are the rows of subforms, the links of multi-select lookups, and
//! the users.
//!
//! Of rows of subforms and of links nobody tells when they are deleted, so that these streams are read whole when they have
//! changed; so are modules without a time of change, and the users.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;
use tributary_connector::{Context, Cursor, Deletes, Error, Stream};

use crate::api::Api;
use crate::fields::{Described, Kind, is_name};
use crate::users;

/// The column that orders the versions of a record.
pub(crate) const MODIFIED: &str = "Modified_Time";
pub(crate) const ID: &str = "id";

/// Modules that hold no records.
const NO_RECORDS: [&str; 6] =
    ["web", "webtab_link", "webtab_slyteui", "field_tracker", "picklisttracker", "orchestration"];

/// Fields that are described at the same time.
const AT_ONCE: usize = 4;

struct Module {
    name: String,
    /// Rows of a subform, or links.
    dependent: bool,
}

fn modules(answer: &Value) -> Vec<Module> {
    let all = answer["modules"].as_array().into_iter().flatten();
    all.filter(|module| module["api_supported"] != false && module["viewable"] != false)
        .filter_map(|module| {
            let kind = module["generated_type"].as_str().unwrap_or("default");
            let name = module["api_name"].as_str().filter(|name| is_name(name))?;
            let has_records = !NO_RECORDS.contains(&kind) && !name.eq_ignore_ascii_case(users::STREAM);
            let dependent = matches!(kind, "subform" | "static_subform" | "linking");
            has_records.then(|| Module { name: name.to_owned(), dependent })
        })
        .collect()
}

/// The names of the streams there are.
pub(crate) async fn names(api: &Api) -> Result<Vec<String>, Error> {
    let modules = modules(&api.modules().await?.value()?);
    Ok(modules.into_iter().map(|module| module.name).chain([users::STREAM.to_owned()]).collect())
}

/// All streams; those that the pipeline does not name without their columns.
pub(crate) async fn discover(api: &Api, context: &Context) -> Result<Vec<Stream>, Error> {
    let modules = modules(&api.modules().await?.value()?);
    let mut streams: Vec<Stream> = stream::iter(modules)
        .map(async |module| {
            let fields = match context.wants(&module.name) {
                true => described(api, &module.name).await?,
                false => Vec::new(),
            };
            Ok::<_, Error>(of_module(module, &fields))
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    streams.push(users::stream(context.wants(users::STREAM)));
    Ok(streams)
}

/// The fields of a module; none if the API does not tell.
pub(crate) async fn described(api: &Api, module: &str) -> Result<Vec<Described>, Error> {
    let reply = match api.fields(module).await {
        Ok(reply) => reply,
        Err(failed) if failed.is(&["INVALID_MODULE", "NOT_SUPPORTED"]) => return Ok(Vec::new()),
        Err(failed) => return Err(failed.into()),
    };
    Ok(fields(&reply.value()?))
}

pub(crate) fn fields(answer: &Value) -> Vec<Described> {
    let mut fields: Vec<Described> =
        answer["fields"].as_array().into_iter().flatten().filter_map(Described::read).collect();
    if !fields.is_empty() && !fields.iter().any(|field| field.name == ID) {
        fields.insert(0, Described { name: ID.to_owned(), kind: Kind::Text });
    }
    let mut seen = std::collections::HashSet::new();
    fields.retain(|field| seen.insert(field.name.clone()));
    fields
}

fn of_module(module: Module, fields: &[Described]) -> Stream {
    let columns: Vec<Field> = fields.iter().filter_map(Described::column).collect();
    let has_time = columns.iter().any(|column| column.name() == MODIFIED);
    // Of a module that was not looked at closely, the usual is said.
    let dated = (has_time || columns.is_empty()).then(|| MODIFIED.to_owned());
    let (cursor, deletes) = match &dated {
        Some(name) if !module.dependent => (Cursor::Column(name.clone()), Deletes::Feed),
        _ => (Cursor::None, Deletes::Scope),
    };
    Stream {
        name: module.name,
        schema: Arc::new(Schema::new(columns)),
        primary_key: vec![ID.to_owned()],
        cursor,
        deletes,
        version: dated,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn modules_without_records_or_leave_are_passed_over() {
        let module = |name: &str, kind: &str, supported: bool, viewable: bool| json!({ "api_name": name, "generated_type": kind, "api_supported": supported, "viewable": viewable });
        let answer = json!({ "modules": [
            module("Contacts", "default", true, true), module("Visits", "default", false, true),
            module("Secrets", "custom", true, false), module("Portal", "web", true, true),
            module("Lines", "subform", true, true), module("users", "default", true, true), { "module_name": "x" },
        ] });
        let found: Vec<_> = modules(&answer).into_iter().map(|module| (module.name, module.dependent)).collect();
        assert_eq!(found, [("Contacts".to_owned(), false), ("Lines".to_owned(), true)]);
    }

    #[test]
    fn a_stream_goes_by_its_time_of_change_or_is_read_whole() {
        let fields = fields(&json!({ "fields": [
            { "api_name": "Name", "data_type": "text" }, { "api_name": "Modified_Time", "data_type": "datetime" },
            { "api_name": "Name", "data_type": "text" },
        ] }));
        let of = |dependent, fields: &[Described]| of_module(Module { name: "M".to_owned(), dependent }, fields);
        let dated = of(false, &fields);
        assert_eq!((dated.cursor, dated.deletes), (Cursor::Column(MODIFIED.to_owned()), Deletes::Feed));
        assert_eq!(
            dated.schema.fields().iter().map(|f| f.name().as_str()).collect::<Vec<_>>(),
            ["id", "Name", MODIFIED]
        );
        assert_eq!((of(true, &fields).cursor, of(true, &fields).deletes), (Cursor::None, Deletes::Scope));
        let undated = of(false, &fields[..2]);
        assert_eq!((undated.cursor, undated.version), (Cursor::None, None));
    }
}
