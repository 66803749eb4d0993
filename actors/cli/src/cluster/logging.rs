//! Where a process tells what it does: its standard error, or a file.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use tracing_subscriber::EnvFilter;

/// The variable that says what is logged, as in `info` or `warn,plimsoll_store=debug`.
const VARIABLE: &str = "PLIMSOLL_LOG";

/// How long a log file becomes before it is put aside as `FILE.1`, in place of the one before.
const LENGTH_MAX: u64 = 16 << 20;

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
            .with_writer(std::sync::Mutex::new(Bounded::open(file, LENGTH_MAX)?))
            .init(),
    }
    Ok(())
}

/// Opens a log file for appending, and makes its folder.
///
/// # Errors
/// If that is not possible.
pub(super) fn open_log(file: &Path) -> anyhow::Result<File> {
    let folder = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)
        .and_then(|()| File::options().append(true).create(true).open(file))
        .with_context(|| format!("the log {} cannot be written", file.display()))
}

/// A log file that is put aside when it becomes long. It is copied and cut, not renamed, because a process's standard
/// error may be the same file.
struct Bounded {
    file: File,
    path: PathBuf,
    length: u64,
    most: u64,
}

impl Bounded {
    fn open(path: &Path, most: u64) -> anyhow::Result<Self> {
        let file = open_log(path)?;
        let metadata = file.metadata();
        let length = metadata.with_context(|| path.display().to_string())?.len();
        Ok(Bounded {
            file,
            path: path.to_owned(),
            length,
            most,
        })
    }

    fn put_aside(&mut self) -> io::Result<()> {
        let mut aside = self.path.clone().into_os_string();
        aside.push(".1");
        std::fs::copy(&self.path, aside)?;
        self.file.set_len(0)?;
        self.length = 0;
        Ok(())
    }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.length >= self.most {
            self.put_aside()?;
        }
        let written = self.file.write(bytes)?;
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_becomes_long_is_put_aside_whole() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("log/store.log");
        let aside = folder.path().join("log/store.log.1");
        let mut log = Bounded::open(&path, 10)?;
        log.write_all(b"0123456789")?;
        assert!(!aside.exists());
        log.write_all(b"next")?;
        assert_eq!(std::fs::read_to_string(&aside)?, "0123456789");
        assert_eq!(std::fs::read_to_string(&path)?, "next");
        drop(log);
        let mut again = Bounded::open(&path, 4)?;
        again.write_all(b"last")?;
        assert_eq!(std::fs::read_to_string(&aside)?, "next");
        assert_eq!(std::fs::read_to_string(&path)?, "last");
        Ok(())
    }
}
