//! The traces of a simulation, followed while they grow as `trace check --follow` follows those of a cluster.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::traces::rejected;
use crate::follow::Follower;
use crate::timeline::{Timeline, TimelineError};

/// Between two passes, in the simulation's own time.
const PASS: Duration = Duration::from_millis(200);

/// A follower at work.
pub struct Following {
    follower: Rc<RefCell<Option<Follower>>>,
    task: AbortHandle,
}

impl Following {
    /// Follows the traces that grow in a directory.
    pub fn begin(directory: &Path) -> Self {
        let follower = Rc::new(RefCell::new(Some(Follower::new(directory))));
        let task = tokio::task::spawn_local(pass_again(follower.clone()));
        Following {
            follower,
            task: task.abort_handle(),
        }
    }

    /// Nothing more is written: what was rejected, and whether as much was read as `timeline` holds.
    ///
    /// # Errors
    /// If the directory cannot be listed.
    pub fn end(self, timeline: &Timeline) -> anyhow::Result<Vec<String>> {
        self.task.abort();
        let follower = self.follower.take().context("the follower is there once")?;
        let report = follower.finish(0.0)?;
        let mut faults = Vec::new();
        if report.records != timeline.records {
            faults.push(format!(
                "{} records were followed, of {}",
                report.records, timeline.records
            ));
        }
        for verdict in &report.verdicts {
            let rejections = verdict.rejections.iter();
            let told = rejections.map(|rejection| rejected(verdict.specification, rejection));
            faults.extend(told.map(|told| format!("followed while it grew: {told}")));
        }
        Ok(faults)
    }
}

async fn pass_again(follower: Rc<RefCell<Option<Follower>>>) -> Result<(), TimelineError> {
    loop {
        sleep(PASS).await;
        let mut follower = follower.borrow_mut();
        let Some(follower) = follower.as_mut() else {
            return Ok(());
        };
        follower.read()?;
        while follower.judge() {}
    }
}
