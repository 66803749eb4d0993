//! The command `plimsoll`: a Kubernetes-compatible cluster in one binary, and small tools for it.

mod bench;
mod checker;
mod client;
mod cluster;
mod commands;
mod components;
mod suite;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    end_quietly_without_a_reader();
    let line = commands::Plimsoll::parse();
    match line.command.execute() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What a shell reports of a program that SIGPIPE ended.
const NO_READER: i32 = 128 + 13;

/// `println!` panics when its reader has gone, as in `plimsoll trace show DIR | head`. That is the reader's choice and no
/// fault. (`up` and the components print nothing on standard output once they serve.)
fn end_quietly_without_a_reader() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let told = panic.payload_as_str().unwrap_or_default();
        if told.starts_with("failed printing to stdout") && told.contains("Broken pipe") {
            std::process::exit(NO_READER);
        }
        usual(panic);
    }));
}
