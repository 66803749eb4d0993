//! The process table.

use std::path::Path;

use nix::unistd::Pid;

/// Every process: its id and its command line, words separated by spaces.
pub(crate) fn all() -> Vec<(Pid, String)> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(|pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        Some((
            Pid::from_raw(pid),
            String::from_utf8_lossy(&line).replace('\0', " "),
        ))
    })
    .collect()
}

/// The process of a component of the cluster whose `up` is `supervisor`.
pub(crate) fn component(supervisor: Pid, name: &str) -> Option<Pid> {
    let (node, verb) = match name.rsplit_once('.') {
        Some((node, verb)) => (Some(format!("--node {node} ")), verb),
        None => (None, name),
    };
    let begins = format!(" run --supervised-by {supervisor} ");
    let component = format!(" {verb} --data-dir ");
    let found = all().into_iter().find(|(_, line)| {
        line.contains(&begins)
            && line.contains(&component)
            && node
                .as_ref()
                .is_none_or(|node| format!("{line} ").contains(node))
    });
    found.map(|(pid, _)| pid)
}

/// Every process that belongs to a data directory: it is named on the command line, or something of it is mounted
/// where the process lives and nowhere else.
pub(crate) fn of(directory: &Path) -> Vec<(Pid, String)> {
    let directory = directory.to_string_lossy().into_owned();
    let host = mounts("self");
    let own = Pid::this();
    let mut found = all();
    found.retain(|(pid, line)| {
        let mounts = mounts(&pid.to_string());
        *pid != own
            && (line.contains(&directory) || (mounts != host && mounts.contains(&directory)))
    });
    found
}

/// The mounts that a process sees.
pub(crate) fn mounts(process: &str) -> String {
    std::fs::read_to_string(format!("/proc/{process}/mountinfo")).unwrap_or_default()
}
