//! The tasks of a component: they end with it.

use std::cell::RefCell;
use std::rc::Rc;

use tokio::task::{AbortHandle, JoinError, JoinSet};

/// Tasks of this thread that are broken off together. Clones are the same set.
#[derive(Clone)]
pub(crate) struct Tasks {
    /// `None` after the end.
    running: Rc<RefCell<Option<JoinSet<()>>>>,
}

impl Default for Tasks {
    fn default() -> Self {
        Tasks {
            running: Rc::new(RefCell::new(Some(JoinSet::new()))),
        }
    }
}

impl Tasks {
    /// Runs a task; after the end it is dropped instead.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + 'static) -> Option<AbortHandle> {
        let mut running = self.running.borrow_mut();
        let running = running.as_mut()?;
        // What has ended is let go here, so that the set is as large as what is under way.
        while let Some(ended) = running.try_join_next() {
            report(ended);
        }
        Some(running.spawn_local(task))
    }

    /// Breaks off all tasks and waits until they are gone.
    pub(crate) async fn close(&self) {
        let running = self.running.borrow_mut().take();
        let Some(mut running) = running else {
            return;
        };
        running.abort_all();
        while let Some(ended) = running.join_next().await {
            report(ended);
        }
    }
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a task of a component panicked");
    }
}
