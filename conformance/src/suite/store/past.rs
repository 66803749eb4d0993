//! What a store forgets: history by compaction, keys by leases.

use super::observed::{End, Observed};
use crate::suite::{Breach, Found};

/// What is compacted is refused, and what was refused stays so. What others may have compacted accuses nobody.
pub(super) fn compaction(observed: &Observed, found: &mut Found) {
    let breach = |what: &str, revision: u64| Breach {
        who: "a question about the past".to_owned(),
        revision,
        what: what.to_owned(),
    };
    for past in &observed.pasts {
        let done = observed
            .compactions
            .iter()
            .filter(|compaction| compaction.done && compaction.ended_us < past.began_us);
        let compacted = done
            .map(|compaction| compaction.revision)
            .max()
            .unwrap_or(0);
        // A watch after r needs what happened from r + 1 on.
        let needs = past.revision + u64::from(past.watch);
        if needs < compacted {
            found.look(!past.served, || {
                breach(
                    &format!("served, and compacted to {compacted}"),
                    past.revision,
                )
            });
        }
        if past.served {
            let refused = observed.pasts.iter().find(|other| {
                !other.served
                    && other.watch == past.watch
                    && other.revision >= past.revision
                    && other.ended_us < past.began_us
            });
            found.look(refused.is_none(), || {
                breach("served, and a later one was refused before", past.revision)
            });
        }
    }
    // A watch may be ended so only while it is behind a compaction.
    for watch in observed
        .watches
        .iter()
        .filter(|watch| watch.end == End::Compacted)
    {
        let at = watch
            .messages
            .last()
            .map_or(watch.start.revision(), |last| last.revision);
        let served = observed.pasts.iter().find(|past| {
            let ended = watch
                .messages
                .last()
                .map_or(watch.began_us, |last| last.at_us);
            past.served && past.watch && past.revision < at && past.began_us > ended
        });
        found.look(served.is_none(), || Breach {
            who: format!("a watch of client {}", watch.client),
            revision: at,
            what: "ended as compacted, and an older one was served".to_owned(),
        });
    }
}

/// A key stays as long as its lease was promised to live, and is gone after its end.
pub(super) fn leases(observed: &Observed, found: &mut Found) {
    for lease in &observed.leases {
        let breach = |what: String| Breach {
            who: format!("the lease of {}", lease.key),
            revision: lease.written,
            what,
        };
        if let (None, Some(gone)) = (lease.revoked, lease.gone_us) {
            let due = lease.kept_us + u64::from(lease.ttl_seconds) * 1_000_000;
            found.look(gone >= due, || {
                let early = (due - gone) / 1000;
                breach(format!(
                    "the key went {early} ms before its time to live was over"
                ))
            });
        }
        let ended = match (lease.revoked, lease.gone_us) {
            (Some((_, acknowledged)), _) => Some(acknowledged),
            (None, gone) => gone,
        };
        let Some(ended) = ended else { continue };
        for read in observed
            .reads
            .iter()
            .filter(|read| !read.past && read.began_us > ended)
        {
            let there = read.items.get(&lease.key);
            let there = there.filter(|state| state.modified == lease.written);
            found.look(there.is_none(), || {
                breach(format!(
                    "the key is there at {}, after the lease's end",
                    read.revision
                ))
            });
        }
    }
}
