//! Fifty pods on three nodes: they come, they heal, they go, and nothing is left of them.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::cluster::{Cluster, PATIENCE, eventually};

const REPLICAS: usize = 50;

const MANIFEST: &str = "
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: web}
spec:
  replicas: 50
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: echo, image: plimsoll/echo}]
";

fn json(cluster: &Cluster, kind: &str) -> Value {
    let output = cluster.plimsoll(&["get", kind, "-o", "json"]);
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

fn pods(cluster: &Cluster) -> Vec<Value> {
    json(cluster, "pods")["items"]
        .as_array()
        .cloned()
        .unwrap_or_default()
}

#[track_caller]
fn await_ready(cluster: &Cluster) {
    let ready = || json(cluster, "rs")["items"][0]["status"]["readyReplicas"].as_u64();
    let all = eventually(3 * PATIENCE, || {
        (ready() == Some(REPLICAS as u64)).then_some(())
    });
    assert!(
        all.is_some(),
        "{:?} of {REPLICAS} are ready:\n{}",
        ready(),
        cluster.told()
    );
}

#[test]
#[cfg_attr(not(root), ignore = "needs root")]
fn fifty_replicas_heal_and_leave_nothing() {
    let cluster = Cluster::start(&["--nodes", "3"]);
    let file = cluster.path().join("web.yaml");
    std::fs::write(&file, MANIFEST).expect("written");
    let apply = || {
        let output = cluster.plimsoll(&["apply", "-f", &file.display().to_string()]);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    apply();
    await_ready(&cluster);

    let mut nodes: BTreeMap<String, usize> = BTreeMap::new();
    let mut addresses = BTreeMap::new();
    for pod in pods(&cluster) {
        let name = pod["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        *nodes
            .entry(
                pod["spec"]["nodeName"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
            )
            .or_default() += 1;
        let address = pod["status"]["podIP"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        assert_eq!(
            addresses.insert(address, name),
            None,
            "two pods have one address: {addresses:?}"
        );
    }
    // Nodes alike are filled alike: none has less than half of its share.
    assert!(
        nodes.len() == 3 && nodes.values().all(|pods| *pods >= REPLICAS / 6),
        "{nodes:?}"
    );

    // Which seven are deleted does not matter, so any seven will do; the clock chooses.
    let before = pods(&cluster);
    let start = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |t| t.subsec_nanos() as usize);
    let chosen: Vec<String> = (0..7)
        .map(|n| {
            before[(start + n * 7) % before.len()]["metadata"]["name"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        })
        .collect();
    delete(&cluster, &chosen);
    let gone = || {
        let left = pods(&cluster);
        let names = left
            .iter()
            .filter_map(|pod| pod["metadata"]["name"].as_str());
        (names
            .filter(|name| chosen.iter().any(|gone| gone == name))
            .count()
            == 0)
            .then_some(())
    };
    eventually(PATIENCE, gone)
        .unwrap_or_else(|| panic!("still there: {chosen:?}\n{}", cluster.told()));
    await_ready(&cluster);
    assert_eq!(pods(&cluster).len(), REPLICAS);

    std::fs::write(&file, MANIFEST.replace("replicas: 50", "replicas: 0")).expect("written");
    apply();
    let none = eventually(2 * PATIENCE, || pods(&cluster).is_empty().then_some(()));
    assert!(
        none.is_some(),
        "{} pods are left:\n{}",
        pods(&cluster).len(),
        cluster.told()
    );
    let containers = || {
        crate::cluster::containers(&cluster)
            .is_empty()
            .then_some(())
    };
    eventually(PATIENCE, containers)
        .unwrap_or_else(|| panic!("{:?}", crate::cluster::containers(&cluster)));
    cluster.stop();
}

/// Deletes pods by name, through the API as kube-rs speaks it.
fn delete(cluster: &Cluster, names: &[String]) {
    use k8s_openapi::api::core::v1::Pod;
    crate::kube_rs::block_on(async {
        let pods: kube::Api<Pod> =
            kube::Api::default_namespaced(crate::kube_rs::client(cluster).await?);
        for name in names {
            pods.delete(name, &Default::default()).await?;
        }
        Ok(())
    });
}
