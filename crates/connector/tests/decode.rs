//! What decoding promises: each record found is a row or is rejected alone, and no value is lost or changed on the way.

#![expect(clippy::unwrap_used, reason = "a test may")]

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{
    DataType, Decimal128Type, Field, Fields, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use bytes::Bytes;
use encoding_rs::Encoding;
use proptest::prelude::*;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use tributary_connector::decode::{Decoded, decode, records};
use tributary_connector::{
    CsvDialect, CsvPage, Data, EPOCH, JsonPage, JsonShape, MEMBER, Op, Page, SEPARATOR, TIMEZONE,
};

fn page(data: Data) -> Page {
    Page {
        partition: "p".into(),
        scope: "p#1".into(),
        version: None,
        first_record: 10,
        records: 0,
        op: Op::Upsert,
        data,
    }
}

fn csv_page(bytes: &[u8], header: &[&str], encoding: &'static Encoding, delimiter: u8) -> Page {
    let header = header.iter().map(|name| (*name).to_owned()).collect();
    let dialect = Arc::new(CsvDialect { delimiter, quote: b'"', encoding, header });
    page(Data::Csv(CsvPage { bytes: Bytes::copy_from_slice(bytes), dialect, first_line: 5 }))
}

fn texts(names: &[&str]) -> SchemaRef {
    Arc::new(Schema::new(names.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect::<Vec<_>>()))
}

fn csv(text: &str, header: &[&str]) -> Decoded {
    decode(&csv_page(text.as_bytes(), header, encoding_rs::UTF_8, b','), &texts(header)).unwrap()
}

fn json(text: &str, shape: JsonShape, schema: &SchemaRef) -> Decoded {
    let bytes = Bytes::copy_from_slice(text.as_bytes());
    decode(&page(Data::Json(JsonPage { bytes, shape, first_line: 1 })), schema).unwrap()
}

/// A column whose times may be counted from 1970.
fn counted(name: &str, data_type: DataType, unit: &str, zone: &str) -> Field {
    Field::new(name, data_type, true)
        .with_metadata(HashMap::from([(EPOCH.into(), unit.into()), (TIMEZONE.into(), zone.into())]))
}

/// The rows as text, nulls as `∅`.
fn rows(batch: &RecordBatch) -> Vec<Vec<String>> {
    let options = FormatOptions::default().with_null("∅");
    let columns: Vec<_> = batch.columns().iter().map(|c| ArrayFormatter::try_new(c, &options).unwrap()).collect();
    (0..batch.num_rows()).map(|row| columns.iter().map(|c| c.value(row).to_string()).collect()).collect()
}

fn extra(decoded: &Decoded) -> Vec<Option<&str>> {
    decoded.extra.iter().collect()
}

#[test]
fn quoted_fields_hold_delimiters_line_ends_and_quotes() {
    let decoded = csv("1,\"a,\"\"b\"\"\r\nc\",x\r\n2,say \"hi\",\"\"\r\n\r\n3,,\"z\"", &["id", "text", "end"]);
    assert_eq!(rows(&decoded.batch), [["1", "a,\"b\"\r\nc", "x"], ["2", "say \"hi\"", "∅"], ["3", "∅", "z"]]);
    assert_eq!(decoded.record.values(), &[10, 11, 12]);
    assert!(decoded.rejected.is_empty());
}

#[test]
fn ragged_rows_are_rejected_alone_with_their_line_and_bytes() {
    for quote in ["", "\"q\nq\""] {
        let text = format!("1,2\n3\n\n4,{quote}\n5,6,7\r\n8,9\n");
        let decoded = csv(&text, &["a", "b"]);
        assert_eq!(decoded.batch.num_rows(), 3);
        assert_eq!(decoded.record.values(), &[10, 12, 14]);
        let errors: Vec<_> =
            decoded.rejected.iter().map(|r| (r.record, r.line.unwrap(), &r.bytes[..], r.error.as_str())).collect();
        let last = if quote.is_empty() { 9 } else { 10 };
        assert_eq!(
            errors,
            [
                (11, 6, b"3".as_slice(), "row has 1 field, the header has 2"),
                (13, last, b"5,6,7".as_slice(), "row has 3 fields, the header has 2"),
            ]
        );
    }
}

#[test]
fn a_broken_quote_rejects_one_line() {
    let decoded = csv("1,\"x\n2,\"y\"\n3,\"z\" z\n4,w\n5,\"open\n6,v\n", &["a", "b"]);
    assert_eq!(rows(&decoded.batch), [["2", "y"], ["4", "w"], ["6", "v"]]);
    assert_eq!(decoded.record.values(), &[11, 13, 15]);
    let lines: Vec<_> = decoded.rejected.iter().map(|r| (r.line.unwrap(), r.error.as_str())).collect();
    let (open, inside) = ("a quote is opened and not closed", "a quote inside a quoted field is not doubled");
    assert_eq!(lines, [(5, inside), (7, inside), (9, open)]);
}

#[test]
fn characters_whose_second_byte_looks_like_a_delimiter_or_a_backslash_stay_whole() {
    let text = "1|珅|俓\\|\"簗|\"\"𠮷\"\n2|\"珅\"|珅\n3|珅\n";
    let (bytes, ..) = encoding_rs::GB18030.encode(text);
    let mut bytes = bytes.into_owned();
    let header = ["id", "a", "b", "c"];
    let decoded =
        decode(&csv_page(&bytes[..bytes.len() - 5], &header, encoding_rs::GB18030, b'|'), &texts(&header)).unwrap();
    assert_eq!(rows(&decoded.batch), [["1", "珅", "俓\\", "簗|\"𠮷"]]);
    assert_eq!(decoded.rejected.len(), 1);

    // The same with bytes that are no GB18030 at the end: record by record.
    bytes.extend_from_slice(b"4|\xff|\x81\n5|");
    bytes.extend_from_slice(&encoding_rs::GB18030.encode("珅").0);
    bytes.extend_from_slice(b"|\"x\ny\"|z");
    let decoded = decode(&csv_page(&bytes, &header, encoding_rs::GB18030, b'|'), &texts(&header)).unwrap();
    assert_eq!(rows(&decoded.batch), [["1", "珅", "俓\\", "簗|\"𠮷"], ["5", "珅", "x\ny", "z"]]);
    assert_eq!(decoded.record.values(), &[10, 14]);
    let rejected: Vec<_> = decoded.rejected.iter().map(|r| (r.record, r.line.unwrap(), r.undecodable)).collect();
    assert_eq!(rejected, [(11, 6, false), (12, 7, false), (13, 8, true)]);
    assert_eq!(&decoded.rejected[2].bytes[..], b"4|\xff|\x81");
    assert_eq!(decoded.rejected[2].error, "row has bytes that are not gb18030");
}

#[test]
fn bytes_that_are_not_utf8_reject_their_record_even_in_a_number() {
    let schema =
        Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true), Field::new("b", DataType::Utf8, true)]));
    let decoded =
        decode(&csv_page(b"1,x\n\xff2,y\n3,\xe4\xb8\n4,\xad\n", &["a", "b"], encoding_rs::UTF_8, b','), &schema)
            .unwrap();
    assert_eq!(rows(&decoded.batch), [["1", "x"]]);
    assert!(decoded.rejected.iter().all(|r| r.undecodable));
    assert_eq!(decoded.rejected.len(), 3);
}

#[test]
fn values_that_do_not_fit_are_null_and_kept_with_unknown_fields() {
    let schema = Arc::new(Schema::new(vec![
        Field::new("amount", DataType::Decimal128(19, 4), true),
        Field::new("missing", DataType::Utf8, true),
        Field::new("sold", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true)
            .with_metadata(HashMap::from([(TIMEZONE.to_owned(), "Asia/Shanghai".to_owned())])),
        Field::new("day", DataType::Date32, false),
        Field::new("ok", DataType::Boolean, true),
        Field::new("small", DataType::Int32, true),
    ]));
    let text = "\"1,149.00\",2025-01-01 08:00:00,2025/1/2,是,7,手机 \"A\",x\n$8.00,,soon, ,3000000000,,\n";
    let header = ["amount", "sold", "day", "ok", "small", "备注(选填)", "备注(选填)"];
    let decoded = decode(&csv_page(text.as_bytes(), &header, encoding_rs::UTF_8, b','), &schema).unwrap();
    assert_eq!(
        rows(&decoded.batch),
        [["1149.0000", "∅", "2025-01-01T00:00:00Z", "2025-01-02", "true", "7"], ["∅", "∅", "∅", "∅", "∅", "∅"],]
    );
    assert_eq!(
        extra(&decoded),
        [
            Some(r#"{"备注(选填)":"手机 \"A\"","备注(选填)_2":"x"}"#),
            Some(r#"{"amount":"$8.00","day":"soon","small":"3000000000"}"#),
        ]
    );
    let misfits: Vec<_> = decoded.misfits.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    assert_eq!(misfits, [("amount", 1), ("day", 1), ("small", 1)]);
}

#[test]
fn long_values_and_many_rows_come_out_whole() {
    let long = "长".repeat(100);
    let text: String = (0..5_000).map(|i| format!("{i},{},{long}{i}\n", if i % 3 == 0 { "" } else { "x" })).collect();
    let decoded = csv(&text, &["a", "b", "c"]);
    assert_eq!(decoded.batch.num_rows(), 5_000);
    for (i, row) in rows(&decoded.batch).into_iter().enumerate() {
        assert_eq!(row, [i.to_string(), if i % 3 == 0 { "∅".into() } else { "x".to_owned() }, format!("{long}{i}")]);
    }
}

/// Splits text the slow, obvious way: `Ok` fields or `Err` for a record that is rejected.
fn oracle(text: &[u8], width: usize) -> Vec<Result<Vec<Vec<u8>>, ()>> {
    let (mut records, mut at) = (Vec::new(), 0);
    while at < text.len() {
        let line_end = text[at..].iter().position(|&b| b == b'\n').map_or(text.len(), |end| at + end);
        if text[at..line_end].iter().all(|&b| b == b'\r') && line_end - at <= 1 {
            at = line_end + 1;
            continue;
        }
        match oracle_record(text, at) {
            Some((fields, next)) => {
                records.push(if fields.len() == width { Ok(fields) } else { Err(()) });
                at = next;
            }
            None => {
                records.push(Err(()));
                at = line_end + 1;
            }
        }
    }
    records
}

fn oracle_record(text: &[u8], mut at: usize) -> Option<(Vec<Vec<u8>>, usize)> {
    let mut fields = Vec::new();
    let line_end = |at: usize| match &text[at..] {
        [] | [b'\r'] => Some(text.len()),
        [b'\n', ..] => Some(at + 1),
        [b'\r', b'\n', ..] => Some(at + 2),
        _ => None,
    };
    loop {
        let mut field = Vec::new();
        if text.get(at) == Some(&b'"') {
            at += 1;
            loop {
                match (text.get(at)?, text.get(at + 1)) {
                    (b'"', Some(b'"')) => {
                        field.push(b'"');
                        at += 2;
                    }
                    (b'"', _) => break,
                    (&byte, _) => {
                        field.push(byte);
                        at += 1;
                    }
                }
            }
            at += 1;
            if line_end(at).is_none() && text[at] != b',' {
                return None;
            }
        } else {
            while line_end(at).is_none() && text[at] != b',' {
                field.push(text[at]);
                at += 1;
            }
        }
        fields.push(field);
        if let Some(next) = line_end(at) {
            return Some((fields, next));
        }
        at += 1;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn fast_and_slow_splitting_agree_with_the_obvious_way(
        parts in prop::collection::vec(prop::sample::select(vec![",", "\n", "\r\n", "\r", "\"", "\"\"", "ab", "中", "0123456789abcdefgh"]), 0..60),
        quotes: bool,
        broken: bool,
    ) {
        let mut text: Vec<u8> = parts.concat().into_bytes();
        if !quotes {
            text.retain(|&b| b != b'"');
        }
        let expected = oracle(&text, 3);
        // A record that is not UTF-8 at the end sends the whole page through the slow path.
        let mut bytes = text.clone();
        if broken {
            bytes.extend_from_slice(b"\n\xff,,\n");
        }
        let expected = if broken { oracle(&bytes, 3) } else { expected };
        let header = ["a", "b", "c"];
        let decoded = decode(&csv_page(&bytes, &header, encoding_rs::UTF_8, b','), &texts(&header)).unwrap();
        prop_assert_eq!(decoded.batch.num_rows() + decoded.rejected.len(), expected.len());
        for (row, &record) in decoded.record.values().iter().enumerate() {
            let fields = expected[(record - 10) as usize].as_ref().unwrap();
            for (column, field) in decoded.batch.columns().iter().zip(fields) {
                let column = column.as_string::<i32>();
                let value = if column.is_null(row) { b"".as_slice() } else { column.value(row).as_bytes() };
                prop_assert_eq!(value, field.as_slice());
            }
        }
        for rejected in &decoded.rejected {
            prop_assert!(expected[(rejected.record - 10) as usize].is_err() || rejected.undecodable);
        }
    }
}

fn order_schema() -> SchemaRef {
    let line = Fields::from(vec![
        Field::new("sku", DataType::Utf8, true),
        Field::new("price", DataType::Decimal128(19, 4), true),
    ]);
    let lines = DataType::List(Arc::new(Field::new("item", DataType::Struct(line), true)));
    let receiver = DataType::Struct(Fields::from(vec![Field::new("name", DataType::Utf8, true)]));
    Arc::new(Schema::new(vec![
        Field::new("tid", DataType::Utf8, true),
        Field::new("n", DataType::Int64, true),
        Field::new("receiver", receiver, true),
        Field::new("lines", lines, true),
    ]))
}

#[test]
fn nested_json_follows_the_schema_and_the_rest_is_kept_under_its_path() {
    let text = concat!(
        r#"{"tid":8139512426285536891,"n":"12","receiver":{"name":"张三","town":"浦东"},"lines":[{"sku":"a","price":12.30},{"sku":1.10,"price":"x","gift":true}],"memo":null}"#,
        "\n",
        "\n",
        r#"{"lines":{"sku":"one"},"receiver":"王","n":1e3,"tid":{"a": [1]}}"#,
        "\r\n",
        r#"{"tid":true,"n":1.0,"lines":[],"receiver":null,"tid":"\u4e2d\ud842\udfb7\n","x":1,"x":2}"#,
    );
    let decoded = json(text, JsonShape::Lines, &order_schema());
    assert!(decoded.rejected.is_empty(), "{:?}", decoded.rejected);
    assert_eq!(
        rows(&decoded.batch),
        [
            ["8139512426285536891", "12", "{name: 张三}", "[{sku: a, price: 12.3000}, {sku: 1.10, price: ∅}]"],
            [r#"{"a": [1]}"#, "∅", "∅", "∅"],
            ["中𠮷\n", "1", "∅", "[]"],
        ]
    );
    assert_eq!(
        extra(&decoded),
        [
            Some(r#"{"receiver.town":"浦东","lines[1].price":"x","lines[1].gift":true,"memo":null}"#),
            Some(r#"{"n":1e3,"receiver":"王","lines":{"sku":"one"}}"#),
            Some(r#"{"x":2}"#),
        ]
    );
    let misfits: Vec<_> = decoded.misfits.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    assert_eq!(misfits, [("lines.price", 1), ("n", 1), ("receiver", 1), ("lines", 1)]);
}

#[test]
fn times_counted_from_1970_are_read_where_the_column_says_so() {
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let schema: SchemaRef = Arc::new(Schema::new(vec![
        counted("at", utc.clone(), "ms", "Asia/Shanghai"),
        counted("day", DataType::Date32, "ms", "Asia/Shanghai"),
        Field::new("plain", utc.clone(), true),
        counted("late", utc, "s", "UTC"),
    ]));
    let text = r#"[
        {"at":1612247399397,"day":1609430400000,"plain":1612247399397,"late":1612247399},
        {"at":"-1","day":"-86400000","late":"2021-02-02"},
        {"at":"2021-02-02 08:00","day":583686000000,"late":9223372036854775807},
        {"at":1.6E12,"day":"2021-01-01"}]"#;
    let decoded = json(text, JsonShape::Array, &schema);
    assert_eq!(
        rows(&decoded.batch),
        [
            ["2021-02-02T06:29:59.397Z", "2021-01-01", "∅", "2021-02-02T06:29:59Z"],
            ["1969-12-31T23:59:59.999Z", "1969-12-31", "∅", "2021-02-02T00:00:00Z"],
            // Midnight of a summer in which Shanghai's clocks were an hour ahead.
            ["2021-02-02T00:00:00Z", "1988-07-01", "∅", "∅"],
            ["∅", "2021-01-01", "∅", "∅"],
        ]
    );
    let kept =
        [Some(r#"{"plain":1612247399397}"#), None, Some(r#"{"late":9223372036854775807}"#), Some(r#"{"at":1.6E12}"#)];
    assert_eq!(extra(&decoded), kept);
    let batch = RecordBatch::try_from_iter([
        ("at", Arc::new(Int64Array::from(vec![Some(1_612_247_399_397), None])) as ArrayRef),
        ("day", Arc::new(Int64Array::from(vec![Some(1_609_430_400_000), Some(0)]))),
    ])
    .unwrap();
    let decoded = decode(&page(Data::Batch(batch)), &schema).unwrap();
    assert_eq!(rows(&decoded.batch)[0][..2], ["2021-02-02T06:29:59.397Z", "2021-01-01"]);
    assert_eq!(rows(&decoded.batch)[1][..2], ["∅", "1970-01-01"]);
}

#[test]
fn a_json_pages_records_can_be_looked_into_as_they_will_be_decoded() {
    let page = |text: &'static str| JsonPage {
        bytes: Bytes::from_static(text.as_bytes()),
        shape: JsonShape::Array,
        first_line: 1,
    };
    let found = |text| records(&page(text)).into_iter().map(|range| &text[range]).collect::<Vec<_>>();
    assert_eq!(found(r#" [{"a":"]"} , {bad} ,3]"#), [r#"{"a":"]"}"#, "{bad}", "3"]);
    assert_eq!(found("[]"), [""; 0]);
}

#[test]
fn a_bad_json_record_is_rejected_alone() {
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(200_000), "]".repeat(200_000));
    let flat = format!(r#"{{"tid":"{}"}}"#, "[".repeat(300));
    let text = format!(
        "{{\"tid\":1}}\n{{\"tid\":\n[1]\n\"s\"\n{{\"tid\":\"\\ud800\"}}\n{deep}\n{flat}\n{{\"tid\":01}}\n{{\"tid\":2}}"
    );
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(b"\n{\"tid\":\"\xff\"}\n{\"tid\":3}\n");
    let data = Data::Json(JsonPage { bytes: bytes.into(), shape: JsonShape::Lines, first_line: 1 });
    let decoded = decode(&page(data), &order_schema()).unwrap();
    assert_eq!(decoded.record.values(), &[10, 16, 18, 20]);
    let errors: Vec<_> = decoded.rejected.iter().map(|r| (r.line.unwrap(), r.error.as_str(), r.undecodable)).collect();
    assert_eq!(
        errors,
        [
            (2, "record is not valid JSON: line 1, column 7 of it", false),
            (3, "record is not a JSON object", false),
            (4, "record is not a JSON object", false),
            (5, "record has half a surrogate pair", false),
            (6, "record is nested deeper than 128", false),
            (8, "record is not valid JSON: line 1, column 9 of it", false),
            (10, "record has bytes that are not UTF-8", true),
        ]
    );
}

#[test]
fn an_arrays_records_are_found_one_by_one_and_its_missing_end_is_seen() {
    let schema = texts(&["a"]);
    let count = |text: &str| {
        let decoded = json(text, JsonShape::Array, &schema);
        (decoded.batch.num_rows(), decoded.rejected.len())
    };
    assert_eq!(count("[]"), (0, 0));
    assert_eq!(count(" \n"), (0, 0));
    assert_eq!(count(" [ {\"a\":\"],[\"} , {\"a\":2}\n] "), (2, 0));
    assert_eq!(count("[{\"a\":1},{\"a\":},{\"a\":3}]"), (2, 1));
    assert_eq!(count("[{\"a\":1},,{\"a\":3}]"), (2, 1));
    assert_eq!(count("[{\"a\":1},{\"a\":2}"), (2, 1));
    assert_eq!(count("[{\"a\":1},{\"a\":"), (1, 1));
    assert_eq!(count("[{\"a\":1}] [{\"a\":2}]"), (1, 1));
    assert_eq!(count("{\"error\":1}"), (0, 1));
    assert_eq!(count("["), (0, 1));
}

#[test]
fn batches_are_matched_by_name_and_cast_without_changing_a_value() {
    let batch = RecordBatch::try_from_iter([
        ("qty", Arc::new(StringArray::from(vec![Some("2"), Some("two"), None])) as ArrayRef),
        ("id", Arc::new(Int64Array::from(vec![Some(i64::MAX), None, Some(1)])) as ArrayRef),
        ("at", Arc::new(TimestampMicrosecondArray::from(vec![Some(28_800_000_000), None, Some(-1)])) as ArrayRef),
        ("more", Arc::new(Int64Array::from(vec![Some(7), None, None])) as ArrayRef),
    ])
    .unwrap();
    let schema = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Utf8, true),
        Field::new("qty", DataType::Decimal128(18, 3), true),
        Field::new("none", DataType::Date32, true),
        Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true)
            .with_metadata(HashMap::from([(TIMEZONE.to_owned(), "Asia/Shanghai".to_owned())])),
    ]));
    let decoded = decode(&page(Data::Batch(batch)), &schema).unwrap();
    assert_eq!(decoded.batch.column(0).as_string::<i32>().value(0), "9223372036854775807");
    assert_eq!(decoded.batch.column(1).as_primitive::<Decimal128Type>().value(0), 2_000);
    assert_eq!(decoded.batch.column(3).as_primitive::<TimestampMicrosecondType>().value(0), 0);
    assert_eq!(extra(&decoded), [Some(r#"{"more":7}"#), Some(r#"{"qty":"two"}"#), None]);
    assert_eq!(decoded.misfits, [("qty".to_owned(), 1)]);
    assert_eq!(decoded.record.values(), &[10, 11, 12]);

    let narrow = Arc::new(Schema::new(vec![Field::new("id", DataType::Int32, true)]));
    let decoded = decode(&page(Data::Batch(batch_of_ids())), &narrow).unwrap();
    assert_eq!(decoded.batch.column(0).null_count(), 1);
    assert_eq!(extra(&decoded), [Some(r#"{"id":"9223372036854775807"}"#), None]);
}

fn batch_of_ids() -> RecordBatch {
    RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(vec![i64::MAX, 5])) as ArrayRef)]).unwrap()
}

fn marked(field: Field, key: &str, value: &str) -> Field {
    let mut metadata = field.metadata().clone();
    metadata.insert(key.to_owned(), value.to_owned());
    field.with_metadata(metadata)
}

#[test]
fn a_reference_is_the_same_in_whatever_shape_it_comes() {
    let schema: SchemaRef =
        Arc::new(Schema::new(vec![marked(Field::new("owner", DataType::Utf8, true), MEMBER, "id")]));
    let decoded = json(
        r#"[{"owner":{"name":"n","id":"7"}},{"owner":{"id":"7"}},{"owner":"7"},{"owner":{"id":7}},{"owner":{"id":null}},
            {"owner":null},{"owner":{"name":"n"}},{"owner":["x"]}]"#,
        JsonShape::Array,
        &schema,
    );
    let expected = ["7", "7", "7", "7", "∅", "∅", "∅", r#"["x"]"#];
    assert_eq!(rows(&decoded.batch).concat(), expected);
    assert_eq!(extra(&decoded)[..6], [None; 6]);
    assert_eq!(extra(&decoded)[6], Some(r#"{"owner":{"name":"n"}}"#));
    assert_eq!(decoded.misfits, [("owner".to_owned(), 1)]);
    let csv = csv_page(b"7\n\n\"\"\n", &["owner"], encoding_rs::UTF_8, b',');
    assert_eq!(rows(&decode(&csv, &schema).unwrap().batch).concat(), ["7", "∅"]);
}

#[test]
fn a_list_is_the_same_as_an_array_and_as_one_text() {
    let list = Field::new("tags", DataType::List(Arc::new(Field::new("item", DataType::Utf8, true))), true);
    let list = marked(marked(list, SEPARATOR, ";"), MEMBER, "name");
    let schema: SchemaRef = Arc::new(Schema::new(vec![Field::new("id", DataType::Utf8, true), list]));
    let array = json(
        r#"[{"id":"1","tags":["a","b c"]},{"id":"2","tags":[{"name":"a","id":"9"}]},{"id":"3","tags":[]},{"id":"4"}]"#,
        JsonShape::Array,
        &schema,
    );
    let text = csv_page(b"1,a;b c\n2,a;\n3,\n4,;\n", &["id", "tags"], encoding_rs::UTF_8, b',');
    let text = decode(&text, &schema).unwrap();
    assert_eq!(array.batch, text.batch);
    assert_eq!(rows(&text.batch), [["1", "[a, b c]"], ["2", "[a]"], ["3", "∅"], ["4", "∅"]]);
    assert!(array.misfits.is_empty() && text.misfits.is_empty());
}

/// An object's members as serde_json reads them, in the order of their names' last places; `None` if it is no valid object.
fn members(json: &str) -> Option<Vec<(String, Box<RawValue>)>> {
    let mut members = all_members(json)?;
    for place in (0..members.len()).rev() {
        if members[place + 1..].iter().any(|(name, _)| *name == members[place].0) {
            members.remove(place);
        }
    }
    Some(members)
}

fn all_members(json: &str) -> Option<Vec<(String, Box<RawValue>)>> {
    struct Members(Vec<(String, Box<RawValue>)>);

    impl<'de> Deserialize<'de> for Members {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct All;

            impl<'de> Visitor<'de> for All {
                type Value = Members;

                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("an object")
                }

                fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                    let mut members: Vec<(String, Box<RawValue>)> = Vec::new();
                    while let Some((name, value)) = map.next_entry()? {
                        members.push((name, value));
                    }
                    Ok(Members(members))
                }
            }

            deserializer.deserialize_map(All)
        }
    }

    serde_json::from_str(json).ok().map(|Members(members)| members)
}

fn items(json: &str) -> Option<Vec<Box<RawValue>>> {
    serde_json::from_str(json).ok()
}

/// Whether all strings in a valid value can be read, and how deep it is.
fn readable(json: &str) -> Option<usize> {
    if let Some(members) = all_members(json) {
        let depths: Option<Vec<_>> = members.iter().map(|(_, value)| readable(value.get())).collect();
        return Some(depths?.into_iter().max().unwrap_or(0) + 1);
    }
    if let Some(items) = items(json) {
        let depths: Option<Vec<_>> = items.iter().map(|value| readable(value.get())).collect();
        return Some(depths?.into_iter().max().unwrap_or(0) + 1);
    }
    match json.as_bytes() {
        [b'"', ..] => serde_json::from_str::<String>(json).ok().map(|_| 0),
        [b'{' | b'[', ..] => None,
        _ => Some(0),
    }
}

/// What is kept of a record besides its columns: paths and JSON; and the columns of misfits.
#[derive(Default)]
struct Kept {
    extra: Vec<(String, String)>,
    misfits: Vec<String>,
}

impl Kept {
    fn misfit(&mut self, path: &str, json: &str) -> String {
        let mut column = path.to_owned();
        while let (Some(open), Some(close)) = (column.find('['), column.find(']')) {
            column.replace_range(open..=close, "");
        }
        self.misfits.push(column);
        self.extra.push((path.to_owned(), json.to_owned()));
        "∅".to_owned()
    }
}

/// A value as it is shown in a column of `field`, decoded the slow, obvious way.
fn shown(field: &Field, json: Option<&str>, path: &str, kept: &mut Kept) -> String {
    let Some(json) = json.filter(|&json| json != "null") else { return "∅".to_owned() };
    let text = |json: &str| serde_json::from_str::<String>(json).unwrap_or_else(|_| json.to_owned());
    match field.data_type() {
        DataType::Struct(fields) => match members(json) {
            Some(members) => {
                let values = shown_members(fields, members, path, kept);
                let named: Vec<_> =
                    fields.iter().zip(values).map(|(f, value)| format!("{}: {value}", f.name())).collect();
                format!("{{{}}}", named.join(", "))
            }
            None => kept.misfit(path, json),
        },
        DataType::List(item) => match items(json) {
            Some(items) => {
                let items = items.iter().map(|value| value.get()).enumerate();
                let items: Vec<_> =
                    items.map(|(index, value)| shown(item, Some(value), &format!("{path}[{index}]"), kept)).collect();
                format!("[{}]", items.join(", "))
            }
            None => kept.misfit(path, json),
        },
        DataType::Int64 => match text(json).trim() {
            "" => "∅".to_owned(),
            text => text.parse().map_or_else(|_| kept.misfit(path, json), |number: i64| number.to_string()),
        },
        _ => match (field.metadata().get(MEMBER), members(json)) {
            (Some(member), Some(members)) => match members.iter().find(|(name, _)| name == member) {
                Some((_, value)) if value.get() == "null" => "∅".to_owned(),
                Some((_, value)) => text(value.get()),
                None => kept.misfit(path, json),
            },
            _ => text(json),
        },
    }
}

fn shown_members(fields: &Fields, members: Vec<(String, Box<RawValue>)>, path: &str, kept: &mut Kept) -> Vec<String> {
    let under = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    let values = fields
        .iter()
        .map(|field| {
            let value = members.iter().find(|(name, _)| name == field.name()).map(|(_, value)| value.get());
            shown(field, value, &under(field.name()), kept)
        })
        .collect();
    for (name, value) in members.iter().filter(|(name, _)| fields.find(name).is_none()) {
        kept.extra.push((under(name), value.get().to_owned()));
    }
    values
}

const NAMES: [&str; 9] =
    ["id", "n", "owner", "box", "lines", "other", "名", "a_name_of_more_than_sixteen_bytes", "\\u0069d"];

fn any_value() -> impl Strategy<Value = String> {
    let words = vec![
        "null",
        "true",
        "false",
        "0",
        "-0",
        "12",
        "-1.5",
        "1e3",
        "1E-2",
        "123456789012345678901234567890",
        "\"\"",
        "\" \"",
        "\"12\"",
        "\"plain text of some length\"",
        "\"中文\"",
        "\"\\n\\\"\\\\\\/\\u4e2d\\ud842\\udfb7\"",
        "\"[{,:\"",
    ];
    let bad = vec!["01", "1.", "nul", "\"\\ud800\"", "\"\\udc00x\"", "\"\\x\"", "\"a\tb\"", "\"open", "[1", "{}}", ""];
    let word = prop_oneof![60 => prop::sample::select(words), 1 => prop::sample::select(bad)];
    word.prop_map(str::to_owned).prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(", "))),
            any_members(inner).prop_map(|members| format!("{{{members}}}")),
        ]
    })
}

fn any_members(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop::collection::vec((prop::sample::select(NAMES.to_vec()), value), 0..7).prop_map(|members| {
        let members: Vec<_> = members.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        members.join(" ,\t")
    })
}

/// A record, mostly a good one, sometimes with a byte that does not belong there.
fn any_record() -> impl Strategy<Value = Vec<u8>> {
    let intruder = prop::option::weighted(
        0.2,
        (any::<prop::sample::Index>(), prop::sample::select(b"{}[]\",:\\ 0a\xff\xe4\x0c".to_vec())),
    );
    (any_members(any_value()), intruder).prop_map(|(members, intruder)| {
        let mut bytes = format!("{{{members}}}").into_bytes();
        if let Some((place, byte)) = intruder {
            bytes.insert(place.index(bytes.len()), byte);
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn json_is_decoded_as_the_obvious_way_decodes_it(
        found in prop::collection::vec(any_record(), 0..6), array: bool, end in prop::option::weighted(0.1, "[]} \"a]{0,2}"),
    ) {
        let line = Fields::from(vec![Field::new("id", DataType::Utf8, true), Field::new("n", DataType::Int64, true)]);
        let line = DataType::Struct(line);
        let lines = DataType::List(Arc::new(Field::new("item", line.clone(), true)));
        let fields = Fields::from(vec![
            Field::new("id", DataType::Utf8, true),
            marked(Field::new("owner", DataType::Utf8, true), MEMBER, "id"),
            Field::new("n", DataType::Int64, true),
            Field::new("a_name_of_more_than_sixteen_bytes", DataType::Utf8, true),
            Field::new("box", line, true),
            Field::new("lines", lines, true),
        ]);
        let mut bytes = if array { [&b"["[..], &found.join(&b','), b"]"].concat() } else { found.join(&b'\n') };
        bytes.extend_from_slice(end.unwrap_or_default().as_bytes());
        let shape = if array { JsonShape::Array } else { JsonShape::Lines };
        let json = JsonPage { bytes: bytes.into(), shape, first_line: 1 };
        let decoded = decode(&page(Data::Json(json.clone())), &Arc::new(Schema::new(fields.clone()))).unwrap();

        let (mut good, mut kept, mut bad, mut misfits) = (Vec::new(), Vec::new(), Vec::new(), HashMap::new());
        for (record, range) in (10..).zip(records(&json)) {
            let bytes = &json.bytes[range];
            let valid = std::str::from_utf8(bytes).ok().filter(|json| readable(json).is_some_and(|depth| depth <= 128));
            let Some(members) = valid.and_then(members) else {
                bad.push((record, bytes));
                continue;
            };
            let mut own = Kept::default();
            good.push((record, shown_members(&fields, members, "", &mut own)));
            own.misfits.into_iter().for_each(|column| *misfits.entry(column).or_insert(0) += 1);
            let extra = own.extra.iter().map(|(path, json)| format!("{}:{json}", serde_json::json!(path)));
            kept.push((!own.extra.is_empty()).then(|| format!("{{{}}}", extra.collect::<Vec<_>>().join(","))));
        }
        let decoded_bad: Vec<_> = decoded.rejected.iter().map(|rejected| (rejected.record, &rejected.bytes[..])).collect();
        prop_assert_eq!(decoded_bad, bad);
        let decoded_good: Vec<_> = decoded.record.values().iter().copied().zip(rows(&decoded.batch)).collect();
        prop_assert_eq!(decoded_good, good);
        prop_assert_eq!(extra(&decoded), kept.iter().map(Option::as_deref).collect::<Vec<_>>());
        prop_assert_eq!(decoded.misfits.into_iter().collect::<HashMap<_, _>>(), misfits);
    }
}

#[test]
fn records_may_be_nested_as_deep_as_128_whatever_looks_into_them() {
    for name in ["tid", "lines", "other"] {
        for (open, close) in [("[", "]"), ("{\"lines\":", "}")] {
            let nested = |depth: usize| format!("{{\"{name}\":{}1{}}}", open.repeat(depth), close.repeat(depth));
            let decoded = json(&format!("[{},{}]", nested(127), nested(128)), JsonShape::Array, &order_schema());
            assert_eq!(decoded.record.values(), &[10]);
            let errors: Vec<_> = decoded.rejected.iter().map(|rejected| rejected.error.as_str()).collect();
            assert_eq!(errors, ["record is nested deeper than 128"]);
        }
    }
}

#[test]
fn bytes_that_are_not_utf8_reject_their_json_record_alone() {
    let bytes = b"[{\"tid\":\"1\"},{\"tid\":\"\xe4\xb8\"},{\"tid\":\"3\",\"x\":\"\xe4\xb8\xad\"},{\"\xff\":4}]";
    let data = Data::Json(JsonPage { bytes: Bytes::from_static(bytes), shape: JsonShape::Array, first_line: 1 });
    let decoded = decode(&page(data), &order_schema()).unwrap();
    assert_eq!(decoded.record.values(), &[10, 12]);
    assert_eq!(extra(&decoded), [None, Some(r#"{"x":"中"}"#)]);
    assert!(decoded.rejected.iter().all(|r| r.undecodable && r.error == "record has bytes that are not UTF-8"));
    assert_eq!(decoded.rejected.len(), 2);
}

#[test]
fn fields_without_end_are_all_kept() {
    let record = |from: usize| {
        let fields: Vec<_> =
            (from..from + 400).map(|key| format!("\"k{key}\":{key},\"\\u006b{key}\":\"{key}\"")).collect();
        format!("{{{},\"tid\":{from}}}", fields.join(","))
    };
    let text = [0, 1, 200].map(record).join("\n");
    let decoded = json(&text, JsonShape::Lines, &order_schema());
    assert_eq!(decoded.batch.column(0).as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["0", "1", "200"]);
    for (row, from) in [0, 1, 200].into_iter().enumerate() {
        let expected: Vec<_> = (from..from + 400).map(|key| format!("\"k{key}\":\"{key}\"")).collect();
        assert_eq!(decoded.extra.value(row), format!("{{{}}}", expected.join(",")));
    }
}
