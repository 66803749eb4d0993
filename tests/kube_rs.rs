//! The cluster as a program sees it that is written with kube-rs.

use std::collections::BTreeMap;
use std::future::Future;

use anyhow::Context;
use futures_util::{AsyncBufReadExt, TryStreamExt};
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{
    AttachParams, DeleteParams, LogParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams,
};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Api, Client, Config, ResourceExt};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::cluster::{Cluster, PATIENCE};

/// Runs a test's future; a failure panics with its whole chain.
#[track_caller]
pub(crate) fn block_on<T>(test: impl Future<Output = anyhow::Result<T>>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("an event loop");
    match runtime.block_on(async { tokio::time::timeout(4 * PATIENCE, test).await }) {
        Ok(Ok(value)) => value,
        Ok(Err(error)) => panic!("{error:?}"),
        Err(_) => panic!("not done within {} s", 4 * PATIENCE.as_secs()),
    }
}

/// A client with the kubeconfig that `up` wrote.
pub(crate) async fn client(cluster: &Cluster) -> anyhow::Result<Client> {
    let kubeconfig = Kubeconfig::read_from(cluster.kubeconfig())?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

/// A pod of `plimsoll/echo`.
pub(crate) fn pod(name: &str, arguments: &[&str]) -> Pod {
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "containers": [{"name": "echo", "image": "plimsoll/echo", "args": arguments}],
        },
    });
    serde_json::from_value(pod).expect("a pod")
}

/// Waits until a pod runs.
pub(crate) async fn running(pods: &Api<Pod>, name: &str) -> anyhow::Result<Pod> {
    let wait = await_condition(pods.clone(), name, conditions::is_pod_running());
    let pod = tokio::time::timeout(PATIENCE, wait)
        .await
        .with_context(|| format!("{name} does not run"))??;
    pod.with_context(|| format!("{name} is gone"))
}

#[test]
#[cfg_attr(not(root), ignore = "needs root")]
fn kube_rs() {
    let cluster = Cluster::start(&[]);
    exercise(&cluster);
    cluster.stop();
}

/// What programs do with a cluster, whatever is behind it.
#[track_caller]
pub(crate) fn exercise(cluster: &Cluster) {
    block_on(async {
        let client = client(cluster).await?;
        logs_and_exec(&client).await.context("logs and exec")?;
        self_healing(&client).await.context("self-healing")?;
        watch_with_resume(&client)
            .await
            .context("watch with resume")?;
        racing_writers(&client).await.context("racing writers")
    });
}

async fn logs_and_exec(client: &Client) -> anyhow::Result<()> {
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    pods.create(
        &PostParams::default(),
        &pod("talks", &["lines", "3", "--interval", "20"]),
    )
    .await?;
    pods.create(&PostParams::default(), &pod("serves", &[]))
        .await?;
    running(&pods, "serves").await?;

    let following = LogParams {
        follow: true,
        ..LogParams::default()
    };
    running(&pods, "talks").await?;
    let mut lines = pods.log_stream("talks", &following).await?.lines();
    let mut said = Vec::new();
    while let Some(line) = lines.try_next().await? {
        said.push(line);
    }
    anyhow::ensure!(said == ["line 1", "line 2", "line 3"], "{said:?}");

    let mut echo = pods
        .exec(
            "serves",
            ["/echo", "repl"],
            &AttachParams::default().stdin(true).stderr(false),
        )
        .await?;
    let mut input = echo.stdin().context("no input")?;
    let mut output = echo.stdout().context("no output")?;
    let status = echo.take_status().context("no status")?;
    input.write_all(b"hello\nexit 3\n").await?;
    let mut text = String::new();
    output.read_to_string(&mut text).await?;
    let status = status.await.context("the status never came")?;
    anyhow::ensure!(text == "you said: hello\n", "{text:?}");
    let causes = status
        .details
        .and_then(|details| details.causes)
        .unwrap_or_default();
    let code = causes
        .iter()
        .find(|cause| cause.reason.as_deref() == Some("ExitCode"));
    anyhow::ensure!(
        code.and_then(|cause| cause.message.as_deref()) == Some("3"),
        "{causes:?}"
    );

    let deleted = DeleteParams::default().grace_period(0);
    pods.delete("talks", &deleted).await?;
    pods.delete("serves", &deleted).await?;
    Ok(())
}

async fn self_healing(client: &Client) -> anyhow::Result<()> {
    let sets: Api<ReplicaSet> = Api::default_namespaced(client.clone());
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    let set = serde_json::from_value(json!({
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": "heals"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "heals"}},
            "template": {
                "metadata": {"labels": {"app": "heals"}},
                "spec": {
                    "terminationGracePeriodSeconds": 0,
                    "containers": [{"name": "echo", "image": "plimsoll/echo"}],
                },
            },
        },
    }))?;
    sets.create(&PostParams::default(), &set).await?;
    let ready = |wanted: i32| {
        move |set: Option<&ReplicaSet>| {
            set.and_then(|set| set.status.as_ref())
                .is_some_and(|status| status.ready_replicas == Some(wanted))
        }
    };
    await_condition(sets.clone(), "heals", ready(2)).await?;
    let selected = kube::api::ListParams::default().labels("app=heals");
    let before = pods.list(&selected).await?;
    let victim = before.items.first().context("no pod")?;
    let (name, uid) = (victim.name_any(), victim.uid().context("no uid")?);
    pods.delete(&name, &DeleteParams::default()).await?;
    await_condition(pods.clone(), &name, conditions::is_deleted(&uid)).await?;
    await_condition(sets.clone(), "heals", ready(2)).await?;
    let after = pods.list(&selected).await?;
    anyhow::ensure!(
        after.items.iter().all(|pod| pod.name_any() != name),
        "{name} is still there"
    );

    let owner = sets.get("heals").await?.uid().context("no uid")?;
    sets.delete("heals", &DeleteParams::background()).await?;
    await_condition(sets.clone(), "heals", conditions::is_deleted(&owner)).await?;
    for pod in after {
        let uid = pod.uid().context("no uid")?;
        await_condition(pods.clone(), &pod.name_any(), conditions::is_deleted(&uid)).await?;
    }
    Ok(())
}

/// A watch that is dropped and taken up again at its last resourceVersion sees every change once and in order.
async fn watch_with_resume(client: &Client) -> anyhow::Result<()> {
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    let mut map: ConfigMap =
        serde_json::from_value(json!({"metadata": {"name": "watched"}, "data": {"n": "0"}}))?;
    let created = maps.create(&PostParams::default(), &map).await?;
    let mut last = created.resource_version().context("no resourceVersion")?;
    for n in 1..=20 {
        map.data = Some(BTreeMap::from([("n".to_owned(), n.to_string())]));
        maps.patch("watched", &PatchParams::default(), &Patch::Merge(&map))
            .await?;
    }
    let only = WatchParams::default().fields("metadata.name=watched");
    let mut seen = Vec::new();
    while seen.len() < 20 {
        // Every watch is dropped after seven events.
        let mut events = Box::pin(maps.watch(&only, &last).await?);
        for _ in 0..7 {
            if seen.len() == 20 {
                break;
            }
            match events
                .try_next()
                .await?
                .context("the server ended the watch")?
            {
                WatchEvent::Modified(map) => {
                    last = map.resource_version().context("no resourceVersion")?;
                    seen.push(map.data.unwrap_or_default().remove("n").unwrap_or_default());
                }
                WatchEvent::Bookmark(_) => {}
                other => anyhow::bail!("{other:?}"),
            }
        }
    }
    let expected: Vec<String> = (1..=20).map(|n| n.to_string()).collect();
    anyhow::ensure!(seen == expected, "{seen:?}");
    maps.delete("watched", &DeleteParams::default()).await?;
    Ok(())
}

/// Writers that race with optimistic locking lose no update: every one that was accepted is counted.
async fn racing_writers(client: &Client) -> anyhow::Result<()> {
    const WRITERS: usize = 8;
    const WRITES: usize = 10;
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    let map = serde_json::from_value(json!({"metadata": {"name": "counter"}, "data": {"n": "0"}}))?;
    maps.create(&PostParams::default(), &map).await?;
    let writer = || async {
        let mut done = 0;
        while done < WRITES {
            let mut map = maps.get("counter").await?;
            let data = map.data.get_or_insert_default();
            let n: usize = data.get("n").context("no counter")?.parse()?;
            data.insert("n".to_owned(), (n + 1).to_string());
            match maps.replace("counter", &PostParams::default(), &map).await {
                Ok(_) => done += 1,
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                Err(error) => return Err(error.into()),
            }
        }
        anyhow::Ok(())
    };
    futures_util::future::try_join_all((0..WRITERS).map(|_| writer())).await?;
    let end = maps.get("counter").await?.data.unwrap_or_default();
    anyhow::ensure!(
        end.get("n") == Some(&(WRITERS * WRITES).to_string()),
        "{end:?}"
    );
    maps.delete("counter", &DeleteParams::default()).await?;
    Ok(())
}
