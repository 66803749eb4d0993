//! Input that nobody should send, and clients who are not who they say.

mod bodies;
mod identities;
mod slow_watcher;

use std::net::{SocketAddr, TcpListener};

use kube::Client;

use crate::cluster::Cluster;
use crate::kube_rs::{block_on, client};

#[test]
#[cfg_attr(not(root), ignore = "needs root")]
fn hostile() {
    let free = TcpListener::bind(("127.0.0.1", 0))
        .and_then(|free| free.local_addr())
        .expect("a free port");
    let cluster = Cluster::start(&["--insecure-address", &free.to_string()]);
    let before = cluster.component("apiserver");
    bodies::are_refused(&cluster);
    identities::strangers_are_refused(&cluster);
    identities::kubelets_see_their_own(&cluster);
    assert_eq!(
        cluster.component("apiserver"),
        before,
        "the API server was restarted:\n{}",
        cluster.told()
    );
    cluster.stop();
}

#[test]
#[cfg_attr(not(root), ignore = "needs root")]
fn a_watcher_that_does_not_read() {
    let free = TcpListener::bind(("127.0.0.1", 0))
        .and_then(|free| free.local_addr())
        .expect("a free port");
    let cluster = Cluster::start(&["--insecure-address", &free.to_string()]);
    slow_watcher::is_closed(&cluster, free);
    cluster.stop();
}

/// Sends one request with kube-rs' client and gives the status code and body.
async fn ask(
    client: &Client,
    request: http::request::Builder,
    body: Vec<u8>,
) -> anyhow::Result<(u16, String)> {
    let response = client.send(request.body(body.into())?).await?;
    let status = response.status().as_u16();
    let body = kube::client::Body::collect_bytes(response.into_body()).await?;
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

/// The UDP address at which a component listens, from its command line.
pub(crate) fn listens_at(cluster: &Cluster, name: &str) -> SocketAddr {
    let pid = cluster.component(name).expect("it runs");
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).expect("it runs");
    let words: Vec<_> = line
        .split(|byte| *byte == 0)
        .map(String::from_utf8_lossy)
        .collect();
    let at = words
        .iter()
        .position(|word| word == "--listen")
        .expect("every component has an address");
    words[at + 1].parse().expect("an address")
}

/// The cluster still serves an ordinary client.
#[track_caller]
fn still_serves(cluster: &Cluster) {
    block_on(async {
        let client = client(cluster).await?;
        client.apiserver_version().await?;
        Ok(())
    });
}
