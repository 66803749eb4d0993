//! Which of a process's connections is heard.
//!
//! A process that has lost a connection sends again, over another, what it has no answer to. So once it is heard over the
//! other, nothing more may be heard over the one before, on whose ways something may still be: else that is carried out
//! twice. A connection that only stands does not count. Whoever connects tries twice at a time and takes what comes first,
//! so that which is accepted last may be the one that nobody speaks over.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use tokio::sync::watch;
use transport::MessageId;

/// The processes that are connected, by the origin of their messages.
#[derive(Default)]
pub(crate) struct Voices(BTreeMap<u64, Weak<Process>>);

/// A process. It is known for as long as one of its connections is there.
struct Process {
    /// The first message over the connection that is heard; a process counts its messages over all of its connections.
    heard: watch::Sender<u64>,
}

/// One connection of a process.
pub(crate) struct Voice {
    process: Rc<Process>,
    /// The first message over this connection.
    first: Cell<Option<u64>>,
}

impl Voices {
    /// A further connection of a process.
    pub(crate) fn of(&mut self, origin: u64) -> Voice {
        self.0.retain(|_, process| process.strong_count() > 0);
        let known = self.0.get(&origin).and_then(Weak::upgrade);
        let process = known.unwrap_or_else(|| {
            let heard = watch::Sender::new(0);
            Rc::new(Process { heard })
        });
        self.0.insert(origin, Rc::downgrade(&process));
        Voice {
            process,
            first: Cell::new(None),
        }
    }
}

impl Voice {
    /// A message has come over this connection; whether it is heard. From the first that is, none before it is.
    pub(crate) fn speaks(&self, id: MessageId) -> bool {
        if self.first.get().is_none() {
            self.first.set(Some(id.sequence));
            self.process.heard.send_if_modified(|heard| {
                let later = id.sequence > *heard;
                *heard = id.sequence.max(*heard);
                later
            });
        }
        let heard = *self.process.heard.borrow();
        !self.is_over(heard)
    }

    /// Returns once the process is heard over a later connection.
    pub(crate) async fn over(&self) {
        let mut heard = self.process.heard.subscribe();
        // The sender lives as long as this does.
        let _ = heard.wait_for(|heard| self.is_over(*heard)).await;
    }

    fn is_over(&self, heard: u64) -> bool {
        self.first.get().is_some_and(|first| first < heard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(sequence: u64) -> MessageId {
        MessageId {
            origin: 7,
            sequence,
        }
    }

    #[test]
    fn who_is_heard_later_silences_who_was_heard_before() {
        let mut voices = Voices::default();
        let (one, other) = (voices.of(7), voices.of(7));
        assert!(one.speaks(message(1)));
        assert!(one.speaks(message(2)));
        assert!(other.speaks(message(3)));
        assert!(!one.speaks(message(2)), "it was on its way for long");
        assert!(other.speaks(message(4)));
    }

    #[test]
    fn which_connection_is_later_is_told_by_what_is_said_and_not_by_when_it_was_accepted() {
        let mut voices = Voices::default();
        let (other, one) = (voices.of(7), voices.of(7));
        assert!(other.speaks(message(3)));
        assert!(!one.speaks(message(1)));
        assert!(other.speaks(message(4)));
    }

    #[test]
    fn processes_do_not_silence_each_other() {
        let mut voices = Voices::default();
        let (one, other) = (voices.of(7), voices.of(8));
        assert!(other.speaks(message(9)));
        assert!(one.speaks(message(1)));
        assert!(other.speaks(message(10)));
    }
}
