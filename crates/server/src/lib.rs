//! The scheduler behind `tributary serve`: it runs pipelines at their times, tells people what went wrong, and says how it is.
//!
//! It knows no pipeline, lake or engine: runs are child processes, so that one that dies takes nothing else with it. Whoever
//! has a command line gives it a [`Catalog`], which reads pipeline files, and the program's own path, and calls [`serve()`].
//!
//! Time and decisions: [`Calendar`] says when a schedule is due; the scheduler (pure) decides what becomes of a slot, as
//! records of the [`history`]; the [`Server`] makes them durable and does what they say. A slot has one record, whatever
//! happens: it is the reason of a run, another slot's run stands for it, or it was left out by policy.
//!
//! Absent on purpose: dependencies between pipelines, several servers for one set of pipelines, a login.

mod alert;
mod calendar;
mod clock;
mod error;
mod files;
pub mod history;
mod http;
mod job;
mod metrics;
mod process;
mod runner;
mod scheduler;
mod serve;
mod server;
mod settings;
mod status;
mod stop;

pub use alert::Alert;
pub use calendar::Calendar;
pub use clock::{Clock, SystemClock};
pub use error::Error;
pub use http::{listen, router};
pub use job::{Catalog, Job, Problem, Schedule};
pub use process::Process;
pub use runner::{Exit, Outcome, Runner, Running, Start};
pub use serve::serve;
pub use server::{Handle, Parts, Server};
pub use settings::{Address, Misfire, Overlap, Policy, PolicyTable, Settings, Target};
pub use status::{JobStatus, ProcessStatus, RunStatus, Status};
pub use stop::{Stop, by_signals};
