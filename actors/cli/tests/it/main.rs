//! The command line as its user sees it.

mod errors;
mod help;

use std::process::{Command, Output};

/// Runs the built command with nothing in its environment that could change what it says.
fn plimsoll(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_plimsoll"))
        .args(arguments)
        .env_clear()
        .env("HOME", "/nonexistent")
        .env("COLUMNS", "100")
        .output()
        .expect("the command runs")
}

/// What it wrote to standard output, or to standard error.
fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("it writes UTF-8")
}
