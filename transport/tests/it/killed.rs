//! A peer in a process of its own, killed without a chance to say goodbye and started again.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout};
use transport::pki::Credentials;
use transport::{Backoff, Config, Endpoint, Identity, Incoming, Link};

use crate::cluster::{Cluster, loopback};

/// Where the child finds its certificate; unset where the test is no child.
const DIRECTORY: &str = "TRANSPORT_TEST_DIRECTORY";
/// Where the child listens.
const ADDRESS: &str = "TRANSPORT_TEST_ADDRESS";

/// The program of the child: a store that answers until it is killed.
#[test]
#[ignore = "the program that a_killed_process_is_found_again starts"]
fn child() {
    let Ok(directory) = std::env::var(DIRECTORY) else {
        return;
    };
    let read = |name: &str| std::fs::read_to_string(format!("{directory}/{name}")).unwrap();
    let credentials = Credentials::from_pem(&read("ca"), &read("chain"), &read("key")).unwrap();
    let address = std::env::var(ADDRESS).unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let endpoint = Endpoint::bind(Config::new(address, credentials)).unwrap();
        println!("listening {}", endpoint.address().unwrap());
        while let Some(accepted) = endpoint.accept().await {
            let Ok(connection) = accepted else { continue };
            tokio::spawn(async move {
                while let Incoming::Ask(message, responder) = connection.next().await {
                    // The asker may be gone.
                    let _ = responder
                        .answer(&message.decode::<u32>().unwrap(), Bytes::new())
                        .await;
                }
            });
        }
    });
}

/// The child as its parent sees it; killed when dropped.
struct Store {
    process: Child,
    address: SocketAddr,
}

impl Store {
    fn start(directory: &std::path::Path, address: SocketAddr) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "killed::child", "--ignored", "--nocapture"])
            .env(DIRECTORY, directory)
            .env(ADDRESS, address.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let address = lines
            .map_while(Result::ok)
            .find_map(|line| {
                line.split_once("listening ")
                    .map(|(_, address)| address.trim().parse().unwrap())
            })
            .expect("the child listens");
        Self { process, address }
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn a_killed_process_is_found_again() {
    let cluster = Cluster::new();
    let directory = tempfile::tempdir().unwrap();
    let pem = cluster.credentials(&Identity::store()).pem().clone();
    for (name, text) in [("ca", &pem.ca), ("chain", &pem.chain), ("key", &pem.key)] {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    let mut store = Store::start(directory.path(), loopback());
    let address = store.address;
    let client = cluster.endpoint(&Identity::apiserver());
    let link = Link::new(client, address, Identity::store(), Backoff::default());
    let first = link.connection().await.unwrap();
    assert_eq!(
        first
            .connection
            .ask(&1_u32, Bytes::new(), None)
            .await
            .unwrap()
            .decode::<u32>()
            .unwrap(),
        1
    );

    store.kill();
    let asking = tokio::spawn({
        let connection = first.connection.clone();
        async move { connection.ask(&2_u32, Bytes::new(), None).await }
    });
    let mut store = Store::start(directory.path(), address);
    let up = Instant::now();
    let reason = timeout(Duration::from_secs(5), first.connection.closed())
        .await
        .unwrap();
    let error = asking.await.unwrap().unwrap_err();
    assert!(!error.certainly_not_sent(), "{error}");
    let second = timeout(Duration::from_secs(5), link.connection())
        .await
        .unwrap()
        .unwrap();
    println!(
        "{reason}; live again {:?} after the store was up",
        up.elapsed()
    );
    assert_eq!(
        reason,
        transport::CloseReason::Restarted,
        "the reset of the new process is believed"
    );
    assert_eq!(second.epoch, 2);
    assert_ne!(
        second.connection.peer_origin(),
        first.connection.peer_origin()
    );
    assert_eq!(
        second
            .connection
            .ask(&3_u32, Bytes::new(), None)
            .await
            .unwrap()
            .decode::<u32>()
            .unwrap(),
        3
    );

    // Not started again: the silence tells.
    store.kill();
    let killed = Instant::now();
    let reason = timeout(Duration::from_secs(10), second.connection.closed())
        .await
        .unwrap();
    assert!(
        matches!(reason, transport::CloseReason::Silent(_)),
        "{reason}"
    );
    assert!(
        killed.elapsed() < Duration::from_secs(5),
        "noticed after {:?}",
        killed.elapsed()
    );
}
