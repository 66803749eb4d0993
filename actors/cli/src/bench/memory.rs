//! Memory of processes: proportional set size, which counts a page shared by n processes as 1/n for each.

use std::collections::BTreeMap;

use serde::Serialize;

/// The memory of one process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Its name, and for a component of Plimsoll which one.
    pub process: String,
    /// Proportional set size.
    pub pss_kib: u64,
}

/// The memory of these processes and all their descendants, those that can be read.
pub(super) fn of(roots: &[i32]) -> Vec<Memory> {
    let parents = parents();
    let belongs = |mut pid: i32| loop {
        if roots.contains(&pid) {
            return true;
        }
        match parents.get(&pid) {
            Some(parent) if *parent > 0 => pid = *parent,
            _ => return false,
        }
    };
    let pids = parents.keys().copied().filter(|pid| belongs(*pid));
    pids.filter_map(|pid| {
        Some(Memory {
            process: name(pid)?,
            pss_kib: pss_kib(pid)?,
        })
    })
    .collect()
}

/// Every process with its parent.
fn parents() -> BTreeMap<i32, i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(|pid| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name stands in brackets and may hold anything; what follows it is state and parent.
        let parent = stat
            .rsplit_once(')')?
            .1
            .split_whitespace()
            .nth(1)?
            .parse()
            .ok()?;
        Some((pid, parent))
    })
    .collect()
}

fn name(pid: i32) -> Option<String> {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words: Vec<_> = line
        .split(|byte| *byte == 0)
        .map(String::from_utf8_lossy)
        .collect();
    let program = words.first()?.rsplit('/').next()?.to_owned();
    // `plimsoll run --supervised-by PID COMPONENT …`, `plimsoll up …`.
    let verb = match words.get(1).map(|word| &**word) {
        Some("run") => words.get(4),
        _ => words
            .get(1)
            .filter(|word| ["up", "shim"].contains(&&***word)),
    };
    Some(match verb {
        Some(verb) => format!("{program} {verb}"),
        None => program,
    })
}

fn pss_kib(pid: i32) -> Option<u64> {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory() {
        let own = i32::try_from(std::process::id()).expect("a process id");
        let measured = of(&[own]);
        assert!(
            measured.iter().any(|memory| memory.pss_kib > 0),
            "{measured:?}"
        );
        assert!(of(&[]).is_empty());
    }
}
