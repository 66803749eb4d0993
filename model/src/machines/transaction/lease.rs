//! Objects that expire: which of the store's leases a write of one goes with.
//!
//! As in Kubernetes' lease manager (`k8s.io/apiserver/pkg/storage/etcd3`), a lease is used for a while, so that a burst
//! of events does not make a lease each, and is granted for as much longer, so that none of them goes early. Each write
//! gives an object its whole life again.

use std::collections::VecDeque;

use crate::actions::transaction::{Effect, TransactionAction as Action};
use crate::messages::store::{LeaseId, StoreError, StoreResponse};
use crate::objects::kinds;
use crate::objects::status::Status;

use super::create::mix;
use super::decision::Attempt;
use super::failures::{mistaken, refused, unreached};
use super::input::{Timer, WriteId};
use super::output::Output;
use super::state::Asked;
use super::step::{ATTEMPTS_LIMIT, Turn};
use super::strategy::Strategy;

/// Objects that go with one lease at most. They are deleted at one revision, and no revision is split over two messages.
const OBJECTS_LIMIT: u32 = 100;
/// Bytes of the objects of one lease, unless it has a single one: their last states are told at one revision too.
const BYTES_LIMIT: u64 = 1 << 20;
/// How long a lease is used at most, in seconds.
const USE_LIMIT_SECONDS: u32 = 60;
/// A lease is used for this part of its objects' life.
const USE_DIVISOR: u32 = 20;

/// The lease that objects which expire go with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Lease {
    /// There is none; the next write of such an object asks for one.
    #[default]
    None,
    /// The store was asked for it.
    Asked {
        lease: LeaseId,
        /// Whether it may be used after the writes that wait for it.
        lasting: bool,
        waiting: VecDeque<WriteId>,
    },
    /// It is there.
    Granted {
        lease: LeaseId,
        lasting: bool,
        objects: u32,
        bytes: u64,
    },
}

impl Lease {
    /// The lease, if it has room for an object of this size.
    fn take(&mut self, size: u64) -> Option<LeaseId> {
        match self {
            Lease::Granted {
                lease,
                objects,
                bytes,
                ..
            } if *objects == 0 || *objects < OBJECTS_LIMIT && *bytes + size <= BYTES_LIMIT => {
                *objects += 1;
                *bytes += size;
                Some(*lease)
            }
            _ => None,
        }
    }
}

/// Whether an object of this kind goes with a lease when it is written.
pub(super) fn expires<V>(attempt: &Attempt<V>) -> bool {
    kinds::find(&attempt.key.resource).is_some_and(|kind| kind.expires)
        && attempt.effect != Effect::Deleted
}

impl<S: Strategy> Turn<'_, S> {
    /// Asks the store to write what goes with a lease; where it has to wait for one it is decided again then.
    pub(super) fn send_leased(&mut self, id: WriteId, mut attempt: Attempt<S::Value>) {
        let size = self.strategy.size(&attempt.value);
        if let Some(lease) = self.state.lease.take(size) {
            attempt.lease = lease;
            return self.send(id, attempt);
        }
        match &mut self.state.lease {
            Lease::Asked { waiting, .. } => waiting.push_back(id),
            Lease::None | Lease::Granted { .. } => self.ask_for_lease(id),
        }
    }

    fn ask_for_lease(&mut self, id: WriteId) {
        self.leave_lease();
        let Some(pending) = self.state.pending.get_mut(&id) else {
            return;
        };
        pending.leases += 1;
        let lease = name(pending.random, pending.leases);
        let ttl_seconds = self.ttl_seconds.max(1);
        let used_seconds = (ttl_seconds / USE_DIVISOR).min(USE_LIMIT_SECONDS);
        let ttl_seconds = ttl_seconds.saturating_add(used_seconds);
        self.state.lease = Lease::Asked {
            lease,
            lasting: used_seconds > 0,
            waiting: VecDeque::from([id]),
        };
        if used_seconds > 0 {
            // Counted from before the lease begins, so that what goes with it at the last moment lives its whole life.
            self.out.timer(Timer::Lease, u64::from(used_seconds) * 1000);
        }
        self.actions.push(Action::LeaseAsked { lease, ttl_seconds });
        self.out.push(Output::Grant { lease, ttl_seconds });
    }

    /// The store has answered the question for a lease; `None` if its answer was lost. Whether that lease exists then
    /// matters to nobody: nothing goes with it, and it ends by itself.
    pub(super) fn granted(&mut self, answer: Option<StoreResponse<S::Value>>) {
        let Lease::Asked {
            lease,
            lasting,
            waiting,
        } = std::mem::take(&mut self.state.lease)
        else {
            return;
        };
        let refusal: Status = match answer {
            Some(StoreResponse::Lease { .. }) => {
                self.actions.push(Action::LeaseGranted { lease });
                self.state.lease = Lease::Granted {
                    lease,
                    lasting,
                    objects: 0,
                    bytes: 0,
                };
                return self.ready.extend(waiting);
            }
            None
            | Some(StoreResponse::Failed(StoreError::Failed { .. } | StoreError::Unknown { .. })) => {
                unreached()
            }
            Some(StoreResponse::Failed(error)) => refused(&error),
            Some(_) => mistaken(),
        };
        self.out.cancel(Timer::Lease);
        self.actions.push(Action::LeaseLeft { lease });
        for id in waiting {
            self.answer(id, Err(refusal.clone()));
        }
    }

    /// Whether this is the lease that the store was asked for.
    pub(super) fn awaits_lease(&self, name: LeaseId) -> bool {
        matches!(&self.state.lease, Lease::Asked { lease, .. } if *lease == name)
    }

    /// The lease has been used for as long as it may be; whether there is one.
    pub(super) fn lease_used(&mut self) -> bool {
        if let Lease::Asked { lease, lasting, .. } = &mut self.state.lease {
            *lasting = false;
            let lease = *lease;
            self.actions.push(Action::LeaseLeft { lease });
            return true;
        }
        self.leave_lease()
    }

    /// The store does not know the lease any more, or lets no more keys go with it: a write that was to go with it is
    /// decided again. One that was sent `again` may have been carried out the first time, and gone with the lease.
    pub(super) fn lease_gone(&mut self, id: WriteId, gone: LeaseId, again: bool) {
        if matches!(&self.state.lease, Lease::Granted { lease, .. } if *lease == gone) {
            self.leave_lease();
        }
        let Some(pending) = self.state.pending.get_mut(&id) else {
            return;
        };
        if again || pending.attempts >= ATTEMPTS_LIMIT {
            return self.give_up(id);
        }
        pending.asked = Asked::Nothing;
        self.actions.push(Action::LostRace { id });
        self.attempt(id);
    }

    /// A lease that is not to be used for a while was for those who waited for it.
    pub(super) fn leave_unlasting(&mut self) {
        if matches!(self.state.lease, Lease::Granted { lasting: false, .. }) {
            self.state.lease = Lease::None;
        }
    }

    /// Nothing more goes with the lease that there is, if there is one.
    fn leave_lease(&mut self) -> bool {
        let Lease::Granted { lease, lasting, .. } = self.state.lease else {
            return false;
        };
        self.state.lease = Lease::None;
        if lasting {
            self.out.cancel(Timer::Lease);
        }
        self.actions.push(Action::LeaseLeft { lease });
        true
    }
}

/// A name that no other lease has, unless chance has it so: then the store refuses it.
fn name(random: u64, leases: u32) -> LeaseId {
    // Generated names of objects take the numbers from `random` on.
    let bits = mix(random ^ u64::from(leases).rotate_right(32));
    bits.max(1)
}
