//! The command `plimsoll`: a Kubernetes-compatible cluster in one binary, and small tools for it.

mod bench;
mod client;
mod cluster;
mod commands;
mod components;
mod suite;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let line = commands::Plimsoll::parse();
    match line.command.execute() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
