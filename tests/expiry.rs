//! Events expire: some time after their last write they go, and watches are told.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use futures_util::TryStreamExt;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::{
    DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams,
};
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::cluster::{Cluster, PATIENCE};
use crate::crash::kill_and_await;
use crate::etcd::traces_are_accepted;
use crate::kube_rs::{block_on, client, pod};

/// How long events live in the one test, and how the cluster is told.
const SHORT_TIME: Duration = Duration::from_secs(2);
pub(crate) const SHORT: &[&str] = &["--event-ttl", "2s", "--trace", "full"];

/// The same for the other: longer than two components take to be killed and to come back.
const LONGER_TIME: Duration = Duration::from_secs(8);
pub(crate) const LONGER: &[&str] = &["--event-ttl", "0m8s"];

#[test]
#[cfg_attr(not(root), ignore = "needs root")]
fn events_expire() {
    let cluster = Cluster::start(SHORT);
    events_expire_in(&cluster);
    let home = cluster.stop();
    traces_are_accepted(&home);
}

#[test]
#[cfg_attr(not(root), ignore = "needs root")]
fn an_event_outlives_a_crash_and_expires() {
    let cluster = Cluster::start(LONGER);
    survives_a_crash_and_expires(&cluster);
    let home = cluster.stop();
    traces_are_accepted(&home);
}

fn event(name: &str) -> Event {
    serde_json::from_value(json!({
        "metadata": {"name": name},
        "involvedObject": {"kind": "Pod", "namespace": "default", "name": "whatever"},
        "reason": "Tested",
        "message": "an event of a client",
        "type": "Normal",
    }))
    .expect("an event")
}

/// Events that a watch has told of, one after another.
struct Told<'a> {
    events:
        std::pin::Pin<Box<dyn futures_util::Stream<Item = kube::Result<WatchEvent<Event>>> + 'a>>,
    revision: u64,
}

impl<'a> Told<'a> {
    /// What happens from now on.
    async fn from_now(api: &'a Api<Event>) -> anyhow::Result<Self> {
        let listed = api.list(&ListParams::default()).await?.metadata;
        let revision = listed.resource_version.context("no revision")?;
        let watch = WatchParams::default().timeout(200);
        Ok(Told {
            events: Box::pin(api.watch(&watch, &revision).await?),
            revision: revision.parse()?,
        })
    }

    /// The next change; revisions never go back.
    async fn next(&mut self) -> anyhow::Result<(&'static str, Event)> {
        let next = tokio::time::timeout(PATIENCE, self.events.try_next());
        let next = next.await.context("the watch tells nothing")??;
        let (what, event) = match next.context("the watch has ended")? {
            WatchEvent::Added(event) => ("added", event),
            WatchEvent::Modified(event) => ("modified", event),
            WatchEvent::Deleted(event) => ("deleted", event),
            other => anyhow::bail!("{other:?}"),
        };
        let revision = event.resource_version().context("no revision")?.parse()?;
        // What goes with one lease goes at one revision.
        ensure!(
            revision >= self.revision,
            "{what} {} at {revision} after {}",
            event.name_any(),
            self.revision
        );
        self.revision = revision;
        Ok((what, event))
    }

    /// Waits until this has happened to an event, to which nothing else may happen before.
    async fn until(&mut self, wanted: &str, name: &str) -> anyhow::Result<Event> {
        loop {
            let (what, event) = self.next().await?;
            if event.name_any() == name {
                ensure!(what == wanted, "{name} was {what}, not {wanted}");
                return Ok(event);
            }
        }
    }
}

/// A client's event and a component's go in time, with a deletion that watches see; an event that counts up lives on.
#[track_caller]
pub(crate) fn events_expire_in(cluster: &Cluster) {
    block_on(async {
        let client = client(cluster).await?;
        let api: Api<Event> = Api::default_namespaced(client.clone());
        let mut told = Told::from_now(&api).await?;
        let begun = Instant::now();
        let created = api.create(&PostParams::default(), &event("mine")).await?;
        let added = told.until("added", "mine").await?;
        ensure!(added.resource_version() == created.resource_version());

        // This one is written again and again for as long as the other lives.
        api.create(&PostParams::default(), &event("counted"))
            .await?;
        let mut counted = (0, Instant::now());
        let counting = async {
            loop {
                let at = Instant::now();
                let count = Patch::Merge(json!({"count": counted.0 + 1}));
                api.patch("counted", &PatchParams::default(), &count)
                    .await?;
                counted = (counted.0 + 1, at);
            }
            #[expect(unreachable_code, reason = "it ends with an error, or is dropped")]
            anyhow::Ok(())
        };
        let deleted = tokio::select! {
            biased;
            failed = counting => anyhow::bail!("{failed:?}"),
            deleted = told.until("deleted", "mine") => deleted?,
        };
        ensure!(
            begun.elapsed() >= SHORT_TIME,
            "it lived for {:?} only",
            begun.elapsed()
        );
        ensure!(deleted.uid() == created.uid(), "{deleted:?}");
        ensure!(deleted.message == created.message, "{deleted:?}");
        ensure!(told.revision > revision(&created)?, "{deleted:?}");
        ensure!(api.get_opt("mine").await?.is_none(), "it is still there");

        loop {
            let (what, event) = told.next().await?;
            if event.name_any() == "counted" && what == "deleted" {
                let lived = counted.1.elapsed();
                ensure!(
                    lived >= SHORT_TIME,
                    "lived for {lived:?} after its last write"
                );
                ensure!(event.count.unwrap_or(0) >= counted.0, "{event:?}");
                break;
            }
        }

        // What components tell goes over QUIC, and goes as well.
        let pods: Api<Pod> = Api::default_namespaced(client);
        pods.create(&PostParams::default(), &pod("web", &[]))
            .await?;
        let scheduled = loop {
            let (what, event) = told.next().await?;
            if what == "added" && event.reason.as_deref() == Some("Scheduled") {
                break event.name_any();
            }
        };
        told.until("deleted", &scheduled).await?;
        pods.delete("web", &DeleteParams::default().grace_period(0))
            .await?;
        Ok(())
    });
}

/// An event that was written before the API server and the store were killed is there afterwards, for its whole life, and
/// then goes.
#[track_caller]
pub(crate) fn survives_a_crash_and_expires(cluster: &Cluster) {
    let begun = Instant::now();
    block_on(async {
        let api: Api<Event> = Api::default_namespaced(client(cluster).await?);
        api.create(&PostParams::default(), &event("early")).await?;
        Ok(())
    });
    kill_and_await(cluster, "store");
    kill_and_await(cluster, "apiserver");
    let gone = block_on(async {
        let api: Api<Event> = Api::default_namespaced(client(cluster).await?);
        let created = loop {
            // The API server is away: it comes back on the same port.
            match api.create(&PostParams::default(), &event("late")).await {
                Ok(created) => break created,
                Err(kube::Error::Api(status)) if status.code == 409 => {
                    break api.get("late").await?;
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        let mut told = Told::from_now(&api).await?;
        // Where the machine was too busy it may be gone already, and rightly.
        let gone = match api.get_opt("early").await? {
            Some(_) => {
                told.until("deleted", "early").await?;
                begun.elapsed()
            }
            None => begun.elapsed(),
        };
        let late = api.get_opt("late").await?;
        if late.is_some() {
            let deleted = told.until("deleted", "late").await?;
            ensure!(deleted.uid() == created.uid(), "{deleted:?}");
        }
        Ok(gone)
    });
    assert!(gone >= LONGER_TIME, "it lived for {gone:?} only");
}

fn revision(event: &Event) -> anyhow::Result<u64> {
    let revision = event.resource_version().context("no revision")?;
    Ok(revision.parse()?)
}
