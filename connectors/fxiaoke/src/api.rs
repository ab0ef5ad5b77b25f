//! The client and its requests. All of them are `POST`s that only ask, so all may be sent again.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveTime, Utc};
use chrono_tz::Asia::Shanghai;
use serde_json::{Map, Value, json};
use tributary_connector::http::{Client, Clock, Limit, Located, Origins, Request, Rule, locate};
use tributary_connector::{Context, Error};

use crate::auth::{self, Credential, Signed, Traced};
use crate::config::Config;
use crate::error::{self, protocol};

const LIST: &str = "/cgi/crm/v2/object/list";
const DESCRIBE: &str = "/cgi/crm/v2/object/describe";
/// Objects of the vendor's, and those that a tenant made, whose names end with `__c`.
const QUERY: &str = "/cgi/crm/v2/data/query";
const CUSTOM_QUERY: &str = "/cgi/crm/custom/v2/data/query";

/// The most records that a query shows, and the most ids that are asked for at once.
pub const PAGE: usize = 100;

/// A tenant.
pub struct Api {
    client: Client,
    clock: Arc<dyn Clock>,
}

/// An object that a tenant has.
pub struct Listed {
    pub name: String,
    pub active: bool,
}

/// What is asked of an object's records, in the order of their ids.
#[derive(Debug, Default)]
pub struct Query<'a> {
    /// Beyond this id.
    pub after: Option<&'a str>,
    /// Last changed from here on, in milliseconds since 1970, and up to there; both are part of it.
    pub from: Option<i64>,
    pub to: Option<i64>,
    /// Only these.
    pub ids: &'a [String],
    /// The fields to show.
    pub fields: &'a [String],
}

impl Api {
    /// # Errors
    /// If the configuration does not fit together. Nothing is asked yet.
    pub fn new(config: &Config, context: &Context) -> Result<Self, Error> {
        config.check()?;
        let base = config.base()?;
        let minute = Duration::from_secs(60);
        let tokens = context
            .http
            .client(format!("fxiaoke tokens/{base}/{}", config.app_id), Origins::new(&base)?)
            .rules(error::token_rules())
            .budget([
                Limit::new("token calls a minute", Rule::Moving { budget: 10, per: minute }).of_class(auth::TOKEN),
                Limit::new("token calls at once", Rule::Concurrent { at_once: 1 }),
            ])
            .authorize(Traced)
            .build()?;
        let tokens = context.http.tokens(Credential::name(config, &base), tokens, Credential::new(config))?;
        let client = context
            .http
            .client(format!("fxiaoke/{base}/{}", config.app_id), Origins::new(&base)?)
            .rules(error::rules())
            .budget(budget(config))
            .tokens(tokens)
            .authorize(Signed::new(config))
            .build()?;
        Ok(Self { client, clock: Arc::clone(&context.http.clock) })
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// All objects, whether in use or not.
    ///
    /// # Errors
    /// If they cannot be asked for.
    pub async fn objects(&self) -> Result<Vec<Listed>, Error> {
        let answer = self.ask(LIST, &mut json!({})).await.map_err(|error| error::of("object list", error))?;
        let objects = answer.pointer("/data/objects").and_then(Value::as_array);
        let objects = objects.ok_or_else(|| protocol("there is no `data.objects` in the list of objects"))?;
        let listed = |object: &Value| {
            let name = object.get("describeApiName")?.as_str()?.to_owned();
            Some(Listed { name, active: object.get("isActive").and_then(Value::as_bool).unwrap_or(true) })
        };
        objects
            .iter()
            .map(|object| listed(object).ok_or_else(|| protocol("an object of the list has no `describeApiName`")))
            .collect()
    }

    /// An object's fields by name, as the vendor describes them.
    ///
    /// # Errors
    /// If they cannot be asked for.
    pub async fn describe(&self, object: &str) -> Result<Map<String, Value>, Error> {
        let mut body = json!({ "includeDetail": true, "data": { "apiName": object } });
        let mut answer = self.ask(DESCRIBE, &mut body).await.map_err(|error| error::of(object, error))?;
        match answer.pointer_mut("/data/describe/fields").map(Value::take) {
            Some(Value::Object(fields)) => Ok(fields),
            _ => Err(protocol(format!("`{object}`: there is no `data.describe.fields` in its description"))),
        }
    }

    /// The records that a query finds, at most [`PAGE`] of them.
    ///
    /// # Errors
    /// If they cannot be asked for; where there are none the vendor says so by an empty list, and by nothing else.
    pub async fn query(&self, object: &str, query: &Query<'_>) -> Result<Located, Error> {
        let orders = json!([{ "fieldName": "_id", "isAsc": true }]);
        self.records(object, PAGE, query.filters(), orders, query.fields).await
    }

    /// The record that was changed last, if there is one that ever was.
    ///
    /// # Errors
    /// As [`Api::query`].
    pub async fn newest(&self, object: &str) -> Result<Located, Error> {
        // Where nothing stands before everything in descending order, it would hide what was changed.
        let filters = vec![filter("last_modified_time", "GTE", json!([0]))];
        let orders = json!([{ "fieldName": "last_modified_time", "isAsc": false }]);
        let fields = ["_id".to_owned(), "last_modified_time".to_owned()];
        self.records(object, 1, filters, orders, &fields).await
    }

    async fn records(
        &self,
        object: &str,
        limit: usize,
        filters: Vec<Value>,
        orders: Value,
        fields: &[String],
    ) -> Result<Located, Error> {
        let mut body = json!({
            "data": {
                "dataObjectApiName": object,
                // The total is wrong or 0 often enough, and dear.
                "find_explicit_total_num": false,
                "search_query_info": {
                    "limit": limit, "offset": 0, "filters": filters, "orders": orders, "fieldProjection": fields,
                },
            },
        });
        let path = if object.ends_with("__c") { CUSTOM_QUERY } else { QUERY };
        let found = async {
            let answer = self.client.send(request(path, &mut body)).await?;
            let found = locate(&answer.bytes, "data.dataList", &["data.limit"])?;
            if found.page.is_none() {
                return Err(protocol(
                    "there is no list at `data.dataList`, which does not mean that there are no records",
                ));
            }
            // An answer to another question, as a cache between here and there would give.
            let shown = found.fields.first().cloned().flatten().and_then(|shown| shown.as_u64());
            if shown.is_some_and(|shown| shown != limit as u64) || found.records > limit as u64 {
                return Err(protocol(format!("the answer is not of {limit} records, as was asked")));
            }
            Ok(found)
        };
        found.await.map_err(|error| error::of(object, error))
    }

    async fn ask(&self, path: &'static str, body: &mut Value) -> Result<Value, Error> {
        let answer = self.client.send(request(path, body)).await?;
        // The parser's own error might quote the answer.
        serde_json::from_slice(&answer.bytes).map_err(|_| protocol("the answer is no JSON document"))
    }
}

fn request(path: &'static str, body: &mut Value) -> Request {
    // Said in both generations, whose defaults differ: employees are numbers (`1000`), as `PersonnelObj` has them.
    body["convertUserId"] = false.into();
    body["convertMediaId"] = false.into();
    Request::post(path).class(path).json(body).idempotent()
}

fn budget(config: &Config) -> Vec<Limit> {
    let per = Duration::from_secs(20);
    let daily = |budget| Rule::Daily { budget, reset: NaiveTime::MIN, zone: Shanghai };
    [LIST, DESCRIBE, QUERY, CUSTOM_QUERY]
        .into_iter()
        .map(|path| Limit::new(path, Rule::Moving { budget: 100, per }).of_class(path))
        .chain(config.daily_calls.map(|budget| Limit::new("calls a day", daily(budget))))
        .collect()
}

impl Query<'_> {
    fn filters(&self) -> Vec<Value> {
        let ids = (!self.ids.is_empty()).then(|| filter("_id", "IN", json!(self.ids)));
        let after = self.after.map(|after| filter("_id", "GT", json!([after])));
        let from = self.from.map(|from| filter("last_modified_time", "GTE", json!([from])));
        let to = self.to.map(|to| filter("last_modified_time", "LTE", json!([to])));
        [ids, after, from, to].into_iter().flatten().collect()
    }
}

fn filter(field: &str, operator: &str, values: Value) -> Value {
    json!({ "field_name": field, "operator": operator, "field_values": values })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_inclusive_and_the_key_is_not() {
        let query = Query { after: Some("5f"), from: Some(1), to: Some(2), ..Query::default() };
        assert_eq!(
            Value::from(query.filters()),
            json!([
                { "field_name": "_id", "operator": "GT", "field_values": ["5f"] },
                { "field_name": "last_modified_time", "operator": "GTE", "field_values": [1] },
                { "field_name": "last_modified_time", "operator": "LTE", "field_values": [2] },
            ])
        );
        assert!(Query::default().filters().is_empty());
    }
}
