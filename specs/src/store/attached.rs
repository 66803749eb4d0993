//! A store over an engine that others use too: what of the specification is different.

use super::specification::Known;
use crate::specification::{Refused, guard};

impl Known {
    /// The events of an engine are followed, for the first time or again. Nobody watches yet: every watch has ended, or
    /// has gone with the process that served it.
    pub(super) fn attach(&mut self, revision: u64, after: u64) -> Result<(), Refused> {
        let was = self.durable;
        let detail = || format!("at {revision} after {after}, it was at {was}");
        guard(
            revision >= was,
            "an engine goes on from where it was",
            detail,
        )?;
        let past = after <= revision;
        guard(past, "an engine is watched from the past on", detail)?;
        *self = Known {
            started: true,
            attached: true,
            revision,
            durable: revision,
            compacted: after,
            compacted_durably: after,
            unknown: revision,
            ..Known::default()
        };
        Ok(())
    }

    pub(super) fn detach(&mut self) -> Result<(), Refused> {
        guard(
            self.watches.is_empty(),
            "who watches is told that the engine is away",
            || format!("watches {:?}", self.watches),
        )?;
        (self.started, self.attached) = (true, true);
        Ok(())
    }

    /// Every event of the engine up to a revision has come.
    pub(super) fn follow(&mut self, through: u64) -> Result<(), Refused> {
        guard(
            through >= self.revision.max(self.durable + 1),
            "what is followed goes forward",
            || format!("to {through}, the newest is {}", self.revision),
        )?;
        (self.revision, self.durable) = (through, through);
        self.history = self.history.split_off(&(self.compacted + 1));
        Ok(())
    }
}
