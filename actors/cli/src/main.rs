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
            eprintln!("error: {}", told(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error with its causes, each of them once: some name theirs in their own words already.
fn told(error: &anyhow::Error) -> String {
    let mut told = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !told.ends_with(&cause) {
            if !told.is_empty() {
                told.push_str(": ");
            }
            told.push_str(&cause);
        }
    }
    told
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

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use conformance::trace::ReadError;

    use super::told;

    #[test]
    fn a_cause_is_told_once() {
        let source = Error::from(ErrorKind::NotFound);
        let path = "/a".into();
        let error = anyhow::Error::new(ReadError::File { path, source });
        assert_eq!(
            told(&error.context("no traces")),
            "no traces: /a: entity not found"
        );
    }
}
