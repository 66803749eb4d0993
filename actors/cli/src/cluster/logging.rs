//! Where a process tells what it does: its standard error, or a file.

use std::path::Path;

use anyhow::Context;
use tracing_subscriber::EnvFilter;

/// The variable that says what is logged, as in `info` or `warn,plimsoll_store=debug`.
const VARIABLE: &str = "PLIMSOLL_LOG";

/// Logs to `file`, appending, or to standard error if there is none.
///
/// # Errors
/// If the file cannot be opened.
pub fn log_to(file: Option<&Path>) -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_env(VARIABLE).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_target(false);
    match file {
        None => builder.with_writer(std::io::stderr).init(),
        Some(file) => builder
            .with_writer(std::sync::Mutex::new(open_log(file)?))
            .init(),
    }
    Ok(())
}

/// Opens a log file for appending, and makes its folder.
///
/// # Errors
/// If that is not possible.
pub(super) fn open_log(file: &Path) -> anyhow::Result<std::fs::File> {
    let folder = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)
        .and_then(|()| {
            std::fs::OpenOptions::new()
                .append(true)
                .create(true)
                .open(file)
        })
        .with_context(|| format!("the log {} cannot be written", file.display()))
}
