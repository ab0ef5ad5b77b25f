//! The binary.

fn main() -> std::process::ExitCode {
    tributary::main(tributary::connectors())
}
