//! The scheduler behind `tributary serve`: it runs pipelines at their times, tells people what went wrong, and says how it is.

mod alert;
mod calendar;
mod clock;
mod error;
mod files;
pub mod history;
mod job;
mod process;
mod runner;
mod scheduler;
mod server;
mod settings;
mod status;
mod stop;

pub use alert::Alert;
pub use calendar::Calendar;
pub use clock::{Clock, SystemClock};
pub use error::Error;
pub use job::{Catalog, Job, Problem, Schedule};
pub use process::Process;
pub use runner::{Exit, Outcome, Runner, Running, Start};
pub use server::{Handle, Parts, Server};
pub use settings::{Address, Misfire, Overlap, Policy, PolicyTable, Settings, Target};
pub use status::{JobStatus, RunStatus, Status};
pub use stop::{Stop, by_signals};
