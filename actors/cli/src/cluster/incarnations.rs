//! How often each component of a cluster was started, over all runs: what the supervisor keeps on disk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

/// The file `DIR/incarnations`: a line `COMPONENT NUMBER` each.
#[derive(Debug)]
pub(super) struct Incarnations {
    file: PathBuf,
    last: BTreeMap<String, u64>,
}

impl Incarnations {
    /// Reads what is there; nothing for a new cluster.
    ///
    /// # Errors
    /// If the file cannot be read or holds something else.
    pub(super) fn read(data_dir: &Path) -> anyhow::Result<Self> {
        let file = data_dir.join("incarnations");
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                return Err(error).with_context(|| format!("{} cannot be read", file.display()));
            }
        };
        let mut last = BTreeMap::new();
        for line in text.lines() {
            let entry = line
                .split_once(' ')
                .and_then(|(part, number)| Some((part, number.parse().ok()?)));
            ensure!(
                entry.is_some(),
                "{}: {line:?} is not a component and a number; restore the file, or remove DIR/trace and it",
                file.display()
            );
            last.extend(entry.map(|(part, number)| (part.to_owned(), number)));
        }
        Ok(Incarnations { file, last })
    }

    /// The last incarnation of each component.
    pub(super) fn last(&self) -> &BTreeMap<String, u64> {
        &self.last
    }

    /// Remembers a start before it happens, so that no number is used twice.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(super) fn remember(&mut self, part: &str, incarnation: u64) -> anyhow::Result<()> {
        self.last.insert(part.to_owned(), incarnation);
        let text: String = self
            .last
            .iter()
            .map(|(part, number)| format!("{part} {number}\n"))
            .collect();
        super::data_dir::write_whole(&self.file, 0o644, &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let mut first = Incarnations::read(folder.path()).expect("nothing yet");
        assert!(first.last().is_empty());
        first.remember("node-1.kubelet", 3).expect("written");
        first.remember("store", 1).expect("written");
        let second = Incarnations::read(folder.path()).expect("readable");
        assert_eq!(second.last(), first.last());
        std::fs::write(folder.path().join("incarnations"), "store one\n").expect("written");
        assert!(Incarnations::read(folder.path()).is_err());
    }
}
