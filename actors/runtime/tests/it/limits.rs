//! Limits, seen from inside and in the control groups.

use std::fs;

use runtime::Runtime;
use runtime::cri::{ContainerConfig, Resources, reason};

use crate::node::{Node, echo_config, processes_of};

const MIB: i64 = 1 << 20;

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn a_container_beyond_its_memory_is_oom_killed_and_others_are_not() {
    let node = Node::open().await;
    let pod = node.pod("memory").await;
    let limited = |name: &str, mib: &str| ContainerConfig {
        resources: Resources {
            memory_limit: 32 * MIB,
            ..Default::default()
        },
        ..echo_config(name, &["alloc", mib])
    };
    let modest = node.start(&pod.id, &limited("modest", "8")).await;
    let (greedy, _) = node.run(&pod.id, &limited("greedy", "64")).await;
    assert_eq!(
        (greedy.exit_code, greedy.reason.as_str()),
        (137, reason::OOM_KILLED)
    );
    // A kill that is not the kernel's for want of memory is told apart.
    node.runtime
        .stop_container(&modest, std::time::Duration::ZERO)
        .await
        .expect("stop");
    let modest = node
        .runtime
        .container_status(&modest)
        .await
        .expect("status");
    assert_eq!(
        (modest.exit_code, modest.reason.as_str()),
        (137, reason::ERROR)
    );
    node.close().await;
}

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn processor_time_processes_and_badness_are_set() {
    let node = Node::open().await;
    let pod = node.pod("limits").await;
    let resources = Resources {
        cpu_shares: 512,
        cpu_quota: 50_000,
        cpu_period: 100_000,
        memory_limit: 64 * MIB,
        pids_limit: 20,
        oom_score_adj: 900,
    };
    let id = node
        .start(
            &pod.id,
            &ContainerConfig {
                resources,
                ..echo_config("main", &[])
            },
        )
        .await;
    let pid = node
        .runtime
        .container_status(&id)
        .await
        .expect("status")
        .pid
        .expect("a process");
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("cgroups");
    let setting = |controller: &str, v1: &str, v2: &str| {
        let of = |wanted: &str| {
            groups.lines().find_map(|line| {
                let mut parts = line.splitn(3, ':').skip(1);
                (parts.next()?.split(',').any(|name| name == wanted))
                    .then(|| parts.next())
                    .flatten()
            })
        };
        let path = match of(controller) {
            Some(group) => format!("/sys/fs/cgroup/{controller}{group}/{v1}"),
            None => format!("/sys/fs/cgroup{}/{v2}", of("").expect("a cgroup")),
        };
        fs::read_to_string(&path)
            .unwrap_or_else(|e| panic!("{path}: {e}"))
            .trim()
            .to_owned()
    };
    assert_eq!(
        setting("memory", "memory.limit_in_bytes", "memory.max"),
        (64 * MIB).to_string()
    );
    assert_eq!(setting("pids", "pids.max", "pids.max"), "20");
    let quota = setting("cpu", "cpu.cfs_quota_us", "cpu.max");
    assert!(
        ["50000", "50000 100000"].contains(&quota.as_str()),
        "{quota}"
    );
    let badness = |pid: &str| {
        let value = fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).expect("badness");
        value.trim().to_owned()
    };
    assert_eq!(badness(&pid.to_string()), "900");
    let inside = node
        .exec(&id, &["/echo", "cat", "/proc/self/oom_score_adj"])
        .await;
    assert_eq!(
        inside.stdout.trim(),
        "900",
        "a command is killed as readily as its container"
    );
    for shim in processes_of(&node.options().root) {
        assert_eq!(
            badness(&shim.to_string()),
            badness("self"),
            "the shim keeps its own"
        );
    }
    node.close().await;
}

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn a_badness_below_what_may_be_set_is_raised_not_refused() {
    let node = Node::open().await;
    let pod = node.pod("badness").await;
    let resources = Resources {
        oom_score_adj: -998,
        ..Default::default()
    };
    let (status, _) = node
        .run(
            &pod.id,
            &ContainerConfig {
                resources,
                ..echo_config("low", &["exit", "0"])
            },
        )
        .await;
    assert_eq!(status.exit_code, 0, "{status:?}");
    // And the next container is not stuck with what this one was given.
    let (status, _) = node
        .run(&pod.id, &echo_config("next", &["exit", "0"]))
        .await;
    assert_eq!(status.exit_code, 0, "{status:?}");
    node.close().await;
}
