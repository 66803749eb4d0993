//! Writers: each creates, changes and deletes objects of its own, so that it knows what there is.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use anyhow::bail;
use conformance::suite::observed::{Answer, Content, Write, WriteKind};
use http::Method;

use super::objects;
use super::random::Random;
use super::session::{AFTER_A_FAILURE, Shared};
use crate::client::{Connection, Request};

/// How many objects a writer has.
const OBJECTS: u64 = 4;

/// Writes until the session is over, as fast as the server answers.
pub(super) async fn write(shared: Rc<Shared>, client: u32) -> anyhow::Result<()> {
    let mut random = Random::of(shared.plan.seed, client);
    let mut connection = shared.server.connect().await?;
    let mut there: BTreeMap<String, Content> = BTreeMap::new();
    let mut broken_writes: BTreeMap<u64, u32> = BTreeMap::new();
    while !shared.writing_is_over() {
        let object = random.below(OBJECTS);
        // Of an object whose write had no answer nothing is certain any more: another takes its place.
        let name = match broken_writes.get(&object) {
            None => format!("w{client}-{object}"),
            Some(times) => format!("w{client}-{object}-{times}"),
        };
        let content = Content {
            value: shared.value(),
            selected: random.below(2) == 0,
        };
        let (kind, content) = match there.get(&name) {
            None => (WriteKind::Create, content),
            Some(last) if random.below(3) == 0 => (WriteKind::Delete, *last),
            Some(_) => (WriteKind::Update, content),
        };
        let (answer, broken) = write_once(&shared, &mut connection, kind, &name, content).await;
        match (kind, answer) {
            (WriteKind::Delete, Answer::Done(_) | Answer::Refused(404)) => {
                there.remove(&name);
            }
            (_, Answer::Done(_)) => {
                there.insert(name, content);
            }
            // What is there now is found out by the next writes: a create that finds it, an update that does not.
            (WriteKind::Create, Answer::Refused(409)) => {
                there.insert(name, content);
            }
            (WriteKind::Update, Answer::Refused(404)) => {
                there.remove(&name);
            }
            (_, Answer::Refused(_) | Answer::Unknown) => {}
        }
        if broken {
            *broken_writes.entry(object).or_default() += 1;
            // Whoever is in front of the server may take connections while it is away.
            shared.pause(AFTER_A_FAILURE).await;
            connection = shared.reconnect().await?;
        }
    }
    Ok(())
}

/// The last write of a session, of something that every watcher sees: whoever has it has everything.
pub(super) async fn close(shared: &Shared, client: u32) -> anyhow::Result<()> {
    const TRIES: u32 = 20;
    let mut connection = shared.reconnect().await?;
    for number in 0..TRIES {
        let content = Content {
            value: shared.value(),
            selected: true,
        };
        // A write without an answer may have been done: each try has a name of its own.
        let name = format!("w{client}-{number}");
        let create = WriteKind::Create;
        match write_once(shared, &mut connection, create, &name, content).await {
            (Answer::Done(_), _) => return Ok(()),
            (Answer::Refused(_), _) => shared.pause(Duration::from_millis(500)).await,
            (Answer::Unknown, _) => connection = shared.reconnect().await?,
        }
    }
    bail!("the server took none of {TRIES} writes at the end of the session")
}

/// Sends a write and writes it down. Tells what came of it, and whether the connection is of no use any more.
async fn write_once(
    shared: &Shared,
    connection: &mut Connection,
    kind: WriteKind,
    name: &str,
    content: Content,
) -> (Answer, bool) {
    let began_us = shared.clock.now_us();
    let answer = send(shared, connection, kind, name, content).await;
    let (answer, broken) = match answer {
        Ok(answer) => (answer, false),
        Err(_) => (Answer::Unknown, true),
    };
    shared.wrote(Write {
        began_us,
        ended_us: shared.clock.now_us(),
        name: name.to_owned(),
        kind,
        content: Some(content),
        answer,
    });
    (answer, broken)
}

async fn send(
    shared: &Shared,
    connection: &mut Connection,
    kind: WriteKind,
    name: &str,
    content: Content,
) -> anyhow::Result<Answer> {
    let collection = objects::path(&shared.namespace);
    let object = format!("{collection}/{name}");
    let json = |path, method| Request {
        body: Some(("application/json", objects::body(name, content))),
        ..Request::new(method, path)
    };
    let request = match kind {
        WriteKind::Create => json(&collection, Method::POST),
        WriteKind::Update => json(&object, Method::PUT),
        WriteKind::Delete => Request::new(Method::DELETE, &object),
    };
    let reply = connection.send(request).await?;
    let status = reply.status();
    let body = reply.bytes().await?;
    if !status.is_success() {
        return Ok(Answer::Refused(status.as_u16()));
    }
    if kind == WriteKind::Delete {
        return Ok(Answer::Done(None));
    }
    let written = serde_json::from_slice(&body)?;
    Ok(Answer::Done(Some(objects::revision(&written)?)))
}
