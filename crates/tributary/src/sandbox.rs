//! `tributary sandbox`: the stand-ins for the vendors' APIs, so that pipelines can be tried without an account.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command, value_parser};
use tributary_cli::Extra;
use tributary_sandbox::http::Scenario;
use tributary_sandbox::{Sandbox, SandboxOptions};

pub fn extra() -> Extra {
    let number = |name: &'static str, default: &'static str| Arg::new(name).long(name).default_value(default);
    let command = Command::new("sandbox")
        .about("Serve stand-ins for the vendors' APIs on 127.0.0.1, over a made-up retailer, until it is stopped")
        .arg(
            number("port", "7001")
                .value_parser(value_parser!(u16).range(..=65_533))
                .help("The first stand-in's port, the others take the next ones; 0: any that are free"),
        )
        .arg(number("people", "2000").value_parser(value_parser!(usize)).help("How many persons the retailer has"))
        .arg(number("seed", "1").value_parser(value_parser!(u64)).help("Where all chance comes from"))
        .arg(
            number("speed", "1")
                .value_parser(value_parser!(f64))
                .help("Seconds of the stand-ins' clocks for each that passes"),
        )
        .arg(
            Arg::new("scenario")
                .long("scenario")
                .value_parser(value_parser!(PathBuf))
                .help("A file that says how they misbehave"),
        )
        .arg(
            Arg::new("files")
                .long("files")
                .value_parser(value_parser!(PathBuf))
                .help("Write the exports of the same retailer's tills and shop into this folder first"),
        );
    Extra { command, run }
}

fn run(matches: &ArgMatches) -> ExitCode {
    match start(matches) {
        Ok(sandbox) => {
            for place in sandbox.places() {
                eprintln!("{} at {}", place.name, place.url);
                for (name, value) in place.environment {
                    println!("export {name}={value}");
                }
            }
            eprintln!(
                "the lines above set what pipelines ask for; `POST /_sandbox/advance` lets a stand-in's world go on"
            );
            sandbox.wait();
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(2)
        }
    }
}

fn start(matches: &ArgMatches) -> Result<Sandbox, String> {
    let mut options = SandboxOptions::default();
    if let Some(port) = matches.get_one("port") {
        options.ports = *port;
    }
    if let Some(people) = matches.get_one("people") {
        options.people = *people;
    }
    if let Some(seed) = matches.get_one("seed") {
        options.seed = *seed;
    }
    if let Some(speed) = matches.get_one("speed") {
        options.speed = *speed;
    }
    if let Some(path) = matches.get_one::<PathBuf>("scenario") {
        options.scenario = Some(scenario(path)?);
    }
    let sandbox = Sandbox::start(options).map_err(|e| e.to_string())?;
    if let Some(folder) = matches.get_one::<PathBuf>("files") {
        sandbox.write(folder).map_err(|e| e.to_string())?;
    }
    Ok(sandbox)
}

fn scenario(path: &Path) -> Result<Scenario, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("could not read `{}`: {e}", path.display()))?;
    Scenario::from_toml(&text).map_err(|e| format!("`{}`: {e}", path.display()))
}
