//! A cluster whose objects a real etcd keeps: it does what it does on its own store, and survives the death of every
//! part of that path, etcd included.
//!
//! Any other test here runs on etcd too: `PLIMSOLL_TEST_STORE=etcd cargo test -p plimsoll-tests`, an etcd for each data
//! directory; with `etcd=http://127.0.0.1:2379` all in one that runs, each under a prefix. The tests that are about the
//! embedded store are ignored then, by name.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use futures_util::TryStreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{ListParams, PostParams, WatchEvent, WatchParams};
use kube::{Api, Client, ResourceExt};

use crate::backend::objects_live_in;
use crate::cluster::{Cluster, Home, PATIENCE, eventually, plimsoll};
use crate::crash::{identities, kill_and_await, serves, write};
use crate::etcd_server::EtcdServer;
use crate::expiry;
use crate::kube_rs::{block_on, client, exercise, pod, running};
use crate::kubectl::prints_the_golden_files;

fn on(etcd: &EtcdServer) -> Cluster {
    started_on(etcd, &[])
}

fn started_on(etcd: &EtcdServer, options: &[&str]) -> Cluster {
    let engine = format!("etcd={}", etcd.url());
    Cluster::start(&[&["--store", &engine], options].concat())
}

#[test]
#[cfg_attr(not(all(root, etcd)), ignore = "needs root and etcd")]
fn kube_rs_on_etcd() {
    let etcd = EtcdServer::start();
    let cluster = on(&etcd);
    exercise(&cluster);
    let home = cluster.stop();
    traces_are_accepted(&home);
}

#[test]
#[cfg_attr(not(all(root, etcd)), ignore = "needs root and etcd")]
fn objects_live_in_etcd() {
    let etcd = EtcdServer::start();
    let cluster = on(&etcd);
    objects_live_in(&cluster);
    let home = cluster.stop();
    traces_are_accepted(&home);
}

#[test]
#[cfg_attr(not(all(root, kubectl, etcd)), ignore = "needs root, kubectl and etcd")]
fn kubectl_on_etcd() {
    let etcd = EtcdServer::start();
    let cluster = on(&etcd);
    prints_the_golden_files(&cluster);
    let home = cluster.stop();
    traces_are_accepted(&home);
}

#[test]
#[cfg_attr(not(all(root, etcd)), ignore = "needs root and etcd")]
fn events_expire_on_etcd() {
    let etcd = EtcdServer::start();
    let cluster = started_on(&etcd, expiry::SHORT);
    expiry::events_expire_in(&cluster);
    let home = cluster.stop();
    traces_are_accepted(&home);
}

#[test]
#[cfg_attr(not(all(root, etcd)), ignore = "needs root and etcd")]
fn an_event_in_etcd_outlives_a_crash_and_expires() {
    let etcd = EtcdServer::start();
    let cluster = started_on(&etcd, expiry::LONGER);
    expiry::survives_a_crash_and_expires(&cluster);
    let home = cluster.stop();
    traces_are_accepted(&home);
}

/// The running cluster's own record, held against the specifications: with etcd's revisions in it.
#[track_caller]
pub(crate) fn traces_are_accepted(home: &Home) {
    let checked = Command::new(plimsoll())
        .args(["trace", "check"])
        .arg(home.path().join("trace"))
        .output()
        .expect("the command runs");
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(
        checked.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&checked.stderr)
    );
}

/// `/readyz`: its status and what it says.
async fn readyz(client: &Client) -> anyhow::Result<(u16, String)> {
    let request = http::Request::get("/readyz").body(kube::client::Body::empty())?;
    let response = client.send(request).await?;
    let status = response.status().as_u16();
    let body = response.into_body().collect_bytes().await?;
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

/// Follows config maps from a revision until told to stop, resumes after the last revision when the watch ends and lists
/// when that is gone (410); how often each name was added.
async fn follow(
    client: Client,
    mut revision: String,
    stop: Arc<AtomicBool>,
) -> anyhow::Result<BTreeMap<String, usize>> {
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let mut added: BTreeMap<String, usize> = BTreeMap::new();
    loop {
        // One more watch after the end is known brings the rest.
        let last = stop.load(Ordering::Relaxed);
        let parameters = WatchParams::default().timeout(2);
        let Ok(events) = maps.watch(&parameters, &revision).await else {
            // The API server is away: it comes back on the same port.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let mut events = std::pin::pin!(events);
        loop {
            let event = match events.try_next().await {
                Ok(Some(event)) => event,
                Ok(None) if last => return Ok(added),
                Ok(None) | Err(_) => break,
            };
            match event {
                WatchEvent::Added(map) => {
                    revision = map.resource_version().context("no revision")?;
                    *added.entry(map.name_any()).or_default() += 1;
                }
                WatchEvent::Bookmark(mark) => revision = mark.metadata.resource_version,
                // The window of an API server that was started again begins where it found the store.
                WatchEvent::Error(status) if status.code == 410 => {
                    let Ok(listed) = maps.list(&ListParams::default()).await else {
                        break;
                    };
                    for map in &listed.items {
                        added.entry(map.name_any()).or_insert(1);
                    }
                    revision = listed.metadata.resource_version.context("no revision")?;
                    break;
                }
                WatchEvent::Error(_) => break,
                other => anyhow::bail!("{other:?}"),
            }
        }
    }
}

#[test]
#[cfg_attr(not(all(root, etcd)), ignore = "needs root and etcd")]
fn every_part_of_the_path_to_etcd_may_be_killed() {
    let mut etcd = EtcdServer::start();
    let cluster = on(&etcd);
    let names = ["first", "second"];
    let (before, revision) = block_on(async {
        let client = client(&cluster).await?;
        let pods: Api<Pod> = Api::default_namespaced(client.clone());
        for name in names {
            pods.create(&PostParams::default(), &pod(name, &[])).await?;
        }
        for name in names {
            running(&pods, name).await?;
        }
        let maps: Api<ConfigMap> = Api::default_namespaced(client);
        let revision = maps.list(&ListParams::default()).await?.metadata;
        Ok((
            identities(&pods.list(&ListParams::default()).await?.items),
            revision.resource_version.context("no revision")?,
        ))
    });
    let processes = crate::cluster::containers(&cluster);
    let stop = Arc::new(AtomicBool::new(false));
    let over = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let (stop, client) = (stop.clone(), cluster.kubeconfig());
        move || block_on(async { write(from(&client).await?, stop).await })
    });
    let watcher = std::thread::spawn({
        let (over, client) = (over.clone(), cluster.kubeconfig());
        move || block_on(async { follow(from(&client).await?, revision, over).await })
    });

    for name in ["apiserver", "store"] {
        kill_and_await(&cluster, name);
        serves(&cluster, &format!("after-{name}"));
    }
    etcd.kill();
    let said = eventually(PATIENCE, || {
        let answered = block_on(async { Ok(readyz(&client(&cluster).await?).await) });
        answered.ok().filter(|(status, _)| *status == 500)
    });
    let (_, said) = said.unwrap_or_else(|| panic!("ready without etcd:\n{}", cluster.told()));
    assert!(said.contains("[-]storage failed"), "{said}");
    assert!(said.contains(&etcd.url()), "{said}");
    etcd.start_again();
    serves(&cluster, "after-etcd");
    stop.store(true, Ordering::Relaxed);
    let acknowledged = writer.join().expect("the writer does not panic");

    let maps = block_on(async {
        let client = client(&cluster).await?;
        let (status, said) = readyz(&client).await?;
        ensure!(status == 200, "{said}");
        let pods: Api<Pod> = Api::default_namespaced(client.clone());
        let mut after = identities(&pods.list(&ListParams::default()).await?.items);
        after.retain(|name, _| names.contains(&name.as_str()));
        ensure!(after == before, "before: {before:?}\nafter: {after:?}");
        let maps: Api<ConfigMap> = Api::default_namespaced(client);
        let found = maps.list(&ListParams::default()).await?;
        Ok(found
            .items
            .iter()
            .map(ResourceExt::name_any)
            .collect::<Vec<_>>())
    });
    assert!(acknowledged.len() > 10, "only {}", acknowledged.len());
    for name in &acknowledged {
        assert!(maps.contains(name), "{name} was acknowledged and is lost");
    }
    over.store(true, Ordering::Relaxed);
    let added = watcher.join().expect("the watcher does not panic");
    for name in maps.iter().filter(|name| name.starts_with("written-")) {
        assert_eq!(added.get(name), Some(&1), "{name}:\n{}", cluster.told());
    }
    let still = crate::cluster::containers(&cluster);
    for process in &processes {
        assert!(still.contains(process), "{process:?} is gone");
    }
    let home = cluster.stop();
    traces_are_accepted(&home);
}

async fn from(kubeconfig: &std::path::Path) -> anyhow::Result<Client> {
    let kubeconfig = kube::config::Kubeconfig::read_from(kubeconfig)?;
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await?;
    Ok(Client::try_from(config)?)
}

#[test]
#[cfg_attr(not(root), ignore = "needs root")]
fn without_its_etcd_a_cluster_does_not_start_and_says_why() {
    let home = Home::new();
    let nobody = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let url = format!("http://{}", nobody.local_addr().expect("its address"));
    drop(nobody);
    let ended = home
        .up(&["--store", &format!("etcd={url}")])
        .output()
        .expect("the command runs");
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(
        said.contains(&format!("etcd at {url} is not reached")),
        "{said}"
    );
}
