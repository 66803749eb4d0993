//! The pod network: addresses, reach, what is given back.

use std::collections::BTreeSet;
use std::fs;

use runtime::{EmbeddedRuntime, Runtime};

use crate::node::{Node, echo_config, http_get};

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn pods_reach_each_other_and_containers_of_a_pod_share_localhost() {
    let node = Node::open().await;
    let (server, client) = (node.pod("server").await, node.pod("client").await);
    node.echo(&server.id, "main", &[]).await;
    http_get(server.ips[0], 8080, "/").await;
    let url = format!("http://{}:8080/from-client", server.ips[0]);
    let (status, text) = node
        .run(&client.id, &echo_config("get", &["get", &url]))
        .await;
    assert_eq!(status.exit_code, 0, "{text}");
    assert!(
        text.contains("pod: server\nnode: node-1\nrequest: GET /from-client"),
        "{text}"
    );
    let local = "http://127.0.0.1:8080/";
    let (status, _) = node
        .run(&server.id, &echo_config("local", &["get", local]))
        .await;
    assert_eq!(status.exit_code, 0);
    let (status, _) = node
        .run(&client.id, &echo_config("other", &["get", local]))
        .await;
    assert_ne!(status.exit_code, 0, "localhost is the pod's own");
    node.close().await;
}

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn pods_of_two_nodes_on_one_machine_reach_each_other() {
    let (one, two) = (Node::open().await, Node::open().await);
    let server = one.pod("server").await;
    one.echo(&server.id, "main", &[]).await;
    http_get(server.ips[0], 8080, "/").await;
    let client = two.pod("client").await;
    let url = format!("http://{}:8080/", server.ips[0]);
    let (status, text) = two
        .run(&client.id, &echo_config("get", &["get", &url]))
        .await;
    assert_eq!(status.exit_code, 0, "{text}");
    one.close().await;
    two.close().await;
}

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn addresses_are_the_pods_own_and_are_given_back() {
    let node = Node::open().await;
    let mut seen = BTreeSet::new();
    for round in 0..3 {
        let (a, b) = (
            node.pod(&format!("a{round}")).await,
            node.pod(&format!("b{round}")).await,
        );
        assert_ne!(a.ips, b.ips);
        seen.extend(a.ips.iter().chain(&b.ips).copied());
        for pod in [a, b] {
            node.runtime
                .remove_pod_sandbox(&pod.id)
                .await
                .expect("remove");
        }
    }
    assert_eq!(seen.len(), 6, "an address rests before it is used again");
    let taken = node.options().root.join("network/addresses");
    let left: Vec<_> = fs::read_dir(taken)
        .expect("addresses")
        .flatten()
        .map(|e| e.file_name())
        .collect();
    assert_eq!(left, ["last"]);
    node.close().await;
}

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn a_pod_with_the_hosts_network_has_no_address_of_its_own() {
    let node = Node::open().await;
    let mut config = node.pod_config("host");
    config.host_network = true;
    let pod = node
        .runtime
        .run_pod_sandbox(&config)
        .await
        .expect("a sandbox");
    assert!(pod.ips.is_empty());
    let (_, text) = node
        .run(&pod.id, &echo_config("main", &["namespaces"]))
        .await;
    let host = fs::read_link("/proc/self/ns/net").expect("a namespace");
    assert!(
        text.lines().any(|line| line == host.to_string_lossy()),
        "{text}"
    );
    node.close().await;
}

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn a_network_that_is_taken_is_refused_by_name() {
    let node = Node::open().await;
    let mut options = node.options();
    options.root = node.directory.path().join("other");
    let refused = EmbeddedRuntime::open(options)
        .await
        .err()
        .expect("the network is taken")
        .to_string();
    assert!(
        refused.contains("is taken: interface pl-node1-"),
        "{refused}"
    );
    node.close().await;
}
