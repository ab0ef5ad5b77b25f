//! Which way each column of a stream can be read. The schema says what is wanted, the module's fields say what there is now.

use arrow::datatypes::Schema;

use crate::api::LISTED_FIELDS;
use crate::fields::{Described, Kind, is_name};
use crate::streams::{ID, MODIFIED};

/// Fields that a query shows at most, the id and the time of change among them.
const QUERIED_FIELDS: usize = 500;
/// Fields that an export is known to show.
const EXPORTED_FIELDS: usize = 200;
/// Values of one page of a query, about: wide records come in smaller pages.
const CELLS: usize = 200_000;

/// The columns of a module.
#[derive(Debug, Clone)]
pub(crate) struct Columns {
    /// Those that any way of reading shows.
    plain: Vec<String>,
    /// Those that only lists show.
    listed: Vec<String>,
    /// Those that lists cut short.
    pub rich: Vec<String>,
    /// Whether records have a time of change.
    pub dated: bool,
}

impl Columns {
    /// Those of `schema` that the module still has. Without a description all of them are tried.
    pub(crate) fn new(schema: &Schema, fields: &[Described]) -> Self {
        let mut columns = Self { plain: Vec::new(), listed: Vec::new(), rich: Vec::new(), dated: false };
        for name in schema.fields().iter().map(|field| field.name()).filter(|name| is_name(name)) {
            let field = fields.iter().find(|field| field.name == *name);
            match field.map(|field| field.kind) {
                _ if name == ID => {}
                _ if name == MODIFIED => columns.dated = true,
                None if !fields.is_empty() => {}
                Some(Kind::Children) => {}
                Some(Kind::Json) => columns.listed.push(name.clone()),
                kind => {
                    if kind == Some(Kind::RichText) {
                        columns.rich.push(name.clone());
                    }
                    columns.plain.push(name.clone());
                }
            }
        }
        columns
    }

    /// The lists of columns that queries ask for, one query each; all have the time of change, to tell whether two parts of a
    /// record are of one version.
    pub(crate) fn queried(&self) -> Vec<Vec<String>> {
        self.groups(&self.plain, QUERIED_FIELDS - 1)
    }

    /// The same for lists of records; the first is the one that is walked by.
    pub(crate) fn all_listed(&self) -> Vec<Vec<String>> {
        let all: Vec<String> = self.plain.iter().chain(&self.listed).cloned().collect();
        self.groups(&all, LISTED_FIELDS)
    }

    /// The lists of columns that only lists of records show.
    pub(crate) fn only_listed(&self) -> Vec<Vec<String>> {
        if self.listed.is_empty() { Vec::new() } else { self.groups(&self.listed, LISTED_FIELDS) }
    }

    fn groups(&self, names: &[String], most: usize) -> Vec<Vec<String>> {
        let dated = self.dated.then(|| MODIFIED.to_owned());
        let own = most - usize::from(self.dated);
        let mut groups: Vec<Vec<String>> =
            names.chunks(own).map(|names| dated.iter().chain(names).cloned().collect()).collect();
        if groups.is_empty() {
            groups.push(vec![dated.unwrap_or_else(|| ID.to_owned())]);
        }
        groups
    }

    /// What an export asks for; `None` if it would not show all.
    pub(crate) fn exported(&self) -> Option<Vec<String>> {
        let all: Vec<String> = self.dated.then(|| MODIFIED.to_owned()).into_iter().chain(self.plain.clone()).collect();
        (self.listed.is_empty() && all.len() <= EXPORTED_FIELDS).then_some(all)
    }

    /// How many records a query asks for at once.
    pub(crate) fn page(&self) -> u64 {
        let fitting = CELLS / (self.plain.len() + 1);
        fitting.clamp(200, 2_000) as u64
    }

    /// Whether `name` is a column of these.
    pub(crate) fn has(&self, name: &str) -> bool {
        name == ID || (self.dated && name == MODIFIED) || self.plain.iter().chain(&self.listed).any(|own| own == name)
    }

    /// A query does not show the column `name`: it is taken from lists if it is `still_there`, else it is gone. False if that
    /// changes nothing.
    pub(crate) fn no_query(&mut self, name: &str, still_there: bool) -> bool {
        let Some(place) = self.plain.iter().position(|own| own == name) else { return false };
        let name = self.plain.remove(place);
        if still_there {
            self.listed.push(name);
        } else {
            self.rich.retain(|own| *own != name);
        }
        true
    }
}

/// A column as a query names it; words of the query language itself are quoted.
pub(crate) fn quoted(name: &str) -> String {
    const WORDS: [&str; 40] = [
        "all", "and", "any", "as", "asc", "avg", "between", "by", "case", "count", "cross", "desc", "distinct", "else",
        "end", "external", "from", "group", "having", "in", "inner", "is", "join", "left", "like", "limit", "max",
        "min", "not", "null", "offset", "on", "or", "order", "right", "select", "sum", "then", "union", "where",
    ];
    match WORDS.contains(&name.to_ascii_lowercase().as_str()) {
        true => format!("'{name}'"),
        false => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field};

    use super::*;

    fn described(name: &str, kind: Kind) -> Described {
        Described { name: name.to_owned(), kind }
    }

    fn columns(fields: &[Described]) -> Columns {
        let schema: Vec<Field> = fields.iter().map(|field| Field::new(&field.name, DataType::Utf8, true)).collect();
        Columns::new(&Schema::new(schema), fields)
    }

    #[test]
    fn many_columns_are_asked_for_in_groups_that_all_have_the_time_of_change() {
        let mut fields: Vec<_> = (0..1_000).map(|n| described(&format!("F{n}"), Kind::Text)).collect();
        fields.push(described(MODIFIED, Kind::Time));
        fields.push(described(ID, Kind::Text));
        let columns = columns(&fields);
        let (queried, listed) = (columns.queried(), columns.all_listed());
        assert!(queried.iter().all(|group| group.len() <= 499 && group[0] == MODIFIED));
        assert!(listed.iter().all(|group| group.len() <= 50 && group[0] == MODIFIED));
        for groups in [queried, listed] {
            assert_eq!(groups.iter().map(|group| group.len() - 1).sum::<usize>(), 1_000);
        }
        assert_eq!((columns.page(), columns.exported()), (200, None));
    }

    #[test]
    fn what_queries_do_not_show_is_taken_from_lists_and_what_is_gone_is_not_asked_for() {
        let fields = [described("Name", Kind::Text), described("Photo", Kind::Json), described(MODIFIED, Kind::Time)];
        let mut columns = columns(&fields);
        assert_eq!(columns.queried(), [[MODIFIED, "Name"]]);
        assert_eq!(columns.only_listed(), [[MODIFIED, "Photo"]]);
        assert!(columns.no_query("Name", true) && !columns.no_query("Name", true));
        assert_eq!(
            (columns.queried(), columns.only_listed()),
            (
                vec![vec![MODIFIED.to_owned()]],
                vec![["Photo", "Name"].iter().fold(vec![MODIFIED.to_owned()], |mut all, name| {
                    all.push((*name).to_owned());
                    all
                })]
            )
        );
        assert_eq!(quoted("External"), "'External'");
    }
}
