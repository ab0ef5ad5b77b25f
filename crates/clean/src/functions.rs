//! The normalisers as DataFusion functions: named, without closures, options as arguments, so that a plan can travel.
//!
//! Each is `clean_<kind>(text, options, today)` and answers a struct: the value (or its parts), whether it is masked where
//! that can be, and `issue`, the kind of field issue or null. `options` is `region|zone|date order`.

use std::hash::Hash;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanBuilder, Date32Builder, Decimal128Builder, Int64Builder, StringBuilder,
    StructArray, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, Date32Type, Field, Fields};
use chrono::{Datelike, NaiveDate};
use tributary_engine::datafusion::common::{Result, ScalarValue, exec_datafusion_err};
use tributary_engine::datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use tributary_model::Normaliser;

use crate::normalise::{self, DateOrder, IssueKind};

/// What a function normalises to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Text,
    Code,
    PersonName,
    Gender,
    Birthday,
    Date,
    Timestamp,
    Money,
    Quantity,
    Integer,
    Address,
    Province,
    City,
    District,
    /// `clean_identifier(text, options, today, type)`.
    Identifier,
}

const KINDS: &[(&str, Kind)] = &[
    ("clean_text", Kind::Text),
    ("clean_code", Kind::Code),
    ("clean_person_name", Kind::PersonName),
    ("clean_gender", Kind::Gender),
    ("clean_birthday", Kind::Birthday),
    ("clean_date", Kind::Date),
    ("clean_timestamp", Kind::Timestamp),
    ("clean_money", Kind::Money),
    ("clean_quantity", Kind::Quantity),
    ("clean_integer", Kind::Integer),
    ("clean_address", Kind::Address),
    ("clean_province", Kind::Province),
    ("clean_city", Kind::City),
    ("clean_district", Kind::District),
    ("clean_identifier", Kind::Identifier),
];

/// The name of a normaliser's function.
pub fn name_of(normaliser: Normaliser) -> String {
    format!("clean_{}", normaliser.as_str())
}

/// All functions of this crate, for a session to register.
pub fn functions() -> Vec<ScalarUDF> {
    KINDS.iter().map(|(name, kind)| ScalarUDF::from(Cleaner::new(name, *kind))).collect()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Cleaner {
    name: &'static str,
    kind: Kind,
    signature: Signature,
}

impl Cleaner {
    fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, signature: Signature::variadic_any(Volatility::Immutable) }
    }

    fn fields(&self) -> Fields {
        let text = |name: &str| Field::new(name, DataType::Utf8, true);
        let mut fields = match self.kind {
            Kind::PersonName => {
                vec![text("value"), text("family"), text("given"), Field::new("masked", DataType::Boolean, true)]
            }
            Kind::Identifier => vec![text("value"), Field::new("masked", DataType::Boolean, true)],
            Kind::Address => ["country", "province", "city", "district", "street", "postcode"].map(text).to_vec(),
            _ => vec![Field::new("value", self.value_type(), true)],
        };
        fields.push(text("issue"));
        fields.into()
    }

    fn value_type(&self) -> DataType {
        match self.kind {
            Kind::Birthday | Kind::Date => Normaliser::Date.data_type(),
            Kind::Timestamp => Normaliser::Timestamp.data_type(),
            Kind::Money => Normaliser::Money.data_type(),
            Kind::Quantity => Normaliser::Quantity.data_type(),
            Kind::Integer => DataType::Int64,
            _ => DataType::Utf8,
        }
    }
}

/// `region|zone|date order`, parsed once per batch.
struct Options {
    region: String,
    zone: chrono_tz::Tz,
    order: DateOrder,
}

impl Options {
    fn parse(text: &str) -> Result<Self> {
        let mut parts = text.split('|');
        let region = parts.next().unwrap_or_default().to_owned();
        let zone = parts.next().unwrap_or("UTC");
        let zone = zone.parse().map_err(|_| exec_datafusion_err!("`{zone}` is not a time zone"))?;
        let order = match parts.next() {
            Some("mdy") => DateOrder::Mdy,
            Some("dmy") => DateOrder::Dmy,
            _ => DateOrder::Ymd,
        };
        Ok(Self { region, zone, order })
    }
}

impl ScalarUDFImpl for Cleaner {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Struct(self.fields()))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let text = match args.args.first() {
            Some(value) => arrow::compute::cast(&value.to_array(rows)?, &DataType::Utf8)?,
            None => return Err(exec_datafusion_err!("`{}` needs a text", self.name)),
        };
        let text = text.as_string::<i32>();
        let literal = |at: usize| match args.args.get(at) {
            Some(ColumnarValue::Scalar(ScalarValue::Utf8(Some(value)) | ScalarValue::Utf8View(Some(value)))) => {
                value.as_str()
            }
            _ => "",
        };
        let options = Options::parse(literal(1))?;
        let texts = (0..rows).map(|row| if text.is_null(row) { None } else { Some(text.value(row)) });
        let columns = match self.kind {
            Kind::Text | Kind::Code | Kind::Gender | Kind::Province | Kind::City | Kind::District => {
                words(self.kind, texts)
            }
            Kind::PersonName => names(texts),
            Kind::Identifier => identifiers(literal(3), &options, texts),
            Kind::Address => addresses(&options, texts),
            Kind::Birthday | Kind::Date => {
                let today = match args.args.get(2) {
                    Some(value) if self.kind == Kind::Birthday => {
                        Some(arrow::compute::cast(&value.to_array(rows)?, &DataType::Date32)?)
                    }
                    _ => None,
                };
                dates(&options, today.as_ref(), texts)
            }
            Kind::Timestamp => timestamps(&options, texts),
            Kind::Money => decimals(19, 4, texts, normalise::money)?,
            Kind::Quantity => decimals(18, 3, texts, normalise::quantity)?,
            Kind::Integer => integers(texts),
        };
        Ok(ColumnarValue::Array(Arc::new(StructArray::try_new(self.fields(), columns, None)?)))
    }
}

fn issue_of(issues: &mut StringBuilder, issue: Option<IssueKind>) {
    issues.append_option(issue.map(IssueKind::as_str));
}

fn words<'a>(kind: Kind, texts: impl Iterator<Item = Option<&'a str>>) -> Vec<ArrayRef> {
    let (mut values, mut issues) = (StringBuilder::new(), StringBuilder::new());
    for text in texts {
        let Some(text) = text else {
            values.append_null();
            issues.append_null();
            continue;
        };
        let mut issue = None;
        match kind {
            Kind::Gender => match normalise::gender(text) {
                Ok(gender) => values.append_option(gender.map(|gender| gender.as_str())),
                Err(kind) => {
                    values.append_null();
                    issue = Some(kind);
                }
            },
            Kind::Province => values.append_option(normalise::province(text)),
            Kind::City => values.append_option(normalise::city(text)),
            Kind::District => values.append_option(normalise::district(text)),
            _ => values.append_option(normalise::text(text)),
        }
        issue_of(&mut issues, issue);
    }
    vec![Arc::new(values.finish()), Arc::new(issues.finish())]
}

fn names<'a>(texts: impl Iterator<Item = Option<&'a str>>) -> Vec<ArrayRef> {
    let [mut value, mut family, mut given, mut issues] = std::array::from_fn(|_| StringBuilder::new());
    let mut masked = BooleanBuilder::new();
    for text in texts {
        let (name, issue) = match text.map(normalise::person_name) {
            None => (None, None),
            Some(Ok(name)) => (name, None),
            Some(Err(kind)) => (None, Some(kind)),
        };
        masked.append_option(name.as_ref().map(|name| name.masked));
        value.append_option(name.as_ref().map(|name| name.value.as_str()));
        family.append_option(name.as_ref().and_then(|name| name.family.as_deref()));
        given.append_option(name.as_ref().and_then(|name| name.given.as_deref()));
        issue_of(&mut issues, issue);
    }
    vec![
        Arc::new(value.finish()),
        Arc::new(family.finish()),
        Arc::new(given.finish()),
        Arc::new(masked.finish()),
        Arc::new(issues.finish()),
    ]
}

fn identifiers<'a>(kind: &str, options: &Options, texts: impl Iterator<Item = Option<&'a str>>) -> Vec<ArrayRef> {
    let (mut values, mut issues) = (StringBuilder::new(), StringBuilder::new());
    let mut masked = BooleanBuilder::new();
    for text in texts {
        let found = match (text, kind) {
            (None, _) => Ok(None),
            (Some(text), "phone") => {
                normalise::phone(text, &options.region).map(|phone| phone.map(|phone| (phone.value, phone.masked)))
            }
            (Some(text), "email") => normalise::email(text).map(|email| email.map(|email| (email.value, email.masked))),
            (Some(text), kind) => normalise::identifier(kind, text),
        };
        let (found, issue) = match found {
            Ok(found) => (found, None),
            Err(kind) => (None, Some(kind)),
        };
        masked.append_option(found.as_ref().map(|(_, masked)| *masked));
        values.append_option(found.map(|(value, _)| value));
        issue_of(&mut issues, issue);
    }
    vec![Arc::new(values.finish()), Arc::new(masked.finish()), Arc::new(issues.finish())]
}

fn addresses<'a>(options: &Options, texts: impl Iterator<Item = Option<&'a str>>) -> Vec<ArrayRef> {
    let mut parts: [StringBuilder; 6] = std::array::from_fn(|_| StringBuilder::new());
    let mut issues = StringBuilder::new();
    for text in texts {
        let (address, issue) = match text.map(|text| normalise::address(text, &options.region)) {
            None => (None, None),
            Some(Ok(address)) => (address, None),
            Some(Err(kind)) => (None, Some(kind)),
        };
        let values = address.map(|a| [a.country, a.province, a.city, a.district, a.street, a.postcode]);
        for (part, value) in parts.iter_mut().zip(values.unwrap_or_default()) {
            part.append_option(value);
        }
        issue_of(&mut issues, issue);
    }
    let mut columns: Vec<ArrayRef> = parts.into_iter().map(|mut part| Arc::new(part.finish()) as ArrayRef).collect();
    columns.push(Arc::new(issues.finish()));
    columns
}

fn days(date: NaiveDate) -> i32 {
    const EPOCH: i32 = 719_163;
    date.num_days_from_ce() - EPOCH
}

fn dates<'a>(
    options: &Options,
    today: Option<&ArrayRef>,
    texts: impl Iterator<Item = Option<&'a str>>,
) -> Vec<ArrayRef> {
    let today = today.map(|today| today.as_primitive::<Date32Type>());
    let mut values = Date32Builder::new();
    let mut issues = StringBuilder::new();
    for (row, text) in texts.enumerate() {
        let found = match (text, today) {
            (None, _) => Ok(None),
            (Some(text), Some(today)) => {
                let today = today.value_as_date(row).unwrap_or(NaiveDate::MAX);
                normalise::birthday(text, options.order, today)
            }
            (Some(text), None) => normalise::date(text, options.order),
        };
        values.append_option(found.ok().flatten().map(days));
        issue_of(&mut issues, found.err());
    }
    vec![Arc::new(values.finish()), Arc::new(issues.finish())]
}

fn timestamps<'a>(options: &Options, texts: impl Iterator<Item = Option<&'a str>>) -> Vec<ArrayRef> {
    let mut values = TimestampMicrosecondBuilder::new().with_timezone("UTC");
    let mut issues = StringBuilder::new();
    for text in texts {
        let found = text.map_or(Ok(None), |text| normalise::timestamp(text, options.zone, options.order));
        values.append_option(found.ok().flatten().map(|at| at.timestamp_micros()));
        issue_of(&mut issues, found.err());
    }
    vec![Arc::new(values.finish()), Arc::new(issues.finish())]
}

fn decimals<'a>(
    precision: u8,
    scale: i8,
    texts: impl Iterator<Item = Option<&'a str>>,
    parse: fn(&str) -> std::result::Result<Option<i128>, IssueKind>,
) -> Result<Vec<ArrayRef>> {
    let mut values = Decimal128Builder::new().with_precision_and_scale(precision, scale)?;
    let mut issues = StringBuilder::new();
    for text in texts {
        let found = text.map_or(Ok(None), parse);
        values.append_option(found.ok().flatten());
        issue_of(&mut issues, found.err());
    }
    Ok(vec![Arc::new(values.finish()), Arc::new(issues.finish())])
}

fn integers<'a>(texts: impl Iterator<Item = Option<&'a str>>) -> Vec<ArrayRef> {
    let mut values = Int64Builder::new();
    let mut issues = StringBuilder::new();
    for text in texts {
        let text = text.map(str::trim).filter(|text| !normalise::is_null(text));
        let value = text.map(|text| text.strip_suffix(".0").unwrap_or(text).parse::<i64>());
        issue_of(&mut issues, matches!(value, Some(Err(_))).then_some(IssueKind::Unparsable));
        values.append_option(value.and_then(std::result::Result::ok));
    }
    vec![Arc::new(values.finish()), Arc::new(issues.finish())]
}
