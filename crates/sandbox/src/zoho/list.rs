//! Reading records: lists in pages, one record, how many there are, and which are gone.
//!
//! A page token is a place in the list as it then is, not a copy of the list: rows that come and go between two pages shift
//! the rest. `If-Modified-Since` is no part of what a token is bound to; that the vendor's documents leave open, as they do the code of a
//! `per_page` that is too large.

use serde_json::json;

use super::Crm;
use super::refusal::Refusal;
use super::route::Caller;
use super::store::{Record, Table};
use crate::chance::scramble;
use crate::clock::{DAY, read, written};
use crate::http::{Answer, Request};

const MOST_PER_PAGE: usize = 200;
const MOST_FIELDS: usize = 50;
/// How long deleted records are told of: those in the recycle bin, and those that left it.
pub(super) const RECYCLED: i64 = 60 * DAY;
const PERMANENT: i64 = 120 * DAY;

/// A place in a list.
#[derive(Debug, Clone)]
pub(super) struct PageToken {
    pub(super) start: usize,
    user: usize,
    /// All other parameters.
    bound_to: String,
    expires: i64,
}

/// Which part of a list is asked for.
struct Page {
    start: usize,
    size: usize,
}

impl Crm {
    pub(super) fn list(&mut self, request: &Request, module: &str, caller: Caller) -> Result<Answer, Refusal> {
        if request.parameter("cvid").is_some() && request.parameter("sort_by").is_some() {
            return Err(ambiguous("cvid", "sort_by"));
        }
        if request.parameter("cvid").is_some() {
            return Err(Refusal::parameter("cvid"));
        }
        let fields = request.parameter("fields").filter(|fields| !fields.is_empty()).ok_or_else(|| {
            Refusal::bad("REQUIRED_PARAM_MISSING", "One of the expected parameter is missing")
                .details(json!({ "param_name": "fields" }))
        })?;
        let fields: Vec<&str> = fields.split(',').map(str::trim).collect();
        if fields.len() > MOST_FIELDS {
            return Err(Refusal::bad("LIMIT_EXCEEDED", "the limit of fields is exceeded")
                .details(json!({ "limit": MOST_FIELDS, "param_name": "fields" })));
        }
        let sort_by = request.parameter("sort_by").unwrap_or("id");
        let key: fn(&Record) -> i64 = match sort_by {
            "id" => |_| 0,
            "Created_Time" => |record| record.created,
            "Modified_Time" => |record| record.modified,
            _ => return Err(Refusal::parameter("sort_by")),
        };
        let sort_order = request.parameter("sort_order").unwrap_or("desc");
        if !matches!(sort_order, "asc" | "desc") {
            return Err(Refusal::parameter("sort_order"));
        }
        let since = modified_since(request)?;
        let page = self.page(request, caller)?;
        self.spend(1)?;

        let table = self.store.table(module).ok_or_else(Refusal::module)?;
        let wanted = selected(request, table, since)?;
        let mut rows: Vec<&Record> = table.records.values().filter(|record| wanted(record)).collect();
        rows.sort_unstable_by_key(|record| (key(record), record.id));
        if sort_order == "desc" {
            rows.reverse();
        }
        if rows.is_empty() && since.is_some() {
            return Ok(Answer::empty(304));
        }
        let data: Vec<_> = rows.iter().skip(page.start).take(page.size).collect();
        if data.is_empty() {
            return Ok(Answer::empty(204));
        }
        let more = page.start + data.len() < rows.len();
        let data: Vec<_> = data.iter().map(|record| self.listed(table, record, &fields, caller.offset)).collect();
        let (count, now) = (data.len(), self.clock.now());
        let expires = now + self.options.limits.page_token_seconds;
        let next = more.then(|| self.page_token(request, page.start + page.size, caller, expires));
        let previous =
            (page.start > 0).then(|| self.page_token(request, page.start.saturating_sub(page.size), caller, expires));
        let body = json!({
            "data": data,
            "info": {
                "call": false, "email": false, "per_page": page.size, "count": count, "page": page.start / page.size + 1,
                "sort_by": sort_by, "sort_order": sort_order, "more_records": more,
                "page_token_expiry": (next.is_some() || previous.is_some()).then(|| written(expires, caller.offset)),
                "next_page_token": next, "previous_page_token": previous,
            },
        });
        Ok(Answer::json(200, &body))
    }

    /// The page that a request asks for, by number or by token.
    fn page(&self, request: &Request, caller: Caller) -> Result<Page, Refusal> {
        let limits = &self.options.limits;
        let size = number(request, "per_page", MOST_PER_PAGE)?;
        if size > MOST_PER_PAGE {
            return Err(Refusal::parameter("per_page"));
        }
        let size = if request.parameter("ids").is_some() { size } else { size.min(limits.served) };
        let Some(token) = request.parameter("page_token") else {
            let start = (number(request, "page", 1)? - 1) * size;
            if start + size > limits.paged {
                return Err(Refusal::bad(
                    "DISCRETE_PAGINATION_LIMIT_EXCEEDED",
                    "you can get only the first 2000 records without page_token param",
                )
                .details(json!({ "limit": limits.paged })));
            }
            return Ok(Page { start, size });
        };
        if request.parameter("page").is_some() {
            return Err(ambiguous("page", "page_token"));
        }
        let known = self.page_tokens.get(token).filter(|known| known.user == caller.user);
        let known = known.ok_or_else(|| Refusal::parameter("page_token"))?;
        if known.expires <= self.clock.now() {
            return Err(Refusal::bad("EXPIRED_VALUE", "the page token is expired")
                .details(json!({ "param_name": "page_token" })));
        }
        if known.bound_to != bound_to(request) {
            return Err(Refusal::bad(
                "TOKEN_BOUND_DATA_MISMATCH",
                "the parameters differ from those of the page token",
            )
            .details(json!({ "param_name": "page_token" })));
        }
        if known.start >= limits.paged_by_token {
            return Err(Refusal::bad("PAGINATION_LIMIT_EXCEEDED", "you can get only 100000 records with page tokens")
                .details(json!({ "limit": limits.paged_by_token })));
        }
        Ok(Page { start: known.start, size })
    }

    fn page_token(&mut self, request: &Request, start: usize, caller: Caller, expires: i64) -> String {
        self.tokens_made += 1;
        let drawn = scramble(self.options.seed ^ scramble(self.tokens_made));
        let text = format!("{drawn:016x}{:016x}", scramble(drawn));
        let token = PageToken { start, user: caller.user, bound_to: bound_to(request), expires };
        self.page_tokens.insert(text.clone(), token);
        text
    }

    /// One record, whole.
    pub(super) fn get(&mut self, module: &str, id: &str, caller: Caller) -> Result<Answer, Refusal> {
        let id: u64 = id.parse().map_err(|_| Refusal::url())?;
        self.spend(1)?;
        let table = self.store.table(module).ok_or_else(Refusal::module)?;
        Ok(match table.records.get(&id) {
            Some(record) => Answer::json(200, &json!({ "data": [self.single(table, record, caller.offset)] })),
            None => Answer::empty(204),
        })
    }

    pub(super) fn count(&mut self, module: &str) -> Result<Answer, Refusal> {
        self.spend(1)?;
        let table = self.store.table(module).ok_or_else(Refusal::module)?;
        let count = table.records.values().filter(|record| !record.converted).count();
        Ok(Answer::json(200, &json!({ "count": count })))
    }

    pub(super) fn deleted(&mut self, request: &Request, module: &str, caller: Caller) -> Result<Answer, Refusal> {
        let kind = request.parameter("type").unwrap_or("all");
        if !matches!(kind, "all" | "recycle" | "permanent") {
            return Err(Refusal::parameter("type"));
        }
        let (size, page) = (number(request, "per_page", MOST_PER_PAGE)?, number(request, "page", 1)?);
        if size > MOST_PER_PAGE {
            return Err(Refusal::parameter("per_page"));
        }
        let size = size.min(self.options.limits.served);
        let since = modified_since(request)?.unwrap_or(i64::MIN);
        self.spend(2)?;
        let now = self.clock.now();
        let table = self.store.table(module).ok_or_else(Refusal::module)?;
        let told: Vec<_> = table
            .deleted
            .iter()
            .filter(|gone| gone.at >= since.max(now - if gone.permanent { PERMANENT } else { RECYCLED }))
            .filter(|gone| kind == "all" || (kind == "permanent") == gone.permanent)
            .collect();
        let start = (page - 1) * size;
        let data: Vec<_> = told
            .iter()
            .skip(start)
            .take(size)
            .map(|gone| {
                let user = self.user(gone.owner);
                let user = (!gone.permanent).then(|| json!({ "name": user.name, "id": user.id.to_string() }));
                json!({
                    "id": gone.id.to_string(), "display_name": gone.title,
                    "type": if gone.permanent { "permanent" } else { "recycle" },
                    "deleted_time": written(gone.at, caller.offset), "deleted_by": user, "created_by": user,
                })
            })
            .collect();
        if data.is_empty() {
            return Ok(Answer::empty(204));
        }
        let more = start + data.len() < told.len();
        let info = json!({ "per_page": size, "count": data.len(), "page": page, "more_records": more });
        Ok(Answer::json(200, &json!({ "data": data, "info": info })))
    }
}

/// Which records of a table a request is about.
fn selected(request: &Request, table: &Table, since: Option<i64>) -> Result<impl Fn(&Record) -> bool + use<>, Refusal> {
    let ids: Option<Vec<u64>> = match request.parameter("ids") {
        Some(ids) => Some(
            ids.split(',')
                .map(|id| id.trim().parse())
                .collect::<Result<_, _>>()
                .map_err(|_| Refusal::parameter("ids"))?,
        ),
        None => None,
    };
    let converted = match request.parameter("converted").unwrap_or("false") {
        "false" => Some(false),
        "true" => Some(true),
        "both" => None,
        _ => return Err(Refusal::parameter("converted")),
    };
    let leads = table.module.name == "Leads";
    Ok(move |record: &Record| {
        (!leads || converted.is_none_or(|converted| record.converted == converted))
            && since.is_none_or(|since| record.modified >= since)
            && ids.as_ref().is_none_or(|ids| ids.contains(&record.id))
    })
}

fn modified_since(request: &Request) -> Result<Option<i64>, Refusal> {
    let header = request.header("if-modified-since");
    header.map(|time| read(time).ok_or_else(|| Refusal::parameter("If-Modified-Since"))).transpose()
}

/// A parameter that is a number from one.
fn number(request: &Request, name: &str, default: usize) -> Result<usize, Refusal> {
    let Some(text) = request.parameter(name) else {
        return Ok(default);
    };
    text.parse().ok().filter(|&number| number > 0).ok_or_else(|| Refusal::parameter(name))
}

/// All parameters but those that say which page, in order of their names.
fn bound_to(request: &Request) -> String {
    let mut others: Vec<String> = request
        .query
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "page" | "page_token"))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    others.sort_unstable();
    format!("{}?{}", request.path, others.join("&"))
}

fn ambiguous(one: &str, other: &str) -> Refusal {
    Refusal::bad("AMBIGUITY_DURING_PROCESSING", "the parameters cannot be given together")
        .details(json!({ "ambiguity_due_to": [{ "param_name": one }, { "param_name": other }] }))
}
