//! Capabilities of a container's process.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use crate::cri::SecurityContext;

/// Every capability; the place is the bit (linux `include/uapi/linux/capability.h`).
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// What containerd gives (`oci/spec.go`, `defaultUnixCaps`).
const DEFAULT: [&str; 14] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// The sets of an OCI process: bounding, effective and permitted. There are no inheritable and no
/// ambient ones, as with containerd since CVE-2022-24769. Errors on a name that is none.
pub(super) fn of(security: &SecurityContext) -> Result<Value, String> {
    let set = chosen(security, &held())?;
    let names: Vec<String> = set.into_iter().map(|name| format!("CAP_{name}")).collect();
    Ok(json!({"bounding": names, "effective": names, "permitted": names}))
}

/// Everything or the default, without what is dropped, with what is added (Kubernetes API,
/// `Capabilities`). What this node does not have itself it cannot give: that is left out.
fn chosen(
    security: &SecurityContext,
    held: &BTreeSet<&'static str>,
) -> Result<BTreeSet<&'static str>, String> {
    if security.privileged {
        return Ok(held.clone());
    }
    let (add_all, add) = read(&security.add_capabilities)?;
    let (drop_all, drop) = read(&security.drop_capabilities)?;
    let mut set: BTreeSet<&str> = if add_all {
        held.clone()
    } else {
        BTreeSet::from(DEFAULT)
    };
    if drop_all {
        set.clear();
    }
    set.retain(|name| !drop.contains(name));
    set.extend(add);
    set.retain(|name| held.contains(name));
    Ok(set)
}

/// Whether `ALL` is among the names, and the others.
fn read(names: &[String]) -> Result<(bool, BTreeSet<&'static str>), String> {
    let (mut all, mut set) = (false, BTreeSet::new());
    for name in names {
        let upper = name.to_ascii_uppercase();
        let short = upper.strip_prefix("CAP_").unwrap_or(&upper);
        match NAMES.iter().find(|known| **known == short) {
            Some(known) => drop(set.insert(*known)),
            None if short == "ALL" => all = true,
            None => return Err(format!("unknown capability {name:?}")),
        }
    }
    Ok((all, set))
}

/// What this process may hand on.
fn held() -> BTreeSet<&'static str> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bounding = status.lines().find_map(|line| line.strip_prefix("CapBnd:"));
    let bits = bounding
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .unwrap_or(0);
    NAMES
        .iter()
        .enumerate()
        .filter(|(bit, _)| bits & (1 << bit) != 0)
        .map(|(_, name)| *name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_chosen_as_kubernetes_says() {
        let words = |text: &str| {
            text.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let held = BTreeSet::from(NAMES);
        let check = |privileged, add: &str, drop: &str, expected: Result<usize, ()>, with: &str| {
            let security = SecurityContext {
                privileged,
                add_capabilities: words(add),
                drop_capabilities: words(drop),
                ..Default::default()
            };
            let set = chosen(&security, &held).map_err(|_| ());
            if let Ok(set) = &set {
                assert!(
                    words(with).iter().all(|name| set.contains(name.as_str())),
                    "{set:?}"
                );
            }
            assert_eq!(set.map(|set| set.len()), expected, "add {add} drop {drop}");
        };
        check(false, "", "", Ok(14), "CHOWN");
        check(false, "cap_net_admin CHOWN", "", Ok(15), "NET_ADMIN");
        check(false, "", "NET_RAW", Ok(13), "CHOWN");
        check(false, "NET_RAW", "all", Ok(1), "NET_RAW");
        check(false, "ALL", "SYS_ADMIN", Ok(40), "BPF");
        check(true, "", "ALL", Ok(41), "SYS_ADMIN");
        check(false, "FLY", "", Err(()), "");
    }

    #[test]
    fn nothing_is_given_that_the_node_lacks() {
        let held = BTreeSet::from(["CHOWN", "KILL"]);
        let set = chosen(&SecurityContext::default(), &held);
        assert_eq!(set, Ok(held));
    }
}
