//! Bulk read: a job is made, polled until it is done, and its result fetched as a zip of one CSV file.
//!
//! A job goes on by one state with each poll, or with each two seconds of the CRM's clock, whichever is further; it reads the
//! records when it completes. Columns are those asked for behind `Id`; several values of one cell are joined by `;`, which no
//! document says. Callbacks are accepted and never called.

use std::io::{Cursor, Write};

use serde_json::{Value, json};
use zip::write::SimpleFileOptions;

use super::Crm;
use super::criteria::{Criteria, Test};
use super::refusal::Refusal;
use super::render::{column, layout_id};
use super::route::Caller;
use super::store::Record;
use crate::chance::scramble;
use crate::clock::{DAY, written};
use crate::http::{Answer, Request};
use crate::output::CsvLine;

const MOST_CRITERIA: usize = 25;
const STATE_SECONDS: i64 = 2;

#[derive(Debug, Clone)]
pub(super) struct Job {
    module: &'static str,
    fields: Vec<String>,
    criteria: Option<Criteria>,
    /// As it was asked.
    query: Value,
    start: usize,
    page: usize,
    caller: Caller,
    created: i64,
    polls: i64,
    pub(super) failed: bool,
    result: Option<Output>,
}

#[derive(Debug, Clone)]
struct Output {
    zip: Vec<u8>,
    count: usize,
    /// The token of the next job.
    next: Option<(String, i64)>,
}

impl Job {
    pub(super) fn finished(&self) -> bool {
        self.result.is_some()
    }
}

impl Crm {
    pub(super) fn bulk(&mut self, request: &Request, parts: &[&str], caller: Caller) -> Result<Answer, Refusal> {
        self.allowed(caller.credential, "bulk.READ")?;
        match (request.method.as_str(), parts) {
            ("POST", []) => self.make_job(request, caller),
            ("GET", [id]) => {
                self.spend(1)?;
                self.poll(id)
            }
            ("GET", [id, "result"]) => {
                self.check_downloads()?;
                self.spend(1)?;
                let zip = self.job(id)?.result.as_ref().map(|output| output.zip.clone());
                let zip = zip.ok_or_else(not_found)?;
                let name = format!("attachment; filename={id}.zip");
                Ok(Answer::of(200, "application/octet-stream", zip).with("content-disposition", name))
            }
            (_, [] | [_] | [_, "result"]) => Err(Refusal::method()),
            _ => Err(Refusal::url()),
        }
    }

    fn make_job(&mut self, request: &Request, caller: Caller) -> Result<Answer, Refusal> {
        if !request.header("content-type").is_some_and(|kind| kind.starts_with("application/json")) {
            return Err(Refusal::new(415, "MEDIA_TYPE_NOT_SUPPORTED", "Media type is not supported"));
        }
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let query = body.get("query").ok_or_else(|| mandatory("query"))?;
        let now = self.clock.now();
        let job = match query.get("page_token").and_then(Value::as_str) {
            Some(token) => self.job_after(token, caller, now)?,
            None => self.new_job(query, caller, now)?,
        };
        self.allowed(caller.credential, &format!("modules.{}.READ", job.module))?;
        self.spend(50)?;
        let id = self.store.next_id();
        let user = self.user(caller.user);
        let details = json!({
            "id": id.to_string(), "operation": "read", "state": "ADDED",
            "created_by": { "id": user.id.to_string(), "name": user.name }, "created_time": written(now, caller.offset),
        });
        self.jobs.insert(id, job);
        let added = json!({
            "status": "success", "code": "ADDED_SUCCESSFULLY", "message": "Added successfully.", "details": details,
        });
        Ok(Answer::json(201, &json!({ "data": [added], "info": {} })))
    }

    /// The job that goes on where another one stopped.
    fn job_after(&self, token: &str, caller: Caller, now: i64) -> Result<Job, Refusal> {
        let of_token = |job: &&Job| {
            job.result.as_ref().is_some_and(|output| output.next.as_ref().is_some_and(|(next, _)| next == token))
        };
        let before = self.jobs.values().find(of_token).filter(|job| job.caller.user == caller.user);
        let before = before.ok_or_else(|| Refusal::parameter("page_token"))?;
        let expires = before.result.as_ref().and_then(|output| output.next.as_ref()).map_or(now, |(_, at)| *at);
        if expires <= now {
            return Err(Refusal::bad("EXPIRED_VALUE", "the page token is expired")
                .details(json!({ "param_name": "page_token" })));
        }
        let start = before.start + self.options.limits.bulk_rows;
        let page = before.page + 1;
        Ok(Job { start, page, caller, created: now, polls: 0, failed: false, result: None, ..before.clone() })
    }

    fn new_job(&self, query: &Value, caller: Caller, now: i64) -> Result<Job, Refusal> {
        let module = query.get("module").map(|module| module.get("api_name").unwrap_or(module));
        let module = module.and_then(Value::as_str).ok_or_else(|| mandatory("module"))?;
        let table = self.store.table(module).filter(|table| table.module.api_supported).ok_or_else(Refusal::module)?;
        let mut fields: Vec<String> = query
            .get("fields")
            .and_then(Value::as_array)
            .map_or_else(Vec::new, |names| names.iter().filter_map(Value::as_str).map(str::to_owned).collect());
        let exported =
            |name: &str| column(&self.store, table, name).is_some_and(|field| !field.kind.only_in_single_reads());
        if let Some(name) = fields.iter().find(|name| !exported(name)) {
            return Err(
                Refusal::bad("FIELD_NOT_AVAILABLE", "the field is not available").details(json!({ "api_name": name }))
            );
        }
        if fields.is_empty() {
            fields = table.module.fields.iter().map(|field| field.name.clone()).filter(|name| exported(name)).collect();
        }
        fields.retain(|name| name != "id");
        let criteria = query.get("criteria").filter(|criteria| !criteria.is_null()).map(criteria).transpose()?;
        if criteria.as_ref().is_some_and(|criteria| criteria.tests().len() > MOST_CRITERIA) {
            return Err(Refusal::bad("CRITERIA_LIMIT_EXCEEDED", "the limit of criteria is exceeded"));
        }
        if let Some(name) = criteria.as_ref().and_then(|criteria| self.wrong_condition(table, criteria)) {
            return Err(Refusal::bad("INVALID_DATA", "invalid criteria").details(json!({ "api_name": name })));
        }
        let page = query.get("page").and_then(Value::as_u64).unwrap_or(1).max(1) as usize;
        if page > 500 {
            return Err(
                Refusal::bad("PAGE_RANGE_EXCEEDED", "the page is out of range").details(json!({ "max_limit": 500 }))
            );
        }
        Ok(Job {
            module: table.module.name,
            fields,
            criteria,
            query: query.clone(),
            start: (page - 1) * self.options.limits.bulk_rows,
            page,
            caller,
            created: now,
            polls: 0,
            failed: false,
            result: None,
        })
    }

    /// A job that is still told of.
    fn job(&self, id: &str) -> Result<&Job, Refusal> {
        let job = id.parse().ok().and_then(|id: u64| self.jobs.get(&id));
        job.filter(|job| self.clock.now() < job.created + DAY).ok_or_else(not_found)
    }

    fn poll(&mut self, id: &str) -> Result<Answer, Refusal> {
        self.job(id)?;
        let number: u64 = id.parse().map_err(|_| not_found())?;
        let now = self.clock.now();
        let job = self.jobs.get_mut(&number).ok_or_else(not_found)?;
        job.polls += 1;
        let stage = job.polls.max((now - job.created) / STATE_SECONDS);
        let state = match stage {
            _ if job.failed => "FAILURE",
            0 | 1 => "QUEUED",
            2 => "IN PROGRESS",
            _ => "COMPLETED",
        };
        if state == "COMPLETED" && !job.finished() {
            let output = self.read_all(number, now)?;
            self.jobs.entry(number).and_modify(|job| job.result = Some(output));
        }
        let job = self.job(id)?;
        let user = self.user(job.caller.user);
        let inner = self.store.table(job.module).map_or("", |table| table.module.inner);
        let mut query = job.query.clone();
        query["module"] = json!({ "api_name": job.module, "id": layout_id(inner) });
        query["page"] = job.page.into();
        let mut shown = json!({
            "id": id, "operation": "read", "state": state, "file_type": "csv", "query": query,
            "created_by": { "id": user.id.to_string(), "name": user.name },
            "created_time": written(job.created, job.caller.offset),
        });
        if let Some(output) = &job.result {
            shown["result"] = json!({
                "page": job.page, "per_page": self.options.limits.bulk_rows, "count": output.count,
                "download_url": format!("/crm/bulk/v8/read/{id}/result"), "more_records": output.next.is_some(),
                "next_page_token": output.next.as_ref().map(|(token, _)| token),
            });
        } else if job.failed {
            let refusal = Refusal::new(500, "INTERNAL_SERVER_ERROR", "Internal server error occurred.");
            shown["result"] = json!({ "error_message": refusal.body() });
        }
        Ok(Answer::json(200, &json!({ "data": [shown] })))
    }

    /// Reads the records of a job now.
    fn read_all(&self, id: u64, now: i64) -> Result<Output, Refusal> {
        let job = self.jobs.get(&id).ok_or_else(not_found)?;
        let table = self.store.table(job.module).ok_or_else(Refusal::module)?;
        let meets = |record: &&Record| {
            !record.converted && job.criteria.as_ref().is_none_or(|criteria| self.meets(table, record, criteria))
        };
        let most = self.options.limits.bulk_rows;
        let mut rows = table.records.values().filter(meets).skip(job.start);
        let names = std::iter::once("Id").chain(job.fields.iter().map(String::as_str));
        let mut csv = CsvLine::default().fields(names).end("\n");
        let mut count = 0;
        for record in rows.by_ref().take(most) {
            count += 1;
            let mut line = CsvLine::default().field(&record.id.to_string());
            for name in &job.fields {
                let cell = match table.module.field(name) {
                    Some(field) => self.cell(record, field, job.caller.offset),
                    None => self
                        .beyond(table, record, name)
                        .map_or_else(String::new, |(beyond, field)| self.cell(beyond, field, job.caller.offset)),
                };
                line = line.field(&cell);
            }
            csv.push_str(&line.end("\n"));
        }
        let drawn = scramble(id ^ self.options.seed);
        let token = || (format!("{drawn:016x}{:016x}", scramble(drawn)), now + self.options.limits.page_token_seconds);
        let next = rows.next().is_some().then(token);
        let zip = packed(&format!("{id}.csv"), csv.as_bytes());
        let zip = zip.map_err(|_| Refusal::new(500, "INTERNAL_ERROR", "Internal Server Error"))?;
        Ok(Output { zip, count, next })
    }
}

fn packed(name: &str, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file(name, SimpleFileOptions::default())?;
    zip.write_all(bytes)?;
    Ok(zip.finish()?.into_inner())
}

/// Conditions as a job states them.
fn criteria(json: &Value) -> Result<Criteria, Refusal> {
    if let Some(group) = json.get("group").and_then(Value::as_array) {
        let parts = group.iter().map(criteria).collect::<Result<_, _>>()?;
        return match json.get("group_operator").and_then(Value::as_str) {
            Some(operator) if operator.eq_ignore_ascii_case("and") => Ok(Criteria::All(parts)),
            Some(operator) if operator.eq_ignore_ascii_case("or") => Ok(Criteria::Any(parts)),
            _ => Err(invalid("group_operator")),
        };
    }
    let field = json.get("field").and_then(|field| field.get("api_name")).and_then(Value::as_str);
    let field = field.ok_or_else(|| mandatory("field"))?.to_owned();
    let values: Vec<String> = match json.get("value") {
        Some(Value::Array(values)) => values.iter().map(literal).collect(),
        Some(value) => vec![literal(value)],
        None => return Err(mandatory("value")),
    };
    let one = values.first().cloned().unwrap_or_default();
    let test = match (json.get("comparator").and_then(Value::as_str).unwrap_or_default(), values.as_slice()) {
        ("equal", [empty]) if empty == "${EMPTY}" => Test::Empty,
        ("not_equal", [empty]) if empty == "${EMPTY}" => Test::NotEmpty,
        ("equal", [_]) => Test::Equal(one),
        ("not_equal", [_]) => Test::NotEqual(one),
        ("less_than", [_]) => Test::Less(one),
        ("less_equal", [_]) => Test::LessEqual(one),
        ("greater_than", [_]) => Test::Greater(one),
        ("greater_equal", [_]) => Test::GreaterEqual(one),
        ("contains", [_]) => Test::Like(format!("%{one}%")),
        ("not_contains", [_]) => Test::NotLike(format!("%{one}%")),
        ("starts_with", [_]) => Test::Like(format!("{one}%")),
        ("ends_with", [_]) => Test::Like(format!("%{one}")),
        ("between", [from, to]) => Test::Between(from.clone(), to.clone()),
        ("in", _) => Test::In(values),
        ("not_in", _) => Test::NotIn(values),
        _ => return Err(invalid("comparator")),
    };
    Ok(Criteria::Is(field, test))
}

fn literal(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn mandatory(name: &str) -> Refusal {
    Refusal::bad("MANDATORY_NOT_FOUND", "required field not found").details(json!({ "api_name": name }))
}

fn invalid(name: &str) -> Refusal {
    Refusal::bad("INVALID_DATA", "invalid data").details(json!({ "api_name": name }))
}

fn not_found() -> Refusal {
    Refusal::new(404, "RESOURCE_NOT_FOUND", "The requested resource doesn't exist.")
}
