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
