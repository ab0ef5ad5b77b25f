//! The whole program as a library: for a binary that has one more connector.

mod sandbox;

use std::process::ExitCode;

use tributary_connector::Registry;

/// A run makes and drops many small texts and arrays: a tenth of its time, and some memory, against the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
