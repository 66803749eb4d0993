//! Linearizability along the revisions that the store itself told.

use super::history::History;
use super::observed::{Answer, Observed, Write};
use crate::suite::{Breach, Found};

/// Something that took effect at one revision, between two times.
struct Effect {
    who: String,
    began_us: u64,
    ended_us: u64,
    /// A write made its revision; a read saw it, and what comes after it may see the same.
    revision: u64,
    wrote: bool,
}

/// Every compare saw what was there, and the order of writes agrees with time.
pub(super) fn transactions(observed: &Observed, history: &History<'_>, found: &mut Found) {
    for (revision, write) in &history.twice {
        found.look(false, || {
            breach(
                write,
                *revision,
                "two transactions were given this revision".to_owned(),
            )
        });
    }
    for write in &observed.writes {
        let Some((key, expected)) = &write.compare else {
            continue;
        };
        if !history.is_sure_of(key) {
            continue;
        }
        match &write.answer {
            Answer::Done(revision) => {
                let was = history.state(key, revision.saturating_sub(1));
                let was = was.map_or(0, |state| state.modified);
                found.look(was == *expected, || {
                    let what = format!("{key} was compared with {expected} and was at {was}");
                    breach(write, *revision, what)
                });
            }
            Answer::Lost {
                revision,
                found: told,
            } => {
                let was = history.state(key, *revision);
                found.look(was.map_or(0, |state| state.modified) != *expected, || {
                    let what = format!("{key} was at {expected}, and the compare with it failed");
                    breach(write, *revision, what)
                });
                found.look(was == *told, || {
                    breach(
                        write,
                        *revision,
                        format!("{key} was {was:?}, told {told:?}"),
                    )
                });
            }
            Answer::Refused(_) | Answer::Unknown => {}
        }
    }
    let writes = observed.writes.iter().filter_map(effect_of);
    agree_with_time(writes.collect(), found);
}

/// Every range is the state of its revision, and the order of ranges and writes agrees with time.
pub(super) fn ranges(observed: &Observed, history: &History<'_>, found: &mut Found) {
    for read in &observed.reads {
        let was = history.all(read.revision);
        let told: std::collections::BTreeMap<_, _> = read
            .items
            .iter()
            .filter(|(key, _)| history.is_sure_of(key))
            .map(|(key, state)| (key.clone(), *state))
            .collect();
        found.look(was == told, || {
            let keys = was.keys().chain(told.keys());
            let differs = keys
                .into_iter()
                .find(|key| was.get(*key) != told.get(*key))
                .cloned()
                .unwrap_or_default();
            Breach {
                who: format!("a range of client {}", read.client),
                revision: read.revision,
                what: format!(
                    "{differs} was {:?}, told {:?}",
                    was.get(&differs),
                    told.get(&differs)
                ),
            }
        });
    }
    let newest = observed.reads.iter().filter(|read| !read.past);
    let reads = newest.map(|read| Effect {
        who: format!("a range of client {}", read.client),
        began_us: read.began_us,
        ended_us: read.ended_us,
        revision: read.revision,
        wrote: false,
    });
    let writes = observed.writes.iter().filter_map(effect_of);
    agree_with_time(reads.chain(writes).collect(), found);
}

fn effect_of(write: &Write) -> Option<Effect> {
    let (revision, wrote) = match write.answer {
        Answer::Done(revision) => (revision, true),
        Answer::Lost { revision, .. } => (revision, false),
        Answer::Refused(_) | Answer::Unknown => return None,
    };
    Some(Effect {
        who: who(write),
        began_us: write.began_us,
        ended_us: write.ended_us,
        revision,
        wrote,
    })
}

/// What ended before another began has no later revision, and an earlier one than a write that began after it.
fn agree_with_time(mut effects: Vec<Effect>, found: &mut Found) {
    let mut ends: Vec<(u64, u64)> = effects
        .iter()
        .map(|effect| (effect.ended_us, effect.revision))
        .collect();
    ends.sort_unstable();
    effects.sort_by_key(|effect| effect.began_us);
    let (mut newest, mut ended) = (0, ends.into_iter().peekable());
    for effect in &effects {
        while let Some((_, revision)) = ended.next_if(|(at, _)| *at < effect.began_us) {
            newest = newest.max(revision);
        }
        if newest == 0 {
            continue;
        }
        let agrees = match effect.wrote {
            true => effect.revision > newest,
            false => effect.revision >= newest,
        };
        found.look(agrees, || Breach {
            who: effect.who.clone(),
            revision: effect.revision,
            what: format!("revision {newest} was told before it began"),
        });
    }
}

fn who(write: &Write) -> String {
    format!("a transaction of client {}", write.client)
}

fn breach(write: &Write, revision: u64, what: String) -> Breach {
    Breach {
        who: who(write),
        revision,
        what,
    }
}
