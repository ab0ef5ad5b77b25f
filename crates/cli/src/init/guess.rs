//! What a stream is about: its entity, the columns of its fields, its key.

use std::collections::{BTreeMap, HashSet};

use crate::columns::Column;
use crate::init::{key, words};

/// Where a field's value comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Column(String),
    /// A column within others.
    Path(Vec<String>),
    /// A column of days and one of times of day.
    Moment(String, String),
    Constant(String),
}

/// A `[[map]]`.
#[derive(Debug, Clone, Default)]
pub struct Map {
    pub to: &'static str,
    pub each: Option<Vec<String>>,
    pub key: Option<Value>,
    pub fields: Vec<(&'static str, Value)>,
    /// Type, scope if it is not the source, value.
    pub identifiers: Vec<(&'static str, Option<String>, Value)>,
}

/// What is guessed of a stream.
#[derive(Debug, Default)]
pub struct Guess {
    pub maps: Vec<Map>,
    pub primary_key: Vec<String>,
    /// Whether the key's name says that it is one, and the sample agrees.
    pub sure: bool,
    pub unused: Vec<String>,
}

/// A field and the roles that fill it, the best first.
type Filled = (&'static str, &'static [&'static str]);

/// The fields of each entity.
#[rustfmt::skip]
const FIELDS: &[(&str, &[Filled])] = &[
    ("party", &[
        ("record_id", &["customer_id", "member_no", "ouid"]), ("name", &["name"]), ("family_name", &["family_name"]),
        ("given_name", &["given_name"]), ("gender", &["gender"]), ("birthday", &["birthday"]), ("company", &["company"]),
        ("language", &["language"]), ("status", &["status"]), ("segment", &["segment"]), ("country", &["country"]),
        ("province", &["province"]), ("city", &["city"]), ("district", &["district"]), ("street", &["street"]),
        ("postcode", &["postcode"]), ("address", &["address"]), ("joined_at", &["joined", "created"]), ("source_ts", &["updated"]),
    ]),
    ("order", &[
        ("order_no", &["order_no"]), ("store_id", &["store", "store_name"]), ("channel", &["channel"]), ("status", &["status"]),
        ("ordered_at", &["ordered_at", "created", "moment"]), ("amount", &["amount"]), ("discount", &["discount"]),
        ("shipping", &["shipping"]), ("currency", &["currency"]), ("source_ts", &["updated"]),
    ]),
    ("order_line", &[
        ("order_no", &["order_no"]), ("line_no", &["line_no"]), ("sku", &["sku"]), ("product_name", &["product_name", "name"]),
        ("category", &["category"]), ("quantity", &["quantity"]), ("unit_price", &["unit_price"]), ("amount", &["amount"]),
        ("discount", &["discount"]), ("currency", &["currency"]),
    ]),
    ("refund", &[
        ("refund_no", &["refund_no"]), ("order_no", &["order_no"]), ("reason", &["reason"]),
        ("amount", &["refund_amount", "amount"]), ("currency", &["currency"]), ("refunded_at", &["refunded_at", "created", "moment"]),
        ("source_ts", &["updated"]),
    ]),
    ("product", &[
        ("sku", &["sku"]), ("name", &["product_name", "name"]), ("brand", &["brand"]), ("category", &["category"]),
        ("subcategory", &["subcategory"]), ("price", &["unit_price"]), ("currency", &["currency"]), ("source_ts", &["updated"]),
    ]),
    ("feedback", &[
        ("score", &["score"]), ("satisfaction", &["satisfaction"]), ("comment", &["comment"]), ("order_no", &["order_no"]),
        ("status", &["status"]), ("given_at", &["given_at", "created", "moment"]), ("source_ts", &["updated"]),
    ]),
    ("loyalty_event", &[
        ("points", &["points"]), ("tier", &["segment"]), ("happened_at", &["created", "moment"]), ("source_ts", &["updated"]),
    ]),
    ("store", &[("store_id", &["store"]), ("name", &["store_name"]), ("source_ts", &["updated"])]),
];

/// The best column of each role.
type Roles = BTreeMap<&'static str, Value>;

pub fn guess(columns: &[Column]) -> Guess {
    let outer = roles(columns.iter().filter(|column| column.list.is_none()));
    let mut lists: Vec<&[String]> = columns.iter().filter_map(|column| column.path.get(..column.list?)).collect();
    lists.dedup();
    let mut maps = Vec::new();
    for list in lists {
        let inner =
            roles(columns.iter().filter(|column| column.list == Some(list.len()) && column.path.starts_with(list)));
        maps.extend(element(list, &inner, &outer));
    }
    let mut all = flat(&outer, maps.iter().any(|map| map.to == "order_line"));
    all.append(&mut maps);
    let (primary_key, sure) = key::guess(columns, &all);
    let someone = ["customer_id", "member_no"].into_iter().find_map(|role| outer.get(role));
    if all.is_empty()
        && sure
        && someone.is_some_and(|value| matches!(value, Value::Column(name) if primary_key == [name.as_str()]))
    {
        all.push(map("party", &outer));
    }
    let used: HashSet<String> = all.iter().flat_map(used).chain(primary_key.clone()).collect();
    let unused = columns.iter().map(Column::name).filter(|name| !used.contains(name)).collect();
    for map in all.iter_mut().filter(|map| map.to == "feedback") {
        scale(map);
    }
    Guess { maps: all, primary_key, sure, unused }
}

fn roles<'a>(columns: impl Iterator<Item = &'a Column>) -> Roles {
    let mut best: BTreeMap<&'static str, (usize, &Column)> = BTreeMap::new();
    for column in columns {
        let inner = column.path.get(column.list.unwrap_or(0)..).unwrap_or_default();
        let Some((role, fit)) = words::role(inner).filter(|_| !column.path[0].starts_with('_')) else { continue };
        if best.get(role).is_none_or(|(known, _)| fit > *known) {
            best.insert(role, (fit, column));
        }
    }
    let moment = moment(&best);
    let mut roles: Roles = best.into_iter().map(|(role, (_, column))| (role, value(column))).collect();
    roles.extend(moment.map(|moment| ("moment", moment)));
    // What stands beside a city is the rest of an address.
    if roles.contains_key("city") && !roles.contains_key("street") {
        roles.remove("address").map(|address| roles.insert("street", address));
    }
    if roles.contains_key("name") {
        roles.remove("family_name");
        roles.remove("given_name");
    }
    roles
}

fn value(column: &Column) -> Value {
    match (column.list, column.path.as_slice()) {
        (None, [name]) => Value::Column(name.clone()),
        (None, path) => Value::Path(path.to_vec()),
        (Some(list), path) => {
            let each = std::iter::once("each".to_owned());
            Value::Path(each.chain(path.get(list..).unwrap_or_default().iter().cloned()).collect())
        }
    }
}

/// When it was: a column of times, a column of days, or both together.
fn moment(best: &BTreeMap<&'static str, (usize, &Column)>) -> Option<Value> {
    let (date, time) = (best.get("date").map(|(_, column)| *column), best.get("time").map(|(_, column)| *column));
    let (Some(date), Some(time)) = (date, time) else { return date.or(time).map(value) };
    let clock = |text: &String| text.len() <= 12 && text.contains(':');
    let mut times = time.values.iter().flatten().peekable();
    if times.peek().is_some() && times.all(clock) && date.path.len() == 1 && time.path.len() == 1 {
        return Some(Value::Moment(date.path[0].clone(), time.path[0].clone()));
    }
    Some(value(time))
}

/// The maps of what is not in a list. `lines`: the lines of an order are in one.
fn flat(roles: &Roles, lines: bool) -> Vec<Map> {
    let has = |role: &str| roles.contains_key(role);
    let any = |some: &[&str]| some.iter().any(|role| has(role));
    let timed = any(&["ordered_at", "created", "moment"]);
    let named = any(&["phone", "email", "member_no", "customer_id", "ouid", "unionid", "openid"]);
    let person = any(&["name", "family_name", "phone", "email", "birthday", "gender"]);
    let thing = any(&["sku", "product_name"]);
    let sale = has("order_no") && (timed || any(&["amount", "quantity"]) || lines);
    let mut maps = Vec::new();
    if any(&["score", "satisfaction"]) && !has("quantity") {
        maps.push(map("feedback", roles));
    } else if has("refund_no") && !has("quantity") {
        maps.push(map("refund", roles));
    } else if sale || (timed && has("amount") && (named || thing) && !any(&["birthday", "gender"])) {
        let flat_lines = !lines && thing && any(&["quantity", "unit_price", "amount"]);
        if has("name") {
            let key = ["ouid", "member_no", "customer_id", "phone", "email"].iter().find_map(|role| roles.get(role));
            maps.extend(key.map(|key| buyer(roles, key)));
        }
        let mut order = map("order", roles);
        order.key = roles.get("order_no").cloned();
        if flat_lines && order.key.is_some() {
            // Those are the lines' own.
            order.fields.retain(|(field, _)| !matches!(*field, "amount" | "discount"));
        }
        maps.push(order);
        if flat_lines && has("order_no") {
            maps.push(Map { identifiers: Vec::new(), ..map("order_line", roles) });
        }
    } else if has("sku")
        && any(&["product_name", "name", "brand", "category", "unit_price"])
        && !any(&["phone", "email", "quantity"])
    {
        maps.push(Map { identifiers: Vec::new(), ..map("product", roles) });
    } else if person {
        maps.push(map("party", roles));
    } else if has("points") && named && timed {
        maps.push(map("loyalty_event", roles));
    } else if has("store") && has("store_name") {
        maps.push(Map { identifiers: Vec::new(), ..map("store", roles) });
    }
    maps
}

/// The person that orders name: one record each, from the newest order.
fn buyer(roles: &Roles, key: &Value) -> Map {
    let own = |role: &str| !matches!(role, "customer_id" | "status" | "segment" | "created" | "joined");
    let roles: Roles = roles.iter().filter(|(role, _)| own(role)).map(|(role, value)| (*role, value.clone())).collect();
    let mut party = map("party", &roles);
    party.fields.retain(|(field, _)| *field != "record_id");
    Map { key: Some(key.clone()), ..party }
}

/// What the records of a list are: lines of an order, or refunds.
fn element(list: &[String], inner: &Roles, outer: &Roles) -> Option<Map> {
    let order_no = outer.get("order_no")?;
    let any = |some: &[&str]| some.iter().any(|role| inner.contains_key(role));
    let (to, key) = if any(&["refund_no", "refund_amount"]) {
        ("refund", "refund_no")
    } else if any(&["sku", "product_name"]) && any(&["quantity", "unit_price", "amount"]) {
        ("order_line", "line_no")
    } else {
        return None;
    };
    let mut roles = inner.clone();
    roles.insert("order_no", order_no.clone());
    let map = map(to, &roles);
    Some(Map { each: Some(list.to_vec()), key: inner.get(key).cloned(), identifiers: Vec::new(), ..map })
}

fn map(to: &'static str, roles: &Roles) -> Map {
    let fields = FIELDS.iter().find(|(entity, _)| *entity == to).map_or(&[][..], |(_, fields)| fields);
    let fields =
        fields.iter().filter_map(|(field, from)| Some((*field, from.iter().find_map(|role| roles.get(role))?.clone())));
    let mut map = Map { to, fields: fields.collect(), ..Map::default() };
    for (kind, role) in [
        ("member_no", "member_no"),
        ("ouid", "ouid"),
        ("unionid", "unionid"),
        ("openid", "openid"),
        ("external_id", "customer_id"),
        ("phone", "phone"),
        ("email", "email"),
    ] {
        let scope = |value: &Value| match (kind, value) {
            ("member_no", _) => Some("programme".to_owned()),
            // Columns of one name hold the same numbers, in whichever source.
            ("external_id", Value::Column(name)) => Some(words::plain(name).replace(' ', "_")),
            _ => None,
        };
        map.identifiers.extend(roles.get(role).map(|value| (kind, scope(value), value.clone())));
    }
    map
}

/// A scale that a header names, `评分(0-10)`, and the kind.
fn scale(map: &mut Map) {
    map.fields.insert(0, ("kind", Value::Constant("survey".into())));
    let Some(at) = map.fields.iter().position(|(field, _)| *field == "score") else { return };
    if let Some((_, Value::Column(name))) = map.fields.get(at)
        && let Some((_, rest)) = name.split_once(['(', '（'])
        && let Some((_, most)) = rest.trim_end_matches([')', '）']).split_once(['-', '~', '–'])
        && most.trim().parse::<u32>().is_ok()
    {
        map.fields.insert(at + 1, ("scale_max", Value::Constant(most.trim().to_owned())));
    }
}

fn used(map: &Map) -> Vec<String> {
    let fields = map
        .fields
        .iter()
        .map(|(_, value)| value)
        .chain(map.identifiers.iter().map(|(_, _, value)| value))
        .chain(&map.key);
    fields
        .flat_map(|value| match value {
            Value::Column(name) => vec![name.clone()],
            Value::Path(path) => match (&map.each, path.split_first()) {
                (Some(list), Some((each, inner))) if each == "each" => {
                    vec![format!("{}[].{}", list.join("."), inner.join("."))]
                }
                _ => vec![path.join(".")],
            },
            Value::Moment(date, time) => vec![date.clone(), time.clone()],
            Value::Constant(_) => Vec::new(),
        })
        .collect()
}
