//! The whole program as a library: for a binary that has one more connector.

mod sandbox;

use std::process::ExitCode;

use tributary_connector::Registry;

/// All our connectors.
pub fn connectors() -> Registry {
    let mut registry = Registry::new();
    tributary_files::register(&mut registry);
    tributary_fxiaoke::register(&mut registry);
    tributary_zoho_crm::register(&mut registry);
    registry
}

/// The program, with the connectors of `registry`.
pub fn main(registry: Registry) -> ExitCode {
    tributary_cli::main(registry, &[sandbox::extra()])
}
