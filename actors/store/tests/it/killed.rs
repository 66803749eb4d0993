//! A store that is killed, again and again, while it is written to.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use model::messages::store::{KeyRange, RangeRequest};
use plimsoll_store::Config;
use shell::{Environment, Shutdown};
use transport::Identity;
use transport::pki::Credentials;

use crate::client::Client;
use crate::site::Site;

const ROUNDS: u64 = 12;
const WRITERS: u64 = 16;
const DIRECTORY: &str = "PLIMSOLL_TEST_STORE_DIRECTORY";

/// Not a test of its own: the process that [`nothing_acknowledged_is_lost`] kills.
#[test]
#[ignore = "is started by nothing_acknowledged_is_lost"]
fn victim() {
    let Some(directory) = std::env::var_os(DIRECTORY).map(std::path::PathBuf::from) else {
        return;
    };
    let read =
        |name: &str| std::fs::read_to_string(directory.join(name)).expect("what the test wrote");
    let config = Config {
        address: read("address").parse().expect("an address"),
        credentials: Credentials::from_pem(&read("ca"), &read("chain"), &read("key"))
            .expect("credentials"),
        engine: Default::default(),
        directory: directory.join("store"),
        // Compaction is among what a kill may hit.
        limits: model::machines::store::Limits {
            history_revisions: 40,
            compaction_step: 8,
            ..Default::default()
        },
        trace: None,
        incarnation: 1,
    };
    let (_trigger, shutdown) = Shutdown::new();
    let run = plimsoll_store::run(
        config,
        Environment::system(),
        shutdown,
        Box::new(|| println!("victim is ready")),
    );
    shell::run(run)
        .expect("a runtime")
        .expect("the store runs until it is killed");
}

fn start(site: &Site) -> Child {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["killed::victim", "--exact", "--ignored", "--nocapture"])
        .env(DIRECTORY, site.directory.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process");
    let output = BufReader::new(child.stdout.take().expect("its output"));
    let ready = output
        .lines()
        .map_while(Result::ok)
        .any(|line| line.contains("victim is ready"));
    assert!(ready, "the store did not start");
    child
}

/// What a client knows of its key.
#[derive(Default)]
struct Known {
    /// The last write that was acknowledged: its value and revision.
    acknowledged: Option<(u64, u64)>,
    /// A later write that was not answered: it may be there or not.
    open: Option<u64>,
}

#[test]
fn nothing_acknowledged_is_lost() {
    let site = Site::new();
    let credentials = site.credentials(&Identity::store());
    let pem = credentials.pem();
    for (name, content) in [
        ("address", site.address.to_string()),
        ("ca", pem.ca.clone()),
        ("chain", pem.chain.clone()),
        ("key", pem.key.clone()),
    ] {
        std::fs::write(site.directory.path().join(name), content).expect("a file");
    }
    shell::run(async {
        let mut known: BTreeMap<u64, Known> = (0..WRITERS)
            .map(|writer| (writer, Known::default()))
            .collect();
        let mut newest = 1;
        for round in 0..ROUNDS {
            let mut child = start(&site);
            let client = site.client().await;
            check(&client, &known, newest).await;
            let mut watch = client.watch(KeyRange::prefix("/"), None).await;
            // Every writer stops at its first write without an answer; the kill comes after some dozens.
            let writers: Vec<_> = std::mem::take(&mut known)
                .into_iter()
                .map(|(writer, known)| {
                    tokio::task::spawn_local(write(client.clone(), writer, known))
                })
                .collect();
            watch.revisions(30 + round as usize * 7).await;
            child.kill().expect("a kill");
            child.wait().expect("its end");
            // Nothing comes any more; without this the connection would wait for it.
            client.connection.close("the store was killed");
            for (writer, task) in (0..).zip(writers) {
                let told = task.await.expect("a writer");
                newest = newest.max(told.acknowledged.map_or(0, |(_, revision)| revision));
                known.insert(writer, told);
            }
            assert!(newest > 20 * round, "nothing was written");
        }
        let mut child = start(&site);
        check(&site.client().await, &known, newest).await;
        child.kill().expect("a kill");
        child.wait().expect("its end");
    })
    .expect("a runtime");
}

fn count() -> RangeRequest {
    let range = KeyRange::prefix("/none");
    RangeRequest::now(range)
}

async fn write(client: Client, writer: u64, mut known: Known) -> Known {
    for value in known
        .open
        .or(known.acknowledged.map(|(value, _)| value))
        .map_or(1, |value| value + 1)..
    {
        known.open = Some(value);
        let mut bytes = value.to_le_bytes().to_vec();
        bytes.resize(2048, 0);
        match client.create(&format!("/{writer}/{value}"), &bytes).await {
            Ok(Some(revision)) => known.acknowledged = Some((value, revision)),
            Ok(None) => panic!("/{writer}/{value} exists before it was written"),
            Err(_) => break,
        }
    }
    known
}

async fn check(client: &Client, known: &BTreeMap<u64, Known>, newest: u64) {
    for (writer, known) in known {
        let items = client.all(&format!("/{writer}/")).await;
        let found: BTreeMap<u64, u64> = items
            .iter()
            .map(|item| {
                let value = item
                    .value
                    .as_deref()
                    .and_then(|value| value.first_chunk::<8>())
                    .expect("a value");
                (u64::from_le_bytes(*value), item.mod_revision)
            })
            .collect();
        if let Some((value, revision)) = known.acknowledged {
            assert_eq!(
                found.get(&value),
                Some(&revision),
                "writer {writer} lost value {value}"
            );
        }
        // All but the writes that a kill left open are there, without a gap.
        let last = known.open.unwrap_or(0);
        assert!(
            found.keys().all(|value| *value <= last),
            "writer {writer} has what was never written"
        );
        assert!(
            found.len() as u64 + ROUNDS >= last,
            "writer {writer}: {} of {last} values are there",
            found.len()
        );
    }
    let revision = client.range(count()).await.expect("a range").revision;
    assert!(
        revision >= newest,
        "the revision went back from {newest} to {revision}"
    );
}
