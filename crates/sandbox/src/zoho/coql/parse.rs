//! Reading the text of a query, by descent; what it may not have too many of is counted here.

use serde_json::json;

use super::exceeded;
use crate::zoho::criteria::{Criteria, Test};
use crate::zoho::refusal::Refusal;

const MOST_COLUMNS: usize = 500;
const MOST_CRITERIA: usize = 25;
const MOST_ORDERS: usize = 10;
const MOST_VALUES: usize = 100;
const MOST_ROWS: usize = 2_000;
const DEEPEST: usize = 50;

fn syntax(clause: &str) -> Refusal {
    Refusal::bad("SYNTAX_ERROR", "error occurred while parsing the query").details(json!({ "clause": clause }))
}

#[derive(Debug, PartialEq)]
pub(super) struct Query {
    pub(super) columns: Vec<String>,
    pub(super) module: String,
    pub(super) criteria: Criteria,
    /// Column, and whether downwards.
    pub(super) orders: Vec<(String, bool)>,
    pub(super) limit: usize,
    pub(super) offset: usize,
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Symbol(String),
}

/// What is left of the query.
struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
}

pub(super) fn parse(text: &str) -> Result<Query, Refusal> {
    let mut parser = Parser { tokens: tokens(text)?.into_iter().peekable() };
    parser.expect("select", "select")?;
    let columns = parser.list(|parser| parser.name("select"))?;
    parser.expect("from", "from")?;
    let module = parser.name("from")?;
    parser.expect("where", "where")?;
    let criteria = parser.criteria(0)?;
    let orders = if parser.takes("order") {
        parser.expect("by", "order by")?;
        parser.list(|parser| {
            let name = parser.name("order by")?;
            let down = parser.takes("desc");
            if !down {
                parser.takes("asc");
            }
            Ok((name, down))
        })?
    } else {
        Vec::new()
    };
    let (mut limit, mut offset) = (200, 0);
    if parser.takes("limit") {
        limit = parser.number("limit")?;
        if parser.takes(",") {
            (offset, limit) = (limit, parser.number("limit")?);
        }
    }
    if parser.takes("offset") {
        offset = parser.number("offset")?;
    }
    if parser.tokens.next().is_some() {
        return Err(syntax("where"));
    }
    let tests = criteria.tests();
    let most_values = tests.iter().filter(|(_, test)| matches!(test, Test::In(_) | Test::NotIn(_)));
    let most_values = most_values.map(|(_, test)| test.literals().len()).max().unwrap_or(0);
    let counts = [
        ("select", columns.len(), MOST_COLUMNS),
        ("where", tests.len(), MOST_CRITERIA),
        ("in", most_values, MOST_VALUES),
        ("order by", orders.len(), MOST_ORDERS),
        ("limit", limit, MOST_ROWS),
    ];
    match counts.iter().find(|(_, count, most)| count > most) {
        Some((clause, _, most)) => Err(exceeded(clause, *most)),
        None => Ok(Query { columns, module, criteria, orders, limit, offset }),
    }
}

impl Parser {
    /// Takes the next token if it is this word or symbol.
    fn takes(&mut self, wanted: &str) -> bool {
        let is = |token: &Token| match token {
            Token::Word(text) | Token::Symbol(text) => text.eq_ignore_ascii_case(wanted),
            Token::Text(_) => false,
        };
        self.tokens.next_if(is).is_some()
    }

    fn expect(&mut self, wanted: &str, clause: &str) -> Result<(), Refusal> {
        if self.takes(wanted) { Ok(()) } else { Err(syntax(clause)) }
    }

    fn name(&mut self, clause: &str) -> Result<String, Refusal> {
        match self.tokens.next() {
            Some(Token::Word(name)) => Ok(name),
            _ => Err(syntax(clause)),
        }
    }

    fn number(&mut self, clause: &str) -> Result<usize, Refusal> {
        self.name(clause)?.parse().map_err(|_| syntax(clause))
    }

    fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Result<T, Refusal>) -> Result<Vec<T>, Refusal> {
        let mut all = vec![one(self)?];
        while self.takes(",") {
            all.push(one(self)?);
        }
        Ok(all)
    }

    /// One condition, or a pair of them; a third needs brackets.
    fn criteria(&mut self, depth: usize) -> Result<Criteria, Refusal> {
        let left = self.condition(depth)?;
        let all = self.takes("and");
        if !all && !self.takes("or") {
            return Ok(left);
        }
        let pair = vec![left, self.condition(depth)?];
        if self.takes("and") || self.takes("or") {
            return Err(syntax("where"));
        }
        Ok(if all { Criteria::All(pair) } else { Criteria::Any(pair) })
    }

    fn condition(&mut self, depth: usize) -> Result<Criteria, Refusal> {
        if depth > DEEPEST {
            return Err(syntax("where"));
        }
        if self.takes("(") {
            let inner = self.criteria(depth + 1)?;
            self.expect(")", "where")?;
            return Ok(inner);
        }
        let column = self.name("where")?;
        let test = self.test()?;
        Ok(Criteria::Is(column, test))
    }

    fn test(&mut self) -> Result<Test, Refusal> {
        if self.takes("is") {
            let not = self.takes("not");
            self.expect("null", "where")?;
            return Ok(if not { Test::NotEmpty } else { Test::Empty });
        }
        if self.takes("between") {
            let from = self.literal()?;
            self.expect("and", "where")?;
            return Ok(Test::Between(from, self.literal()?));
        }
        let not = self.takes("not");
        if self.takes("in") {
            self.expect("(", "where")?;
            let values = self.list(Self::literal)?;
            self.expect(")", "where")?;
            return Ok(if not { Test::NotIn(values) } else { Test::In(values) });
        }
        if self.takes("like") {
            let pattern = self.literal()?;
            return Ok(if not { Test::NotLike(pattern) } else { Test::Like(pattern) });
        }
        let Some(Token::Symbol(symbol)) = self.tokens.next() else {
            return Err(syntax("where"));
        };
        let literal = self.literal()?;
        match symbol.as_str() {
            "=" => Ok(Test::Equal(literal)),
            "!=" | "<>" => Ok(Test::NotEqual(literal)),
            "<" => Ok(Test::Less(literal)),
            "<=" => Ok(Test::LessEqual(literal)),
            ">" => Ok(Test::Greater(literal)),
            ">=" => Ok(Test::GreaterEqual(literal)),
            _ => Err(syntax("where")),
        }
    }

    fn literal(&mut self) -> Result<String, Refusal> {
        match self.tokens.next() {
            Some(Token::Text(text) | Token::Word(text)) => Ok(text),
            _ => Err(syntax("where")),
        }
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, Refusal> {
    let (mut tokens, mut rest) = (Vec::new(), text.trim_start());
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' => {
                let end = rest[1..].find('\'').ok_or_else(|| syntax("where"))?;
                tokens.push(Token::Text(rest[1..=end].to_owned()));
                end + 2
            }
            '(' | ')' | ',' => {
                tokens.push(Token::Symbol(first.into()));
                1
            }
            '=' | '<' | '>' | '!' => {
                let end = rest.find(|c| !"=<>!".contains(c)).unwrap_or(rest.len());
                tokens.push(Token::Symbol(rest[..end].to_owned()));
                end
            }
            _ => {
                let end = rest.find(|c: char| c.is_whitespace() || "(),=<>!'".contains(c)).unwrap_or(rest.len());
                tokens.push(Token::Word(rest[..end].to_owned()));
                end
            }
        };
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read() {
        let query = parse(
            "SELECT id, Account_Name.Account_Name FROM Contacts WHERE ((Email is not null and Gender = 'Female') \
             or Mobile in ('1','2')) order by Modified_Time desc, id LIMIT 5 OFFSET 10",
        );
        let query = query.unwrap();
        assert_eq!(query.columns, ["id", "Account_Name.Account_Name"]);
        assert_eq!((query.limit, query.offset), (5, 10));
        assert_eq!(query.orders, [("Modified_Time".to_owned(), true), ("id".to_owned(), false)]);
        assert_eq!(query.criteria.tests().len(), 3);
        assert_eq!(parse("select id from Leads where id is not null limit 20, 10").unwrap().offset, 20);
    }

    #[test]
    fn a_third_condition_needs_brackets() {
        assert!(parse("select id from Leads where a = 1 and b = 2").is_ok());
        assert!(parse("select id from Leads where a = 1 and b = 2 and c = 3").is_err());
        assert!(parse("select id from Leads where ((a = 1 and b = 2) and c = 3)").is_ok());
        assert!(parse("select id from Leads").is_err());
    }
}
