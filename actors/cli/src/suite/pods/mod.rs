//! The driver of the create-pod suite: clients who create and delete pods, two watches who see everything. What they saw
//! is judged by `conformance::suite::pods`.

mod observer;
mod workers;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context;
use conformance::suite::pods::{PodSeen, Session, judge};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::clock::Clock;
use super::report::{Finding, Report};
use super::session::Plan;
use crate::bench::Made;
use crate::client::{Connection, Server};

/// How long a cluster may take to run a pod, or, beyond its grace, to end it.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the clients of a session share.
struct Shared {
    server: Server,
    plan: Plan,
    image: String,
    clock: Clock,
    seen: RefCell<Session>,
    races: Cell<u64>,
    /// Counts what was seen, so that it can be waited for.
    news: watch::Sender<u64>,
    over: watch::Sender<bool>,
}

impl Shared {
    fn path(&self, resource: &str) -> String {
        format!(
            "/api/v1/namespaces/{}/{resource}",
            self.seen.borrow().namespace
        )
    }

    fn race(&self) -> u64 {
        self.races.replace(self.races.get() + 1)
    }

    /// Waits until something holds of what was seen; whether it did in time.
    async fn sees(&self, patience: Duration, holds: impl Fn(&Session) -> bool) -> bool {
        let mut news = self.news.subscribe();
        let held = news.wait_for(|_| holds(&self.seen.borrow()));
        let held = tokio::time::timeout(patience, held).await;
        held.is_ok_and(|held| held.is_ok())
    }

    async fn reconnect(&self) -> anyhow::Result<Connection> {
        super::session::reconnect(&self.server, None).await
    }

    /// A pod of the session's image that asks for little.
    fn pod(&self, name: &str, labels: Value) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": labels},
            "spec": self.pod_spec(),
        })
    }

    fn pod_spec(&self) -> Value {
        json!({
            "terminationGracePeriodSeconds": 1,
            "containers": [{
                "name": "main",
                "image": self.image,
                "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
            }],
        })
    }
}

/// How a pod was last seen.
fn last<'a>(session: &'a Session, uid: &str) -> Option<&'a PodSeen> {
    session.pods.iter().rev().find(|seen| seen.uid == uid)
}

/// Runs a session in a namespace of its own, which is removed afterwards, and tells what was found.
///
/// # Errors
/// If the server cannot be reached or refuses the namespace.
pub fn check_pods(
    server: &Server,
    plan: Plan,
    image: &str,
    progress: impl Fn(&str),
) -> anyhow::Result<Report> {
    let made = Made::new(server, "plimsoll-conformance-")?;
    progress(&format!("namespace {}", made.name()));
    let session = Session {
        namespace: made.name().to_owned(),
        patience_us: u64::try_from(PATIENCE.as_micros()).unwrap_or(u64::MAX),
        ..Session::default()
    };
    let shared = Rc::new(Shared {
        server: server.clone(),
        plan,
        image: image.to_owned(),
        clock: Clock::start(),
        seen: RefCell::new(session),
        races: Cell::new(0),
        news: watch::channel(0).0,
        over: watch::channel(false).0,
    });
    let ran = crate::bench::block_on(run(shared.clone(), &progress));
    let removed = made.remove();
    ran?;
    removed.context("the suite's namespace could not be removed")?;
    let mut session = shared.seen.take();
    session.ended_us = shared.clock.now_us();
    Ok(report(&session))
}

async fn run(shared: Rc<Shared>, progress: &impl Fn(&str)) -> anyhow::Result<()> {
    let mut watching: JoinSet<anyhow::Result<()>> = JoinSet::new();
    watching.spawn_local(observer::watch_nodes(shared.clone()));
    watching.spawn_local(observer::watch_pods(shared.clone()));
    let mut working: JoinSet<anyhow::Result<()>> = JoinSet::new();
    for worker in 0..shared.plan.clients {
        working.spawn_local(workers::create_and_delete(shared.clone(), worker));
    }
    working.spawn_local(workers::replace(shared.clone()));
    working.spawn_local(workers::fit_nowhere(shared.clone()));
    progress(&format!(
        "{} clients create and delete pods",
        shared.plan.clients
    ));
    while let Some(ended) = working.join_next().await {
        ended.context("a client broke")??;
    }
    progress("every pod is deleted; the rest is awaited");
    workers::await_the_end(&shared).await?;
    shared.over.send_replace(true);
    while let Some(ended) = watching.join_next().await {
        ended.context("a watcher broke")??;
    }
    Ok(())
}

fn report(session: &Session) -> Report {
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    Report {
        suite: "create-pod",
        findings: judge(session).iter().map(Finding::of).collect(),
        figures: vec![
            ("creates", count(session.creates.len())),
            ("deletes", count(session.deletes.len())),
            ("events", count(session.pods.len())),
        ],
    }
}
