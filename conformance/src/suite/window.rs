//! 410: what has left the window is gone for good, and nothing is served with a gap instead.

use super::Breach;
use super::Found;
use super::judge::{Session, first};
use super::observed::{End, Start};
use super::streams::Stream;
use super::told::who;

impl Session<'_> {
    /// The window only moves forward: what was gone once stays gone. The list that follows is newer. And a revision
    /// that is long past is either gone, or everything after it comes.
    pub(super) fn gone(&self, found: &mut Found) {
        let refused = |stream: &&Stream<'_>| stream.watch.end == End::Gone;
        for stream in self.streams.iter().filter(refused) {
            let Some(revision) = start(stream) else {
                continue;
            };
            let refused_at_once = stream.watch.events.is_empty();
            let served = self.streams.iter().find(|other| {
                let older = start(other).is_some_and(|other| other <= revision);
                let later = other.watch.began_us > stream.watch.began_us;
                older && later && !other.watch.events.is_empty()
            });
            found.look(!refused_at_once || served.is_none(), || {
                let what = "410, and a later watch from no later revision was served";
                self.breach(stream, revision, what.to_owned())
            });
            let next = self.observed.lists.iter().find(|list| {
                list.client == stream.watch.client && list.began_us > stream.watch.began_us
            });
            if let Some(list) = next {
                found.look(list.revision >= revision, || Breach {
                    who: who(list),
                    revision: list.revision,
                    what: format!("older than {revision}, which was gone"),
                });
            }
        }
        for stream in &self.streams {
            let Start::Past(revision) = stream.watch.start else {
                continue;
            };
            let answered = matches!(stream.watch.end, End::Gone | End::Silent(_));
            if !answered && stream.watch.events.is_empty() {
                continue;
            }
            let missing = stream.missing(&self.truth);
            let missing = missing.iter().find(|due| first(stream, due));
            found.look(missing.is_none(), || {
                let what = format!("served, not 410, and without {missing:?}");
                self.breach(stream, revision, what)
            });
        }
    }
}

/// The revision after which a watch asked for changes.
fn start(stream: &Stream<'_>) -> Option<u64> {
    match stream.watch.start {
        Start::AfterList(revision) | Start::Resumed(revision) | Start::Past(revision) => {
            Some(revision)
        }
        Start::InitialEvents => None,
    }
}
