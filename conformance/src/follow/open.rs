//! Writes that a crash left open.
//!
//! Where traces have come to their end the store's record settles what became of these ([`crate::fates`]); while they
//! grow, nobody knows yet, and that is what is told.

use std::collections::BTreeMap;
use std::rc::Rc;

use model::actions::transaction::TransactionAction;

use crate::said::Said;
use crate::timeline::{Moment, Place};

/// A write: its API server, the start of it, its number.
type Write = (Rc<str>, u64, u64);

/// Writes that API servers have sent to the store and of which they have not said what became.
#[derive(Debug, Default)]
pub(super) struct OpenWrites(BTreeMap<Write, Place>);

impl OpenWrites {
    /// Takes note of what is about to be judged. What has to be judged before it: when a start of an API server
    /// speaks, the ones before it have ended, and of what they left open nothing is known.
    pub(super) fn note(&mut self, moment: &Moment) -> Vec<Moment> {
        let Said::Transaction(action) = &moment.said else {
            return Vec::new();
        };
        let (server, start) = (moment.place.component.clone(), moment.place.incarnation);
        let before = (server.clone(), 0, 0)..(server.clone(), start, 0);
        let ended: Vec<Write> = self
            .0
            .range(before)
            .map(|(write, _)| write.clone())
            .collect();
        let unknown = ended.into_iter().filter_map(|write| {
            let place = self.0.remove(&write)?;
            Some(Moment {
                place,
                revision: moment.revision,
                at_ms: moment.at_ms,
                said: Said::Transaction(TransactionAction::Unknown { id: write.2 }),
            })
        });
        let unknown = unknown.collect();
        match action {
            TransactionAction::Attempted { id, .. } => {
                self.0.insert((server, start, *id), moment.place.clone());
            }
            TransactionAction::LostRace { id }
            | TransactionAction::Committed { id, .. }
            | TransactionAction::Answered { id, .. }
            | TransactionAction::Unknown { id } => {
                self.0.remove(&(server, start, *id));
            }
            TransactionAction::Submitted { .. } | TransactionAction::Confirmed { .. } => {}
        }
        unknown
    }
}
