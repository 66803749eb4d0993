//! What a store may tell its watches: everything, once, in order, and only what is durable.

use model::actions::store::Delivery;
use model::messages::store::KeyRange;

use super::specification::{Known, Past, Watched};
use crate::specification::{Refused, guard, present};

impl Known {
    pub(super) fn watch(
        &mut self,
        watch: u64,
        range: &KeyRange,
        after: u64,
    ) -> Result<(), Refused> {
        let (compacted, durable) = (self.compacted, self.durable);
        let detail = || format!("after {after}, compacted {compacted}, durable {durable}");
        let kept = compacted <= after;
        guard(kept, "a watch begins where there is history", detail)?;
        let durable = after <= durable || self.attached;
        guard(durable, "a watch begins where it is durable", detail)?;
        let watched = Watched {
            range: range.clone(),
            position: after,
            missed: false,
        };
        let new = self.watches.insert(watch, watched).is_none();
        guard(new, "a watch has a name of its own", || {
            format!("watch {watch} is open")
        })
    }

    pub(super) fn deliver(
        &mut self,
        watch: u64,
        revision: u64,
        events: &[Delivery],
    ) -> Result<(), Refused> {
        let watched = self.watches.get(&watch);
        let watched = present(watched, "a watch that is open", || format!("watch {watch}"))?;
        guard(
            !watched.missed,
            "a watch that is too far behind is ended, never thinned",
            || format!("watch {watch} to {revision}"),
        )?;
        let (position, durable) = (watched.position, self.durable);
        let detail =
            || format!("watch {watch} to {revision}, it is at {position}, durable is {durable}");
        guard(position <= revision, "a watch goes forward", detail)?;
        let durable = revision <= durable.max(position);
        guard(durable, "a watch sees only what is durable", detail)?;
        // Of revisions from before the trace only the order is known.
        let known_after = watched.position.max(self.unknown);
        let mut due = self
            .history
            .range(known_after + 1..revision.max(known_after) + 1)
            .flat_map(|(at, pasts)| pasts.iter().map(move |past| (*at, past)))
            .filter(|(_, past)| watched.range.contains(&past.key));
        let mut told = events
            .iter()
            .skip_while(|event| event.revision <= known_after);
        loop {
            match (due.next(), told.next()) {
                (None, None) => break,
                (due, told) => same(watch, due, told)?,
            }
        }
        if let Some(watched) = self.watches.get_mut(&watch) {
            watched.position = revision;
        }
        Ok(())
    }
}

/// Whether the next event told is the next one due.
fn same(watch: u64, due: Option<(u64, &Past)>, told: Option<&Delivery>) -> Result<(), Refused> {
    let due_event = due.map(|(at, past)| (at, &past.key, past.version));
    let told_event = told.map(|event| (event.revision, &event.key, event.version));
    guard(
        due_event == told_event,
        "every event, once, in order",
        || format!("watch {watch}: due {due_event:?}, told {told_event:?}"),
    )?;
    let before = due.and_then(|(_, past)| past.before);
    let previous = told.map_or(0, |event| event.previous);
    guard(
        previous == 0 || before.is_none_or(|before| before.revision == previous),
        "the previous state is the one before",
        || format!("watch {watch}: {previous}, it was {before:?}"),
    )
}
