//! The directory in which a cluster lives, and the lock that makes it one cluster.
//!
//! ```text
//! DIR/version        format of everything below
//! DIR/lock           held by the `up` that runs; its process id
//! DIR/incarnations   how often each component was started
//! DIR/kubeconfig     client certificate of an admin
//! DIR/pki/           certificates and keys
//! DIR/store/         the store's database
//! DIR/nodes/NODE/    a kubelet's pods and images
//! DIR/log/           a file for each component
//! DIR/trace/         a file for each component and start
//! ```

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use nix::fcntl::{Flock, FlockArg};

/// Format of what is in a data directory. It changes when an older Plimsoll could not go on with it.
const FORMAT: &str = "1";

/// The directory of a cluster, locked for this process.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Held until the process ends.
    _lock: Flock<File>,
}

/// Where a cluster lives unless the user says otherwise: `$XDG_DATA_HOME/plimsoll`, as the XDG base directory
/// specification has it.
pub fn default_data_dir() -> PathBuf {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"));
    let base = std::env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    base.or_else(home)
        .unwrap_or_else(|| PathBuf::from("/var/lib"))
        .join("plimsoll")
}

/// Where the cluster is that the user speaks of: as given, else where `$KUBECONFIG` is if a cluster of `up` is there, else
/// where one is unless the user says otherwise.
pub fn present_data_dir(given: Option<PathBuf>) -> PathBuf {
    let named = || {
        let kubeconfig = PathBuf::from(std::env::var_os("KUBECONFIG")?);
        let directory = kubeconfig.parent()?.to_owned();
        directory.join("version").is_file().then_some(directory)
    };
    given.or_else(named).unwrap_or_else(default_data_dir)
}

impl DataDir {
    /// Whether some `up` has taken the directory, now or before.
    pub fn was_taken(path: &Path) -> bool {
        path.join("lock").exists()
    }

    /// Makes the directory if need be, and takes it for this process.
    ///
    /// # Errors
    /// If it cannot be written, belongs to a cluster that runs, or has another format.
    pub fn take(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let mend = "give a directory that can be written with --data-dir";
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(path)
            .with_context(|| format!("the data directory {shown} cannot be made; {mend}"))?;
        let path = path
            .canonicalize()
            .with_context(|| format!("the data directory {shown}"))?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join("lock"))
            .with_context(|| format!("the data directory {shown} cannot be written; {mend}"))?;
        let mut lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => lock,
            Err((mut file, _)) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                let holder = holder.trim();
                bail!(
                    "a cluster already runs on {shown} (process {holder}); stop it with `kill {holder}`, \
                     or start another with --data-dir and --api-address"
                );
            }
        };
        lock.set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| writeln!(lock, "{}", std::process::id()))
            .with_context(|| format!("the data directory {shown} cannot be written; {mend}"))?;
        check_format(&path)?;
        Ok(DataDir { path, _lock: lock })
    }

    /// Its absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn check_format(path: &Path) -> anyhow::Result<()> {
    let file = path.join("version");
    match std::fs::read_to_string(&file) {
        Ok(found) if found.trim() == FORMAT => Ok(()),
        Ok(found) => bail!(
            "{} was written in data format {:?} and this Plimsoll knows {FORMAT}; use the Plimsoll that wrote it, \
             or another directory with --data-dir",
            path.display(),
            found.trim(),
        ),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            std::fs::write(&file, format!("{FORMAT}\n"))
                .with_context(|| format!("{} cannot be written", file.display()))
        }
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", file.display())),
    }
}

/// Writes a file in one piece: readers see the old one or the new one. `mode` are its permissions.
///
/// # Errors
/// If it cannot be written.
pub(super) fn write_whole(path: &Path, mode: u32, contents: &str) -> anyhow::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let partial = path.with_extension("partial");
    let _ = std::fs::remove_file(&partial);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&partial)
        .and_then(|mut file| file.write_all(contents.as_bytes()))
        .and_then(|()| std::fs::rename(&partial, path));
    written.with_context(|| format!("{} cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_taken_once() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let first = DataDir::take(folder.path()).expect("free");
        let error = DataDir::take(folder.path()).expect_err("taken").to_string();
        assert!(
            error.contains(&format!("(process {})", std::process::id())),
            "{error}"
        );
        drop(first);
        DataDir::take(folder.path()).expect("free again");
    }

    #[test]
    fn a_directory_of_another_format_is_left_alone() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(folder.path().join("version"), "0\n").expect("a file");
        let error = DataDir::take(folder.path())
            .expect_err("another format")
            .to_string();
        assert!(error.contains("data format \"0\""), "{error}");
    }
}
