//! A session: who takes part, from its first write to the last event.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, bail};
use conformance::suite::observed::{Answer, Observed, Write};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::clock::Clock;
use super::watchers::{Habit, ask_for_the_past};
use super::{readers, watchers, writers};
use crate::bench::Made;
use crate::client::{Connection, Server};

/// The most writes that are made to push the first revision out of the server's window.
const PUSH_WRITES_MAX: usize = 60_000;

/// How long a client waits before it asks again what was not answered as it should be.
pub(super) const AFTER_A_FAILURE: Duration = Duration::from_millis(200);

/// How long a client waits for a server that is away.
const RECONNECT_TIME_MAX: Duration = Duration::from_secs(30);

/// What a session is like.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How many writers; readers and watchers follow from it.
    pub clients: u32,
    /// How long they write.
    pub duration: Duration,
    /// What every choice of the clients follows from.
    pub seed: u64,
}

/// What the clients of a session share.
pub(super) struct Shared {
    pub(super) server: Server,
    pub(super) namespace: String,
    pub(super) plan: Plan,
    pub(super) clock: Clock,
    pub(super) observed: RefCell<Observed>,
    values: Cell<u64>,
    acknowledged: Cell<u64>,
    writing_over: Cell<bool>,
    over: watch::Sender<bool>,
}

impl Shared {
    /// A value that nobody else writes.
    pub(super) fn value(&self) -> u64 {
        self.values.replace(self.values.get() + 1)
    }

    pub(super) fn writing_is_over(&self) -> bool {
        self.writing_over.get()
    }

    pub(super) fn is_over(&self) -> bool {
        *self.over.borrow()
    }

    pub(super) fn over(&self) -> watch::Receiver<bool> {
        self.over.subscribe()
    }

    /// The newest revision that a writer was told.
    pub(super) fn last_written(&self) -> u64 {
        self.acknowledged.get()
    }

    /// The first revision after another that a writer was told.
    pub(super) fn first_written_after(&self, revision: u64) -> Option<u64> {
        let observed = self.observed.borrow();
        let told = observed
            .writes
            .iter()
            .filter_map(|write| match write.answer {
                Answer::Done(written) => written,
                Answer::Refused(_) | Answer::Unknown => None,
            });
        told.filter(|written| *written > revision).min()
    }

    /// Writes down a write.
    pub(super) fn wrote(&self, write: Write) {
        if let Answer::Done(Some(revision)) = write.answer {
            self.acknowledged.set(revision.max(self.acknowledged.get()));
        }
        self.observed.borrow_mut().writes.push(write);
    }

    /// Waits, but not beyond the session.
    pub(super) async fn pause(&self, time: Duration) {
        let mut over = self.over();
        let _ = tokio::time::timeout(time, over.wait_for(|over| *over)).await;
    }

    /// A new connection, as soon as the server takes one.
    pub(super) async fn reconnect(&self) -> anyhow::Result<Connection> {
        self.reconnect_with(None).await
    }

    /// The same with a receive buffer of a size, in bytes.
    pub(super) async fn reconnect_with(
        &self,
        receive_bytes: Option<u32>,
    ) -> anyhow::Result<Connection> {
        reconnect(&self.server, receive_bytes).await
    }
}

/// A new connection, as soon as a server takes one; with a receive buffer of a size, in bytes.
pub(super) async fn reconnect(
    server: &Server,
    receive_bytes: Option<u32>,
) -> anyhow::Result<Connection> {
    let began = tokio::time::Instant::now();
    loop {
        match server.connect_with(receive_bytes).await {
            Ok(connection) => return Ok(connection),
            Err(error) if began.elapsed() > RECONNECT_TIME_MAX => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Runs a session in a namespace of its own, which is removed afterwards, and tells what was observed.
///
/// # Errors
/// If the server cannot be reached or refuses the namespace.
pub fn observe(server: &Server, plan: Plan, progress: impl Fn(&str)) -> anyhow::Result<Observed> {
    let made = Made::new(server, "plimsoll-conformance-")?;
    let shared = Rc::new(Shared {
        server: server.clone(),
        namespace: made.name().to_owned(),
        plan,
        clock: Clock::start(),
        observed: RefCell::default(),
        values: Cell::new(1),
        acknowledged: Cell::new(0),
        writing_over: Cell::new(false),
        over: watch::channel(false).0,
    });
    progress(&format!("namespace {}", made.name()));
    let ran = crate::bench::block_on(run(shared.clone(), &progress));
    let removed = made.remove();
    ran?;
    removed.context("the session's namespace could not be removed")?;
    Ok(shared.observed.take())
}

type Client = Pin<Box<dyn Future<Output = anyhow::Result<()>>>>;

async fn run(shared: Rc<Shared>, progress: &impl Fn(&str)) -> anyhow::Result<()> {
    let mut watching: JoinSet<anyhow::Result<()>> = JoinSet::new();
    for client in lookers(&shared) {
        watching.spawn_local(client);
    }
    let mut writing: JoinSet<anyhow::Result<()>> = JoinSet::new();
    for number in 0..shared.plan.clients {
        writing.spawn_local(writers::write(shared.clone(), number));
    }
    progress(&format!(
        "{} writers, {} readers and watchers",
        writing.len(),
        watching.len()
    ));
    shared.pause(shared.plan.duration).await;
    push(&shared, progress).await?;
    shared.writing_over.set(true);
    while let Some(ended) = writing.join_next().await {
        ended.context("a writer broke")??;
    }
    writers::close(&shared, shared.plan.clients + 300).await?;
    let writes = shared.observed.borrow().writes.len();
    progress(&format!("{writes} writes made; the watchers read the rest"));
    shared.over.send_replace(true);
    while let Some(ended) = watching.join_next().await {
        ended.context("a watcher broke")??;
    }
    Ok(())
}

/// Readers and watchers of every habit, numbered after the writers.
fn lookers(shared: &Rc<Shared>) -> Vec<Client> {
    let steady = Habit {
        selected: false,
        initial_events: false,
        restless: false,
        slow: false,
        brief: false,
    };
    let selected = Habit {
        selected: true,
        ..steady
    };
    let restless = |habit| Habit {
        restless: true,
        ..habit
    };
    let initial = |habit| Habit {
        initial_events: true,
        ..habit
    };
    let habits = [
        steady,
        selected,
        restless(steady),
        restless(selected),
        initial(steady),
        restless(initial(steady)),
        restless(initial(selected)),
        Habit {
            brief: true,
            ..steady
        },
        Habit {
            brief: true,
            ..selected
        },
        Habit {
            slow: true,
            ..steady
        },
        Habit {
            slow: true,
            ..selected
        },
    ];
    let first = shared.plan.clients;
    let watchers = (first..)
        .zip(habits)
        .map(|(client, habit)| Box::pin(watchers::watch(shared.clone(), client, habit)) as Client);
    let readers = (first + 100..first + 100 + 2)
        .map(|client| Box::pin(readers::read(shared.clone(), client)) as Client);
    watchers.chain(readers).collect()
}

/// Goes on writing until the first revision of the session has left the server's window, so that 410 is seen.
async fn push(shared: &Shared, progress: &impl Fn(&str)) -> anyhow::Result<()> {
    let client = shared.plan.clients + 200;
    loop {
        let (first, writes) = {
            let observed = shared.observed.borrow();
            let first = observed.lists.iter().map(|list| list.revision).min();
            (first.unwrap_or(1), observed.writes.len())
        };
        // Revision 1 was before anything that a server of any age still has.
        for revision in [1, first] {
            if ask_for_the_past(shared, client, revision).await? {
                // Gone once, gone for good.
                ask_for_the_past(shared, client, revision).await?;
                return Ok(());
            }
        }
        if shared.last_written() == 0 {
            bail!("the server acknowledged none of {writes} writes; there is nothing to judge");
        }
        if writes > PUSH_WRITES_MAX {
            return Ok(());
        }
        progress(&format!(
            "{writes} writes, and no revision has left the window yet"
        ));
        shared.pause(Duration::from_secs(2)).await;
    }
}
