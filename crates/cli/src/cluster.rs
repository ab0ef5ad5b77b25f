//! `cluster scheduler` and `cluster executor`: the processes of a cluster, with our functions.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::Subcommand;
use tracing_subscriber::fmt::MakeWriter;
use tributary_engine::{Address, Error};

use crate::{Exit, tell};

#[derive(Debug, Subcommand)]
pub enum Part {
    /// Take plans and give their stages to executors, until it is stopped.
    Scheduler {
        /// Where it listens. Whoever reaches it can have anything computed, so keep it in a trusted network.
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:50050")]
        listen: SocketAddr,
        /// The name that executors reach it by, if that is not the address it listens at.
        #[arg(long, value_name = "HOST")]
        advertise: Option<String>,
        /// How long an executor may be silent until its work is given to another.
        #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(5..))]
        executor_timeout: u64,
    },
    /// Compute stages for a scheduler, until it is stopped. Stores are read with this process's own credentials.
    Executor {
        #[arg(long, value_name = "ADDRESS", default_value = "df://127.0.0.1:50050", value_parser = address)]
        scheduler: Address,
        /// Where it listens, at two ports.
        #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
        listen: IpAddr,
        /// The name that the others reach it by, if that is not the address it listens at.
        #[arg(long, value_name = "HOST")]
        advertise: Option<String>,
        /// Where results are fetched.
        #[arg(long, default_value_t = 50051)]
        port: u16,
        /// Where the scheduler brings work.
        #[arg(long, default_value_t = 50052)]
        control_port: u16,
        /// How many parts of a plan it computes at a time; the machine's cores if not given.
        #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
        cores: Option<u16>,
        /// What sorts, joins and aggregations may use before they spill.
        #[arg(long, value_name = "MIB", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(64..))]
        memory: u64,
        /// Where it keeps what it made until it is fetched; a temporary folder if not given.
        #[arg(long, value_name = "FOLDER")]
        work: Option<PathBuf>,
    },
}

fn address(text: &str) -> Result<Address, String> {
    Address::parse(text).ok_or_else(|| "not `df://host:50050`".into())
}

pub async fn run(part: Part) -> Exit {
    match part_of(part).await {
        Ok(()) => Exit::Done,
        Err(e) => {
            let hint = e.hint();
            tell(&e, hint);
            match e {
                Error::NoCluster => Exit::Input,
                _ => Exit::Failed,
            }
        }
    }
}

#[cfg(not(feature = "cluster"))]
async fn part_of(_: Part) -> Result<(), Error> {
    Err(Error::NoCluster)
}

#[cfg(feature = "cluster")]
async fn part_of(part: Part) -> Result<(), Error> {
    use tributary_engine::cluster::{Executor, Scheduler, execute, schedule};
    // All of them, those of the engine excepted, which it knows itself: what a plan names must be known by name.
    let functions = tributary_clean::functions::functions();
    match part {
        Part::Scheduler { listen, advertise, executor_timeout } => {
            let scheduler = Scheduler { listen, advertise, patience: executor_timeout };
            schedule(scheduler, functions, |listens| eprintln!("scheduler at df://{listens}")).await
        }
        Part::Executor { scheduler, listen, advertise, port, control_port, cores, memory, work } => {
            let cores = match cores {
                Some(cores) => usize::from(cores),
                None => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            };
            let memory = memory.saturating_mul(1 << 20);
            eprintln!("executor at {listen}:{port} for {scheduler}");
            execute(
                Executor { scheduler, listen, advertise, port, control: control_port, cores, memory, work },
                functions,
            )
            .await
        }
    }
}

/// The log, without secrets: plans hold the key that records' keys are hashed with, and a library may log a plan.
pub fn masked<W: Write, F: Fn() -> W + 'static>(writer: F) -> impl for<'a> MakeWriter<'a> + 'static {
    move || Masked(writer())
}

struct Masked<W>(W);

impl<W: Write> Write for Masked<W> {
    /// A line of the log comes in one piece.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write_all(tributary_engine::mask(&String::from_utf8_lossy(line)).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_log_holds_no_key() {
        let mut line = Vec::new();
        Masked(&mut line).write_all(format!("plan: key_of('{}', id)\n", "7f".repeat(32)).as_bytes()).unwrap();
        assert_eq!(String::from_utf8(line).unwrap(), "plan: key_of('…', id)\n");
    }
}
