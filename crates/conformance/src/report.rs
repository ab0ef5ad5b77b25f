//! What all checks came to, as a table.

use std::fmt;
use std::time::{Duration, Instant};

use crate::checks::{CHECKS, memory};
use crate::{Failure, Passed, Subject, parallel};

/// Runs all checks. At the start of a test and only there: the check of memory starts the test's program again with this test alone.
pub fn all(subject: &dyn Subject) -> Report {
    if let Some(name) = memory::asked_for() {
        if name == memory::ITSELF {
            memory::tell(subject);
        }
        return Report::default();
    }
    let lines = parallel::each(CHECKS, |check| {
        let started = Instant::now();
        let outcome = (check.run)(subject);
        Line { check: check.name, outcome, took: started.elapsed() }
    });
    Report { lines }
}

/// Each check, with what it came to.
#[derive(Debug, Clone, Default)]
pub struct Report {
    pub lines: Vec<Line>,
}

/// A check and what it came to.
#[derive(Debug, Clone)]
pub struct Line {
    pub check: &'static str,
    pub outcome: Result<Passed, Failure>,
    pub took: Duration,
}

impl Report {
    /// Prints the table, and panics if a check failed, or was skipped that is not in `skipped`, or is in `skipped` and was not.
    #[track_caller]
    #[allow(clippy::panic, reason = "this is how a test fails")]
    pub fn assert(&self, skipped: &[&str]) {
        println!("{self}");
        let wrong = self.wrong(skipped);
        if !wrong.is_empty() {
            panic!("{} of {} checks:\n{}", wrong.len(), self.lines.len(), wrong.join("\n"));
        }
    }

    /// What [`Report::assert`] objects to.
    pub fn wrong(&self, skipped: &[&str]) -> Vec<String> {
        let wrong = |line: &Line| match &line.outcome {
            Err(failure) => Some(failure.to_string()),
            Ok(Passed::Skipped(reason)) if !skipped.contains(&line.check) => {
                Some(format!("`{}` was skipped, which the test does not say: {reason}", line.check))
            }
            Ok(Passed::Yes(_)) if skipped.contains(&line.check) => {
                Some(format!("`{}` was not skipped, though the test says so", line.check))
            }
            Ok(_) => None,
        };
        self.lines.iter().filter_map(wrong).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.lines.iter().map(|line| line.check.chars().count()).max().unwrap_or(0);
        for line in &self.lines {
            let (word, note) = match &line.outcome {
                Ok(Passed::Yes(note)) => ("passed ", note.clone()),
                Ok(Passed::Skipped(reason)) => ("skipped", reason.clone()),
                Err(failure) => ("FAILED ", failure.to_string()),
            };
            let line = format!("{:width$}  {word}  {:5.2} s  {note}", line.check, line.took.as_secs_f64());
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
