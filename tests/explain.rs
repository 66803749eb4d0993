//! `plimsoll explain`, on a cluster that runs.

use std::process::Output;

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};

use crate::cluster::{Cluster, PATIENCE, eventually};
use crate::kube_rs::{block_on, client, pod, running};

/// The seed's steps, from `kubectl` to the status on disk.
const STEPS: std::ops::RangeInclusive<u64> = 1..=11;

fn text(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What is told of a pod, as JSON. The cluster is found by its kubeconfig.
fn told(cluster: &Cluster, name: &str) -> Value {
    let said = text(&cluster.plimsoll(&["explain", "pod", name, "--json"]));
    serde_json::from_str(&said).expect("JSON")
}

/// A pod that wants more than there is.
fn large(name: &str) -> Pod {
    let mut large = serde_json::to_value(pod(name, &[])).expect("a pod");
    large["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "1000"}});
    serde_json::from_value(large).expect("a pod")
}

#[test]
#[cfg_attr(not(root), ignore = "needs root")]
fn the_way_of_a_pod_is_told() {
    let cluster = Cluster::start(&[]);
    block_on(async {
        let pods: Api<Pod> = Api::default_namespaced(client(&cluster).await?);
        let options = PostParams::default();
        pods.create(&options, &pod("small", &[])).await?;
        pods.create(&options, &large("large")).await?;
        running(&pods, "small").await?;
        Ok(())
    });
    let small = told(&cluster, "small");
    let hops = small["hops"].as_array().expect("hops");
    let steps = hops.iter().map(|hop| hop["step"].as_u64().expect("a step"));
    assert!(steps.eq(STEPS), "{small:#}");
    let times = hops.iter().map(|hop| hop["atMs"].as_u64().expect("a time"));
    assert!(times.is_sorted(), "{small:#}");
    assert_eq!(small["waits"], Value::Null);
    let table = text(&cluster.plimsoll(&["explain", "pod", "default/small"]));
    let rows = table
        .lines()
        .filter(|line| line.starts_with(char::is_numeric));
    assert_eq!(rows.count(), 12, "eleven steps and their sum:\n{table}");
    let diagram = text(&cluster.plimsoll(&["explain", "pod", "small", "--mermaid"]));
    assert_eq!(diagram.matches("->>").count(), 11, "{diagram}");
    waits(&cluster);
    let nobody = cluster.plimsoll(&["explain", "pod", "nobody"]);
    let said = String::from_utf8_lossy(&nobody.stderr).into_owned();
    assert_eq!(nobody.status.code(), Some(1), "{said}");
    assert!(said.contains("default/nobody"), "{said}");
    cluster.stop();
}

/// The pod that is too large waits for the scheduler's decision, and it is said why.
fn waits(cluster: &Cluster) {
    let waits = eventually(PATIENCE, || {
        let waits = told(cluster, "large")["waits"].clone();
        waits["why"].is_string().then_some(waits)
    });
    let waits = waits.expect("a reason");
    assert_eq!(waits["step"], 5, "{waits}");
    let why = waits["why"].as_str().expect("a reason");
    assert!(why.contains("Insufficient cpu"), "{why}");
}
