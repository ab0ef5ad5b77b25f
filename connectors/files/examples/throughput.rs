//! How fast a file is read and decoded: `cargo run --release --example throughput -- FILE [column=type …]`
//!
//! Three figures: reading alone (files, hashing, cutting), decoding alone, and both as the framework does them, the reader
//! one page ahead on a thread of its own. The processor time of the last counts both threads.

use std::time::Instant;

use tributary_connector::decode::decode;
use tributary_connector::{Connector, Context, Event, Page, ReadRequest, State};
use tributary_files::{Config, Files};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: throughput FILE [column=type …]")?;
    let columns: serde_json::Map<_, _> =
        arguments.filter_map(|a| a.split_once('=').map(|(name, kind)| (name.to_owned(), kind.into()))).collect();
    let megabytes = std::fs::metadata(&path)?.len() as f64 / 1e6;
    let config: Config = serde_json::from_value(serde_json::json!({ "path": path, "columns": columns }))?;
    let files = Files::new(config, &Context::new("bench", chrono_tz::Tz::Asia__Shanghai))?;
    let stream = files.discover().await?.remove(0);
    println!("{megabytes:.1} MB, {} columns", stream.schema.fields().len());

    for round in 1..=3 {
        let request = || ReadRequest::new(stream.clone(), State::default());
        let start = Instant::now();
        let mut reader = files.read(request()).await?;
        let mut pages: Vec<Page> = Vec::new();
        while let Some(event) = reader.next().await? {
            if let Event::Page(page) = event {
                pages.push(page);
            }
        }
        let reading = start.elapsed().as_secs_f64();

        let start = Instant::now();
        let mut rows = 0;
        for page in &pages {
            rows += decode(page, &stream.schema)?.batch.num_rows();
        }
        let decoding = start.elapsed().as_secs_f64();
        drop(pages);

        let (start, cpu) = (Instant::now(), cpu_seconds());
        let mut reader = files.read(request()).await?;
        while let Some(event) = reader.next().await? {
            if let Event::Page(page) = event {
                decode(&page, &stream.schema)?;
            }
        }
        let (both, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
        println!(
            "{round}: {rows} rows; read {:.0} MB/s, decode {:.0} MB/s, both {:.0} MB/s, {:.0} MB per processor second",
            megabytes / reading,
            megabytes / decoding,
            megabytes / both,
            megabytes / cpu,
        );
    }
    Ok(())
}

/// Seconds of processor time so far; on Linux.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}
