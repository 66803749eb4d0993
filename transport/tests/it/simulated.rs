//! The real QUIC on a simulated network and a paused clock.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep, timeout};
use transport::sim::{Conditions, Network};
use transport::{
    Backoff, CloseReason, Config, Connection, Endpoint, Identity, Incoming, Limits, Link,
};

use crate::cluster::{Cluster, NOW, simulate};

fn address(host: u8) -> SocketAddr {
    (Ipv4Addr::new(10, 0, 0, host), 7443).into()
}

fn endpoint(
    network: &Network,
    cluster: &Cluster,
    host: u8,
    seed: u64,
    identity: &Identity,
) -> Endpoint {
    let mut config = Config::new(address(host), cluster.credentials(identity));
    config.environment = network.environment(seed, NOW);
    Endpoint::bind(config).unwrap()
}

/// Answers every ask of every connection with what it asked.
async fn echo(endpoint: Endpoint) {
    while let Some(Ok(connection)) = endpoint.accept().await {
        tokio::spawn(async move {
            while let Incoming::Ask(message, responder) = connection.next().await {
                let number: u32 = message.decode().unwrap();
                // The asker may be gone.
                let _ = responder.answer(&number, message.body).await;
            }
        });
    }
}

/// 200 asks, 8 at a time, on a network that loses a tenth. Returns the network's fingerprint, its
/// datagrams, the order of the answers, and the virtual time it took.
fn two_hundred_asks(seed: u64) -> (u64, u64, Vec<u32>, Duration) {
    simulate(async move {
        let start = Instant::now();
        let conditions = Conditions {
            lost_per_mille: 100,
            doubled_per_mille: 20,
            delay_min: Duration::from_micros(200),
            delay_max: Duration::from_millis(5),
        };
        let network = Network::new(seed, conditions);
        let cluster = Cluster::in_environment(network.environment(seed, NOW));
        let server = endpoint(&network, &cluster, 1, seed + 1, &Identity::store());
        let client = endpoint(&network, &cluster, 2, seed + 2, &Identity::apiserver());
        tokio::spawn(echo(server));
        let link = Link::new(client, address(1), Identity::store(), Backoff::default());
        let connection = link.connection().await.unwrap().connection;
        let (sender, mut order) = tokio::sync::mpsc::unbounded_channel();
        for asker in 0..8_u32 {
            let (connection, sender) = (connection.clone(), sender.clone());
            tokio::spawn(async move {
                for number in (asker..200).step_by(8) {
                    let body = Bytes::from(vec![1; 10 * number as usize]);
                    let reply = connection.ask(&number, body.clone(), None).await.unwrap();
                    assert_eq!(reply.decode::<u32>().unwrap(), number);
                    assert_eq!(reply.body, body);
                    sender.send(number).unwrap();
                }
            });
        }
        drop(sender);
        let mut answered = Vec::new();
        while let Some(number) = order.recv().await {
            answered.push(number);
        }
        (
            network.fingerprint(),
            network.datagrams(),
            answered,
            start.elapsed(),
        )
    })
}

#[test]
fn the_same_seed_gives_the_same_datagrams() {
    let first = two_hundred_asks(7);
    assert_eq!(
        first.2.len(),
        200,
        "every ask was answered despite the losses"
    );
    assert_eq!(first, two_hundred_asks(7));
    assert_ne!(
        first.0,
        two_hundred_asks(8).0,
        "another seed is another run"
    );
}

/// A store and an API server linked with it.
struct Linked {
    network: Network,
    cluster: Cluster,
    link: Link,
    serving: tokio::task::JoinHandle<()>,
}

async fn linked() -> (Linked, Connection) {
    let network = Network::new(1, Conditions::default());
    let cluster = Cluster::in_environment(network.environment(1, NOW));
    let server = endpoint(&network, &cluster, 1, 2, &Identity::store());
    let client = endpoint(&network, &cluster, 2, 3, &Identity::apiserver());
    let serving = tokio::spawn(echo(server));
    let link = Link::new(client, address(1), Identity::store(), Backoff::default());
    let connection = link.connection().await.unwrap().connection;
    (
        Linked {
            network,
            cluster,
            link,
            serving,
        },
        connection,
    )
}

#[test]
fn a_killed_peer_is_noticed_by_its_silence() {
    simulate(async {
        let (linked, connection) = linked().await;
        linked.network.kill(address(1));
        let killed = Instant::now();
        let ask = connection
            .ask(&1_u32, Bytes::new(), None)
            .await
            .unwrap_err();
        assert!(!ask.certainly_not_sent(), "{ask}");
        assert_eq!(
            connection.closed().await,
            CloseReason::Silent(Limits::default().idle_time_max)
        );
        assert!(
            killed.elapsed() < Duration::from_millis(3500),
            "noticed after {:?}",
            killed.elapsed()
        );
    });
}

/// Kills the store, starts another `down` later, and returns how long after that the link is live again.
async fn back_after(down: Duration) -> Duration {
    let (linked, first) = linked().await;
    // Nothing under way: the link must notice by itself.
    sleep(Duration::from_secs(2)).await;
    linked.network.kill(address(1));
    linked.serving.abort();
    sleep(down).await;
    // The certificate's key is what survives the process, and with it the key of resets.
    let Linked {
        network,
        cluster,
        link,
        ..
    } = &linked;
    let again = endpoint_again(network, cluster);
    let up = Instant::now();
    let origin = again.origin();
    tokio::spawn(echo(again));
    let mut state = link.watch();
    let live = timeout(Duration::from_secs(10), async {
        loop {
            if let Some(live) = link.connection().await.filter(|live| live.epoch > 1) {
                break live;
            }
            state.changed().await.unwrap();
        }
    });
    let live = live.await.unwrap();
    assert_eq!(live.connection.peer_origin(), origin);
    assert_ne!(first.peer_origin(), origin);
    up.elapsed()
}

fn endpoint_again(network: &Network, cluster: &Cluster) -> Endpoint {
    endpoint(network, cluster, 1, 99, &Identity::store())
}

#[test]
fn a_restarted_peer_is_found_soon_after_it_is_up() {
    for down in [110, 530, 1_070, 1_930, 5_010, 20_040] {
        let found = simulate(back_after(Duration::from_millis(down)));
        println!("down for {down} ms: live {found:?} after it was up");
        let bound = match down {
            // It came back before its silence was long enough to be asked about.
            110 => 300,
            _ => 150,
        };
        assert!(
            found < Duration::from_millis(bound),
            "down for {down} ms: found after {found:?}"
        );
    }
}

#[test]
fn a_partition_that_heals_in_time_is_not_an_end() {
    simulate(async {
        let (linked, connection) = linked().await;
        linked.network.cut_off(address(1), true);
        let asking = connection.ask(&5_u32, Bytes::new(), None);
        let healing = async {
            sleep(Duration::from_millis(1500)).await;
            linked.network.cut_off(address(1), false);
        };
        let (reply, ()) = tokio::join!(asking, healing);
        assert_eq!(reply.unwrap().decode::<u32>().unwrap(), 5);
        assert_eq!(linked.link.connection().await.unwrap().epoch, 1);
    });
}

#[test]
fn an_idle_connection_stays() {
    simulate(async {
        let (linked, connection) = linked().await;
        let before = linked.network.datagrams();
        sleep(Duration::from_secs(60)).await;
        assert_eq!(connection.close_reason(), None);
        let datagrams = linked.network.datagrams() - before;
        assert!(
            (60..=600).contains(&datagrams),
            "{datagrams} datagrams a minute keep an idle connection"
        );
    });
}
