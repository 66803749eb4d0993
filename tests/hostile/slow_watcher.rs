//! A watcher that does not read: it is closed, the memory that it costs is bounded, and what it was sent has no gap.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{DeleteParams, ListParams, PostParams};
use serde_json::{Value, json};

use super::still_serves;
use crate::cluster::{Cluster, PATIENCE};
use crate::kube_rs::{block_on, client};

/// How many objects are written while nobody reads, and how long each is: far more than the buffers of two sockets.
const OBJECTS: usize = 200;
const OBJECT_BYTES: usize = 256 << 10;
/// What the API server's memory may grow by: its own window of recent changes, and bounded queues.
const GROWTH_KIB_MAX: u64 = 192 << 10;

pub(super) fn is_closed(cluster: &Cluster, insecure: SocketAddr) {
    let revision = block_on(async {
        let maps: Api<ConfigMap> = Api::default_namespaced(client(cluster).await?);
        Ok(maps
            .list(&ListParams::default())
            .await?
            .metadata
            .resource_version
            .unwrap_or_default())
    });
    let mut watch = TcpStream::connect(insecure).expect("the insecure address is served");
    watch.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let path = format!("/api/v1/namespaces/default/configmaps?watch=1&resourceVersion={revision}");
    write!(watch, "GET {path} HTTP/1.1\r\nHost: {insecure}\r\n\r\n").expect("written");

    let before = memory_kib(cluster);
    block_on(async {
        let maps: Api<ConfigMap> = Api::default_namespaced(client(cluster).await?);
        let filling = "x".repeat(OBJECT_BYTES);
        for n in 0..OBJECTS {
            let map = json!({"metadata": {"name": format!("large-{n}"), "labels": {"is": "large"}}, "data": {"x": filling}});
            maps.create(&PostParams::default(), &serde_json::from_value(map)?)
                .await?;
        }
        Ok(())
    });
    let grown = memory_kib(cluster).saturating_sub(before);
    assert!(grown < GROWTH_KIB_MAX, "the API server grew by {grown} KiB");

    let (names, ended) = read_all(watch);
    let expected: Vec<String> = (0..names.len()).map(|n| format!("large-{n}")).collect();
    assert_eq!(names, expected, "the events have a gap");
    assert!(
        ended && names.len() < OBJECTS,
        "it was sent all {} events and not closed",
        names.len()
    );
    block_on(async {
        let maps: Api<ConfigMap> = Api::default_namespaced(client(cluster).await?);
        maps.delete_collection(
            &DeleteParams::default(),
            &ListParams::default().labels("is=large"),
        )
        .await?;
        Ok(())
    });
    still_serves(cluster);
}

/// The names of the objects whose events arrived whole, in order, and whether the watch was ended.
fn read_all(watch: TcpStream) -> (Vec<String>, bool) {
    let mut names = Vec::new();
    for line in BufReader::new(watch).split(b'\n') {
        let line = match line {
            Ok(line) => line,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return (names, false),
            // A connection that is reset is closed too.
            Err(_) => return (names, true),
        };
        // Header lines and the lengths of chunks are no JSON; an event that was cut off is none either.
        let Ok(event) = serde_json::from_slice::<Value>(&line) else {
            continue;
        };
        match event["type"].as_str() {
            Some("ADDED") => names.push(
                event["object"]["metadata"]["name"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
            ),
            Some("ERROR") => return (names, true),
            _ => {}
        }
    }
    (names, true)
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
