//! Runs as child processes of a program, so that one that dies of memory or a panic takes nothing else with it.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::runner::{Exit, Outcome, Runner, Running, Start};

/// Bytes of the summary on stdout that are kept. More than that is read and dropped, and the summary is not understood.
const MAX_SUMMARY: usize = 16 << 20;

/// Bytes at the end of stderr that are kept.
const MAX_TAIL: usize = 16 << 10;

/// Characters of a line of stderr that are shown.
const MAX_MESSAGE: usize = 500;

/// How long after its end a program's pipes may stay open.
const LINGER: Duration = Duration::from_secs(2);

const WAITING: i32 = 3;

/// Runs `PROGRAM run FILE --json`, with `--source NAME` for each source if not all are to be read.
#[derive(Debug, Clone)]
pub struct Process {
    program: PathBuf,
}

impl Process {
    /// `program` is the program's own binary. It must not be looked up anew for each run: after an upgrade the path of a
    /// running program may name nothing.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into() }
    }

    fn command(&self, start: &Start) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("run").arg(&start.file).arg("--json");
        for source in &start.sources {
            command.args(["--source", source]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        // A group of its own, so that a terminal's Ctrl-C reaches the server alone, and a signal all that the run has started.
        #[cfg(unix)]
        command.process_group(0);
        command
    }
}

impl Runner for Process {
    fn start(&self, start: &Start) -> Box<dyn Running> {
        match self.command(start).spawn() {
            Ok(mut child) => {
                let summary = Captured::new(child.stdout.take(), head);
                let tail = Captured::new(child.stderr.take(), tail);
                Box::new(Started { child, summary, tail })
            }
            Err(e) => {
                let message = format!("could not start `{}`: {e}", self.program.display());
                Box::new(NotStarted(Outcome { exit: Exit::NotStarted, waiting_until: None, message: Some(message) }))
            }
        }
    }
}

struct Started {
    child: Child,
    summary: Captured,
    tail: Captured,
}

#[async_trait]
impl Running for Started {
    async fn wait(&mut self) -> Outcome {
        let exit = match self.child.wait().await {
            Ok(status) => exit_of(status),
            Err(e) => {
                let message = Some(format!("could not wait for the run: {e}"));
                return Outcome { exit: Exit::Killed, waiting_until: None, message };
            }
        };
        let summary = self.summary.collect().await;
        let tail = self.tail.collect().await;
        let waiting_until = (exit == Exit::Code(WAITING)).then(|| waiting(&summary)).flatten();
        Outcome { exit, waiting_until, message: message(&tail) }
    }

    fn terminate(&mut self) {
        self.signal(Signal::Terminate);
    }

    fn kill(&mut self) {
        self.signal(Signal::Kill);
        // Only an error if it has ended already.
        let _ = self.child.start_kill();
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        self.signal(Signal::Kill);
    }
}

enum Signal {
    Terminate,
    Kill,
}

impl Started {
    #[cfg(unix)]
    fn signal(&mut self, signal: Signal) {
        // `None` once the child was waited for: the number may be another's by then.
        let Some(pid) = self.child.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed())) else { return };
        let signal = match signal {
            Signal::Terminate => rustix::process::Signal::TERM,
            Signal::Kill => rustix::process::Signal::KILL,
        };
        // Only an error if it has ended already.
        let _ = rustix::process::kill_process_group(pid, signal);
    }

    #[cfg(not(unix))]
    fn signal(&mut self, _signal: Signal) {
        let _ = self.child.start_kill();
    }
}

struct NotStarted(Outcome);

#[async_trait]
impl Running for NotStarted {
    async fn wait(&mut self) -> Outcome {
        self.0.clone()
    }

    fn terminate(&mut self) {}

    fn kill(&mut self) {}
}

fn exit_of(status: ExitStatus) -> Exit {
    status.code().map_or(Exit::Killed, Exit::Code)
}

/// What a pipe has given so far.
struct Captured {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Captured {
    /// `keep` takes in what was read, and limits what is kept.
    fn new(pipe: Option<impl AsyncRead + Unpin + Send + 'static>, keep: fn(&mut Vec<u8>, &[u8])) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&bytes);
        let reader = pipe.map(|mut pipe| {
            tokio::spawn(async move {
                let mut buffer = vec![0; 8192];
                while let Ok(read @ 1..) = pipe.read(&mut buffer).await {
                    keep(&mut kept.lock().unwrap_or_else(PoisonError::into_inner), &buffer[..read]);
                }
            })
        });
        Self { bytes, reader }
    }

    /// All of it. What the program has started may outlive it and hold the pipe, so the end is not waited for long.
    async fn collect(&mut self) -> Vec<u8> {
        if let Some(reader) = &mut self.reader {
            let _ = tokio::time::timeout(LINGER, reader).await;
        }
        std::mem::take(&mut self.bytes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Captured {
    fn drop(&mut self) {
        if let Some(reader) = &self.reader {
            reader.abort();
        }
    }
}

/// The first bytes.
fn head(kept: &mut Vec<u8>, read: &[u8]) {
    let room = MAX_SUMMARY - kept.len();
    kept.extend_from_slice(&read[..read.len().min(room)]);
}

/// The last bytes.
fn tail(kept: &mut Vec<u8>, read: &[u8]) {
    kept.extend_from_slice(read);
    if kept.len() > 2 * MAX_TAIL {
        kept.drain(..kept.len() - MAX_TAIL);
    }
}

/// `waiting` of the summary.
fn waiting(summary: &[u8]) -> Option<DateTime<Utc>> {
    #[derive(serde::Deserialize)]
    struct Summary {
        waiting: Option<DateTime<Utc>>,
    }
    serde_json::from_slice::<Summary>(summary).ok()?.waiting
}

/// The last line that says `error: `, else the last line that says anything.
fn message(tail: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(tail);
    let mut lines = text.lines().rev().map(str::trim).filter(|line| !line.is_empty());
    let last = lines.clone().next()?;
    let line = lines.find_map(|line| line.strip_prefix("error: ")).unwrap_or(last);
    Some(line.chars().filter(|c| !c.is_control()).take(MAX_MESSAGE).collect())
}
