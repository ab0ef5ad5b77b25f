//! `anyOf` and `oneOf`: which branch was meant, so that the report is of that one and not of all.

use serde_json::Value as Schema;

use super::check::{Checker, absent, example, layout, mismatch, unknown};
use super::jsonschema::{article, branches, branches_str, constants, constants_of, is_null, types};
use super::secret;
use super::suggest;
use super::tree::{Node, Table, Value};
use crate::diagnostic::Span;

impl<'a> Checker<'a> {
    pub(super) fn alternatives(&mut self, schema: &'a Schema, node: &Node, name: &str, depth: usize) {
        for key in ["anyOf", "oneOf"] {
            let branches = branches(schema, key);
            if !branches.is_empty() {
                self.any_of(branches, node, name, example(schema, name), depth);
            }
        }
    }

    fn any_of(&mut self, branches: &'a [Schema], node: &Node, name: &str, example: Option<String>, depth: usize) {
        let mut tried = Vec::new();
        for branch in branches {
            let mut trial = Checker::new(self.root);
            trial.check(branch, node, name, depth + 1);
            if trial.problems.is_empty() {
                self.secrets.append(&mut trial.secrets);
                return;
            }
            tried.push((branch, trial));
        }
        // A literal where one branch is a secret's reference, and the others do not take it.
        if let Some(at) = tried.iter().position(|(branch, _)| Self::is_secret(branch))
            && !matches!(node.value, Value::Table(_))
        {
            return self.take(tried.swap_remove(at).1);
        }
        let resolved: Vec<&Schema> =
            branches.iter().map(|branch| self.resolve(branch)).filter(|branch| !is_null(branch)).collect();
        if let Some(allowed) = resolved.iter().map(|branch| constants(branch)).collect::<Option<Vec<_>>>() {
            return self.unlisted(&allowed.concat(), node, name);
        }
        if let Some(table) = node.as_table()
            && self.by_tag(&resolved, table, node.span, name)
        {
            return;
        }
        let mut fitting: Vec<Checker<'a>> = tried
            .into_iter()
            .filter(|(branch, _)| {
                let branch = self.resolve(branch);
                !is_null(branch) && self.fits_type(branch, node) && self.fits_tags(branch, node)
            })
            .map(|(_, trial)| trial)
            .collect();
        fitting.sort_by_key(|trial| trial.problems.len());
        if let Some(best) = fitting.into_iter().next() {
            return self.take(best);
        }
        let mut expected: Vec<&str> = resolved.iter().flat_map(|branch| types(branch)).collect();
        expected.dedup();
        let expected =
            expected.into_iter().filter(|name| *name != "null").map(article).collect::<Vec<_>>().join(" or ");
        self.problems.push(mismatch(name, &expected, node).maybe_help(layout(&expected, node, name).or(example)));
    }

    fn take(&mut self, mut trial: Checker<'a>) {
        self.problems.append(&mut trial.problems);
        self.secrets.append(&mut trial.secrets);
    }

    /// Tables told apart by a key with a constant (`kind = "csv"`) or by which one key they have (`{ env = … }`): reports
    /// what is wrong with the telling, if anything is.
    fn by_tag(&mut self, branches: &[&'a Schema], table: &Table, span: Span, name: &str) -> bool {
        let objects: Vec<&Schema> =
            branches.iter().copied().filter(|branch| branch.get("properties").is_some()).collect();
        let sole: Vec<&str> = objects
            .iter()
            .filter_map(|branch| match branches_str(branch, "required").as_slice() {
                [key] if constants_of(branch, key).is_none() => Some(*key),
                _ => None,
            })
            .collect();
        if objects.len() > 1 && sole.len() == objects.len() {
            let problems = self.problems.len();
            for entry in table.0.iter().filter(|entry| !sole.contains(&entry.key.as_str())) {
                secret::scalars(&entry.node, &mut self.secrets);
                self.problems.push(unknown(entry, sole.iter().copied()));
            }
            if table.0.len() != 1 {
                self.one_of(sole.iter().copied(), table, span, name);
            }
            return self.problems.len() > problems;
        }
        let Some(tag) = objects.first().and_then(|first| {
            let keys = first.get("properties").and_then(Schema::as_object)?.keys();
            keys.map(String::as_str).find(|key| objects.iter().all(|branch| constants_of(branch, key).is_some()))
        }) else {
            return false;
        };
        let allowed: Vec<Schema> = objects.iter().filter_map(|branch| constants_of(branch, tag)).flatten().collect();
        match table.get(tag) {
            None => {
                let names: Vec<&str> = allowed.iter().filter_map(Schema::as_str).collect();
                self.problems.push(absent(tag, name, span).maybe_help(suggest::known(&names)));
            }
            // The tag is one of the branch's properties, so a wrong one is reported here alone.
            Some(entry) if !allowed.contains(&entry.node.to_json()) => self.unlisted(&allowed, &entry.node, tag),
            Some(_) => return false,
        }
        true
    }

    /// Whether the constants that tell a branch are those of the node.
    fn fits_tags(&self, branch: &Schema, node: &Node) -> bool {
        let Some(table) = node.as_table() else { return true };
        let keys = branch.get("properties").and_then(Schema::as_object).into_iter().flat_map(|own| own.keys());
        keys.filter_map(|key| Some((table.get(key)?, constants_of(branch, key)?)))
            .all(|(entry, allowed)| allowed.contains(&entry.node.to_json()))
    }
}
