//! `plimsoll up` from start to stop: twice on one directory, twice at once, killed, hurried, in one process.

use std::process::Stdio;

use nix::sys::signal::{Signal, kill};

use super::leftovers::Footprint;
use super::{Cluster, Home, PATIENCE, eventually, processes, wait};

const WEB: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{name: echo, image: plimsoll/echo}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: kept}
data: {a: \"1\"}
";

fn apply_web(cluster: &Cluster) {
    let file = cluster.path().join("web.yaml");
    std::fs::write(&file, WEB).expect("written");
    let output = cluster.plimsoll(&["apply", "-f", &file.display().to_string()]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stderr),
        cluster.told()
    );
    assert!(
        said.contains("pod/web ") && said.contains("configmap/kept "),
        "{said}"
    );
}

/// The pod's line in the table, once it runs.
#[track_caller]
fn web_runs(cluster: &Cluster) -> String {
    let running = eventually(PATIENCE, || {
        let output = cluster.plimsoll(&["get", "pod", "web", "-o", "wide"]);
        let table = String::from_utf8_lossy(&output.stdout).into_owned();
        table
            .lines()
            .find(|line| line.contains(" Running ") && line.contains("1/1"))
            .map(str::to_owned)
    });
    running.unwrap_or_else(|| panic!("no running pod:\n{}", cluster.told()))
}

#[test]
#[cfg_attr(not(root), ignore = "needs root")]
fn a_cluster_goes_on_where_it_stopped() {
    let cluster = Cluster::start(&[]);
    apply_web(&cluster);
    let line = web_runs(&cluster);
    assert!(
        line.contains(&cluster.pod_prefix()) && line.contains("node-1"),
        "{line}"
    );

    let second = cluster.home().up(&[]).output().expect("it runs");
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(
        said.contains(&format!("process {}", cluster.pid())),
        "{said}"
    );

    let home = cluster.stop();
    let cluster = Cluster::start_in(home, &[]);
    web_runs(&cluster);
    let kept = cluster.plimsoll(&["get", "cm", "kept", "-o", "json"]);
    assert!(
        String::from_utf8_lossy(&kept.stdout).contains("\"a\": \"1\""),
        "{}",
        cluster.told()
    );
    cluster.stop();
}

#[test]
#[cfg_attr(not(root), ignore = "needs root")]
fn a_killed_supervisor_takes_its_components_along_and_leaves_its_pods_to_the_next() {
    let cluster = Cluster::start(&[]);
    apply_web(&cluster);
    web_runs(&cluster);
    let home = cluster.kill();
    let components = || {
        processes::of(home.path())
            .into_iter()
            .find(|(_, line)| line.contains(" run --supervised-by "))
    };
    let gone = eventually(PATIENCE, || components().is_none().then_some(()));
    assert!(gone.is_some(), "still runs: {:?}", components());
    let cluster = Cluster::start_in(home, &[]);
    web_runs(&cluster);
    cluster.stop();
}

#[test]
#[cfg_attr(not(root), ignore = "needs root")]
fn a_run_that_is_stopped_while_it_takes_over_pods_leaves_nothing() {
    for options in [&[][..], &["--single-process"]] {
        let cluster = Cluster::start(options);
        apply_web(&cluster);
        web_runs(&cluster);
        let footprint = Footprint::of(cluster.path());
        let (mut cluster, _line) = Cluster::begin_in(cluster.kill(), options);
        let begun = || {
            let told = std::fs::read_to_string(cluster.path().join("up.stderr")).ok()?;
            told.contains(" is ready after ").then_some(())
        };
        eventually(PATIENCE, begun).expect("a component becomes ready");
        kill(cluster.pid(), Signal::SIGTERM).expect("up runs");
        assert_eq!(wait(&mut cluster.up), Some(0), "{}", cluster.told());
        footprint.assert_gone(&cluster.pod_prefix());
        cluster.home.take();
    }
}

/// What a killed run left of a node that the next run does not have belongs to nobody, and is taken down.
#[test]
#[cfg_attr(not(root), ignore = "needs root")]
fn a_node_that_is_no_more_leaves_nothing() {
    let cluster = Cluster::start(&["--nodes", "2"]);
    let pods = ["node-1", "node-2"].map(|node| {
        format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: on-{node}}}, spec: {{nodeName: {node}, \
             containers: [{{name: echo, image: plimsoll/echo}}]}}}}\n"
        )
    });
    let file = cluster.path().join("pods.yaml");
    std::fs::write(&file, pods.join("---\n")).expect("written");
    let applied = cluster.plimsoll(&["apply", "-f", &file.display().to_string()]);
    assert!(applied.status.success(), "{}", cluster.told());
    let shims = |path: &std::path::Path| {
        let mut nodes: Vec<String> = processes::of(path)
            .into_iter()
            .filter_map(|(_, line)| {
                let (_, rest) = line.split_once("/nodes/")?;
                line.contains(" shim ")
                    .then(|| rest.split('/').next().unwrap_or_default().to_owned())
            })
            .collect();
        nodes.sort();
        nodes
    };
    let both = || {
        let output = cluster.plimsoll(&["get", "pods"]);
        let table = String::from_utf8_lossy(&output.stdout).into_owned();
        (table.matches(" Running ").count() == 2).then_some(())
    };
    eventually(PATIENCE, both).unwrap_or_else(|| panic!("no pods:\n{}", cluster.told()));
    assert_eq!(shims(cluster.path()), ["node-1", "node-2"]);
    let home = cluster.kill();
    let components = || {
        processes::of(home.path())
            .into_iter()
            .any(|(_, line)| line.contains(" run --supervised-by "))
    };
    eventually(PATIENCE, || (!components()).then_some(())).expect("they go with `up`");
    let cluster = Cluster::start_in(home, &["--nodes", "1"]);
    assert_eq!(shims(cluster.path()), ["node-1"]);
    cluster.stop();
}

#[test]
#[cfg_attr(not(root), ignore = "needs root")]
fn one_process_does_what_several_do() {
    let cluster = Cluster::start(&["--single-process"]);
    apply_web(&cluster);
    web_runs(&cluster);
    assert_eq!(cluster.component("store"), None);
    cluster.stop();
}

#[test]
#[cfg_attr(not(root), ignore = "needs root")]
#[cfg_attr(
    all(root, not(embedded)),
    ignore = "about the embedded store's directory"
)]
fn a_component_that_cannot_start_ends_the_run_with_its_reason() {
    let home = Home::new();
    std::fs::write(
        home.path().join("store"),
        "a file where a directory belongs",
    )
    .expect("written");
    let mut up = home
        .up(&[])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    assert_eq!(wait(&mut up), Some(1));
    let output = up.wait_with_output().expect("it has ended");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let last = said.lines().last().unwrap_or_default();
    assert!(
        last.starts_with("error: store: ") && last.contains("log/store.log"),
        "{said}"
    );
    assert!(output.stdout.is_empty(), "it said that it was ready");
    assert_eq!(processes::of(home.path()), []);
}

#[test]
#[cfg_attr(not(root), ignore = "needs root")]
fn a_second_signal_hurries() {
    let mut cluster = Cluster::start(&[]);
    let pod = "
apiVersion: v1
kind: Pod
metadata: {name: stubborn}
spec:
  terminationGracePeriodSeconds: 600
  containers: [{name: echo, image: plimsoll/echo, args: [ignore-term]}]
";
    let file = cluster.path().join("stubborn.yaml");
    std::fs::write(&file, pod).expect("written");
    assert!(
        cluster
            .plimsoll(&["apply", "-f", &file.display().to_string()])
            .status
            .success(),
        "{}",
        cluster.told()
    );
    let runs = || {
        let output = cluster.plimsoll(&["get", "pod", "stubborn"]);
        String::from_utf8_lossy(&output.stdout)
            .contains(" Running ")
            .then_some(())
    };
    eventually(PATIENCE, runs).unwrap_or_else(|| panic!("no running pod:\n{}", cluster.told()));
    let footprint = Footprint::of(cluster.path());
    kill(cluster.pid(), Signal::SIGTERM).expect("up runs");
    let heard = || {
        std::fs::read_to_string(cluster.path().join("up.stderr"))
            .ok()?
            .contains("stopping")
            .then_some(())
    };
    eventually(PATIENCE, heard).expect("it hears the first signal");
    kill(cluster.pid(), Signal::SIGTERM).expect("up still runs: the pod has ten minutes");
    assert_eq!(wait(&mut cluster.up), Some(0), "{}", cluster.told());
    footprint.assert_gone(&cluster.pod_prefix());
    cluster.home.take();
}
