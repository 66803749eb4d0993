//! Links: connecting again, epochs, the end.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout};
use transport::{Backoff, Endpoint, Identity, Incoming, Link, LinkState};

use crate::cluster::Cluster;

/// Accepts connections and answers every ask with its own origin, until the endpoint closes.
fn serve(endpoint: &Endpoint) -> tokio::task::JoinHandle<()> {
    let endpoint = endpoint.clone();
    tokio::spawn(async move {
        while let Some(accepted) = endpoint.accept().await {
            let connection = accepted.unwrap();
            let origin = endpoint.origin();
            tokio::spawn(async move {
                while let Incoming::Ask(_, responder) = connection.next().await {
                    responder.answer(&origin, Bytes::new()).await.unwrap();
                }
            });
        }
    })
}

#[tokio::test]
async fn a_link_connects_again_in_a_new_epoch() {
    let cluster = Cluster::new();
    let server = cluster.endpoint(&Identity::store());
    let address = server.address().unwrap();
    let serving = serve(&server);
    let client = cluster.endpoint(&Identity::apiserver());
    let link = Link::new(client, address, Identity::store(), Backoff::default());
    let first = link.connection().await.unwrap();
    assert_eq!(first.epoch, 1);
    let reply = first.connection.ask(&(), Bytes::new(), None).await.unwrap();
    assert_eq!(reply.decode::<u64>().unwrap(), server.origin());

    server.close("the store restarts").await;
    serving.await.unwrap();
    assert_eq!(
        first.connection.closed().await.to_string(),
        "closed by the peer: the store restarts"
    );
    drop(server);

    // The socket is free as soon as quinn's driver has ended.
    let server = loop {
        match bind_again(&cluster, address) {
            Some(server) => break server,
            None => tokio::task::yield_now().await,
        }
    };
    let up = Instant::now();
    serve(&server);
    let second = link.connection().await.unwrap();
    assert!(
        up.elapsed() < Duration::from_secs(1),
        "connected after {:?}",
        up.elapsed()
    );
    assert_eq!(second.epoch, 2);
    assert_eq!(second.connection.peer_origin(), server.origin());
    let reply = second
        .connection
        .ask(&(), Bytes::new(), None)
        .await
        .unwrap();
    assert_eq!(reply.decode::<u64>().unwrap(), server.origin());
}

fn bind_again(cluster: &Cluster, address: std::net::SocketAddr) -> Option<Endpoint> {
    let config = transport::Config::new(address, cluster.credentials(&Identity::store()));
    Endpoint::bind(config).ok()
}

#[tokio::test]
async fn a_link_tells_what_stands_in_its_way() {
    let cluster = Cluster::new();
    let server = cluster.endpoint(&Identity::scheduler());
    let client = cluster.endpoint(&Identity::apiserver());
    let link = Link::new(
        client,
        server.address().unwrap(),
        Identity::store(),
        Backoff::default(),
    );
    let mut state = link.watch();
    let failure =
        state.wait_for(|state| matches!(state, LinkState::Connecting { failure: Some(_) }));
    let failure = format!(
        "{:?}",
        timeout(Duration::from_secs(5), failure)
            .await
            .unwrap()
            .unwrap()
    );
    assert!(failure.contains("store.plimsoll.internal"), "{failure}");
    assert!(failure.contains("scheduler.plimsoll.internal"), "{failure}");
    link.close("the test ends");
    assert!(link.connection().await.is_none());
}

#[tokio::test]
async fn a_closed_link_closes_its_connection() {
    let cluster = Cluster::new();
    let server = cluster.endpoint(&Identity::store());
    let client = cluster.endpoint(&Identity::apiserver());
    let link = Link::new(
        client,
        server.address().unwrap(),
        Identity::store(),
        Backoff::default(),
    );
    let accepted = server.accept().await.unwrap().unwrap();
    link.connection().await.unwrap();
    link.close("the API server stops");
    assert_eq!(
        accepted.closed().await.to_string(),
        "closed by the peer: the API server stops"
    );
}
