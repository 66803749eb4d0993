//! Components as tasks of this process (`--single-process`): the same actors, still over loopback QUIC.

use std::collections::BTreeMap;

use model::machines::supervisor::Ending;
use shell::{Environment, Shutdown, Trigger, Why};
use tokio::task::AbortHandle;

use super::supervision::{Launcher, Reporter};
use crate::components::{self, Component};

/// Starts components as tasks.
#[derive(Debug, Default)]
pub struct Tasks {
    running: BTreeMap<String, (Trigger, AbortHandle)>,
}

impl Launcher for Tasks {
    fn start(&mut self, component: Component, reporter: Reporter) -> anyhow::Result<()> {
        let (trigger, shutdown) = Shutdown::new();
        let name = component.name();
        let serves = reporter.clone();
        let ready = Box::new(move || serves.ready());
        let work = components::start(component, Environment::system(), shutdown, ready);
        let task = tokio::task::spawn_local(work);
        self.running.insert(name, (trigger, task.abort_handle()));
        tokio::task::spawn_local(async move {
            reporter.exited(match task.await {
                Ok(Ok(())) => Ending::Left,
                Ok(Err(error)) => Ending::Failed(format!("{error:#}")),
                Err(error) => Ending::Died(error.to_string()),
            });
        });
        Ok(())
    }

    fn stop(&mut self, part: &str) {
        if let Some((trigger, _)) = self.running.get(part) {
            trigger.ask(Why::Stop);
        }
    }

    fn kill(&mut self, part: &str) {
        if let Some((_, task)) = self.running.get(part) {
            task.abort();
        }
    }
}
