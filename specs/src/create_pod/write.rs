//! One write of an API server: submitted, tried any number of times, answered once.

use model::actions::transaction::TransactionAction;
use model::objects::key::ObjectKey;

use crate::create_pod::Action;
use crate::specification::{Refused, Specification, guard};

/// What holds of each write.
#[derive(Clone, Copy, Debug, Default)]
pub struct WriteSpecification;

/// A write; as it is by default, none is under way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Write {
    /// Whether it was submitted and not answered.
    pub open: bool,
    /// The object for which it was last attempted.
    pub object: Option<(ObjectKey, String)>,
}

impl Specification for WriteSpecification {
    type State = Write;
    type Action = Action;

    fn begin(&self) -> Write {
        Write::default()
    }

    fn apply(&self, state: &mut Write, action: &Action) -> Result<(), Refused> {
        let Action::ApiServer(_, action) = action else {
            return Ok(());
        };
        if let TransactionAction::Submitted { id, .. } = action {
            guard(!state.open, "submitted once", || {
                format!("write {id} is under way")
            })?;
            state.open = true;
            return Ok(());
        }
        // A lease is asked for by many writes at once.
        if action.write().is_none() {
            return Ok(());
        }
        guard(state.open, "one answer a write", || {
            format!("{action:?} of a write that is not under way")
        })?;
        match action {
            TransactionAction::Attempted { key, uid, .. } => {
                state.object = Some((key.clone(), uid.clone()));
            }
            TransactionAction::Committed { .. }
            | TransactionAction::Answered { .. }
            | TransactionAction::Unknown { .. } => *state = Write::default(),
            TransactionAction::Submitted { .. }
            | TransactionAction::Confirmed { .. }
            | TransactionAction::LostRace { .. }
            | TransactionAction::LeaseAsked { .. }
            | TransactionAction::LeaseGranted { .. }
            | TransactionAction::LeaseLeft { .. } => {}
        }
        Ok(())
    }
}
