//! The traces of a running cluster, held against the specifications while they grow; and witnesses from outside.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cluster::{Cluster, PATIENCE, containers, eventually, plimsoll};
use crate::crash::{kill_and_await, serves};
use crate::kube_rs::{block_on, client, pod, running};

/// A free address for figures.
fn free() -> SocketAddr {
    let free = TcpListener::bind(("127.0.0.1", 0)).and_then(|free| free.local_addr());
    free.expect("a free port")
}

/// The figures of a check, as text; `None` while nobody serves them.
fn figures(address: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: check\r\nConnection: close\r\n\r\n")
        .ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    text.starts_with("HTTP/1.1 200 ").then_some(text)
}

/// The sum of a figure over its labels.
fn figure(text: &str, name: &str) -> u64 {
    let lines = text.lines().filter(|line| line.starts_with(name));
    lines
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum()
}

/// The verdict of `trace check`, and whether it accepts.
fn checked(arguments: &[&str]) -> (bool, serde_json::Value) {
    let output = Command::new(plimsoll())
        .args(["trace", "check", "--json"])
        .args(arguments)
        .output()
        .expect("the command runs");
    let said = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.success(), said)
}

/// Counts the processes of containers as they come, by looking at the process table. A look may miss what lives
/// shorter than the time between two: a test waits with [`saw`](Observer::saw) before it ends what it started.
struct Observer {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<BTreeSet<(Pid, String)>>>,
    looking: JoinHandle<()>,
}

impl Observer {
    fn of(cluster: &Arc<Cluster>) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let seen = Arc::<Mutex<BTreeSet<(Pid, String)>>>::default();
        let (told, notes) = (stop.clone(), seen.clone());
        // A test that fails drops its cluster, and with it this.
        let cluster = Arc::downgrade(cluster);
        let looking = std::thread::spawn(move || {
            while let Some(cluster) = cluster.upgrade()
                && !told.load(Ordering::Relaxed)
            {
                let now = running_containers(&cluster).into_iter();
                let now: Vec<_> = now.filter_map(|pid| Some((pid, started(pid)?))).collect();
                notes.lock().expect("nobody panics with it").extend(now);
                // The process table tells nobody: it can only be looked at.
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        Observer {
            stop,
            seen,
            looking,
        }
    }

    fn count(&self) -> usize {
        self.seen.lock().expect("nobody panics with it").len()
    }

    /// Waits until so many containers were seen in all.
    #[track_caller]
    fn saw(&self, many: usize) {
        let seen = eventually(PATIENCE, || (self.count() >= many).then_some(()));
        assert!(seen.is_some(), "{} of {many} containers", self.count());
    }

    /// How many were seen in all; nobody looks any more.
    fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.looking.join().expect("it only looks");
        self.seen.lock().expect("nobody panics with it").len()
    }
}

/// What runs in containers: neither shims nor what they start before it is the container.
fn running_containers(cluster: &Cluster) -> Vec<Pid> {
    let echo = |(pid, line): (Pid, String)| line.starts_with("/echo").then_some(pid);
    containers(cluster).into_iter().filter_map(echo).collect()
}

/// When a process was started, in ticks since the machine was: with its id it names a process for ever.
fn started(pid: Pid) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(") ")
        .next()?
        .split(' ')
        .nth(19)
        .map(str::to_owned)
}

#[test]
#[cfg_attr(not(root), ignore = "needs root")]
fn a_cluster_is_checked_while_its_components_are_killed() {
    let address = free();
    let metrics = address.to_string();
    let cluster = Arc::new(Cluster::start(&[
        "--nodes",
        "2",
        "--trace",
        "full",
        "--check",
        "--check-metrics",
        &metrics,
    ]));
    let observer = Observer::of(&cluster);
    block_on(async {
        let pods: Api<Pod> = Api::default_namespaced(client(&cluster).await?);
        for name in ["one", "two", "three"] {
            pods.create(&PostParams::default(), &pod(name, &[])).await?;
        }
        for name in ["one", "two", "three"] {
            running(&pods, name).await?;
        }
        Ok(())
    });
    observer.saw(3);
    // A container that ends is started again: one start more.
    let victim = running_containers(&cluster).first().copied();
    kill(victim.expect("a container"), Signal::SIGKILL).expect("it runs");
    observer.saw(4);
    block_on(async {
        let pods: Api<Pod> = Api::default_namespaced(client(&cluster).await?);
        pods.delete("three", &DeleteParams::default()).await?;
        Ok(())
    });
    for (name, containers) in [
        "controllers",
        "scheduler",
        "node-1.kubelet",
        "apiserver",
        "store",
        "checker",
    ]
    .into_iter()
    .zip(5..)
    {
        kill_and_await(&cluster, name);
        serves(&cluster, &format!("after-{}", name.replace('.', "-")));
        observer.saw(containers);
    }
    let caught_up = eventually(PATIENCE, || {
        let text = figures(address)?;
        let done = figure(&text, "plimsoll_check_actions_total") > 300;
        (done && figure(&text, "plimsoll_check_waiting_actions") < 50).then_some(text)
    });
    let text = caught_up.unwrap_or_else(|| panic!("{:?}\n{}", figures(address), cluster.told()));
    assert_eq!(
        figure(&text, "plimsoll_check_violations_total"),
        0,
        "{text}\n{}",
        cluster.told()
    );

    let seen = observer.end();
    let cluster = Arc::into_inner(cluster).expect("the observer has ended");
    let home = cluster.kill();
    let trace = home.path().join("trace").display().to_string();
    let data_dir = home.path().display().to_string();
    let mut arguments = vec![&*trace];
    if cfg!(embedded) {
        arguments.extend(["--witness", &data_dir]);
    }
    let (accepted, said) = checked(&arguments);
    assert!(accepted, "{said:#}");
    assert_eq!(said["container_starts"], seen, "{said:#}");
    let verdict = |name: &str| {
        let verdicts = said["verdicts"].as_array().into_iter().flatten();
        let found = verdicts.filter(|one| one["specification"] == name);
        found.filter_map(|one| one["actions"].as_u64()).sum::<u64>()
    };
    assert!(verdict("replay") > 500, "{said:#}");
    if cfg!(embedded) {
        assert!(verdict("witness") > 50, "{said:#}");
        lose_a_write(home.path(), &trace, &data_dir);
    } else {
        an_etcd_is_no_witness(&trace, &data_dir);
    }
    // Pods outlived the kill: a next run takes them over and down.
    Cluster::start_in(home, &["--nodes", "2"]).stop();
}

/// A store over an etcd has no file beside the traces: who asks for it is told so.
fn an_etcd_is_no_witness(trace: &str, data_dir: &str) {
    let output = Command::new(plimsoll())
        .args(["trace", "check", trace, "--witness", data_dir])
        .output()
        .expect("the command runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("objects are in an etcd"), "{said}");
}

/// A store whose last revision is missing in its trace is contradicted by its file.
fn lose_a_write(home: &Path, trace: &str, data_dir: &str) {
    let mut traces: Vec<_> = std::fs::read_dir(home.join("trace"))
        .expect("traces")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("store.store.") && name.ends_with(".trace")
        })
        .collect();
    traces.sort();
    let last = traces.pop().expect("the store has traces");
    let whole = std::fs::read(&last).expect("readable");
    // As after a crash: the end is missing, which nothing inside of the traces can contradict but the other half of
    // what was written.
    std::fs::write(&last, &whole[..whole.len() / 2]).expect("writable");
    let (accepted, said) = checked(&[trace, "--no-replay", "--witness", data_dir]);
    assert!(!accepted, "{said:#}");
    std::fs::write(&last, whole).expect("writable");
}

#[test]
#[cfg_attr(not(root), ignore = "needs root")]
fn a_corrupted_record_is_told_while_the_cluster_runs() {
    let address = free();
    let metrics = address.to_string();
    let cluster = Cluster::start(&["--check", "--check-metrics", &metrics]);
    serves(&cluster, "before");
    let trace = cluster.path().join("trace/scheduler.scheduler.1.trace");
    let bytes = std::fs::read(&trace).expect("a trace");
    // The last record once more, as a writer that has lost count would write it.
    let again = last_frame(&bytes);
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .open(&trace)
        .expect("a trace");
    file.write_all(again).expect("writable");
    let told = eventually(PATIENCE, || {
        let text = figures(address)?;
        (figure(&text, "plimsoll_check_violations_total") > 0).then_some(text)
    });
    let text = told.unwrap_or_else(|| panic!("{:?}\n{}", figures(address), cluster.told()));
    assert!(
        text.contains("plimsoll_check_violations_total{specification=\"alphabet\"} 1"),
        "{text}"
    );
    let log = std::fs::read_to_string(cluster.path().join("log/checker.log")).expect("a log");
    assert!(
        log.contains("the cluster has left its specification") && log.contains("was due"),
        "{log}"
    );
    cluster.stop();
}

/// The last frame of a trace, behind its length.
fn last_frame(bytes: &[u8]) -> &[u8] {
    let (mut start, mut next) = (10, 10);
    while let Some(length) = bytes.get(next..next + 4) {
        let length = u32::from_le_bytes(length.try_into().expect("four bytes")) as usize;
        let end = next + 4 + length;
        if end > bytes.len() {
            break;
        }
        (start, next) = (next, end);
    }
    &bytes[start..next]
}
