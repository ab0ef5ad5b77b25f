//! Reading records: queries in pages, the simple query, and one record.
//!
//! A page is cut out of the list as it then is: rows that come and go between two pages shift the rest. Rows that the acting
//! user may not see are left out without a word. Of rows that are equal in all that the query orders by, the order is fixed
//! and has no meaning; it is not that of the ids. Without an order the newest change comes first. Which of the switches for
//! the total wins is not documented: here any of them turns it off, and it is then 0.

use std::cmp::Ordering;
use std::ops::Bound;

use serde_json::{Value, json};

use super::Tenant;
use super::auth::Caller;
use super::filter::{self, Filter, Operator, ordered};
use super::refusal::{Refusal, success};
use super::schema::{Field, Kind, Object};
use super::store::{Record, Table};
use crate::chance::scramble;
use crate::http::Answer;

/// Rows of a page where none are asked for.
const DEFAULT_LIMIT: usize = 20;

/// What a query asks for, read.
#[derive(Debug)]
struct Query {
    limit: usize,
    offset: usize,
    filters: Vec<Filter>,
    /// Field, and whether the smallest comes first.
    orders: Vec<(Field, bool)>,
    /// None for all fields.
    fields: Option<Vec<String>>,
    total: bool,
    nulls: bool,
}

/// Which object a request is about; clients nest its name in two ways.
pub(super) fn object_name(body: &Value) -> Option<&str> {
    let data = body.get("data");
    let inner = data.and_then(|data| data.get("object_data"));
    [data, inner, Some(body)].into_iter().flatten().find_map(|holder| {
        let name = holder.get("dataObjectApiName").or_else(|| holder.get("apiName"))?;
        name.as_str()
    })
}

impl Tenant {
    /// The table that a request is about, asked for on the path of its kind.
    pub(super) fn asked<'a>(&'a self, body: &Value, custom: bool) -> Result<&'a Table, Refusal> {
        let table = object_name(body).and_then(|name| self.store.table(name));
        table.filter(|table| table.object.custom() == custom).ok_or_else(|| Refusal::parameter("apiName"))
    }

    pub(super) fn query(&self, body: &Value, custom: bool, simple: bool, caller: Caller) -> Result<Answer, Refusal> {
        let table = self.asked(body, custom)?;
        let query = self.read_query(body, &table.object)?;
        let (rows, total) = self.rows(table, &query, caller);
        let shown: Vec<Value> = rows
            .iter()
            .map(|record| {
                let mut fields: Vec<&Field> = table.object.fields.iter().collect();
                fields.retain(|field| !(simple && field.kind.computed()));
                if let Some(names) = &query.fields {
                    fields.retain(|field| field.name == "_id" || names.contains(&field.name));
                }
                let mut shown = self.shown(table, record, &fields, caller.form, query.nulls);
                if query.fields.is_none() && !simple {
                    shown["total_num"] = total.into();
                    shown["searchAfterId"] = json!([record.id]);
                }
                shown
            })
            .collect();
        let data = json!({ "total": total, "offset": query.offset, "limit": query.limit, "dataList": shown });
        Ok(success(json!({ "data": data })))
    }

    fn read_query(&self, body: &Value, object: &Object) -> Result<Query, Refusal> {
        let data = body.get("data").ok_or_else(|| Refusal::parameter("data"))?;
        let info = data.get("search_query_info").filter(|info| info.is_object());
        let info = info.ok_or_else(|| Refusal::parameter("search_query_info"))?;
        let number = |name: &str, default: usize| match info.get(name) {
            None | Some(Value::Null) => Ok(default),
            Some(given) => given.as_u64().map(|given| given as usize).ok_or_else(|| Refusal::parameter(name)),
        };
        let (limit, offset) = (number("limit", DEFAULT_LIMIT)?, number("offset", 0)?);
        let limits = &self.options.limits;
        if limit == 0 || limit > limits.page {
            return Err(Refusal::parameter("limit"));
        }
        if offset > limits.offset {
            let message = format!("offset out of range {}", limits.offset);
            return Err(Refusal::new(10_013, &message, &format!("offset 不能超过{}", limits.offset)));
        }
        if !offset.is_multiple_of(limit) {
            return Err(Refusal::parameter("offset"));
        }
        let order = |given: &Value| {
            let name = given.get("fieldName").and_then(Value::as_str).ok_or_else(|| Refusal::parameter("fieldName"))?;
            let field = object.field(name).ok_or_else(|| Refusal::value(&format!("field {name} does not exist")))?;
            Ok((field.clone(), given.get("isAsc").and_then(Value::as_bool).unwrap_or(true)))
        };
        let orders = info.get("orders").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let mut orders: Vec<(Field, bool)> = orders.iter().map(order).collect::<Result<_, _>>()?;
        if orders.is_empty() {
            orders.push((Field::new("last_modified_time", "", Kind::DateTime), false));
        }
        let projections = ["fieldProjection", "field_projection"].map(|name| [info.get(name), data.get(name)]);
        let names: Vec<String> = projections
            .into_iter()
            .flatten()
            .find_map(|given| given.and_then(Value::as_array))
            .map(|names| names.iter().filter_map(Value::as_str).map(str::to_owned).collect())
            .unwrap_or_default();
        let switched = |name: &str, value: bool| {
            [Some(body), Some(data), Some(info)]
                .into_iter()
                .flatten()
                .any(|holder| holder.get(name).and_then(Value::as_bool) == Some(value))
        };
        Ok(Query {
            limit,
            offset,
            filters: filter::read(object, info.get("filters"))?,
            orders,
            fields: (!names.is_empty()).then_some(names),
            total: !switched("find_explicit_total_num", false) && !switched("need_return_count_num", false),
            nulls: switched("includeNull", true),
        })
    }

    /// The rows of the page, and how many there are in all, or 0.
    fn rows<'a>(&self, table: &'a Table, query: &Query, caller: Caller) -> (Vec<&'a Record>, usize) {
        let wanted = |record: &&Record| {
            self.visible(table, record, caller) && query.filters.iter().all(|filter| self.passes(record, filter))
        };
        if matches!(query.orders.as_slice(), [(field, true)] if field.name == "_id") {
            let behind = query.filters.iter().filter(|filter| filter.field.name == "_id");
            let behind = behind.filter(|filter| filter.operator == Operator::Greater).map(|filter| &filter.values[0]);
            let from = behind.max().map_or(Bound::Unbounded, |id| Bound::Excluded(id.as_str()));
            let rows = table.records.range::<str, _>((from, Bound::Unbounded)).map(|(_, record)| record).filter(wanted);
            let by_id =
                query.filters.iter().any(|filter| filter.field.name == "_id" && filter.operator == Operator::In);
            let served = if by_id { usize::MAX } else { self.options.limits.served };
            let page = rows.skip(query.offset).take(query.limit.min(served)).collect();
            let total = if query.total { table.records.values().filter(wanted).count() } else { 0 };
            return (page, total);
        }
        let rows: Vec<&Record> = table.records.values().filter(wanted).collect();
        let total = if query.total { rows.len() } else { 0 };
        let key = |record: &Record| -> Vec<Value> {
            query.orders.iter().map(|(field, _)| self.store.value(record, field, &self.staff)).collect()
        };
        let mut rows: Vec<_> = rows.into_iter().map(|record| (key(record), tie(&record.id), record)).collect();
        rows.sort_unstable_by(|(one, tie, _), (other, other_tie, _)| {
            let fields = query.orders.iter().zip(one.iter().zip(other)).map(|((field, ascending), (one, other))| {
                let order = ordered(one, other, field.kind);
                if *ascending { order } else { order.reverse() }
            });
            fields.fold(Ordering::Equal, Ordering::then).then(tie.cmp(other_tie))
        });
        let page = rows.into_iter().skip(query.offset).take(query.limit);
        (page.map(|(_, _, record)| record).collect(), total)
    }

    /// Whether the acting user is shown a record.
    pub(super) fn visible(&self, table: &Table, record: &Record, caller: Caller) -> bool {
        let own_only = self.options.own_only.iter().any(|id| self.staff[caller.employee].is(id));
        let hidden = record.invalid() && !self.options.shows_invalid;
        !hidden && (!own_only || table.object.of_tenant() || record.owner == caller.employee)
    }

    pub(super) fn get(&self, body: &Value, custom: bool, caller: Caller) -> Result<Answer, Refusal> {
        let table = self.asked(body, custom)?;
        let id = body.get("data").and_then(|data| data.get("objectDataId")).and_then(Value::as_str);
        let record = table.records.get(id.ok_or_else(|| Refusal::parameter("objectDataId"))?);
        let record = record.ok_or_else(|| Refusal::record("数据不存在"))?;
        if !self.visible(table, record, caller) {
            return Err(Refusal::permission());
        }
        let nulls = body.get("includeNull").and_then(Value::as_bool).unwrap_or(false);
        let fields: Vec<&Field> = table.object.fields.iter().collect();
        Ok(success(json!({ "data": self.shown(table, record, &fields, caller.form, nulls) })))
    }
}

/// Where a record comes among its equals.
fn tie(id: &str) -> u64 {
    id.bytes().fold(0, |sum, byte| scramble(sum ^ u64::from(byte)))
}
