//! Tributary with one more connector.

fn main() -> std::process::ExitCode {
    let mut registry = tributary::connectors();
    custom_connector::register(&mut registry);
    tributary::main(registry)
}
