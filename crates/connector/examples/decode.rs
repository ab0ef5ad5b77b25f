//! What it costs to decode JSON pages: `cargo run --release -p tributary-connector --example decode`.
//!
//! The costs are in seconds of CPU time, which other programs on the machine change little.

use tributary_connector::decode::decode;
use tributary_connector::http::locate;
use tributary_connector::{Columns, Data, Deletes, Op, Page};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let stream = Columns::new(chrono_tz::Tz::UTC)
        .id("id")
        .text("Last_Name")
        .text("First_Name")
        .text("Email")
        .text("Mobile")
        .text("Mailing_City")
        .object("Account_Name", |account| account.text("name").id("id"))
        .time("Modified_Time")
        .time("Created_Time")
        .money("Amount")
        .list("Tag", |tag| tag.label("name").id("id"))
        .text("Description")
        .stream("contacts", "id", "Modified_Time", Deletes::Never);
    let records: Vec<_> = (0..200)
        .map(|key| {
            format!(
                r#"{{"id":"57257670{key:011}","Last_Name":"张{key}","First_Name":"伟","Email":"u{key}@example.com","Mobile":"+86 138{key:08}","Mailing_City":"杭州","Account_Name":{{"name":"Retail {key}","id":"5725767000000{key}"}},"Modified_Time":"2026-05-05T12:01:02+08:00","Created_Time":"2025-05-05T12:01:02+08:00","Amount":{}.{:02},"Tag":[{{"name":"vip","id":"1"}}],"Description":null}}"#,
                key, key % 100
            )
        })
        .collect();
    let bytes: bytes::Bytes = format!(
        r#"{{"data":[{}],"info":{{"per_page":200,"count":200,"page":1,"more_records":true}}}}"#,
        records.join(",")
    )
    .into();
    let size = bytes.len();
    for _ in 0..3 {
        let start = cpu_seconds()?;
        let mut pages = Vec::with_capacity(1000);
        for _ in 0..1000 {
            let found = locate(&bytes, "data", &["info.more_records"])?;
            pages.push(Page {
                partition: "".into(),
                scope: "".into(),
                version: None,
                first_record: 0,
                records: found.records,
                op: Op::Upsert,
                data: Data::Json(found.page.ok_or("no records")?),
            });
        }
        let located = cpu_seconds()?;
        for page in pages {
            let result = decode(&page, &stream.schema)?;
            assert_eq!(result.batch.num_rows(), 200);
            assert!(result.misfits.is_empty());
        }
        let decoded = cpu_seconds()?;
        println!(
            "200,000 records, {} MB: located in {:.3} CPU-s, decoded in {:.3} CPU-s",
            size / 1000,
            located - start,
            decoded - located
        );
    }
    Ok(())
}

/// CPU time of this process, which has one thread, as Linux counts it.
fn cpu_seconds() -> Result<f64, Box<dyn std::error::Error>> {
    let counted = std::fs::read_to_string("/proc/self/schedstat")?;
    let nanoseconds: u64 = counted.split(' ').next().ok_or("no time")?.parse()?;
    Ok(nanoseconds as f64 / 1e9)
}
