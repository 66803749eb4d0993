//! What a cluster occupies on its machine, and that it is gone afterwards.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::processes;

/// What a running cluster occupies.
pub(super) struct Footprint {
    directory: PathBuf,
    /// Its control groups.
    cgroups: BTreeSet<PathBuf>,
}

impl Footprint {
    /// Of the cluster in `directory`.
    pub(super) fn of(directory: &Path) -> Self {
        let mut cgroups = BTreeSet::new();
        for (pid, _) in processes::of(directory) {
            let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
            // `4:memory:/plimsoll/…` in version 1, `0::/plimsoll/…` in version 2.
            let groups = text.lines().filter_map(|line| line.splitn(3, ':').nth(2));
            for group in groups.filter(|group| group.starts_with("/plimsoll")) {
                let hierarchies = std::fs::read_dir("/sys/fs/cgroup")
                    .into_iter()
                    .flatten()
                    .flatten();
                let roots = hierarchies
                    .map(|entry| entry.path())
                    .chain([PathBuf::from("/sys/fs/cgroup")]);
                cgroups.extend(
                    roots
                        .map(|root| root.join(group.trim_start_matches('/')))
                        .filter(|path| path.is_dir()),
                );
            }
        }
        Footprint {
            directory: directory.to_owned(),
            cgroups,
        }
    }

    /// Fails with everything that is still there: processes, mounts, control groups, addresses and routes.
    #[track_caller]
    pub(super) fn assert_gone(&self, pod_prefix: &str) {
        let mut left: Vec<String> = Vec::new();
        left.extend(
            processes::of(&self.directory)
                .iter()
                .map(|(pid, line)| format!("process {pid}: {line}")),
        );
        let directory = self.directory.to_string_lossy();
        let mounts = processes::mounts("self");
        left.extend(
            mounts
                .lines()
                .filter(|line| line.contains(&*directory))
                .map(|line| format!("mount {line}")),
        );
        left.extend(
            self.cgroups
                .iter()
                .filter(|group| group.exists())
                .map(|group| format!("cgroup {}", group.display())),
        );
        for what in ["address", "route", "neighbour"] {
            let output = Command::new("ip")
                .args(["-o", what, "show"])
                .output()
                .expect("iproute2 is installed");
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            left.extend(
                text.lines()
                    .filter(|line| line.contains(pod_prefix))
                    .map(|line| format!("{what} {line}")),
            );
        }
        assert!(left.is_empty(), "left behind:\n  {}", left.join("\n  "));
    }
}
