//! `kill -9` of each component in turn, while pods run and writes go on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use nix::sys::signal::{Signal, kill};
use serde_json::json;

use crate::cluster::{Cluster, PATIENCE, eventually};
use crate::kube_rs::{block_on, client, pod, running};

/// What of a pod must not change when a component is killed: the identities of its containers and their restarts.
pub(crate) fn identities(pods: &[Pod]) -> BTreeMap<String, Vec<(String, i32)>> {
    let containers = |pod: &Pod| {
        let statuses = pod
            .status
            .as_ref()
            .and_then(|status| status.container_statuses.clone())
            .unwrap_or_default();
        statuses
            .into_iter()
            .map(|s| (s.container_id.unwrap_or_default(), s.restart_count))
            .collect()
    };
    pods.iter()
        .map(|pod| (pod.name_any(), containers(pod)))
        .collect()
}

/// Kills a component and waits until another process has taken its place.
#[track_caller]
pub(crate) fn kill_and_await(cluster: &Cluster, name: &str) {
    let before = cluster
        .component(name)
        .unwrap_or_else(|| panic!("{name} does not run:\n{}", cluster.told()));
    kill(before, Signal::SIGKILL).expect("it runs");
    let after = eventually(PATIENCE, || {
        cluster.component(name).filter(|pid| *pid != before)
    });
    assert!(
        after.is_some(),
        "{name} was not started again:\n{}",
        cluster.told()
    );
}

fn map(name: &str) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name}, "data": {"written": name}}))
        .expect("a config map")
}

/// Creates config maps until told to stop, and keeps the names of those that were acknowledged. An error says nothing of
/// whether the write happened, so its name is not used again.
pub(crate) async fn write(client: Client, stop: Arc<AtomicBool>) -> anyhow::Result<Vec<String>> {
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let mut acknowledged = Vec::new();
    for n in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let name = format!("written-{n}");
        match maps.create(&PostParams::default(), &map(&name)).await {
            Ok(_) => acknowledged.push(name),
            // The API server is away: it comes back on the same port.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    Ok(acknowledged)
}

#[test]
#[cfg_attr(not(root), ignore = "needs root")]
fn every_component_may_be_killed() {
    let cluster = Cluster::start(&["--nodes", "2"]);
    let names = ["first", "second", "third"];
    let before = block_on(async {
        let pods: Api<Pod> = Api::default_namespaced(client(&cluster).await?);
        for name in names {
            pods.create(&PostParams::default(), &pod(name, &[])).await?;
        }
        for name in names {
            running(&pods, name).await?;
        }
        Ok(identities(&pods.list(&ListParams::default()).await?.items))
    });
    let processes = crate::cluster::containers(&cluster);

    let stop = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let (stop, client) = (stop.clone(), block_on(kubeconfig(&cluster)));
        move || block_on(async { write(Client::try_from(client)?, stop).await })
    });
    for name in [
        "controllers",
        "scheduler",
        "node-1.kubelet",
        "node-2.kubelet",
        "apiserver",
        "store",
    ] {
        kill_and_await(&cluster, name);
        serves(&cluster, &format!("after-{}", name.replace('.', "-")));
    }
    stop.store(true, Ordering::Relaxed);
    let acknowledged = writer.join().expect("the writer does not panic");

    block_on(async {
        let client = client(&cluster).await?;
        let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
        ensure!(
            acknowledged.len() > 10,
            "only {} writes in all that time",
            acknowledged.len()
        );
        let found = maps.list(&ListParams::default()).await?;
        for name in &acknowledged {
            let map = found.items.iter().find(|map| map.name_any() == *name);
            let data = map
                .and_then(|map| map.data.as_ref())
                .and_then(|data| data.get("written"));
            ensure!(data == Some(name), "{name} was acknowledged and is lost");
        }
        let pods: Api<Pod> = Api::default_namespaced(client);
        let mut after = identities(&pods.list(&ListParams::default()).await?.items);
        after.retain(|name, _| names.contains(&name.as_str()));
        ensure!(after == before, "before: {before:?}\nafter: {after:?}");
        Ok(())
    });
    let still = crate::cluster::containers(&cluster);
    for process in &processes {
        assert!(
            still.contains(process),
            "{process:?} is gone:\n{}",
            cluster.told()
        );
    }
    cluster.stop();
}

async fn kubeconfig(cluster: &Cluster) -> anyhow::Result<kube::Config> {
    let kubeconfig = kube::config::Kubeconfig::read_from(cluster.kubeconfig())?;
    Ok(kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await?)
}

/// A pod that is created now comes to run: every component does its part again.
#[track_caller]
pub(crate) fn serves(cluster: &Cluster, name: &str) {
    block_on(async {
        let pods: Api<Pod> = Api::default_namespaced(client(cluster).await?);
        let created = loop {
            match pods.create(&PostParams::default(), &pod(name, &[])).await {
                Ok(_) => break Ok(()),
                // A create whose answer was lost may have happened.
                Err(kube::Error::Api(status)) if status.code == 409 => break Ok(()),
                Err(kube::Error::Api(status)) if status.code < 500 => break Err(status),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        created.map_err(|status| anyhow::anyhow!("{}", status.message))?;
        running(&pods, name).await.with_context(|| cluster.told())?;
        Ok(())
    });
}

/// The store is killed right after each acknowledgement, before anything else can have happened: what was
/// acknowledged is there when it is back.
#[test]
#[cfg_attr(not(root), ignore = "needs root")]
fn an_acknowledged_write_survives_the_store() {
    const TIMES: usize = 8;
    let cluster = Cluster::start(&[]);
    for n in 0..TIMES {
        let name = format!("durable-{n}");
        block_on(async {
            let maps: Api<ConfigMap> = Api::default_namespaced(client(&cluster).await?);
            let store = cluster.component("store").context("no store")?;
            maps.create(&PostParams::default(), &map(&name)).await?;
            kill(store, Signal::SIGKILL)?;
            loop {
                match maps.get(&name).await {
                    Ok(found) => {
                        ensure!(
                            found
                                .data
                                .is_some_and(|data| data.get("written") == Some(&name)),
                            "{name} is damaged"
                        );
                        return Ok(());
                    }
                    Err(kube::Error::Api(status)) if status.code == 404 => {
                        anyhow::bail!("{name} is lost")
                    }
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        });
        // A read may be answered from the API server's cache; the next write needs the store itself.
        let back = eventually(PATIENCE, || cluster.component("store"));
        assert!(
            back.is_some(),
            "the store was not started again:\n{}",
            cluster.told()
        );
        block_on(async {
            let maps: Api<ConfigMap> = Api::default_namespaced(client(&cluster).await?);
            while maps
                .create(&PostParams::default(), &map(&format!("after-{n}")))
                .await
                .is_err()
            {
                if maps.get(&format!("after-{n}")).await.is_ok() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok(())
        });
    }
    block_on(async {
        let maps: Api<ConfigMap> = Api::default_namespaced(client(&cluster).await?);
        let found = maps.list(&ListParams::default()).await?;
        let durable = found
            .items
            .iter()
            .filter(|map| map.name_any().starts_with("durable-"))
            .count();
        ensure!(durable == TIMES, "{durable} of {TIMES} are left");
        Ok(())
    });
    cluster.stop();
}

/// Creates config maps, changes them and deletes every second one until told to stop; how many. No request may fail.
async fn change(client: Client, stop: Arc<AtomicBool>) -> anyhow::Result<usize> {
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let mut made = 0;
    while !stop.load(Ordering::Relaxed) {
        let name = format!("changed-{made}");
        let change = Patch::Merge(json!({"data": {"written": "again"}}));
        maps.create(&PostParams::default(), &map(&name))
            .await
            .with_context(|| format!("the creation of {name}"))?;
        maps.patch(&name, &PatchParams::default(), &change)
            .await
            .with_context(|| format!("the change of {name}"))?;
        if made % 2 == 0 {
            maps.delete(&name, &DeleteParams::default())
                .await
                .with_context(|| format!("the deletion of {name}"))?;
        }
        made += 1;
    }
    Ok(made)
}

/// Who writes while the store is killed and comes back notices a pause, and no error.
#[test]
#[cfg_attr(not(root), ignore = "needs root")]
fn a_killed_store_is_a_pause() {
    let cluster = Cluster::start(&[]);
    let stop = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let (stop, client) = (stop.clone(), block_on(kubeconfig(&cluster)));
        move || block_on(async { change(Client::try_from(client)?, stop).await })
    });
    for n in 0..6 {
        kill_and_await(&cluster, "store");
        serves(&cluster, &format!("after-{n}"));
    }
    stop.store(true, Ordering::Relaxed);
    let made = writer.join().expect("no request of the writer fails");
    block_on(async {
        let maps: Api<ConfigMap> = Api::default_namespaced(client(&cluster).await?);
        let found = maps.list(&ListParams::default()).await?;
        let mut kept: Vec<String> = found.iter().map(ResourceExt::name_any).collect();
        kept.sort();
        let mut expected: Vec<String> = (0..made)
            .filter(|n| n % 2 == 1)
            .map(|n| format!("changed-{n}"))
            .collect();
        expected.sort();
        ensure!(kept == expected, "of {made} there are {kept:?}");
        for map in &found {
            let data = map.data.as_ref().and_then(|data| data.get("written"));
            ensure!(data.is_some_and(|written| written == "again"), "{map:?}");
        }
        ensure!(made > 10, "only {made} in all that time");
        Ok(())
    });
    cluster.stop();
}

/// Who connects while the API server is away waits for it, and is not refused.
#[test]
#[cfg_attr(not(root), ignore = "needs root")]
fn a_killed_api_server_is_a_pause() {
    let cluster = Cluster::start(&[]);
    for n in 0..4 {
        let before = cluster.component("apiserver").expect("it runs");
        kill(before, Signal::SIGKILL).expect("it runs");
        block_on(async {
            let maps: Api<ConfigMap> = Api::default_namespaced(client(&cluster).await?);
            maps.create(&PostParams::default(), &map(&format!("first-{n}")))
                .await?;
            Ok(())
        });
    }
    cluster.stop();
}
