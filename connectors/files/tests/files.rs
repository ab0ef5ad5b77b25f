//! What a user sees of the connector, driven as the framework drives it: pages are decoded, what stands between two
//! checkpoints is committed together, and every page's count is checked against what decoding found.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arrow::array::Array;
use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;
use tributary_connector::decode::decode;
use tributary_connector::{
    Connector, Context, Event, Page, Position, ReadRequest, Rejected, State, Stream, Withdrawal,
};
use tributary_files::{Config, Files, Format, sniff};

/// A folder of files, a lake and the position between them.
struct World {
    folder: TempDir,
    config: Value,
    page_bytes: usize,
    /// What is committed.
    rows: Vec<Row>,
    rejected: Vec<Rejected>,
    state: BTreeMap<Arc<str>, Position>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    scope: String,
    record: u64,
    version: String,
    cells: Vec<String>,
    extra: String,
}

/// What one run said, besides rows.
#[derive(Debug, Default, PartialEq)]
struct Said {
    unchanged: Vec<String>,
    discarded: Vec<(String, String)>,
    withdrawn: Vec<(String, String)>,
    checkpoints: Vec<Vec<String>>,
    read: Vec<String>,
}

impl World {
    fn new(config: Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        World { folder, config, page_bytes: 4 << 20, rows: Vec::new(), rejected: Vec::new(), state: BTreeMap::new() }
    }

    fn csv() -> Self {
        Self::new(json!({ "path": "**/*.csv" }))
    }

    fn pages_of(mut self, bytes: usize) -> Self {
        self.page_bytes = bytes;
        self
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let before = fs::metadata(&path).and_then(|meta| meta.modified()).ok();
        fs::write(&path, content).unwrap();
        // A change within the clock's tick must show all the same.
        if let Some(before) = before {
            fs::File::options()
                .append(true)
                .open(&path)
                .unwrap()
                .set_modified(before + Duration::from_secs(1))
                .unwrap();
        }
    }

    fn files(&self) -> Files {
        let mut config = self.config.clone();
        let absolute = |path: &Value| json!(format!("{}/{}", self.folder.path().display(), path.as_str().unwrap()));
        config["path"] = match &config["path"] {
            Value::Array(paths) => paths.iter().map(absolute).collect(),
            path => absolute(path),
        };
        let config: Config = serde_json::from_value(config).unwrap();
        let context = Context::new("stores", chrono_tz::Tz::Asia__Shanghai);
        Files::new(config, &context).unwrap().with_page_bytes(self.page_bytes)
    }

    async fn stream(&self) -> Stream {
        self.files().discover().await.unwrap().remove(0)
    }

    async fn run(&mut self) -> Said {
        let stream = self.stream().await;
        self.run_until(&stream, usize::MAX).await
    }

    /// Runs until `checkpoints` have been committed, and is then killed.
    async fn run_until(&mut self, stream: &Stream, checkpoints: usize) -> Said {
        let request = ReadRequest::new(stream.clone(), State(self.state.clone()));
        let mut reader = self.files().read(request).await.unwrap();
        let mut said = Said::default();
        let (mut pages, mut withdrawals): (Vec<Page>, Vec<Withdrawal>) = (Vec::new(), Vec::new());
        while said.checkpoints.len() < checkpoints
            && let Some(event) = reader.next().await.unwrap()
        {
            match event {
                Event::Page(page) => {
                    assert!(withdrawals.is_empty(), "pages come before withdrawals");
                    pages.push(page);
                }
                Event::Withdraw(withdrawal) => withdrawals.push(withdrawal),
                Event::Checkpoint(positions) => {
                    for withdrawal in withdrawals.drain(..) {
                        self.rows.retain(|row| *row.scope != *withdrawal.scope);
                        said.withdrawn
                            .push((withdrawal.scope.to_string(), withdrawal.replaced_by.unwrap().to_string()));
                    }
                    for page in pages.drain(..) {
                        if said.read.last().is_none_or(|scope| **scope != *page.scope) {
                            said.read.push(page.scope.to_string());
                        }
                        self.commit(&page, stream);
                    }
                    said.checkpoints.push(positions.iter().map(|(path, _)| path.to_string()).collect());
                    self.state.extend(positions.into_iter().map(|(path, position)| (path, position.unwrap())));
                }
                Event::Discard { partition, error } => {
                    assert!(withdrawals.is_empty());
                    assert!(pages.iter().all(|page| page.partition == partition));
                    pages.clear();
                    said.discarded.push((partition.to_string(), error.message));
                }
                Event::Forget { .. } => pages.clear(),
                Event::Unchanged { partition } => {
                    assert!(pages.is_empty());
                    said.unchanged.push(partition.to_string());
                }
            }
        }
        said
    }

    fn commit(&mut self, page: &Page, stream: &Stream) {
        let decoded = decode(page, &stream.schema).unwrap();
        let found = decoded.batch.num_rows() + decoded.rejected.len();
        assert_eq!(page.records, found as u64, "the reader's count and the decoder's");
        assert!(page.records > 0);
        let options = FormatOptions::default().with_null("∅");
        let columns: Vec<_> =
            decoded.batch.columns().iter().map(|c| ArrayFormatter::try_new(c, &options).unwrap()).collect();
        for row in 0..decoded.batch.num_rows() {
            self.rows.push(Row {
                scope: page.scope.to_string(),
                record: decoded.record.value(row),
                version: page.version.as_deref().unwrap_or("∅").to_owned(),
                cells: columns.iter().map(|c| c.value(row).to_string()).collect(),
                extra: if decoded.extra.is_null(row) { String::new() } else { decoded.extra.value(row).to_owned() },
            });
        }
        let mut numbers: Vec<u64> =
            decoded.record.values().iter().copied().chain(decoded.rejected.iter().map(|r| r.record)).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (page.first_record..page.first_record + page.records).collect::<Vec<_>>());
        self.rejected.extend(decoded.rejected);
    }

    fn cells(&self) -> Vec<Vec<&str>> {
        self.rows.iter().map(|row| row.cells.iter().map(String::as_str).collect()).collect()
    }

    /// The first column, sorted.
    fn ids(&self) -> Vec<&str> {
        let mut ids: Vec<&str> = self.rows.iter().map(|row| row.cells[0].as_str()).collect();
        ids.sort_unstable();
        ids
    }

    fn errors(&self) -> Vec<(u64, &str)> {
        self.rejected.iter().map(|r| (r.line.unwrap(), r.error.as_str())).collect()
    }
}

fn gb(text: &str) -> Vec<u8> {
    encoding_rs::GB18030.encode(text).0.into_owned()
}

fn utf16le(text: &str) -> Vec<u8> {
    [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

// ---- delimited text ------------------------------------------------------------------------------------------------

#[tokio::test]
async fn gb18030_is_split_after_decoding() {
    for page_bytes in [7, 64, 4 << 20] {
        let mut world = World::csv().pages_of(page_bytes);
        let text =
            "编号|姓名(必填)|地址 1|备注\r\n1|珅|俓\\|𠮷野家\r\n2|\"珅|簗\"|王珅|\"他说\"\"好\"\"\"\r\n3|李|上海|\r\n";
        world.write("会员.csv", gb(text));
        let stream = world.stream().await;
        let names: Vec<&str> = stream.schema.fields().iter().map(|f| f.name().as_str()).collect();
        assert_eq!(names, ["编号", "姓名(必填)", "地址 1", "备注"]);
        world.run().await;
        assert_eq!(
            world.cells(),
            [["1", "珅", "俓\\", "𠮷野家"], ["2", "珅|簗", "王珅", "他说\"好\""], ["3", "李", "上海", "∅"]]
        );
        assert!(world.rejected.is_empty());
    }
}

#[tokio::test]
async fn utf16_with_tabs_and_utf8_with_a_mark_read_the_same() {
    let text = "id\t姓名\tnote\n1\t张\t\"a\nb\"\n2\t王\t\n";
    for content in [utf16le(text), format!("\u{feff}{text}").into_bytes(), utf16le(&text.replace('\n', "\r\n"))] {
        let mut world = World::csv().pages_of(5);
        world.write("a.csv", &content);
        world.run().await;
        assert_eq!(world.ids(), ["1", "2"]);
        assert_eq!(world.rows[0].cells[1], "张");
        assert_eq!(world.rows[0].cells[2].replace("\r\n", "\n"), "a\nb");
    }
}

#[tokio::test]
async fn headers_are_bound_by_name_and_new_columns_are_kept() {
    let mut world = World::csv();
    world.write("2025-01.csv", "id,name\n1,a\n");
    world.write("2025-02.csv", "name;id;city\nb;2;上海\n");
    world.run().await;
    assert_eq!(world.cells(), [["1", "a", "∅"], ["2", "b", "上海"]]);
    // A column that came after the stream was discovered.
    let stream = world.stream().await;
    world.write("2025-03.csv", "id,level\n3,gold\n");
    world.run_until(&stream, usize::MAX).await;
    assert_eq!(world.rows[2].cells, ["3", "∅", "∅"]);
    assert_eq!(world.rows[2].extra, r#"{"level":"gold"}"#);
}

#[tokio::test]
async fn titles_repeated_headers_and_a_total_are_no_records() {
    let body = "会员明细,,\n导出时间：2025-01-01,,\n\n卡号,姓名,金额\nM1,张,1.50\nM2,李,2\n卡号,姓名,金额\nM3,王,3\n\nM4,合计,4\n合计,,\"1,010.50\"\n\n";
    for page_bytes in [3, 40, 4 << 20] {
        let mut world = World::csv().pages_of(page_bytes);
        world.config["columns"] = json!({ "金额": "decimal(19,4)" });
        world.write("a.csv", body);
        world.write("b.csv", body.replace("合计,,\"1,010.50\"", "合计,1010.50"));
        world.write("c.csv", body.replace("合计,,\"1,010.50\"", "合计,张伟,9"));
        world.run().await;
        assert!(world.rejected.is_empty());
        assert_eq!(world.ids(), ["M1", "M1", "M1", "M2", "M2", "M2", "M3", "M3", "M3", "M4", "M4", "M4", "合计"]);
        assert_eq!(world.rows[0].cells, ["M1", "张", "1.5000"]);
        let records: Vec<u64> = world.rows.iter().filter(|row| row.scope == "a.csv#1").map(|row| row.record).collect();
        assert_eq!(records, [0, 1, 2, 3]);
    }
}

#[tokio::test]
async fn a_total_may_be_declared_away_or_demanded() {
    for (rule, ids) in [("none", vec!["1", "2", "Total"]), ("last", vec!["1", "2"]), ("detect", vec!["1", "2"])] {
        let mut world = World::csv();
        world.config["total_row"] = json!(rule);
        world.write("a.csv", "id,n\n1,5\n2,6\nTotal,11");
        world.run().await;
        assert_eq!(world.ids(), ids, "{rule}");
    }
}

#[tokio::test]
async fn files_without_a_header_and_with_lines_above_are_read_as_declared() {
    let mut world = World::csv();
    world.config["header"] = json!(["id", "name"]);
    world.config["skip_rows"] = json!(1);
    world.write("a.csv", "exported by till 7\n1,a\n2,b\n");
    world.run().await;
    assert_eq!(world.cells(), [["1", "a"], ["2", "b"]]);
    let mut world = World::csv();
    world.config["skip_rows"] = json!(2);
    world.write("a.csv", "a,b,c\nd,e,f\nid,name\n1,a\n");
    world.run().await;
    assert_eq!(world.cells(), [["1", "a"]]);
}

#[tokio::test]
async fn ragged_rows_are_rejected_and_reading_goes_on() {
    let mut world = World::csv().pages_of(9);
    world.write("a.csv", "id,name\n1,a\n2\n3,b,c\n\n4,d\n");
    world.run().await;
    assert_eq!(world.ids(), ["1", "4"]);
    assert_eq!(world.errors(), [(3, "row has 1 field, the header has 2"), (4, "row has 3 fields, the header has 2")]);
    assert_eq!(&world.rejected[1].bytes[..], b"3,b,c");
}

#[tokio::test]
async fn an_unclosed_quote_costs_one_line() {
    let unclosed = "a quote is opened and not closed";
    // At the end; past 1,000 lines; past 1 MB.
    let many_lines: String = (2..1500).map(|i| format!("{i},x\n")).collect();
    let long = format!("2,{}\n", "x".repeat(3 << 19));
    for (rest, rows) in [("2,x\n3,y\n".to_owned(), 3), (many_lines, 1499), (long, 2)] {
        for page_bytes in [1 << 10, 4 << 20] {
            let mut world = World::csv().pages_of(page_bytes);
            world.write("a.csv", format!("id,name\n0,z\n1,\"open\n{rest}"));
            world.run().await;
            assert_eq!(world.rows.len(), rows);
            assert_eq!(world.errors(), [(3, unclosed)]);
            assert_eq!(&world.rejected[0].bytes[..], b"1,\"open");
            assert_eq!(world.rejected[0].record, 1);
        }
    }
    // A long field within the limits is a field.
    let mut world = World::csv().pages_of(100);
    world.write("a.csv", format!("id,name\n1,\"{}\"\n2,y\n", "line\n".repeat(900)));
    world.run().await;
    assert_eq!(world.ids(), ["1", "2"]);
    // The next row's quote does not close it.
    let mut world = World::csv();
    world.write("a.csv", "id,name\n1,\"open\n2,\"y\"\n3,\"z\"\n");
    world.run().await;
    assert_eq!(world.ids(), ["2", "3"]);
    assert_eq!(world.errors(), [(2, "a quote inside a quoted field is not doubled")]);
}

#[tokio::test]
async fn bytes_of_no_character_reject_their_record_with_the_bytes_kept() {
    let mut content = gb("编号,姓名\n1,张三\n2,");
    content.extend_from_slice(b"\x81\xff,x\n3,\xff\n");
    content.extend_from_slice(&gb("4,李四\n"));
    let mut world = World::csv().pages_of(30);
    world.config["encoding"] = json!("gb18030");
    world.write("a.csv", &content);
    world.run().await;
    assert_eq!(world.ids(), ["1", "4"]);
    assert_eq!(world.errors(), [(3, "row has bytes that are not gb18030"), (4, "row has bytes that are not gb18030")]);
    assert!(world.rejected.iter().all(|r| r.undecodable));
    assert_eq!(&world.rejected[1].bytes[..], b"3,\xff");

    // UTF-16 with half a surrogate pair.
    let mut content = utf16le("id\tname\n1\ta\n2\t");
    content.extend_from_slice(&[0x00, 0xd8]);
    content.extend("\n3\tc\n".encode_utf16().flat_map(u16::to_le_bytes));
    let mut world = World::csv();
    world.write("a.csv", &content);
    world.run().await;
    assert_eq!(world.ids(), ["1", "3"]);
    assert!(world.rejected[0].undecodable);
}

#[tokio::test]
async fn empty_files_and_headers_alone_have_no_rows() {
    let mut world = World::csv();
    world.write("a.csv", "");
    world.write("b.csv", "id,name\n");
    world.write("c.csv", "id,name");
    world.write("d.csv", "\n\n");
    world.write("e.csv", "id,name\r\n1,x");
    let said = world.run().await;
    assert_eq!(world.ids(), ["1"]);
    assert!(said.discarded.is_empty());
    assert_eq!(said.checkpoints.concat(), ["a.csv", "b.csv", "c.csv", "d.csv", "e.csv"]);
    assert_eq!(world.run().await.unchanged.len(), 5);
}

#[tokio::test]
async fn line_ends_of_all_kinds_are_read() {
    let mut world = World::csv();
    world.write("a.csv", "id,n\r1,a\r2,b\r");
    world.write("b.csv", "id,n\r\n3,a\r4,b\n5,c\r\n");
    world.run().await;
    assert_eq!(world.ids(), ["1", "2", "3", "4", "5"]);
    assert!(world.rejected.is_empty());
}

#[tokio::test]
async fn a_line_without_end_is_one_rejected_record() {
    let mut world = World::csv();
    let mut content = b"id,name\n1,a\n2,".to_vec();
    content.resize(18 << 20, b'x');
    content.extend_from_slice(b"\n3,c\n");
    world.write("a.csv", &content);
    world.run().await;
    assert_eq!(world.ids(), ["1", "3"]);
    assert_eq!(world.errors(), [(3, "row is longer than 16 MiB")]);
    assert!(world.rejected[0].bytes.len() <= 64 * 1024);
}

#[tokio::test]
async fn declared_types_keep_what_does_not_fit() {
    let mut world = World::csv();
    world.config["columns"] =
        json!({ "qty": "int", "paid": "decimal(10,2)", "at": "timestamp", "day": "date", "vip": "bool" });
    world.write(
        "a.csv",
        "id,qty,paid,at,day,vip\n1,\"1,000\",-2.50,2025-01-01 08:00:00,2025/1/1,是\n2,1.5,1e3,soon,,\n",
    );
    world.run().await;
    assert_eq!(world.rows[0].cells, ["1", "1000", "-2.50", "2025-01-01T00:00:00Z", "2025-01-01", "true"]);
    assert_eq!(world.rows[1].cells, ["2", "∅", "∅", "∅", "∅", "∅"]);
    assert_eq!(world.rows[1].extra, r#"{"qty":"1.5","paid":"1e3","at":"soon"}"#);
}

// ---- contents ------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn an_unchanged_file_is_not_read_and_a_touched_one_adds_nothing() {
    let mut world = World::csv();
    world.write("x/a.csv", "id\n1\n");
    assert_eq!(world.run().await.read, ["x/a.csv#1"]);
    let said = world.run().await;
    assert_eq!((said.unchanged, said.checkpoints.len()), (strings(&["x/a.csv"]), 0));
    fs::File::options()
        .append(true)
        .open(world.path("x/a.csv"))
        .unwrap()
        .set_modified(SystemTime::now() + Duration::from_secs(9))
        .unwrap();
    let said = world.run().await;
    assert_eq!((said.read.len(), said.checkpoints.concat(), said.withdrawn.len()), (0, strings(&["x/a.csv"]), 0));
    assert_eq!(world.run().await.unchanged, ["x/a.csv"]);
    assert_eq!(world.ids(), ["1"]);
}

#[tokio::test]
async fn a_renamed_copy_adds_nothing_and_rows_go_with_the_last_path() {
    let mut world = World::csv();
    world.write("a.csv", "id\n1\n2\n");
    world.write("b.csv", "id\n1\n2\n");
    assert_eq!(world.run().await.read, ["a.csv#1"]);
    assert_eq!(world.ids(), ["1", "2"]);
    world.write("a.csv", "id\n1\n3\n4\n");
    let said = world.run().await;
    assert_eq!((said.read, said.withdrawn.len()), (strings(&["a.csv#2"]), 0));
    assert_eq!(world.ids(), ["1", "1", "2", "3", "4"]);
    world.write("b.csv", "id\n2\n");
    let said = world.run().await;
    assert_eq!(said.withdrawn, [("a.csv#1".to_owned(), "b.csv#1".to_owned())]);
    assert_eq!(world.ids(), ["1", "2", "3", "4"]);
}

#[tokio::test]
async fn a_corrected_file_replaces_its_rows_and_keeps_its_place() {
    for order in ["name", "mtime"] {
        let mut world = World::csv();
        world.config["order"] = json!(order);
        world.write("a.csv", "id\n1\n");
        world.run().await;
        let place = world.rows[0].version.clone();
        assert_eq!(place.len(), if order == "name" { 5 } else { 20 });
        world.write("a.csv", "id\n1\n5\n");
        let said = world.run().await;
        assert_eq!(said.withdrawn, [("a.csv#1".to_owned(), "a.csv#2".to_owned())]);
        assert_eq!(world.ids(), ["1", "5"]);
        assert!(world.rows.iter().all(|row| row.version == place), "{order}");
    }
}

#[tokio::test]
async fn with_add_earlier_rows_stay_and_a_content_that_returns_is_known() {
    let mut world = World::csv();
    world.config["on_change"] = json!("add");
    for (content, ids) in [("id\n1\n", vec!["1"]), ("id\n2\n", vec!["1", "2"]), ("id\n1\n", vec!["1", "2"])] {
        world.write("daily.csv", content);
        assert!(world.run().await.withdrawn.is_empty());
        assert_eq!(world.ids(), ids);
    }
}

#[tokio::test]
async fn rotated_logs_and_vanished_files_lose_nothing() {
    let mut world = World::new(json!({ "path": "log*", "format": "csv" }));
    for day in 1..6 {
        for number in (0..2).rev() {
            let (from, to) =
                (if number == 0 { "log".to_owned() } else { format!("log.{number}") }, format!("log.{}", number + 1));
            let _ = fs::rename(world.path(&from), world.path(&to));
        }
        world.write("log", format!("id\n{day}\n"));
        let said = world.run().await;
        assert_eq!((said.read.len(), said.withdrawn.len()), (1, 0), "day {day}");
        assert_eq!(world.ids().len(), day);
    }
    fs::remove_file(world.path("log.1")).unwrap();
    world.run().await;
    assert_eq!(world.ids(), ["1", "2", "3", "4", "5"]);
}

#[tokio::test]
async fn a_file_that_changes_or_vanishes_while_it_is_read_is_left_out_alone() {
    for vanish in [false, true] {
        let world = World::csv().pages_of(1 << 10);
        world.write("a.csv", "id\n1\n");
        world.write("b.csv", format!("id\n{}", "2\n".repeat(100_000)));
        world.write("c.csv", "id\n3\n");
        let stream = world.stream().await;
        let request = ReadRequest::new(stream.clone(), State::default());
        let mut reader = world.files().read(request).await.unwrap();
        let (mut done, mut discarded, mut touched) = (Vec::new(), Vec::new(), false);
        while let Some(event) = reader.next().await.unwrap() {
            match event {
                Event::Page(page) if &*page.partition == "b.csv" && !touched => {
                    touched = true;
                    if vanish {
                        fs::remove_file(world.path("b.csv")).unwrap();
                    } else {
                        fs::File::options().append(true).open(world.path("b.csv")).unwrap().write_all(b"4\n").unwrap();
                    }
                }
                Event::Checkpoint(positions) => done.extend(positions.iter().map(|(path, _)| path.to_string())),
                Event::Discard { error, .. } => discarded.push(error.message),
                _ => {}
            }
        }
        let word = if vanish { "vanished" } else { "changed" };
        assert_eq!(discarded, [format!("`b.csv` {word} while it was read")]);
        assert_eq!(done, ["a.csv", "c.csv"]);
    }
}

#[tokio::test]
async fn unreadable_and_unknown_files_do_not_stop_the_others() {
    let mut world = World::new(json!({ "path": "*" }));
    world.write("a.csv", "id\n1\n");
    world.write("b.xlsx", "not a workbook");
    world.write("c.parquet", "not parquet");
    world.write("d.doc", "what is this");
    world.write("e.csv", b"PK\x03\x04 a workbook by another name\n");
    world.write(".hidden.csv", "id\n9\n");
    let said = world.run().await;
    assert_eq!(
        said.discarded,
        [
            ("b.xlsx".to_owned(), "`b.xlsx` is not an XLSX file".to_owned()),
            ("c.parquet".to_owned(), "`c.parquet` is not a Parquet file, or is damaged".to_owned()),
            ("d.doc".to_owned(), "the format of `d.doc` cannot be told from its extension".to_owned()),
            ("e.csv".to_owned(), "`e.csv` is not text".to_owned()),
        ]
    );
    assert_eq!(world.ids(), ["1"]);
}

#[cfg(unix)]
#[tokio::test]
async fn links_that_lead_outside_are_refused() {
    use std::os::unix::fs::symlink;
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret.csv"), "id\n9\n").unwrap();
    let mut world = World::csv();
    world.write("in/a.csv", "id\n1\n");
    symlink(outside.path().join("secret.csv"), world.path("in/s.csv")).unwrap();
    symlink(outside.path(), world.path("in/dir")).unwrap();
    symlink(world.path("in"), world.path("in/ring")).unwrap();
    symlink(world.path("nowhere"), world.path("in/dangling.csv")).unwrap();
    let said = world.run().await;
    assert_eq!(world.ids(), ["1"]);
    let refused: Vec<&str> = said.discarded.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(refused, ["in/dir", "in/s.csv"]);
}

#[tokio::test]
async fn lists_of_globs_have_partitions_below_their_common_directory() {
    let mut world = World::new(json!({ "path": ["s/1/*.csv", "s/2/x[1].csv", "s/*/m.csv"] }));
    world.write("s/1/m.csv", "id\n1\n");
    world.write("s/2/x[1].csv", "id\n2\n");
    world.write("s/2/m.csv", "id\n3\n");
    let said = world.run().await;
    assert_eq!(said.read, ["1/m.csv#1", "2/m.csv#1", "2/x[1].csv#1"]);
}

#[tokio::test]
async fn nothing_there_says_where_it_was_looked_for() {
    let world = World::csv();
    let error = world.files().discover().await.unwrap_err();
    assert!(error.message.starts_with("no file matches `"), "{}", error.message);
    let world = World::new(json!({ "path": "none/*.csv" }));
    assert!(world.files().check().await.unwrap_err().message.ends_with("/none` cannot be read"));
    let mut world = World::csv();
    world.config["key"] = json!(["card"]);
    world.write("a.csv", "id,name\n");
    let error = world.files().discover().await.unwrap_err();
    assert_eq!(
        (error.message.as_str(), error.hint.as_deref()),
        ("no file has a column `card`", Some("columns: `id`, `name`"))
    );
}

#[tokio::test]
async fn killed_after_any_checkpoint_the_rest_is_read_and_nothing_twice() {
    let prepare = |world: &World| {
        world.write("a.csv", "id\n1\n2\n");
        world.write("b.csv", "id\n3\n");
        world.write("c.csv", "id\n1\n2\n");
        world.write("d.csv", "id\n4\n5\n");
        world.write("e.csv", "id\n9,9\n6\n");
    };
    let change = |world: &World| {
        world.write("a.csv", "id\n1\n");
        world.write("b.csv", "id\n4\n5\n");
        world.write("c.csv", "id\n7\n");
        world.write("f.csv", "id\n3\n");
        world.write("g.csv", "id\n8\n");
    };
    let mut whole = World::csv();
    prepare(&whole);
    let stream = whole.stream().await;
    let first = whole.run().await.checkpoints.len();
    let after_first = (whole.rows.clone(), whole.state.clone());
    change(&whole);
    let second = whole.run().await.checkpoints.len();
    assert!(first >= 4 && second >= 3, "{first} {second}");
    whole.rows.sort();

    for k in 0..=first {
        let mut world = World::csv();
        prepare(&world);
        world.run_until(&stream, k).await;
        world.run().await;
        world.rows.sort();
        let mut expected = after_first.0.clone();
        expected.sort();
        assert_eq!(world.rows, expected, "killed after {k}");
    }
    for k in 0..=second {
        let mut world = World::csv();
        prepare(&world);
        world.run().await;
        change(&world);
        world.run_until(&stream, k).await;
        world.run().await;
        world.rows.sort();
        assert_eq!(world.rows, whole.rows, "killed after {k} of the second run");
        let said = world.run().await;
        assert_eq!((said.unchanged.len(), said.checkpoints.len()), (7, 0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn page_edges_do_not_matter_and_both_counts_agree(
        parts in prop::collection::vec(prop::sample::select(vec![
            ",", "\n", "\n", "\r\n", "\r", "\"", "\"\"", ",\"", "\",", "ab", "珅", "1", "id,name\n", "2,x\n", "3,\"y\"\n", "\"",
        ]), 0..40),
        page_bytes in 1usize..40,
        gb18030: bool,
        pipe: bool,
    ) {
        let mut text = format!("id,name\n0,start\n{}", parts.concat());
        if pipe {
            text = text.replace(',', "|");
        }
        let content = if gb18030 { gb(&text) } else { text.into_bytes() };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let read = |page_bytes: usize| {
            let mut world = World::csv().pages_of(page_bytes);
            world.config["encoding"] = json!(if gb18030 { "gb18030" } else { "utf-8" });
            world.config["delimiter"] = json!(if pipe { "|" } else { "," });
            world.config["skip_rows"] = json!(0);
            world.write("a.csv", &content);
            runtime.block_on(world.run());
            (world.rows, world.rejected)
        };
        prop_assert_eq!(read(page_bytes), read(1 << 20));
    }
}

// ---- other formats -------------------------------------------------------------------------------------------------

#[tokio::test]
async fn json_lines_keep_their_shape_and_exact_numbers() {
    let mut world =
        World::new(json!({ "path": "*.jsonl", "columns": { "total": "decimal(19,4)", "lines.qty": "int" } }))
            .pages_of(20);
    let text = concat!(
        "\u{feff}{\"tid\":8139512426285536891,\"total\":12.30,\"buyer\":{\"nick\":\"张\"},\"lines\":[{\"sku\":\"a\",\"qty\":2}]}\r\n",
        "\n  \n",
        "{\"tid\":\"x\",\"total\":null,\"lines\":[]}\n",
        "{\"tid\":1,\n",
        "[1]\n",
        "{\"tid\":2,\"lines\":[{\"qty\":\"many\",\"gift\":1}]}",
    );
    world.write("a.jsonl", text);
    world.run().await;
    let fields = world.stream().await.schema;
    let types: Vec<String> = fields.fields().iter().map(|f| format!("{}: {}", f.name(), f.data_type())).collect();
    assert_eq!(
        types,
        [
            "tid: Utf8",
            "total: Decimal128(19, 4)",
            "buyer: Struct(\"nick\": Utf8)",
            "lines: List(Struct(\"sku\": Utf8, \"qty\": Int64, \"gift\": Utf8))",
        ]
    );
    assert_eq!(world.rows[0].cells, ["8139512426285536891", "12.3000", "{nick: 张}", "[{sku: a, qty: 2, gift: ∅}]"]);
    assert_eq!(world.rows[2].extra, r#"{"lines[0].qty":"many"}"#);
    let lines: Vec<u64> = world.rejected.iter().map(|r| r.line.unwrap()).collect();
    assert_eq!(lines, [5, 6]);
}

#[tokio::test]
async fn json_lines_may_be_in_another_encoding() {
    let mut world = World::new(json!({ "path": "*.jsonl" })).pages_of(7);
    world.write("a.jsonl", gb("{\"姓名\":\"珅|\\\\\"}\n{\"姓名\":\"王\"}\n"));
    world.write("b.jsonl", utf16le("{\"姓名\":\"李\"}\n"));
    world.run().await;
    assert_eq!(world.ids(), ["李", "王", "珅|\\"]);
}

#[tokio::test]
async fn a_json_line_without_end_is_one_rejected_record() {
    // The end of the line is found with the end of the file, with what follows, or long before.
    for (size, after) in [(18 << 20, 0), (18 << 20, 9 << 20), (40 << 20, 0)] {
        let mut content = b"{\"id\":1}\n{\"id\":\"".to_vec();
        content.resize(size, b'x');
        content.extend_from_slice(b"\"}\n{\"id\":3}");
        content.resize(content.len() + after, b' ');
        content.push(b'\n');
        let mut world = World::new(json!({ "path": "*.jsonl" }));
        world.write("a.jsonl", &content);
        world.run().await;
        assert_eq!(world.ids(), ["1", "3"]);
        assert_eq!(world.errors(), [(2, "line is longer than 16 MiB")]);
    }
}

#[tokio::test]
async fn parquet_keeps_its_types() {
    use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray, TimestampMillisecondArray};
    let batch = RecordBatch::try_from_iter([
        ("id", Arc::new(Int32Array::from(vec![1, 2])) as ArrayRef),
        ("name", Arc::new(StringArray::from(vec![Some("张"), None])) as ArrayRef),
        ("at", Arc::new(TimestampMillisecondArray::from(vec![28_800_000, 0])) as ArrayRef),
    ])
    .unwrap();
    let mut bytes = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let mut world = World::new(json!({ "path": "*.parquet" }));
    world.write("a.parquet", &bytes);
    world.run().await;
    assert_eq!(world.stream().await.schema.field(0).data_type(), &DataType::Int64);
    assert_eq!(world.cells(), [["1", "张", "1970-01-01T00:00:00Z"], ["2", "∅", "1969-12-31T16:00:00Z"]]);

    // A damaged row group is that file's error.
    let middle = bytes.len() / 4;
    bytes[8..middle].fill(0xff);
    world.write("b.parquet", &bytes);
    let said = world.run().await;
    assert_eq!(said.discarded.len(), 1);
    assert_eq!(world.rows.len(), 2);
}

#[tokio::test]
async fn workbooks_are_read_as_a_person_sees_them() {
    let rows = [
        vec!["t:会员表"],
        vec![],
        vec!["t:卡号", "t:姓名", "t:金额", "t:日期", "t:"],
        vec!["n:13800138000", "t:张伟 ", "n:0.30000000000000004", "d:45658", "t:多"],
        vec!["t:卡号", "t:姓名", "t:金额", "t:日期"],
        vec!["t:007", "t:", "n:-12", "d:45658.5"],
        vec!["t:合计", "", "n:12"],
    ];
    let mut world = World::new(json!({ "path": "*.xlsx" }));
    world.write("a.xlsx", workbook(&rows));
    let said = world.run().await;
    assert!(said.discarded.is_empty(), "{said:?}");
    assert_eq!(
        world.cells(),
        [["13800138000", "张伟 ", "0.3", "2025-01-01"], ["007", "∅", "-12", "2025-01-01 12:00:00"]]
    );
    assert_eq!(world.rows[0].extra, r#"{"column_5":"多"}"#);
    world.config["sheet"] = json!("none");
    let error = world.files().discover().await.unwrap_err();
    assert_eq!(
        (error.message.as_str(), error.hint.as_deref()),
        ("`a.xlsx` has no sheet `none`", Some("its sheets: `会员`"))
    );

    let seen = sniff(&world.path("a.xlsx")).unwrap();
    assert_eq!(seen.title_rows, ["会员表"]);
    assert_eq!(seen.header, ["卡号", "姓名", "金额", "日期"]);
    assert_eq!(seen.total_row, Some(strings(&["合计", "12"])));
    assert_eq!(seen.rows.len(), 2);
}

/// A workbook of one sheet; cells are `t:` text, `n:` number, `d:` date, or missing.
fn workbook(rows: &[Vec<&str>]) -> Vec<u8> {
    let mut sheet =
        String::from(r#"<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>"#);
    for (r, cells) in rows.iter().enumerate() {
        sheet += &format!("<row r=\"{}\">", r + 1);
        for (c, cell) in cells.iter().enumerate() {
            let at = format!("{}{}", char::from(b'A' + c as u8), r + 1);
            sheet += &match cell.split_once(':') {
                Some(("t", text)) => {
                    format!("<c r=\"{at}\" t=\"inlineStr\"><is><t xml:space=\"preserve\">{text}</t></is></c>")
                }
                Some(("d", number)) => format!("<c r=\"{at}\" s=\"1\"><v>{number}</v></c>"),
                Some((_, number)) => format!("<c r=\"{at}\"><v>{number}</v></c>"),
                None => String::new(),
            };
        }
        sheet += "</row>";
    }
    sheet += "</sheetData></worksheet>";
    let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let package = "http://schemas.openxmlformats.org/package/2006";
    let parts = [
        (
            "[Content_Types].xml",
            format!(
                r#"<Types xmlns="{package}/content-types"><Default Extension="xml" ContentType="application/xml"/></Types>"#
            ),
        ),
        (
            "_rels/.rels",
            format!(
                r#"<Relationships xmlns="{package}/relationships"><Relationship Id="rId1" Type="{relations}/officeDocument" Target="xl/workbook.xml"/></Relationships>"#
            ),
        ),
        (
            "xl/workbook.xml",
            format!(
                r#"<workbook xmlns="{main}" xmlns:r="{relations}"><sheets><sheet name="会员" sheetId="1" r:id="rId1"/></sheets></workbook>"#
            ),
        ),
        (
            "xl/_rels/workbook.xml.rels",
            format!(
                r#"<Relationships xmlns="{package}/relationships"><Relationship Id="rId1" Type="{relations}/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="{relations}/styles" Target="styles.xml"/></Relationships>"#
            ),
        ),
        (
            "xl/styles.xml",
            format!(
                r#"<styleSheet xmlns="{main}"><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>"#
            ),
        ),
        ("xl/worksheets/sheet1.xml", sheet),
    ];
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, text) in parts {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

// ---- looking -------------------------------------------------------------------------------------------------------

#[test]
fn sniffing_tells_what_a_file_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let text = "会员明细;;\n卡号;姓名;金额\nM1;张;1\nM2;;2\n合计;;3\n";
    let seen = sniff(&path("a.csv", &gb(text))).unwrap();
    assert_eq!((seen.format, seen.encoding.as_deref(), seen.delimiter), (Format::Csv, Some("gb18030"), Some(';')));
    assert_eq!(seen.title_rows, ["会员明细;;"]);
    assert_eq!(seen.header, ["卡号", "姓名", "金额"]);
    assert_eq!(seen.total_row, Some(strings(&["合计", "", "3"])));
    assert_eq!(
        seen.rows,
        [[Some("M1".to_owned()), Some("张".into()), Some("1".into())], [Some("M2".into()), None, Some("2".into())]]
    );

    // A total is found at the end of a long file as well.
    let long = format!("id,n\n{}Total,5\n", "1,2\n".repeat(200_000));
    assert_eq!(sniff(&path("b.csv", long.as_bytes())).unwrap().total_row, Some(strings(&["Total", "5"])));
    let seen = sniff(&path("c.jsonl", b"{\"a\":1.10,\"b\":{\"c\":1}}\n{\"a\":\"x\"}\n")).unwrap();
    assert_eq!(
        (seen.header, &seen.rows[0]),
        (strings(&["a", "b"]), &vec![Some("1.10".to_owned()), Some("{\"c\":1}".to_owned())])
    );
    assert!(sniff(Path::new("/nowhere.csv")).is_err());
    assert!(sniff(&path("d.csv", b"")).unwrap().header.is_empty());
}

#[test]
fn the_registry_knows_the_connector_and_its_options() {
    let mut registry = tributary_connector::Registry::new();
    tributary_files::register(&mut registry);
    let factory = registry.get("files").unwrap();
    let schema = factory.schema();
    let options = schema["properties"].as_object().unwrap();
    assert!(options.values().all(|option| option["description"].is_string()), "{options:#?}");
    let context = Context::new("s", chrono_tz::Tz::UTC);
    let error = |config: Value| factory.build(config, &context).err().map(|e| e.message).unwrap_or_default();
    assert_eq!(error(json!({ "path": "a.csv", "delimiter": "::" })), "`delimiter` is not one ASCII character");
    assert_eq!(error(json!({ "path": "a.csv", "encoding": "klingon" })), "there is no encoding `klingon`");
    assert_eq!(error(json!({ "path": [] })), "`path` is empty");
    assert!(error(json!({ "path": "a.csv", "colums": {} })).contains("unknown field `colums`"));
    assert_eq!(error(json!({ "path": "a.csv" })), "");
}
