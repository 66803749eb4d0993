//! The lies: what each does to what a client asks and is told, and which guarantee it breaks.

use serde_json::Value;

use super::liar::{
    Answered, Asked, Memory, Telling, ends_initial_events, is, is_bookmark, name, revision,
};

/// A lie.
#[derive(Clone, Copy)]
pub(super) struct Lie {
    /// In a few words.
    pub(super) name: &'static str,
    /// The guarantee that it breaks, as the suite's JSON report names it.
    pub(super) breaks: &'static str,
    /// What it does.
    pub(super) tell: Tell,
}

/// What a lie changes.
#[derive(Clone, Copy)]
pub(super) enum Tell {
    /// The query of a list or watch, before the server sees it.
    Ask(fn(&mut Asked, &mut Memory)),
    /// A list, before the client sees it.
    List(fn(&Asked, Value, &mut Memory) -> Value),
    /// An event of a watch: what the client sees instead.
    Event(fn(&mut Telling, Value) -> Vec<Value>),
    /// A watch whose client does not read loses events instead of being closed.
    Thin,
    /// This, and nothing else, for whatever is asked of config maps.
    Nonsense(&'static str),
    /// 410 for every nth watch that resumes, whatever the server has.
    Refuse(u64),
}

fn at(mut event: Value, revision: u64) -> Value {
    event["object"]["metadata"]["resourceVersion"] = revision.to_string().into();
    event
}

fn told_as(mut event: Value, kind: &str) -> Value {
    event["type"] = kind.into();
    event
}

fn bookmark(revision: u64) -> Value {
    serde_json::json!({
        "type": "BOOKMARK",
        "object": {
            "kind": "ConfigMap",
            "apiVersion": "v1",
            "metadata": {"resourceVersion": revision.to_string()},
        },
    })
}

/// Whose event tells of another state than its own: that of an earlier event.
fn with_earlier_data(telling: &Telling, mut event: Value) -> Value {
    if let Some(earlier) = telling.last.get(&name(&event)) {
        event["object"]["data"] = earlier["object"]["data"].clone();
    }
    event
}

/// Lies of events that a lie is told of only now and then.
fn chosen(
    telling: &mut Telling,
    event: Value,
    tell: impl FnOnce(&mut Telling, Value) -> Vec<Value>,
) -> Vec<Value> {
    match telling.is_chosen(&event) {
        true => tell(telling, event),
        false => vec![event],
    }
}

/// Every lie.
pub(super) const LIES: &[Lie] = &[
    Lie {
        name: "two events are swapped",
        breaks: "ordered",
        tell: Tell::Event(|telling, event| {
            if telling.is_chosen(&event) {
                telling.held.push(event);
                return Vec::new();
            }
            let mut told = vec![event];
            told.append(&mut telling.held);
            told
        }),
    },
    Lie {
        name: "an event comes after the next five",
        breaks: "ordered",
        tell: Tell::Event(|telling, event| {
            if telling.is_chosen(&event) {
                telling.held.push(event);
                return Vec::new();
            }
            let mut told = vec![event];
            if telling.changes % 17 == 4 {
                told.append(&mut telling.held);
            }
            told
        }),
    },
    Lie {
        name: "an event comes twice",
        breaks: "unique",
        tell: Tell::Event(|telling, event| {
            chosen(telling, event, |_, event| vec![event.clone(), event])
        }),
    },
    Lie {
        name: "an event is dropped",
        breaks: "reliable",
        tell: Tell::Event(|telling, event| chosen(telling, event, |_, _| Vec::new())),
    },
    Lie {
        name: "deletions are dropped",
        breaks: "reliable",
        tell: Tell::Event(|telling, event| {
            match is(&event, "DELETED") && !telling.asked.is_selected() {
                true => Vec::new(),
                false => vec![event],
            }
        }),
    },
    Lie {
        name: "an event's revision is rewritten",
        breaks: "reliable",
        tell: Tell::Event(|telling, event| {
            chosen(telling, event, |_, event| {
                let next = revision(&event["object"]) + 1;
                vec![at(event, next)]
            })
        }),
    },
    Lie {
        name: "a watch stays open and falls silent",
        breaks: "reliable",
        tell: Tell::Event(|telling, event| match telling.changes >= 40 {
            true => Vec::new(),
            false => vec![event],
        }),
    },
    Lie {
        name: "a revision is split: first a part of the change, then the whole",
        breaks: "atomic",
        tell: Tell::Event(|telling, event| match is(&event, "MODIFIED") {
            true => vec![with_earlier_data(telling, event.clone()), event],
            false => vec![event],
        }),
    },
    Lie {
        name: "an event has only a part of its change",
        breaks: "atomic",
        tell: Tell::Event(|telling, event| match is(&event, "MODIFIED") {
            true => vec![with_earlier_data(telling, event)],
            false => vec![event],
        }),
    },
    Lie {
        name: "two writes share a revision",
        breaks: "atomic",
        tell: Tell::Event(|telling, event| {
            if !is_bookmark(&event) && !telling.initial && telling.changes % 17 == 15 {
                telling.held = vec![event.clone()];
            }
            chosen(telling, event, |telling, event| {
                let before = telling.held.pop().unwrap_or_default();
                vec![at(event, revision(&before["object"]))]
            })
        }),
    },
    Lie {
        name: "the first event after a resume is dropped",
        breaks: "resumable",
        tell: Tell::Event(|telling, event| {
            match telling.asked.resumes && telling.is_first(&event) {
                true => Vec::new(),
                false => vec![event],
            }
        }),
    },
    Lie {
        name: "a bookmark is far ahead of the events",
        breaks: "bookmarkable",
        tell: Tell::Event(|telling, event| {
            chosen(telling, event, |_, event| {
                let ahead = revision(&event["object"]) + 5;
                vec![event, bookmark(ahead)]
            })
        }),
    },
    Lie {
        name: "an event is delayed past its bookmark",
        breaks: "bookmarkable",
        tell: Tell::Event(|telling, event| {
            chosen(telling, event, |_, event| {
                vec![bookmark(revision(&event["object"])), event]
            })
        }),
    },
    Lie {
        name: "a watch ignores its selector",
        breaks: "filter",
        tell: Tell::Ask(|asked, _| {
            if asked.answered() == Answered::Watch {
                asked.query.remove("labelSelector");
            }
        }),
    },
    Lie {
        name: "a creation is told as a change",
        breaks: "is-create",
        tell: Tell::Event(
            |telling, event| match is(&event, "ADDED") && !telling.initial {
                true => vec![told_as(event, "MODIFIED")],
                false => vec![event],
            },
        ),
    },
    Lie {
        name: "a change is told as a creation",
        breaks: "is-create",
        tell: Tell::Event(|telling, event| {
            chosen(telling, event, |_, event| match is(&event, "MODIFIED") {
                true => vec![told_as(event, "ADDED")],
                false => vec![event],
            })
        }),
    },
    Lie {
        name: "a deletion carries a state from before the last",
        breaks: "previous-state",
        tell: Tell::Event(|_, mut event| {
            if is(&event, "DELETED") {
                event["object"]["data"]["value"] = "0".into();
            }
            vec![event]
        }),
    },
    Lie {
        name: "the first event after a list is dropped",
        breaks: "list-then-watch",
        tell: Tell::Event(|telling, event| {
            let after_list = !telling.asked.resumes && !telling.asked.wants_initial_events();
            match after_list && telling.is_first(&event) {
                true => Vec::new(),
                false => vec![event],
            }
        }),
    },
    Lie {
        name: "a list misses an object",
        breaks: "list-then-watch",
        tell: Tell::List(|_, mut list, _| {
            if let Some(items) = list["items"].as_array_mut() {
                items.pop();
            }
            list
        }),
    },
    Lie {
        name: "a list is ahead of its objects",
        breaks: "list-then-watch",
        tell: Tell::List(|_, mut list, _| {
            let ahead = revision(&list) + 3;
            list["metadata"]["resourceVersion"] = ahead.to_string().into();
            list
        }),
    },
    Lie {
        name: "410, though nothing has left the window",
        breaks: "gone",
        tell: Tell::Refuse(3),
    },
    Lie {
        name: "200 where 410 is due: a watch of what is long past begins at the present",
        breaks: "gone",
        tell: Tell::Ask(|asked, memory| {
            if asked.revision() == Some(1)
                && let Some(present) = memory.listed.last()
            {
                let present = present.to_string();
                asked.query.insert("resourceVersion".to_owned(), present);
            }
        }),
    },
    Lie {
        name: "initial events end too early",
        breaks: "initial-events",
        tell: Tell::Event(|telling, event| match ends_initial_events(&event) {
            // All but the first are held back until after the end.
            true => {
                let mut told = vec![event];
                told.append(&mut telling.held);
                told
            }
            false if telling.initial && !telling.last.is_empty() => {
                telling.held.push(event);
                Vec::new()
            }
            false => vec![event],
        }),
    },
    Lie {
        name: "an initial event is missing",
        breaks: "initial-events",
        tell: Tell::Event(
            |telling, event| match telling.initial && telling.last.is_empty() {
                true => Vec::new(),
                false => vec![event],
            },
        ),
    },
    Lie {
        name: "initial events are as of long ago",
        breaks: "initial-events",
        tell: Tell::Event(|_, event| match ends_initial_events(&event) {
            true => {
                let before = revision(&event["object"]).saturating_sub(50);
                vec![at(event, before)]
            }
            false => vec![event],
        }),
    },
    Lie {
        name: "a watch resumes from the wrong place: too early",
        breaks: "starts-after",
        tell: Tell::Ask(|asked, _| {
            if asked.resumes
                && let Some(after) = asked.revision()
            {
                let early = after.saturating_sub(5).to_string();
                asked.query.insert("resourceVersion".to_owned(), early);
            }
        }),
    },
    Lie {
        name: "a watch begins with the present objects, unasked",
        breaks: "starts-after",
        tell: Tell::Ask(|asked, _| {
            if asked.answered() == Answered::Watch && !asked.wants_initial_events() {
                asked.query.remove("resourceVersion");
            }
        }),
    },
    Lie {
        name: "a list that must not be older than what was seen is older",
        breaks: "monotonic",
        tell: Tell::List(|asked, list, memory| {
            let selector = asked.query.get("labelSelector").cloned();
            match asked.query.contains_key("resourceVersionMatch") {
                true => memory.first_lists.get(&selector).cloned().unwrap_or(list),
                false => list,
            }
        }),
    },
    Lie {
        name: "a slow watch is thinned, not closed",
        breaks: "never-thinned",
        tell: Tell::Thin,
    },
    Lie {
        name: "a stale list is given for a consistent one",
        breaks: "consistent-list",
        tell: Tell::List(|asked, list, memory| {
            let selector = asked.query.get("labelSelector").cloned();
            match asked.query.contains_key("resourceVersion") {
                true => list,
                false => memory.first_lists.get(&selector).cloned().unwrap_or(list),
            }
        }),
    },
    Lie {
        name: "what leaves a selector is not told",
        breaks: "selector",
        tell: Tell::Event(|telling, event| {
            match telling.asked.is_selected() && is(&event, "DELETED") {
                true => Vec::new(),
                false => vec![event],
            }
        }),
    },
    Lie {
        name: "what leaves a selector is told as a change",
        breaks: "selector",
        tell: Tell::Event(|telling, event| {
            match telling.asked.is_selected() && is(&event, "DELETED") {
                true => vec![told_as(event, "MODIFIED")],
                false => vec![event],
            }
        }),
    },
    Lie {
        name: "what enters a selector is told as a change",
        breaks: "selector",
        tell: Tell::Event(|telling, event| {
            match telling.asked.is_selected() && is(&event, "ADDED") && !telling.initial {
                true => vec![told_as(event, "MODIFIED")],
                false => vec![event],
            }
        }),
    },
];
