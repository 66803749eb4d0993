//! A session: who takes part, from its first write to the last event.

#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, ensure};
use conformance::suite::store::observed::{Answer, Observed, Write};
use model::messages::store::{Operation, StoreRequest, StoreResponse, Transaction};
use model::objects::bytes::Bytes;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::client::Client;
use super::watchers::Habit;
use super::{compaction, leases, readers, unexpected, watchers, writers};
use crate::suite::Plan;
use crate::suite::clock::Clock;

/// How long a watch may take to bring the last event of a session.
const LAST_EVENT_TIME_MAX: Duration = Duration::from_secs(60);

/// What the clients of a session share.
pub(super) struct Shared<C> {
    pub(super) store: C,
    pub(super) plan: Plan,
    pub(super) clock: Clock,
    pub(super) observed: RefCell<Observed>,
    values: Cell<u64>,
    /// The newest revision that anybody was told.
    newest: Cell<u64>,
    /// The revision of the last write, once writing is over.
    last: watch::Sender<Option<u64>>,
}

impl<C: Client> Shared<C> {
    fn new(store: C, plan: Plan) -> Self {
        Shared {
            store,
            plan,
            clock: Clock::start(),
            observed: RefCell::default(),
            values: Cell::new(1),
            newest: Cell::new(0),
            last: watch::channel(None).0,
        }
    }

    /// A value that nobody else writes.
    pub(super) fn value(&self) -> u64 {
        self.values.replace(self.values.get() + 1)
    }

    pub(super) fn told(&self, revision: u64) {
        self.newest.set(self.newest.get().max(revision));
    }

    pub(super) fn newest(&self) -> u64 {
        self.newest.get()
    }

    /// The session's last revision, once nobody writes any more.
    pub(super) fn last(&self) -> Option<u64> {
        *self.last.borrow()
    }

    /// Waits, but not longer than there is writing.
    pub(super) async fn pause(&self, time: Duration) {
        let mut last = self.last.subscribe();
        let _ = tokio::time::timeout(time, last.wait_for(Option::is_some)).await;
    }

    /// Completes when nobody writes any more.
    pub(super) async fn writing_is_over(&self) {
        let mut last = self.last.subscribe();
        let _ = last.wait_for(Option::is_some).await;
    }
}

type Part = std::pin::Pin<Box<dyn Future<Output = anyhow::Result<()>>>>;

/// Runs a session on a store without keys.
///
/// # Errors
/// If the store gives no answers, or answers what belongs to another question.
pub(super) async fn run<C: Client>(
    store: C,
    plan: Plan,
    progress: &impl Fn(&str),
) -> anyhow::Result<Observed> {
    let shared = Rc::new(Shared::new(store, plan));
    let mut looking: JoinSet<(String, anyhow::Result<()>)> = JoinSet::new();
    let mut writing: JoinSet<anyhow::Result<()>> = JoinSet::new();
    let count = plan.clients;
    for client in 0..count {
        writing.spawn_local(writers::write(shared.clone(), client));
    }
    let mut parts: Vec<(String, Part)> = vec![
        (
            "reader 1".into(),
            Box::pin(readers::read(shared.clone(), count + 100)),
        ),
        (
            "reader 2".into(),
            Box::pin(readers::read(shared.clone(), count + 101)),
        ),
        (
            "the leases".into(),
            Box::pin(leases::hold(shared.clone(), count + 200)),
        ),
        (
            "the compaction".into(),
            Box::pin(compaction::compact(shared.clone(), count + 300)),
        ),
    ];
    for (client, habit) in (count..).zip(Habit::ALL) {
        let part = Box::pin(watchers::watch(shared.clone(), client, habit));
        parts.push((format!("watcher {client} ({habit:?})"), part));
    }
    let mut open: Vec<String> = parts.iter().map(|(name, _)| name.clone()).collect();
    for (name, part) in parts {
        looking.spawn_local(async move { (name, part.await) });
    }
    progress(&format!(
        "{} writers, {} others",
        writing.len(),
        looking.len()
    ));
    tokio::time::sleep(plan.duration).await;
    let last = shared.write_last().await?;
    shared.last.send_replace(Some(last));
    while let Some(ended) = writing.join_next().await {
        ended.context("a writer broke")??;
    }
    progress(&format!(
        "revision {last} was the last; the watchers read the rest"
    ));
    let end = tokio::time::Instant::now() + LAST_EVENT_TIME_MAX;
    while let Ok(Some(ended)) = tokio::time::timeout_at(end, looking.join_next()).await {
        let (name, ended) = ended.context("a part of the session broke")?;
        ended.context(name.clone())?;
        open.retain(|one| *one != name);
    }
    ensure!(
        open.is_empty(),
        "not done {} s after the last write, revision {last}: {}",
        LAST_EVENT_TIME_MAX.as_secs(),
        open.join(", ")
    );
    let mut observed = shared.observed.take();
    leases::find_ends(&mut observed);
    Ok(observed)
}

impl<C: Client> Shared<C> {
    /// A write that every watch of everything waits for. Writers may still be under way; what they write is later.
    async fn write_last(&self) -> anyhow::Result<u64> {
        let (began_us, value) = (self.clock.now_us(), self.value());
        let put = Operation::Put {
            key: "/last".into(),
            value: Bytes::from(&*value.to_string()),
            lease: 0,
        };
        let request = StoreRequest::Transaction(Transaction {
            compares: Vec::new(),
            success: vec![put],
            failure: Vec::new(),
        });
        let answer = self.store.ask(request).await;
        let Ok(StoreResponse::Transaction { revision, .. }) = answer else {
            return unexpected("the last write", answer);
        };
        self.observed.borrow_mut().writes.push(Write {
            client: self.plan.clients + 400,
            began_us,
            ended_us: self.clock.now_us(),
            compare: None,
            changes: vec![("/last".to_owned(), Some(value))],
            answer: Answer::Done(revision),
        });
        Ok(revision)
    }
}
