//! Progress of a run: a line per stream that moves on a terminal, plain lines elsewhere. On stderr.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanCount, MultiProgress, ProgressBar, ProgressStyle};
use tributary_pipeline::observe::{Note, Observer};

/// See the module.
pub struct Progress {
    bars: MultiProgress,
    terminal: bool,
    now: Mutex<Now>,
}

struct Now {
    bar: Option<ProgressBar>,
    name: String,
    rows: u64,
    bytes: u64,
    committed: u64,
    started: Instant,
}

impl Progress {
    pub fn new() -> Self {
        let now = Now { bar: None, name: String::new(), rows: 0, bytes: 0, committed: 0, started: Instant::now() };
        Self { bars: MultiProgress::new(), terminal: std::io::stderr().is_terminal(), now: Mutex::new(now) }
    }

    pub fn finish(&self) {
        if let Ok(now) = self.now.lock()
            && let Some(bar) = &now.bar
        {
            bar.finish_and_clear();
        }
    }
}

impl Now {
    fn begin(&mut self, progress: &Progress, name: String) {
        if let Some(bar) = self.bar.take() {
            bar.finish();
        }
        if progress.terminal {
            let style = ProgressStyle::with_template("{spinner} {prefix}  {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner());
            let bar = progress.bars.add(ProgressBar::new_spinner().with_style(style));
            bar.set_prefix(name.clone());
            bar.enable_steady_tick(Duration::from_millis(120));
            self.bar = Some(bar);
        }
        *self = Self { bar: self.bar.take(), name, rows: 0, bytes: 0, committed: 0, started: Instant::now() };
    }

    fn tell(&self, waiting: &str) {
        if let Some(bar) = &self.bar {
            let (rows, bytes, safe) = (HumanCount(self.rows), HumanBytes(self.bytes), HumanCount(self.committed));
            bar.set_message(format!("{rows} rows  {bytes}  {safe} safe  {waiting}"));
        }
    }
}

impl Observer for Progress {
    fn note(&self, note: Note<'_>) {
        let Ok(mut now) = self.now.lock() else { return };
        match note {
            Note::Stream { source, stream } => {
                now.begin(self, format!("{source}.{stream}"));
                now.tell("reading");
            }
            Note::Read { rows, bytes } => {
                now.rows += rows;
                now.bytes += bytes;
                now.tell("reading");
            }
            Note::Queued { behind } => eprintln!("waiting: the lake is held by {behind}"),
            Note::Waiting { what } => now.tell(&format!("waiting for {what}")),
            Note::Committed { rows } => {
                now.committed += rows;
                now.tell("reading");
            }
            Note::StreamDone { rows } => {
                now.tell("done");
                if let Some(bar) = now.bar.take() {
                    bar.finish();
                } else {
                    let seconds = now.started.elapsed().as_secs_f64();
                    eprintln!("{}: {rows} rows, {} in {seconds:.1} s", now.name, HumanBytes(now.bytes));
                }
            }
            Note::Stage { name } => {
                now.begin(self, name.to_owned());
                if let Some(bar) = &now.bar {
                    bar.set_message("at work");
                }
            }
            Note::StageDone { name, new } => {
                let what = if new { "done" } else { "nothing new" };
                if let Some(bar) = now.bar.take() {
                    bar.finish_with_message(what);
                } else {
                    eprintln!("{name}: {what} in {:.1} s", now.started.elapsed().as_secs_f64());
                }
            }
        }
    }
}
