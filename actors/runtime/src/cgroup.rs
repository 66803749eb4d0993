//! The few things done to control groups directly: find, join, kill, remove, count out-of-memory kills.
//!
//! libcontainer sets limits and puts containers into their groups. Taking groups down is done here,
//! for whole trees and in every hierarchy, those it does not know (named and cgroup2 beside v1) included.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// Rounds of killing before giving up: each round catches what forked during the one before.
const KILL_ROUNDS_MAX: usize = 100;

/// How long a killed process may take to end.
const END_TIME_MAX: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};

/// Mount points of every mounted hierarchy, v1 and v2.
pub fn hierarchies() -> io::Result<Vec<PathBuf>> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let mut found = Vec::new();
    for line in mounts.lines() {
        let mut fields = line.split(' ');
        let (_, target, kind) = (fields.next(), fields.next(), fields.next());
        if let (Some(target), Some("cgroup" | "cgroup2")) = (target, kind) {
            found.push(PathBuf::from(target));
        }
    }
    Ok(found)
}

/// Whether this machine has only cgroup2.
pub fn unified() -> bool {
    Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
}

/// The directories of group `path` that exist.
fn directories(path: &Path) -> io::Result<Vec<PathBuf>> {
    let relative = path.strip_prefix("/").unwrap_or(path);
    let all = hierarchies()?;
    Ok(all
        .into_iter()
        .map(|root| root.join(relative))
        .filter(|dir| dir.is_dir())
        .collect())
}

/// Moves this process into group `path`, in cgroup2 and in systemd's own v1 hierarchy: those are where
/// a service manager looks for the processes of a service it stops.
pub fn join_apart(path: &Path) -> io::Result<()> {
    let relative = path.strip_prefix("/").unwrap_or(path);
    for root in hierarchies()? {
        let decides = root.join("cgroup.controllers").exists() || root.ends_with("systemd");
        if decides {
            let directory = root.join(relative);
            fs::create_dir_all(&directory)?;
            fs::write(directory.join("cgroup.procs"), "0")?;
        }
    }
    Ok(())
}

/// Kills every process in group `path` and below it and returns when each of them has ended.
/// Errors if one does not (it may be waiting in the kernel, for a disk that is gone).
pub fn kill_all(path: &Path) -> io::Result<()> {
    let stuck = || io::Error::other(format!("processes of cgroup {} do not end", path.display()));
    for _ in 0..KILL_ROUNDS_MAX {
        let pids = processes(path)?;
        if pids.is_empty() {
            return Ok(());
        }
        let mut dying = Vec::new();
        for pid in pids.into_iter().filter_map(Pid::from_raw) {
            // One that has ended meanwhile needs no killing.
            let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else {
                continue;
            };
            let _ = pidfd_send_signal(&process, Signal::KILL);
            dying.push(process);
        }
        for process in dying {
            // A process's descriptor can be read once it has ended (pidfd_open(2)).
            let mut waited = [PollFd::new(&process, PollFlags::IN)];
            if poll(&mut waited, Some(&END_TIME_MAX))? == 0 {
                return Err(stuck());
            }
        }
    }
    Err(stuck())
}

/// Processes in group `path` and below it that are not zombies.
pub fn processes(path: &Path) -> io::Result<Vec<i32>> {
    let mut found = Vec::new();
    for directory in directories(path)? {
        collect(&directory, &mut found)?;
    }
    found.sort_unstable();
    found.dedup();
    found.retain(|pid| *pid > 0 && !is_zombie(*pid));
    Ok(found)
}

fn collect(directory: &Path, found: &mut Vec<i32>) -> io::Result<()> {
    let listed = match fs::read_to_string(directory.join("cgroup.procs")) {
        Ok(listed) => listed,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    found.extend(
        listed
            .lines()
            .filter_map(|line| line.trim().parse::<i32>().ok()),
    );
    for below in subdirectories(directory)? {
        collect(&below, found)?;
    }
    Ok(())
}

fn is_zombie(pid: i32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return true;
    };
    stat.rsplit_once(')')
        .is_some_and(|(_, rest)| rest.trim_start().starts_with(['Z', 'X']))
}

fn subdirectories(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Removes group `path` and every group below it, in every hierarchy. Processes must have left.
pub fn remove(path: &Path) -> io::Result<()> {
    for directory in directories(path)? {
        remove_tree(&directory)?;
    }
    Ok(())
}

/// Removes group `path` where it has no group below it any more.
pub fn remove_if_empty(path: &Path) -> io::Result<()> {
    for directory in directories(path)? {
        if subdirectories(&directory)?.is_empty() {
            remove_one(&directory)?;
        }
    }
    Ok(())
}

fn remove_tree(directory: &Path) -> io::Result<()> {
    for below in subdirectories(directory)? {
        remove_tree(&below)?;
    }
    remove_one(directory)
}

/// A process that has ended leaves its group a moment later, and nothing tells when: v1 has no event for
/// it. So a busy group is tried again.
fn remove_one(directory: &Path) -> io::Result<()> {
    const TRIES: u32 = 50;
    let mut tried = 0;
    loop {
        match fs::remove_dir(directory) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) if e.kind() == io::ErrorKind::ResourceBusy && tried < TRIES => {
                tried += 1;
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
            Err(e) => {
                return Err(io::Error::new(
                    e.kind(),
                    format!("{}: {e}", directory.display()),
                ));
            }
            Ok(()) => return Ok(()),
        }
    }
}

/// How many processes of group `path` the kernel has killed for want of memory
/// (`memory.events` of cgroup2, `memory.oom_control` of v1).
pub fn oom_kills(path: &Path) -> u64 {
    let mut count = 0;
    for directory in directories(path).unwrap_or_default() {
        for file in ["memory.events", "memory.oom_control"] {
            let Ok(text) = fs::read_to_string(directory.join(file)) else {
                continue;
            };
            let counted = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
            count += counted
                .and_then(|n| n.trim().parse::<u64>().ok())
                .unwrap_or(0);
        }
    }
    count
}
