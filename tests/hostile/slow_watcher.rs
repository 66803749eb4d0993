//! A watcher that does not read: it is closed, the memory that it costs is bounded, and what it was sent has no gap.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};

use super::still_serves;
use crate::cluster::{Cluster, PATIENCE};
use crate::kube_rs::{block_on, client};

/// How often an object is written while nobody reads, and how long it is: far more than the buffers of two sockets and
/// the API server's window of recent changes together.
const WRITES: usize = 200;
const OBJECT_BYTES: usize = 512 << 10;
/// What the API server's memory may grow by meanwhile: its window, what may be on its way to one watch, and bounded
/// buffers. All that is written is 100 MiB.
const GROWTH_KIB_MAX: u64 = 64 << 10;

pub(super) fn is_closed(cluster: &Cluster, insecure: SocketAddr) {
    let revision = block_on(async {
        let maps: Api<ConfigMap> = Api::default_namespaced(client(cluster).await?);
        let map = maps.create(&PostParams::default(), &large(0)?).await?;
        Ok(map.metadata.resource_version.unwrap_or_default())
    });
    let mut watch = TcpStream::connect(insecure).expect("the insecure address is served");
    watch.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let path = format!("/api/v1/namespaces/default/configmaps?watch=1&resourceVersion={revision}");
    write!(watch, "GET {path} HTTP/1.1\r\nHost: {insecure}\r\n\r\n").expect("written");

    let before = memory_kib(cluster);
    block_on(async {
        let maps: Api<ConfigMap> = Api::default_namespaced(client(cluster).await?);
        for n in 1..=WRITES {
            maps.replace("large", &PostParams::default(), &large(n)?)
                .await?;
        }
        Ok(())
    });
    let grown = memory_kib(cluster).saturating_sub(before);
    assert!(grown < GROWTH_KIB_MAX, "the API server grew by {grown} KiB");

    let (seen, reason) = read_all(watch);
    let expected: Vec<String> = (1..=seen.len()).map(|n| n.to_string()).collect();
    assert_eq!(seen, expected, "the events have a gap");
    assert!(
        reason.contains("its place left the window") && seen.len() < WRITES,
        "it was sent {} events and ended with {reason:?}",
        seen.len()
    );
    block_on(async {
        let maps: Api<ConfigMap> = Api::default_namespaced(client(cluster).await?);
        maps.delete("large", &DeleteParams::default()).await?;
        Ok(())
    });
    still_serves(cluster);
}

/// The object as it is written for the `n`th time.
fn large(n: usize) -> anyhow::Result<ConfigMap> {
    let data = json!({"n": n.to_string(), "filling": "x".repeat(OBJECT_BYTES)});
    Ok(serde_json::from_value(
        json!({"metadata": {"name": "large"}, "data": data}),
    )?)
}

/// Which writes were told, in order, and the reason with which the watch was closed; empty if there was none.
fn read_all(watch: TcpStream) -> (Vec<String>, String) {
    let mut seen = Vec::new();
    for line in BufReader::new(watch).split(b'\n') {
        let line = line.expect("the watch goes on until its end");
        // Header lines and the lengths of chunks are no JSON.
        let Ok(event) = serde_json::from_slice::<Value>(&line) else {
            continue;
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match event["type"].as_str() {
            Some("MODIFIED") => seen.push(text(&event["object"]["data"]["n"])),
            Some("ERROR") => return (seen, text(&event["object"]["message"])),
            _ => {}
        }
    }
    (seen, String::new())
}

fn memory_kib(cluster: &Cluster) -> u64 {
    let pid = cluster.component("apiserver").expect("it runs");
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("it runs");
    let line = rollup
        .lines()
        .find_map(|line| line.strip_prefix("Pss:"))
        .expect("the kernel tells it");
    line.split_whitespace()
        .next()
        .and_then(|kib| kib.parse().ok())
        .expect("a number")
}
