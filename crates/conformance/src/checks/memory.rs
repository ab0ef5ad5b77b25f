//! Memory over ten times the data.
//!
//! It is the process's resident memory at its highest (`VmHWM`), before and after a read, in a process of its own: the test's own
//! program is started again with nothing but the test at hand. The world lives in that process as well, so its pages are made large
//! by a field that is put into one record of each; what the connector keeps of them shows. Where a process's memory cannot be seen
//! so (other systems than Linux) the check is skipped.

use std::process::Command;

use super::once;
use crate::stage::{Stage, run};
use crate::traffic::{Fault, Rule};
use crate::{DeclaredStream, Failure, Passed, Size, Subject};
use tributary_connector::{Event, ReadRequest};

/// Says, in the process started for it, whom to measure.
pub(crate) const VARIABLE: &str = "TRIBUTARY_CONFORMANCE_MEMORY";

/// The subject as it is.
pub(crate) const ITSELF: &str = "itself";

/// How much each page is made larger.
const PADDING: usize = 1 << 20;

/// What may grow without being kept: a few pages on their way.
const SLACK: u64 = 6 << 20;

const MARK: &str = "tributary-conformance-memory";

/// A read of ten times the data takes no more memory.
///
/// # Errors
/// If it does.
pub fn memory(subject: &dyn Subject) -> Result<Passed, Failure> {
    measured_of(subject, ITSELF)
}

/// The same for a subject that is known, in the other process, by this name.
pub(crate) fn measured_of(subject: &dyn Subject, name: &str) -> Result<Passed, Failure> {
    once(super::MEMORY, || {
        let declared = subject.declared();
        let Some(stream) = declared.streams.first() else { return Ok(Passed::skipped("no stream is declared")) };
        if stream.text.is_none() || !Stage::new(subject, Size::Small)?.has_http() {
            return Ok(Passed::skipped("no text field is declared to make pages larger by"));
        }
        if peak().is_none() {
            return Ok(Passed::skipped("this system does not tell how much memory a process has"));
        }
        let figures = match std::thread::current().name() {
            Some(test) if test != "main" => in_another_process(test, name)?,
            // The one test of its process.
            _ => figures(subject, stream)?,
        };
        let Figures { small, large, more } = figures;
        let mebibytes = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
        let note = format!("{} and {} for {} more", mebibytes(small), mebibytes(large), mebibytes(more));
        if more < 4 * SLACK {
            return Err(Failure::new("ten times the data in the large world", format!("{} more", mebibytes(more))));
        }
        if large > small + SLACK + more / 4 {
            return Err(Failure::new("no more memory for ten times the data", note)
                .hint("fetch a page when it is asked for, and keep none")
                .of(stream.name));
        }
        Ok(Passed::with(note))
    })
}

/// If this process was started to measure somebody: whom.
pub(crate) fn asked_for() -> Option<String> {
    std::env::var(VARIABLE).ok()
}

/// Measures, for the process that started this one.
pub(crate) fn tell(subject: &dyn Subject) {
    let declared = subject.declared();
    let told = declared.streams.first().map(|stream| figures(subject, stream));
    if let Some(Ok(Figures { small, large, more })) = told {
        println!("\n{MARK} {small} {large} {more}");
    } else {
        eprintln!("{told:?}");
    }
}

/// How much memory grew in a small and in a large read, and how much more was read in the large one.
#[derive(Debug, Clone, Copy)]
struct Figures {
    small: u64,
    large: u64,
    more: u64,
}

fn in_another_process(test: &str, name: &str) -> Result<Figures, Failure> {
    let program = std::env::current_exe().map_err(|e| Failure::ours("find its own program", e))?;
    let output = Command::new(program)
        .args([test, "--exact", "--nocapture", "--include-ignored", "--test-threads=1"])
        .env(VARIABLE, name)
        // One arena, so that memory that is given back is used again.
        .env("MALLOC_ARENA_MAX", "1")
        .output()
        .map_err(|e| Failure::ours("start its own program", e))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.trim().strip_prefix(MARK));
    let numbers: Vec<u64> =
        line.unwrap_or_default().split_whitespace().filter_map(|number| number.parse().ok()).collect();
    match numbers[..] {
        [small, large, more] => Ok(Figures { small, large, more }),
        _ => Err(Failure::ours("measure in a process of its own", String::from_utf8_lossy(&output.stderr))
            .hint("call `tributary_conformance::all` at the start of the test")),
    }
}

fn figures(subject: &dyn Subject, declared: &DeclaredStream) -> Result<Figures, Failure> {
    let (small, few) = growth(subject, declared, Size::Small)?;
    let (large, many) = growth(subject, declared, Size::Large)?;
    Ok(Figures { small, large, more: many.saturating_sub(few) })
}

/// How much the memory grew by a read, and the bytes of its pages.
fn growth(subject: &dyn Subject, declared: &DeclaredStream, size: Size) -> Result<(u64, u64), Failure> {
    let stage = Stage::new(subject, size)?;
    run(async {
        let stream = stage.stream(declared.name).await?;
        let text = declared.text.unwrap_or_default();
        // Different for each page, as no page may come twice; it is so by the records beside it.
        let padding = format!("\"tributary_padding\":\"{}\",", "x".repeat(PADDING));
        let fault = Fault::splice("larger pages", text, true, padding.as_bytes());
        stage.traffic.lay(Rule { pattern: declared.pages, from: 1, times: None }, fault);
        let connector = stage.connector()?;
        stage.traffic.forget();
        // From here on the highest is counted anew.
        std::fs::write("/proc/self/clear_refs", "5").map_err(|e| Failure::ours("reset the peak of memory", e))?;
        let before = peak().unwrap_or(0);
        let reader = connector.read(ReadRequest::new(stream, Stage::start())).await;
        let ours = |e: tributary_connector::Error| Failure::new("to read", crate::stage::described(&e));
        let mut reader = reader.map_err(ours)?;
        while let Some(event) = reader.next().await.map_err(ours)? {
            if let Event::Page(page) = event {
                drop(page);
            }
        }
        drop(reader);
        let after = peak().unwrap_or(0);
        let bytes = stage.traffic.log().iter().map(|logged| logged.bytes as u64).sum();
        Ok((after.saturating_sub(before), bytes))
    })
}

/// The process's resident memory at its highest.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}
