//! Watchers: of everything or of one key, steady, restless or slow, with the previous state or without.

use std::rc::Rc;
use std::time::Duration;

use conformance::suite::store::observed::{self, End, Message, Start, Watch};
use model::messages::store::{Event, KeyRange, KeyValue};
use model::objects::bytes::Bytes;

use super::client::{Brought, Client, Ended, Watching};
use super::session::Shared;
use super::{readers, writers};
use crate::suite::random::Random;

/// What a watcher is like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Habit {
    /// Watches one key, not everything.
    pub(super) one_key: bool,
    /// Leaves its watch again and again, and resumes.
    restless: bool,
    /// Waits before it reads each message.
    slow: bool,
    /// Asks for the previous state.
    previous: bool,
}

impl Habit {
    /// Every kind there is.
    pub(super) const ALL: [Habit; 8] = [
        Habit::of(false, false, false, true),
        Habit::of(false, false, false, false),
        Habit::of(false, true, false, true),
        Habit::of(false, true, false, false),
        Habit::of(true, true, false, true),
        Habit::of(true, false, false, false),
        Habit::of(false, false, true, true),
        Habit::of(false, true, true, true),
    ];

    const fn of(one_key: bool, restless: bool, slow: bool, previous: bool) -> Self {
        Habit {
            one_key,
            restless,
            slow,
            previous,
        }
    }
}

/// Watches until everything up to the session's last revision has come.
pub(super) async fn watch<C: Client>(
    shared: Rc<Shared<C>>,
    client: u32,
    habit: Habit,
) -> anyhow::Result<()> {
    let mut random = Random::of(shared.plan.seed, client);
    let mut start = None;
    loop {
        let from = match start {
            Some(start) => start,
            None => match readers::everything(&shared, client, None).await? {
                Some(revision) => Start::AfterRead(revision),
                None => {
                    shared.pause(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        let seen = one(&shared, client, habit, &mut random, from).await?;
        let reached = seen.messages.last().map(|message| message.revision);
        start = match &seen.end {
            End::Left => Some(Start::Resumed(reached.unwrap_or(from.revision()))),
            End::Compacted => None,
            End::Broken(_) => {
                shared.pause(Duration::from_millis(50)).await;
                Some(Start::Resumed(reached.unwrap_or(from.revision())))
            }
        };
        let over = match shared.last() {
            // Of one key nothing may come any more.
            Some(_) if habit.one_key => true,
            Some(last) => seen.reached().max(from.revision()) >= last,
            None => false,
        };
        shared.observed.borrow_mut().watches.push(seen);
        if over {
            return Ok(());
        }
    }
}

/// Opens one watch and reads it until the watcher has had enough or it ends.
async fn one<C: Client>(
    shared: &Shared<C>,
    client: u32,
    habit: Habit,
    random: &mut Random,
    start: Start,
) -> anyhow::Result<Watch> {
    let key = habit
        .one_key
        .then(|| writers::key(random.below(writers::keys(shared.plan.clients))));
    let range = match &key {
        Some(key) => KeyRange::one(key),
        None => KeyRange::prefix("/"),
    };
    let mut seen = Watch {
        client,
        began_us: shared.clock.now_us(),
        start,
        key,
        previous: habit.previous,
        messages: Vec::new(),
        end: End::Left,
    };
    let opened = shared.store.watch(range, start.revision(), habit.previous);
    let mut stream = match opened.await {
        Ok(stream) => stream,
        Err(ended) => {
            seen.end = end(ended);
            return Ok(seen);
        }
    };
    let patience = Duration::from_millis(20 + random.below(300));
    let leaving = tokio::time::sleep(patience);
    tokio::pin!(leaving);
    loop {
        if habit.slow && shared.last().is_none() {
            shared.pause(Duration::from_millis(random.below(60))).await;
        }
        // A write's event may be here before its answer is: what came already may turn out to have been the last.
        let reached = seen.reached().max(start.revision());
        if shared
            .last()
            .is_some_and(|last| habit.one_key || reached >= last)
        {
            return Ok(seen);
        }
        let brought = tokio::select! {
            biased;
            () = &mut leaving, if habit.restless && shared.last().is_none() => return Ok(seen),
            () = shared.writing_is_over(), if shared.last().is_none() => continue,
            brought = stream.next() => brought,
        };
        match brought {
            Ok(brought) => seen.messages.push(message(shared, brought)?),
            Err(ended) => {
                seen.end = end(ended);
                return Ok(seen);
            }
        }
    }
}

/// How far a watch has come.
trait Reached {
    fn reached(&self) -> u64;
}

impl Reached for Watch {
    fn reached(&self) -> u64 {
        let reached = self.messages.iter().map(|message| message.revision);
        reached.max().unwrap_or(0)
    }
}

fn end(ended: Ended) -> End {
    match ended {
        Ended::Compacted => End::Compacted,
        Ended::Broken(reason) => End::Broken(reason),
    }
}

fn message<C: Client>(shared: &Shared<C>, brought: Brought) -> anyhow::Result<Message> {
    shared.told(brought.revision);
    let events = brought.events.into_iter().map(event);
    Ok(Message {
        at_us: shared.clock.now_us(),
        revision: brought.revision,
        events: events.collect::<anyhow::Result<_>>()?,
    })
}

fn event(event: Event<Bytes>) -> anyhow::Result<observed::Event> {
    let state = |found: &KeyValue<Bytes>| writers::state(found);
    let (key, revision) = (event.key().to_string(), event.revision());
    let (now, previous) = match &event {
        Event::Put { now, previous } => (Some(state(now)?), previous),
        Event::Deleted { previous, .. } => (None, previous),
    };
    Ok(observed::Event {
        key,
        revision,
        now,
        previous: previous.as_ref().map(state).transpose()?,
    })
}
