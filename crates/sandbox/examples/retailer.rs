//! Writes the made-up retailer: `cargo run -p tributary-sandbox --example retailer -- FOLDER [PEOPLE] [SEED]`.

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("usage: retailer FOLDER [PEOPLE] [SEED]")?);
    let mut config = tributary_sandbox::Config::default();
    if let Some(people) = arguments.next() {
        config.people = people.parse()?;
    }
    if let Some(seed) = arguments.next() {
        config.seed = seed.parse()?;
    }
    let summary = tributary_sandbox::write(&config, &folder)?;
    for (file, count) in &summary.files {
        println!("{file}: {} rows, {} sent again, {} bytes", count.rows, count.resent, count.bytes);
    }
    println!("{:?}", summary.noise);
    Ok(())
}
