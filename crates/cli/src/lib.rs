//! The command line. [`main`] takes a registry of connectors, so that anyone's connector gets the whole program.
//!
//! Data goes to stdout, all else to stderr. Exit codes: 0 done, 1 failed, 2 the user's input was wrong, 3 waiting.

#![forbid(unsafe_code)]

mod backfill;
mod check;
mod cluster;
mod columns;
mod decide;
mod dedupe;
mod evaluate;
mod grid;
mod init;
mod lakes;
mod maintain;
mod network;
mod page;
mod pair;
mod preview;
mod progress;
mod quarantine;
mod query;
mod report;
mod reset;
mod run;
mod runs;
mod scaffold;
mod serve;
mod sheet;
mod undo;
mod why;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use tributary_connector::Registry;
use tributary_merge::decision::{Statement, Verdict};
use tributary_pipeline::{RunDate, RunOptions};

/// Brings a retailer's customer records together.
#[derive(Debug, Parser)]
#[command(name = "tributary", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// No colour.
    #[arg(long, global = true)]
    no_color: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a pipeline file for some files: their sources, and a first mapping.
    Init {
        files: Vec<PathBuf>,
        /// Where to write it; `-` prints it.
        #[arg(long, short, default_value = "pipeline.toml")]
        output: PathBuf,
    },
    /// Show a stream's encoding, header, types and first rows, and what its mappings make of them.
    Preview {
        pipeline: PathBuf,
        /// `source.stream`.
        stream: String,
        /// How many rows.
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
        rows: u16,
    },
    /// Check a pipeline file: everything that is wrong, at once. Writes nothing and reads no record.
    Check {
        pipeline: PathBuf,
        #[arg(long)]
        json: bool,
    },
    /// Say what a run would do, and why. Writes nothing.
    Plan {
        pipeline: PathBuf,
        #[arg(long)]
        json: bool,
    },
    /// Run a pipeline once.
    Run {
        pipeline: PathBuf,
        /// Let a file of this `source.stream` be replaced by content that withdraws over half of its records.
        #[arg(long, value_name = "SOURCE.STREAM")]
        accept_replace: Vec<String>,
        /// Go on although more records of this `source.stream` were rejected than `max_rejected` allows.
        #[arg(long, value_name = "SOURCE.STREAM")]
        accept_rejected: Vec<String>,
        /// Read only these sources; the others stand where they stood.
        #[arg(long, value_name = "SOURCE")]
        source: Vec<String>,
        /// Make the sources and stages of this pipeline of the lake one's own: it is gone, or has been renamed.
        #[arg(long, value_name = "PIPELINE")]
        take_over: Vec<String>,
        /// Train the match model anew, in place of the one that is kept.
        #[arg(long)]
        retrain: bool,
        /// The day that `as_of = "run_date"` stands for; today if not given.
        #[arg(long, value_name = "YYYY-MM-DD")]
        date: Option<chrono::NaiveDate>,
        /// Stay for as long as a source wants to be left alone, in place of ending with exit code 3.
        #[arg(long)]
        wait: bool,
        /// The ledger as JSON on stdout.
        #[arg(long)]
        json: bool,
    },
    /// Run pipelines at the times their files say, until it is stopped.
    Serve {
        /// Pipeline files, and folders of them.
        #[arg(default_value = ".")]
        paths: Vec<PathBuf>,
        /// Where health and metrics are served.
        #[arg(long, value_name = "ADDRESS")]
        listen: Option<std::net::SocketAddr>,
        /// The folder of the server's history; one server's own.
        #[arg(long, value_name = "FOLDER")]
        state: Option<PathBuf>,
        /// The settings: see docs/operating.md.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Be a part of a cluster that computes for pipelines with `[engine] cluster`: see docs/cluster.md.
    Cluster {
        #[command(subcommand)]
        what: cluster::Part,
    },
    /// List the runs of a lake, newest first: what they read and wrote, and how they ended.
    Runs {
        lake: String,
        /// How many.
        #[arg(long, default_value_t = 20)]
        limit: usize,
        #[arg(long)]
        json: bool,
    },
    /// Take back what a run has read, as if it had never come; the next run of the pipeline derives everything from what is left.
    Undo {
        lake: String,
        /// The run's id, as `runs` lists it.
        run: String,
        /// Do not read a CRM's or shop's window of that run again: only take back.
        #[arg(long)]
        no_reread: bool,
        #[arg(long)]
        json: bool,
    },
    /// Look at records that were rejected, and decode them again when the cause is mended.
    Quarantine {
        #[command(subcommand)]
        what: Quarantine,
    },
    /// Read a source, or one of its streams, from the start again: at the next run of the pipeline.
    Reset {
        /// A lake, or the file of a pipeline.
        lake: String,
        /// `source` or `source.stream`.
        name: String,
        /// What was read before no longer counts: the tables become what the source shows now.
        #[arg(long)]
        forget: bool,
        /// Only say what it would do.
        #[arg(long)]
        dry_run: bool,
        #[arg(long)]
        json: bool,
    },
    /// Read a window of time again, beside what runs read: what was changed at the source then.
    Backfill {
        pipeline: PathBuf,
        /// `source` or `source.stream`.
        name: String,
        /// The beginning, such as `2026-06-30` or `2026-06-30T16:00:00+08:00`; without a zone on the source's clocks.
        #[arg(long, value_name = "TIME")]
        from: String,
        /// The end, which is not read.
        #[arg(long, value_name = "TIME")]
        to: String,
        /// Stay for as long as a source wants to be left alone, in place of ending with exit code 3.
        #[arg(long)]
        wait: bool,
        #[arg(long)]
        json: bool,
    },
    /// Put small files together and delete what nobody needs any more. Runs do it by themselves where it is worth while.
    Maintain {
        lake: String,
        /// How long removed files stay, for who reads an older version.
        #[arg(long, value_name = "HOURS", default_value_t = 168, value_parser = clap::value_parser!(u64).range(1..))]
        keep_hours: u64,
        #[arg(long)]
        json: bool,
    },
    /// List the tables of a lake, as of its newest manifest.
    Tables {
        lake: String,
        #[arg(long)]
        json: bool,
    },
    /// Ask a lake in SQL; tables have two-part names, such as `customer.customer`.
    Query {
        lake: String,
        sql: String,
        #[arg(long, conflicts_with = "csv")]
        json: bool,
        /// With a byte order mark, so that Excel opens it in Chinese.
        #[arg(long)]
        csv: bool,
    },
    /// Show which records made a customer, by which rules, and which record gave each field; or why two records are one person, or are
    /// not.
    Why {
        lake: String,
        /// A customer's id, or a record's key.
        id: String,
        /// Another: why are these two one, or not?
        other: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// Say what evidence cannot: that two records are one person, or two.
    Merge {
        #[command(subcommand)]
        what: Merge,
    },
    /// List the connectors, or one's configuration.
    Connectors {
        name: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// Begin a connector of one's own.
    Connector {
        #[command(subcommand)]
        what: ConnectorCommand,
    },
    /// Print the JSON schema of a pipeline file, for editors.
    Schema,
    /// Print completions for a shell.
    Completions { shell: clap_complete::Shell },
}

#[derive(Debug, Subcommand)]
enum Quarantine {
    /// Why records were rejected, how many, and what has become of them.
    List {
        lake: String,
        /// Of this source only.
        #[arg(long)]
        source: Option<String>,
        /// Of this stream only.
        #[arg(long, value_name = "SOURCE.STREAM")]
        stream: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// The rejected records of a stream, one by one.
    Show {
        lake: String,
        /// `source.stream`.
        stream: String,
        /// How many.
        #[arg(long, default_value_t = 20)]
        limit: usize,
        /// Those too that were replayed, withdrawn or undone.
        #[arg(long)]
        all: bool,
        /// Show what the source wrote: personal values.
        #[arg(long)]
        bytes: bool,
        #[arg(long)]
        json: bool,
    },
    /// Decode rejected records again, as the pipeline declares their streams now; those that are sound become rows.
    Replay {
        pipeline: PathBuf,
        /// `source.stream`; all if not given.
        stream: Option<String>,
        /// Say what would become of them, and write nothing.
        #[arg(long)]
        dry_run: bool,
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
enum Merge {
    /// Find which records of one file are one person, without a pipeline.
    Dedupe {
        file: PathBuf,
        /// Where the rows go, each with its customer's id: a `.csv`, `.jsonl` or `.parquet` file.
        #[arg(long, short)]
        output: PathBuf,
        /// Which column holds a field, in place of what is guessed; `FIELD=` leaves a field out.
        #[arg(long, value_name = "FIELD=COLUMN")]
        map: Vec<String>,
        /// A column that says which person each record is: it is not looked at, and the result is held against it.
        #[arg(long, value_name = "COLUMN")]
        truth: Option<String>,
        /// Keep the pipeline and its lake in this new folder.
        #[arg(long, value_name = "FOLDER")]
        keep: Option<PathBuf>,
        /// Write over the output.
        #[arg(long)]
        force: bool,
    },
    /// Hold the merge of a pipeline's lake against the truth about some records, by threshold. Writes nothing.
    Evaluate {
        pipeline: PathBuf,
        /// A CSV file with a column `person` and either `record_key`, or `source` and `record_id`.
        #[arg(long, value_name = "FILE")]
        truth: PathBuf,
        #[arg(long)]
        json: bool,
    },
    /// Write one HTML page on the merge of a pipeline's lake: the model, the threshold, the blocking, the largest and the most doubtful
    /// customers, pairs to review.
    Report {
        pipeline: PathBuf,
        #[arg(long, short, default_value = "merge.html")]
        output: PathBuf,
        /// Show names, phones and the like of the records that the page names.
        #[arg(long)]
        values: bool,
        /// The report as JSON on stdout, in place of the page.
        #[arg(long)]
        json: bool,
    },
    /// Decide on a pair, whatever the evidence. It stays decided, through rebuilds and new models.
    Decide {
        lake: String,
        /// A record's key, or a customer's id, which stands for the record that it has had longest.
        a: String,
        b: String,
        /// They are one person.
        #[arg(long, group = "verdict")]
        same: bool,
        /// They are two persons.
        #[arg(long, group = "verdict")]
        apart: bool,
        /// Take back what was decided: the evidence counts again.
        #[arg(long, group = "verdict", required_unless_present_any = ["same", "apart"])]
        open: bool,
        /// Who says so.
        #[arg(long)]
        by: Option<String>,
        #[arg(long)]
        reason: Option<String>,
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
enum ConnectorCommand {
    /// Write a crate that reads the sample shop and passes the conformance suite, to be changed into another.
    New { name: String },
}

/// A command that a binary adds: its name, arguments and what it does.
pub struct Extra {
    pub command: clap::Command,
    pub run: fn(&clap::ArgMatches) -> ExitCode,
}

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Done,
    Failed,
    Input,
    /// A quota is used up: come back later.
    Waiting,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::Failed => Self::from(1),
            Exit::Input => Self::from(2),
            Exit::Waiting => Self::from(3),
        }
    }
}

/// The whole program, with the connectors of `registry` and more commands.
pub fn main(registry: Registry, extras: &[Extra]) -> ExitCode {
    let commands = extras.iter().map(|extra| extra.command.clone());
    let matches = Arguments::command().subcommands(commands).get_matches();
    if let Some((name, matches)) = matches.subcommand()
        && let Some(extra) = extras.iter().find(|extra| extra.command.get_name() == name)
    {
        return (extra.run)(matches);
    }
    let arguments = match Arguments::from_arg_matches(&matches) {
        Ok(arguments) => arguments,
        Err(e) => e.exit(),
    };
    // A server's log is all that is seen of it; a command's is for those who look for a mistake.
    let level = match arguments.command {
        Command::Serve { .. } => "tributary_server=info",
        // What Ballista tells below a warning is plans.
        Command::Cluster { .. } => "warn",
        _ => "off",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("TRIBUTARY_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(cluster::masked(std::io::stderr)).init();
    // Two providers come with the object stores; one has to be chosen. Someone else's choice is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut threads = tokio::runtime::Builder::new_multi_thread();
    if tributary_engine::CLUSTER {
        // Plans are packed and unpacked by recursion. What is not used of a stack is not taken.
        threads.thread_stack_size(64 << 20);
    }
    let runtime = match threads.enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            eprintln!("error: the program could not start its threads: {e}");
            return ExitCode::from(1);
        }
    };
    let plain = arguments.no_color || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let colour = !plain && std::io::IsTerminal::is_terminal(&std::io::stderr());
    let exit = runtime.block_on(dispatch(arguments.command, &registry, colour));
    // A read that still waits on a file must not keep the program from ending.
    runtime.shutdown_background();
    exit.into()
}

async fn dispatch(command: Command, registry: &Registry, colour: bool) -> Exit {
    match command {
        Command::Init { files, output } => init::init(&files, &output, registry, colour).await,
        Command::Preview { pipeline, stream, rows } => {
            preview::preview(&pipeline, &stream, usize::from(rows), registry, colour).await
        }
        Command::Check { pipeline, json } => check::check(&pipeline, registry, json, colour).await,
        Command::Plan { pipeline, json } => check::plan(&pipeline, registry, json, colour).await,
        Command::Run { pipeline, accept_replace, accept_rejected, source, take_over, retrain, date, wait, json } => {
            let date = date.map_or(RunDate::Today, RunDate::Given);
            let options = RunOptions { accept_replace, accept_rejected, sources: source, take_over, retrain, date };
            run::run(&pipeline, registry, options, run::Manner { json, colour, wait }).await
        }
        Command::Serve { paths, listen, state, config } => {
            serve::serve(paths, listen, state, config.as_deref(), colour).await
        }
        Command::Cluster { what } => cluster::run(what).await,
        Command::Runs { lake, limit, json } => runs::runs(&lake, limit, json).await,
        Command::Undo { lake, run, no_reread, json } => undo::undo(&lake, &run, !no_reread, json).await,
        Command::Quarantine { what } => match what {
            Quarantine::List { lake, source, stream, json } => {
                quarantine::list(&lake, source.as_deref(), stream.as_deref(), json).await
            }
            Quarantine::Show { lake, stream, limit, all, bytes, json } => {
                quarantine::show(&lake, &stream, limit, quarantine::What { all, bytes, json }).await
            }
            Quarantine::Replay { pipeline, stream, dry_run, json } => {
                quarantine::replay(&pipeline, stream.as_deref(), registry, quarantine::How { dry_run, json, colour })
                    .await
            }
        },
        Command::Reset { lake, name, forget, dry_run, json } => {
            reset::reset(&lake, &name, reset::Manner { forget, dry_run, json, colour }).await
        }
        Command::Backfill { pipeline, name, from, to, wait, json } => {
            let manner = run::Manner { json, colour, wait };
            backfill::backfill(&pipeline, registry, &name, (&from, &to), manner).await
        }
        Command::Maintain { lake, keep_hours, json } => maintain::maintain(&lake, keep_hours, json).await,
        Command::Tables { lake, json } => lakes::tables(&lake, json).await,
        Command::Query { lake, sql, json, csv } => query::query(&lake, &sql, json, csv).await,
        Command::Why { lake, id, other: None, json } => why::why(&lake, &id, json).await,
        Command::Why { lake, id, other: Some(other), json } => pair::why(&lake, &id, &other, json).await,
        Command::Merge { what } => match what {
            Merge::Dedupe { file, output, map, truth, keep, force } => {
                let (truth, keep) = (truth.as_deref(), keep.as_deref());
                let task = dedupe::Task { file: &file, maps: &map, output: &output, force, truth, keep, colour };
                dedupe::dedupe(task, registry).await
            }
            Merge::Evaluate { pipeline, truth, json } => {
                evaluate::evaluate(&pipeline, &truth, registry, json, colour).await
            }
            Merge::Report { pipeline, output, values, json } => {
                let task = page::Task { pipeline: &pipeline, output: &output, values, json, colour };
                page::report(task, registry).await
            }
            Merge::Decide { lake, a, b, same, apart, open: _, by, reason, json } => {
                let verdict = match (same, apart) {
                    (true, _) => Verdict::Same,
                    (_, true) => Verdict::Apart,
                    _ => Verdict::Open,
                };
                let said = Statement { pair: (&a, &b), verdict, by: by.as_deref(), reason: reason.as_deref() };
                decide::decide(&lake, said, json).await
            }
        },
        Command::Connectors { name, json } => check::connectors(registry, name.as_deref(), json),
        Command::Connector { what: ConnectorCommand::New { name } } => scaffold::new(&name),
        Command::Schema => check::schema(registry),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "tributary", &mut std::io::stdout());
            Exit::Done
        }
    }
}

/// Tells an error with all that caused it, and the mend.
pub(crate) fn tell(error: &dyn std::error::Error, hint: Option<String>) -> Exit {
    eprintln!("error: {error}");
    let mut source = error.source();
    let mut said = error.to_string();
    while let Some(cause) = source {
        let text = cause.to_string();
        // Libraries repeat their source in their own text.
        if !said.contains(&text) {
            eprintln!("  caused by: {text}");
            said = text;
        }
        source = cause.source();
    }
    if let Some(hint) = hint {
        eprintln!("  hint: {hint}");
    }
    Exit::Failed
}

/// Prints to stdout; a reader that has gone away is no error of ours.
pub(crate) fn print(text: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}
