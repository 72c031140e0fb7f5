//! The command: installs the TLS provider, runs the command line, returns its exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Crates that speak TLS would each look for a provider at first use. It can only be installed
    // already, which is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    countersign::cli::main(std::env::args_os())
}
