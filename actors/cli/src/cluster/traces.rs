//! Traces of earlier runs: the last few of each component are kept.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// How many starts of a component keep their trace.
const KEPT: usize = 8;

/// Removes the oldest traces in `DIR/trace`, so that they do not fill the disk over many starts.
///
/// # Errors
/// If the folder cannot be read, or a file not removed.
pub fn forget_old_traces(data_dir: &Path) -> anyhow::Result<()> {
    let folder = data_dir.join("trace");
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            return Err(error).with_context(|| format!("{} cannot be read", folder.display()));
        }
    };
    let mut traces: BTreeMap<String, BTreeMap<u64, Vec<PathBuf>>> = BTreeMap::new();
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some((of, incarnation)) = start(&name) {
            traces
                .entry(of.to_owned())
                .or_default()
                .entry(incarnation)
                .or_default()
                .push(entry.path());
        }
    }
    for starts in traces.values() {
        for file in starts.values().rev().skip(KEPT).flatten() {
            std::fs::remove_file(file)
                .with_context(|| format!("{} cannot be removed", file.display()))?;
        }
    }
    Ok(())
}

/// The machine and its start, of the name of a trace, an earlier part of one, or a record of inputs.
fn start(name: &str) -> Option<(&str, u64)> {
    let stem = name
        .strip_suffix(".trace")
        .or_else(|| name.strip_suffix(".inputs"))
        .or_else(|| {
            let (stem, part) = name.strip_suffix(".part")?.rsplit_once('.')?;
            part.parse::<u32>().is_ok().then_some(stem)
        })?;
    let (of, incarnation) = stem.rsplit_once('.')?;
    Some((of, incarnation.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_starts_keep_their_traces() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        forget_old_traces(folder.path()).expect("nothing to forget");
        let trace = folder.path().join("trace");
        std::fs::create_dir(&trace).expect("made");
        for number in 1..=12 {
            std::fs::write(
                trace.join(format!("node-1.kubelet.kubelet.{number}.trace")),
                "",
            )
            .expect("written");
        }
        for old in ["1.inputs", "1.7.part"] {
            let name = format!("node-1.kubelet.kubelet.{old}");
            std::fs::write(trace.join(name), "").expect("written");
        }
        std::fs::write(trace.join("store.store.1.trace"), "").expect("written");
        forget_old_traces(folder.path()).expect("forgotten");
        let mut left: Vec<_> = std::fs::read_dir(&trace)
            .expect("readable")
            .flatten()
            .map(|e| e.file_name())
            .collect();
        left.sort();
        assert_eq!(left.len(), KEPT + 1, "{left:?}");
        assert!(!trace.join("node-1.kubelet.kubelet.4.trace").exists());
        assert!(trace.join("node-1.kubelet.kubelet.5.trace").exists());
    }
}
