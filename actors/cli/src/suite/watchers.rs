//! Watchers: steady ones, ones that leave and resume, ones that begin with the present objects, ones that read slowly,
//! and one that comes back for what is long past.

use std::rc::Rc;
use std::time::Duration;

use anyhow::Context;
use conformance::suite::observed::{End, Event, EventKind, Read, Start, Watch};
use serde_json::Value;

use super::objects;
use super::random::Random;
use super::readers::list;
use super::session::{AFTER_A_FAILURE, Shared};
use crate::client::{Connection, Lines, Request};

/// What a watcher is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Habit {
    /// Only what the selector matches.
    pub(super) selected: bool,
    /// Begins with the present objects instead of a list.
    pub(super) initial_events: bool,
    /// Leaves after a while and resumes.
    pub(super) restless: bool,
    /// Stops reading for a while, again and again.
    pub(super) slow: bool,
    /// Asks for watches of a few seconds, before whose end a bookmark is due.
    pub(super) brief: bool,
}

/// Watches until the session is over and everything written has been seen.
pub(super) async fn watch(shared: Rc<Shared>, client: u32, habit: Habit) -> anyhow::Result<()> {
    let mut random = Random::of(shared.plan.seed, client);
    let mut connection = connect(&shared, habit).await?;
    let mut start = None;
    loop {
        let from = match start {
            Some(start) => start,
            None if habit.initial_events => Start::InitialEvents,
            None => {
                let read = Read::Consistent;
                match list(&shared, &mut connection, client, read, habit.selected).await {
                    Ok(revision) => Start::AfterList(revision),
                    Err(_) if shared.is_over() => return Ok(()),
                    Err(_) => {
                        shared.pause(AFTER_A_FAILURE).await;
                        connection = connect(&shared, habit).await?;
                        continue;
                    }
                }
            }
        };
        let mut session = Session::new(&shared, client, habit, from);
        session.run(&mut connection, &mut random).await;
        let reached = session.reached();
        let watched = session.end();
        let (end, brought) = (watched.end, !watched.events.is_empty());
        shared.observed.borrow_mut().watches.push(watched);
        if shared.is_over() {
            return Ok(());
        }
        start = match (end, reached) {
            (End::Gone | End::Failed(_), _) => None,
            // Who begins with the present objects does so again at times, when there are some.
            _ if habit.initial_events && random.below(2) == 0 => None,
            (_, Some(revision)) => Some(Start::Resumed(revision)),
            (_, None) => None,
        };
        if !brought && matches!(end, End::Failed(_) | End::Broken) {
            shared.pause(AFTER_A_FAILURE).await;
        }
        if let (End::Gone, Start::Resumed(revision)) = (end, from) {
            // What has left the window does not come back.
            ask_for_the_past(&shared, client, revision).await?;
        }
        // Leaving a watch leaves its connection.
        connection = connect(&shared, habit).await?;
    }
}

/// How long a watch may bring nothing while something is due, before that is held against the server. Long, because a
/// busy server is not a lying one.
const SILENCE: Duration = Duration::from_secs(30);

/// The receive buffer of a client that reads slowly, in bytes: small, so that the server soon notices.
const NARROW_BYTES: u32 = 16 << 10;

/// Asks for what happened after a revision that is long past: 410 is due once it has left the window. Tells whether the
/// answer is telling: 410, or events with a gap before them, which only a server gives that has forgotten.
pub(super) async fn ask_for_the_past(
    shared: &Shared,
    client: u32,
    revision: u64,
) -> anyhow::Result<bool> {
    let habit = Habit {
        selected: false,
        initial_events: false,
        restless: false,
        slow: false,
        brief: false,
    };
    let mut connection = shared.reconnect().await?;
    let mut session = Session::new(shared, client, habit, Start::Past(revision));
    session.glance(&mut connection).await;
    let watched = session.end();
    let gone = watched.end == End::Gone;
    let due = shared.first_written_after(revision);
    let came = watched.events.first().map(|event| event.revision);
    let gap = due.zip(came).is_some_and(|(due, came)| came > due);
    shared.observed.borrow_mut().watches.push(watched);
    if gone {
        let mut connection = shared.reconnect().await?;
        list(shared, &mut connection, client, Read::Consistent, false).await?;
    }
    Ok(gone || gap)
}

/// A connection for a watcher of a habit.
async fn connect(shared: &Shared, habit: Habit) -> anyhow::Result<Connection> {
    let receive_bytes = habit.slow.then_some(NARROW_BYTES);
    shared.reconnect_with(receive_bytes).await
}

/// One watch.
struct Session<'a> {
    shared: &'a Shared,
    habit: Habit,
    watch: Watch,
    reached: Option<u64>,
}

impl<'a> Session<'a> {
    fn new(shared: &'a Shared, client: u32, habit: Habit, start: Start) -> Self {
        Session {
            shared,
            habit,
            reached: match start {
                Start::AfterList(revision) | Start::Resumed(revision) | Start::Past(revision) => {
                    Some(revision)
                }
                Start::InitialEvents => None,
            },
            watch: Watch {
                client,
                began_us: shared.clock.now_us(),
                start,
                selected: habit.selected,
                slow: habit.slow,
                events: Vec::new(),
                end: End::Left,
            },
        }
    }

    /// The revision up to which the watch has brought everything.
    fn reached(&self) -> Option<u64> {
        self.reached
    }

    fn end(self) -> Watch {
        self.watch
    }

    fn path(&self) -> String {
        let start = match self.watch.start {
            Start::AfterList(revision) | Start::Resumed(revision) | Start::Past(revision) => {
                format!("&resourceVersion={revision}")
            }
            Start::InitialEvents => {
                "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan".to_owned()
            }
        };
        let seconds = if self.habit.brief { 4 } else { 600 };
        format!(
            "{}?watch=1&allowWatchBookmarks=true&timeoutSeconds={seconds}{start}{}",
            objects::path(&self.shared.namespace),
            objects::selector(self.habit.selected)
        )
    }

    async fn open(&mut self, connection: &mut Connection) -> Option<Lines> {
        match connection.send(Request::get(&self.path())).await {
            Ok(reply) if reply.status().is_success() => Some(reply.lines()),
            Ok(reply) => {
                self.watch.end = failed(reply.status().as_u16());
                None
            }
            Err(_) => {
                self.watch.end = End::Broken;
                None
            }
        }
    }

    async fn run(&mut self, connection: &mut Connection, random: &mut Random) {
        let Some(mut lines) = self.open(connection).await else {
            return;
        };
        let stay = match self.habit.restless {
            true => Duration::from_millis(50 + random.below(1_500)),
            false => Duration::from_secs(3_600),
        };
        let left = tokio::time::sleep(stay);
        tokio::pin!(left);
        let mut over = self.shared.over();
        loop {
            if self.habit.slow && random.below(200) == 0 {
                // Long enough that what is sent meanwhile does not fit into the connection's buffers.
                self.shared.pause(Duration::from_millis(1_500)).await;
            }
            tokio::select! {
                biased;
                line = lines.next() => {
                    if !self.take(line) {
                        return;
                    }
                }
                () = &mut left => return,
                // Nothing is written any more: read the rest.
                _ = over.wait_for(|over| *over) => return self.drain(&mut lines).await,
            }
        }
    }

    /// Reads until the last write of the session has come.
    async fn drain(&mut self, lines: &mut Lines) {
        let last = self.shared.last_written();
        while self.reached.is_none_or(|reached| reached < last) {
            if !self.take_in_time(lines, last).await {
                return;
            }
        }
    }

    /// Looks at the first thing that comes.
    async fn glance(&mut self, connection: &mut Connection) {
        let written = self.shared.last_written();
        if let Some(mut lines) = self.open(connection).await {
            self.take_in_time(&mut lines, written).await;
        }
    }

    /// Takes the next line, or gives up after a long silence while writes up to a revision are due.
    async fn take_in_time(&mut self, lines: &mut Lines, due: u64) -> bool {
        match tokio::time::timeout(SILENCE, lines.next()).await {
            Ok(line) => self.take(line),
            Err(_) => {
                self.watch.end = End::Silent(due);
                false
            }
        }
    }

    /// Writes down a line. Tells whether the watch goes on.
    fn take(&mut self, line: anyhow::Result<Option<bytes::Bytes>>) -> bool {
        match line {
            Ok(Some(line)) => match self.event(&line) {
                Ok(goes_on) => goes_on,
                Err(error) => {
                    tracing::warn!(%error, "a line of a watch cannot be read");
                    self.watch.end = End::Broken;
                    false
                }
            },
            Ok(None) => {
                self.watch.end = End::Closed;
                false
            }
            Err(_) => {
                self.watch.end = End::Broken;
                false
            }
        }
    }

    fn event(&mut self, line: &[u8]) -> anyhow::Result<bool> {
        let event: Value = serde_json::from_slice(line).context("an event is not JSON")?;
        let object = &event["object"];
        let kind = match event["type"].as_str() {
            Some("ADDED") => EventKind::Added,
            Some("MODIFIED") => EventKind::Modified,
            Some("DELETED") => EventKind::Deleted,
            Some("BOOKMARK") => {
                let mark = &object["metadata"]["annotations"]["k8s.io/initial-events-end"];
                match mark == "true" {
                    true => EventKind::InitialEventsEnd,
                    false => EventKind::Bookmark,
                }
            }
            Some("ERROR") => {
                let code = object["code"]
                    .as_u64()
                    .and_then(|code| u16::try_from(code).ok());
                self.watch.end = failed(code.unwrap_or(0));
                return Ok(false);
            }
            other => anyhow::bail!("an event of type {other:?}"),
        };
        let bookmark = matches!(kind, EventKind::Bookmark | EventKind::InitialEventsEnd);
        let (name, revision, content) = match bookmark {
            true => (String::new(), objects::revision(object)?, None),
            false => match objects::read(object)? {
                Some((name, revision, content)) => (name, revision, Some(content)),
                None => return Ok(true),
            },
        };
        let initial = self.watch.start == Start::InitialEvents && self.reached.is_none();
        if !initial || kind == EventKind::InitialEventsEnd {
            self.reached = self.reached.max(Some(revision));
        }
        self.watch.events.push(Event {
            at_us: self.shared.clock.now_us(),
            kind,
            revision,
            name,
            content,
        });
        Ok(true)
    }
}

fn failed(code: u16) -> End {
    match code {
        410 => End::Gone,
        code => End::Failed(code),
    }
}
