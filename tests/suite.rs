//! `plimsoll conformance run` as a process, against a cluster that tells the truth and against one that lies.

mod command;
mod liar;
mod lies;
mod proxy;
mod strangers;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};

use crate::cluster::{Cluster, PATIENCE, eventually};
use crate::crash::kill_and_await;
use command::{conformance, run};
use liar::Liar;
use lies::{LIES, Lie};
use proxy::Proxy;

/// How many lies are told at once; each session mostly waits.
const AT_ONCE: usize = 6;

/// A cluster whose API is served without TLS too, at the address given.
fn cluster() -> (Cluster, SocketAddr) {
    let free = TcpListener::bind(("127.0.0.1", 0)).and_then(|free| free.local_addr());
    let free = free.expect("a free port");
    let cluster = Cluster::start(&["--insecure-address", &free.to_string()]);
    (cluster, free)
}

/// Kills the API server and waits until another process serves in its place. What its window held is gone.
#[track_caller]
fn kill_apiserver(cluster: &Cluster, server: SocketAddr) {
    let before = cluster.component("apiserver").expect("it runs");
    kill(before, Signal::SIGKILL).expect("it runs");
    let after = eventually(PATIENCE, || {
        let other = cluster.component("apiserver").filter(|pid| *pid != before);
        other.and_then(|_| is_ready(server))
    });
    assert!(after.is_some(), "{}", cluster.told());
}

/// Whether a server says that it is.
fn is_ready(server: SocketAddr) -> Option<()> {
    let mut stream = TcpStream::connect(server).ok()?;
    let ask = "GET /readyz HTTP/1.1\r\nHost: suite\r\nConnection: close\r\n\r\n";
    stream.write_all(ask.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.starts_with("HTTP/1.1 200 ").then_some(())
}

/// The table of the suite's README: each lie and the guarantee that catches it.
fn table() -> String {
    let mut table = String::from("| lie | caught by |\n|---|---|\n");
    for lie in LIES {
        table.push_str(&format!("| {} | {} |\n", lie.name, lie.breaks));
    }
    table
}

#[test]
fn the_readme_lists_every_lie() {
    let readme = include_str!("../conformance/src/suite/README.md");
    assert!(
        readme.contains(&table()),
        "conformance/src/suite/README.md must have this table:\n{}",
        table()
    );
}

#[test]
fn every_guarantee_has_a_lie() {
    let guarantees: BTreeMap<&str, usize> = LIES.iter().fold(BTreeMap::new(), |mut counts, lie| {
        *counts.entry(lie.breaks).or_default() += 1;
        counts
    });
    assert_eq!(guarantees.len(), 17, "{guarantees:?}");
}

#[test]
#[cfg_attr(not(root), ignore = "needs root")]
fn every_lie_is_caught_on_the_wire() {
    let (cluster, server) = cluster();
    kill_apiserver(&cluster, server);
    let left = Mutex::new(LIES.iter());
    let escaped = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = left.lock().expect("nobody panics").next();
                    let Some(lie) = next else { return };
                    if let Err(why) = catches(server, lie) {
                        escaped.lock().expect("nobody panics").push(why);
                    }
                }
            });
        }
    });
    let escaped = escaped.into_inner().expect("nobody panics");
    assert!(escaped.is_empty(), "{}", escaped.join("\n"));
    cluster.stop();
}

/// Whether the suite names the guarantee that a lie breaks. What a short session on a busy machine gives no occasion to
/// tell, a longer one with more writers does.
fn catches(server: SocketAddr, lie: &Lie) -> Result<(), String> {
    let mut shown = String::new();
    for (seconds, clients) in [("5", "4"), ("10", "8"), ("20", "24")] {
        let proxy = Proxy::start(server, Liar::of(Some(*lie)), Duration::ZERO);
        let url = proxy.url();
        let options = [
            "--server",
            &url,
            "--duration",
            seconds,
            "--clients",
            clients,
        ];
        let report = run(&options);
        if report.code == Some(1) && report.broken().contains(lie.breaks) {
            return Ok(());
        }
        shown = report.shown();
    }
    Err(format!("{} ({} stands): {shown}", lie.name, lie.breaks))
}

/// Behind a proxy that tells no lie the suite is silent: at once, over a slow link, and while API server and store are
/// killed.
#[test]
#[cfg_attr(not(root), ignore = "needs root")]
fn the_truth_is_not_accused() {
    let (cluster, server) = cluster();
    kill_apiserver(&cluster, server);
    for late in [Duration::ZERO, Duration::from_millis(2)] {
        let proxy = Proxy::start(server, Liar::of(None), late);
        let url = proxy.url();
        let options = ["--server", &url, "--duration", "8", "--clients", "12"];
        let report = std::thread::scope(|scope| {
            let suite = scope.spawn(|| run(&options));
            let busy = || proxy.requests() > 500 || suite.is_finished();
            let busy = eventually(PATIENCE, || busy().then_some(()));
            let requests = proxy.requests();
            kill_apiserver(&cluster, server);
            kill_and_await(&cluster, "store");
            let report = suite.join().expect("it does not panic");
            assert!(
                busy.is_some() && requests > 500,
                "{requests} requests, {}",
                report.shown()
            );
            report
        });
        // A slow link may leave too little to tell of a guarantee; what is told must be right.
        report.assert_silent();
        if late.is_zero() {
            report.assert_kept();
        }
    }
    cluster.stop();
}

/// What a run says in each form, figures left out, against a cluster as a user has it.
#[test]
#[cfg_attr(not(root), ignore = "needs root")]
fn the_command_reports_in_three_forms() {
    let (cluster, server) = cluster();
    kill_apiserver(&cluster, server);
    for form in ["text", "json", "junit"] {
        let kubeconfig = cluster.kubeconfig();
        let kubeconfig = kubeconfig.to_string_lossy();
        let options = [
            "--kubeconfig",
            &kubeconfig,
            "--duration",
            "5",
            "--clients",
            "4",
        ];
        let ran = conformance(&options).args(["--report", form]).output();
        let ran = ran.expect("the command runs");
        let said = String::from_utf8_lossy(&ran.stdout).into_owned();
        assert_eq!(ran.status.code(), Some(0), "{said}");
        insta::assert_snapshot!(format!("suite_watch_{form}"), without_figures(&said));
    }
    cluster.stop();
}

/// A session too short for a bookmark: it is not claimed that bookmarks are right.
#[test]
#[cfg_attr(not(root), ignore = "needs root")]
fn what_was_not_seen_is_inconclusive() {
    let (cluster, server) = cluster();
    kill_apiserver(&cluster, server);
    let url = format!("http://{server}");
    // A busy machine may stretch a session until a bookmark comes after all.
    let session = |_| run(&["--server", &url, "--duration", "1", "--clients", "1"]);
    let mut sessions = (0..5).map(session);
    let short = sessions.find(|report| !report.with("inconclusive").is_empty());
    let report = short.expect("a session that is too short");
    assert_eq!(report.code, Some(1), "{}", report.shown());
    assert!(
        report.with("inconclusive").contains("bookmarkable"),
        "{}",
        report.shown()
    );
    assert!(report.broken().is_empty(), "{}", report.shown());
    cluster.stop();
}

/// What of the API suite is not kept yet: server-side apply. This list may only become shorter.
const NOT_YET: [&str; 5] = [
    "apply-conflicts-name-the-manager",
    "apply-makes-and-changes",
    "apply-needs-a-manager",
    "apply-removes-what-is-left-out",
    "writers-are-remembered",
];

/// The suites of objects and of pods, against ours.
#[test]
#[cfg_attr(not(root), ignore = "needs root")]
fn objects_and_pods_are_as_promised() {
    let (cluster, server) = cluster();
    let url = format!("http://{server}");
    let api = run(&["--server", &url, "--suite", "api"]);
    assert_eq!(api.broken(), NOT_YET.into(), "{}", api.shown());
    assert!(api.with("inconclusive").is_empty(), "{}", api.shown());
    let pods = [
        "--server",
        &url,
        "--suite",
        "create-pod",
        "--duration",
        "5",
        "--clients",
        "4",
    ];
    run(&pods).assert_kept();
    cluster.stop();
}

/// Numbers that differ from run to run as `N`: the third column of a table, and whatever follows `instances` and figures.
fn without_figures(said: &str) -> String {
    let column = said.lines().next().and_then(|heading| {
        let from = heading.find("INSTANCES")?;
        Some((from, heading.find("VERDICT")?))
    });
    let line = |line: &str| {
        let row = column.and_then(|(from, to)| Some((line.get(..from)?, line.get(to..)?)));
        match row {
            Some((before, after)) => format!("{}  N  {after}", before.trim_end()),
            None if line.starts_with("  <") || line.contains("\"promise\"") => line.to_owned(),
            None if line.contains("\"source\"") || line.starts_with("<?xml") => line.to_owned(),
            None => digits_out(line),
        }
    };
    said.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn digits_out(line: &str) -> String {
    let mut out = String::new();
    for character in line.chars() {
        match character.is_ascii_digit() {
            true if out.ends_with('N') => {}
            true => out.push('N'),
            false => out.push(character),
        }
    }
    out
}
