//! The query of a mapping. One row per current record (or element), with what it becomes, whether the filter keeps it and
//! which rank it has among rows of its key; nothing is left out here, so that every record can be accounted for.

use tributary_lake::TableName;
use tributary_model::{Field, Normaliser};

use crate::functions::name_of;
use crate::mapping::{Expr, Mapping, ident, literal};

/// Orders all rows of a lake: the commit, then the row within.
const SEQUENCE: &str = "t._commit * 4294967296 + t._row";

/// The raw rows that a query is about: a table, and which of its scopes were withdrawn until when (`scope`, `sequence`).
#[derive(Debug, Clone)]
pub struct Rows {
    pub table: TableName,
    /// `None` where nothing was withdrawn.
    pub withdrawn: Option<TableName>,
    /// A condition on a row `t`: others are as if they were not there.
    pub only: String,
}

impl Rows {
    pub fn all(table: &TableName, withdrawn: Option<TableName>) -> Self {
        Self { table: table.clone(), withdrawn, only: "TRUE".into() }
    }

    /// `FROM` and `WHERE` of the raw rows `t` that are live: not taken back, not withdrawn.
    fn live(&self, mapping: &Mapping, ops: &str) -> String {
        let (join, still) = match &self.withdrawn {
            None => (String::new(), String::new()),
            Some(withdrawn) => (
                format!(" LEFT JOIN {} w ON t._scope = w.scope", name(withdrawn)),
                format!(" AND (w.sequence IS NULL OR {SEQUENCE} > w.sequence)"),
            ),
        };
        format!(
            "FROM {} t{join} WHERE t._op IN ({ops}) AND {} AND {}{still}",
            name(&self.table),
            mapping.stands(),
            self.only
        )
    }

    /// Defines `current`: the newest live row of each key, unless it deletes it. One sort by key, which spills, and whose order the
    /// result keeps.
    fn current(&self, mapping: &Mapping) -> String {
        if mapping.keyed {
            format!(
                "current AS (SELECT * FROM (SELECT t.*, row_number() OVER ({NEWEST}) AS _newest {}) \
                 WHERE _newest = 1 AND _op = 'upsert')",
                self.live(mapping, "'upsert', 'delete'")
            )
        } else {
            format!("current AS (SELECT t.* {})", self.live(mapping, "'upsert'"))
        }
    }
}

const NEWEST: &str = "PARTITION BY t._source_key ORDER BY t._version DESC NULLS LAST, t._commit DESC, t._row DESC";

/// A table's name, quoted.
pub fn name(table: &TableName) -> String {
    format!("{}.{}", ident(&table.layer), ident(&table.name))
}

/// The withdrawals among a raw table's rows `t`.
pub fn withdrawn_sql(mapping: &Mapping, which: &str) -> String {
    format!(
        "SELECT t._scope AS scope, max({SEQUENCE}) AS sequence FROM {} t WHERE t._op = 'replace' AND {} AND {which} \
         GROUP BY t._scope",
        name(&mapping.raw),
        mapping.stands()
    )
}

/// Counts of the raw rows, in one row: all, live, current, keys.
pub fn count_sql(mapping: &Mapping, rows: &Rows) -> String {
    let live = rows.live(mapping, "'upsert', 'delete'");
    let total = total_sql(mapping, rows);
    if mapping.keyed {
        format!(
            "SELECT ({total}) AS total, count(*) AS live, \
             count(*) FILTER (WHERE newest = 1 AND _op = 'upsert') AS picked, count(*) FILTER (WHERE newest = 1) AS keys \
             FROM (SELECT t._op AS _op, row_number() OVER ({NEWEST}) AS newest {live})"
        )
    } else {
        format!(
            "SELECT ({total}) AS total, count(*) AS live, count(*) FILTER (WHERE t._op = 'upsert') AS picked, 0 AS keys {live}"
        )
    }
}

/// Counts the raw rows of a table that count, withdrawn or not.
pub fn total_sql(mapping: &Mapping, rows: &Rows) -> String {
    format!(
        "SELECT count(*) FROM {} t WHERE t._op IN ('upsert', 'delete') AND {} AND {}",
        name(&rows.table),
        mapping.stands(),
        rows.only
    )
}

/// Counts the elements of current records, and the records without any.
pub fn element_count_sql(mapping: &Mapping, rows: &Rows) -> Option<String> {
    let each = mapping.each.as_ref()?.sql();
    Some(format!(
        "WITH {} SELECT coalesce(sum(coalesce(array_length({each}), 0)), 0) AS elements, \
         count(*) FILTER (WHERE coalesce(array_length({each}), 0) = 0) AS without FROM current",
        rows.current(mapping)
    ))
}

/// The columns that [`mapped_sql`] answers, in order: `record_key, keep, rank, source_key, version, commit`, one column per
/// field of the entity, one issue column per mapped field, six columns per identifier.
/// They come in the order of [`Mapping::place`].
pub fn mapped_sql(mapping: &Mapping, rows: &Rows, secret: &str) -> String {
    query(mapping, rows, secret, false)
}

/// The same query with what went into it, in the raw rows' order: after the columns of [`mapped_sql`] come `_row` and
/// `element_no` (0 where no list is taken apart), and as text the value that each field (`raw_<field>`) and each identifier
/// (`raw_i<number>`) was made from.
pub fn traced_sql(mapping: &Mapping, secret: &str) -> String {
    query(mapping, &Rows::all(&mapping.raw, None), secret, true)
}

fn query(mapping: &Mapping, rows: &Rows, secret: &str, traced: bool) -> String {
    let mut with = rows.current(mapping);
    let from = match &mapping.each {
        None => "current",
        Some(each) => {
            let each = each.sql();
            with.push_str(&format!(
                ", element AS (SELECT *, unnest({each}) AS \"each\", unnest(range(1, CAST(array_length({each}) AS BIGINT) + 1)) AS each_no \
                 FROM current WHERE array_length({each}) > 0)"
            ));
            "element"
        }
    };
    let each_no = if mapping.each.is_some() { "each_no" } else { "0" };
    let keep = mapping.filter.as_ref().map_or("true".into(), |filter| format!("coalesce({}, false)", filter.sql()));
    let mut columns = vec![
        format!("{} AS record_key", record_key(mapping, secret)),
        format!("{keep} AS keep"),
        format!("{each_no} AS element_no"),
        "_source_key, _version, _commit, _row".into(),
    ];
    let options = literal(&mapping.options);
    for (name, expr) in &mapping.fields {
        if let Some(field) = mapping.entity.field(name) {
            let call = format!(
                "{}(CAST({} AS VARCHAR), {options}, CAST(_read_at AS DATE))",
                name_of(field.normaliser),
                expr.sql()
            );
            columns.push(format!("{call} AS f_{name}"));
        }
    }
    for (at, identifier) in mapping.identifiers.iter().enumerate() {
        let kind = literal(&identifier.kind);
        let call = |expr: &Expr, function: &str, more: &str| {
            format!("{function}(CAST({} AS VARCHAR), {options}, CAST(_read_at AS DATE){more})", expr.sql())
        };
        columns.push(format!("{} AS i{at}", call(&identifier.value, "clean_identifier", &format!(", {kind}"))));
        columns.push(format!("coalesce(trim(CAST({} AS VARCHAR)), '') AS i{at}_scope", identifier.scope.sql()));
        for (side, bound) in [("from", &identifier.valid_from), ("to", &identifier.valid_to)] {
            if let Some(bound) = bound {
                columns.push(format!("{} AS i{at}_{side}", call(bound, "clean_timestamp", "")));
            }
        }
    }
    let mut answers = outputs(mapping);
    let mut order = format!(" ORDER BY {}", mapping.place());
    if traced {
        let fields = mapping.fields.iter().map(|(name, expr)| (name.clone(), expr));
        let identifiers =
            mapping.identifiers.iter().enumerate().map(|(at, identifier)| (format!("i{at}"), &identifier.value));
        answers.extend(["_row".into(), "element_no".into()]);
        for (name, expr) in fields.chain(identifiers) {
            columns.push(format!("CAST({} AS VARCHAR) AS raw_{name}", expr.sql()));
            answers.push(format!("raw_{name}"));
        }
        order = " ORDER BY _row, element_no".into();
    }
    let rank = if mapping.key.is_empty() {
        "1"
    } else {
        "row_number() OVER (PARTITION BY record_key, keep ORDER BY _version DESC NULLS LAST, _commit DESC, _row DESC, \
         element_no DESC)"
    };
    format!(
        "WITH {with}, mapped AS (SELECT {} FROM {from}) SELECT {} FROM (SELECT *, {rank} AS rank FROM mapped){order}",
        columns.join(", "),
        answers.join(", ")
    )
}

/// The key of a mapped row, as SQL.
pub fn record_key(mapping: &Mapping, secret: &str) -> String {
    let entity = literal(mapping.entity.name);
    let source = literal(&mapping.in_lake);
    if !mapping.key.is_empty() {
        let parts: Vec<_> =
            mapping.key.iter().map(|part| format!("nullif(trim(CAST({} AS VARCHAR)), '')", part.sql())).collect();
        format!("key_of('{secret}', {entity}, {source}, {})", parts.join(", "))
    } else if mapping.each.is_some() {
        format!("key_of('{secret}', {entity}, {source}, _source_key, CAST(each_no AS VARCHAR))")
    } else {
        "_source_key".into()
    }
}

fn outputs(mapping: &Mapping) -> Vec<String> {
    let mut columns: Vec<String> =
        ["record_key", "keep", "rank", "_source_key", "_version", "_commit"].map(String::from).to_vec();
    columns.extend(
        mapping.entity.fields.iter().map(|field| format!("{} AS {}", output(mapping, field), ident(field.name))),
    );
    columns.extend(mapping.fields.iter().map(|(name, _)| format!("f_{name}['issue'] AS x_{name}")));
    for (at, identifier) in mapping.identifiers.iter().enumerate() {
        let bound = |side: &str, there: bool| {
            if there {
                format!("i{at}_{side}['value'] AS i{at}_{side}")
            } else {
                format!("CAST(NULL AS TIMESTAMP WITH TIME ZONE) AS i{at}_{side}")
            }
        };
        columns.push(format!("i{at}['value'] AS i{at}_value"));
        columns.push(format!("i{at}['masked'] AS i{at}_masked"));
        columns.push(format!("i{at}['issue'] AS i{at}_issue"));
        columns.push(bound("from", identifier.valid_from.is_some()));
        columns.push(bound("to", identifier.valid_to.is_some()));
        columns.push(format!("i{at}_scope"));
    }
    columns
}

/// What a column of the entity is filled with: what is mapped to it, or a part of what is mapped beside it.
fn output(mapping: &Mapping, field: &Field) -> String {
    let mapped = |name: &str| mapping.maps(name).is_some();
    let part_of_name = match field.name {
        "family_name" => Some("family"),
        "given_name" => Some("given"),
        "name_masked" => Some("masked"),
        _ => None,
    };
    let part_of_address =
        matches!(field.name, "country" | "province" | "city" | "district" | "street" | "postcode") && mapped("address");
    match (mapped(field.name), part_of_name) {
        (true, _) if field.normaliser == Normaliser::Address => "CAST(NULL AS VARCHAR)".into(),
        (true, _) if part_of_address => format!("coalesce(f_{0}['value'], f_address['{0}'])", field.name),
        (true, _) => format!("f_{}['value']", field.name),
        (false, Some(part)) if mapped("name") => format!("f_name['{part}']"),
        (false, None) if part_of_address => format!("f_address['{}']", field.name),
        (false, None) if field.name == "name" && mapped("family_name") && mapped("given_name") => {
            // Family name first and no space where names are written so.
            let (family, given) = ("f_family_name['value']", "f_given_name['value']");
            format!(
                "nullif(trim(CASE WHEN regexp_like(concat({family}, {given}), '[\\p{{Han}}\\p{{Hangul}}\\p{{Hiragana}}\\p{{Katakana}}]') \
                 THEN concat({family}, {given}) ELSE concat_ws(' ', {given}, {family}) END), '')"
            )
        }
        (false, None) if field.name == "currency" => match &mapping.currency {
            Some(currency) => literal(currency),
            None => "CAST(NULL AS VARCHAR)".into(),
        },
        _ => "NULL".into(),
    }
}
