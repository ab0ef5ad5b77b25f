//! Serves the made-up Fxiaoke tenant until it is killed:
//! `cargo run -p tributary-sandbox --example fxiaoke -- [PORT] [PEOPLE] [SCENARIO.toml]`.
//!
//! Prints its address on the first line. Its clock runs twenty times as fast as the wall's.

use tributary_sandbox::fxiaoke::{Options, serve};
use tributary_sandbox::http::Scenario;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().map_or(Ok(0), |port| port.parse())?;
    let mut options = Options { speed: 20.0, ..Options::default() };
    if let Some(people) = arguments.next() {
        options.people = people.parse()?;
    }
    let scenario = match arguments.next() {
        Some(path) => Scenario::from_toml(&std::fs::read_to_string(path)?)?,
        None => Scenario::default(),
    };
    let server = serve(options, scenario, port)?;
    println!("{}", server.url());
    server.wait();
    Ok(())
}
