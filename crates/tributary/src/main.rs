//! The binary: the one place that names all our connectors.

fn main() -> std::process::ExitCode {
    let mut registry = tributary_connector::Registry::new();
    tributary_files::register(&mut registry);
    tributary_cli::main(registry)
}
