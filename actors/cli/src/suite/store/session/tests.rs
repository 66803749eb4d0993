//! The end of a session, over the embedded store.

use std::rc::Rc;
use std::time::Duration;

use anyhow::Context;
use store::Engine;

use super::{LAST_EVENT_TIME_MAX, Shared};
use crate::suite::Plan;
use crate::suite::store::quic::Running;
use crate::suite::store::watchers::{self, Habit};

/// Every watcher ends when it has seen the last write, though it saw it before the writer was told: nothing comes after
/// it, and whoever waited for one more message would wait for ever.
#[test]
fn a_watcher_that_saw_the_last_write_before_its_answer_ends() -> anyhow::Result<()> {
    let plan = Plan {
        clients: 1,
        duration: Duration::ZERO,
        seed: 1,
    };
    shell::run(async {
        let running = Running::start(Engine::Embedded).await?;
        // Who watches one key ends in any case.
        for (client, habit) in (1..).zip(Habit::ALL).filter(|(_, habit)| !habit.one_key) {
            let shared = Rc::new(Shared::new(running.client(), plan));
            let watcher = tokio::task::spawn_local(watchers::watch(shared.clone(), client, habit));
            let last = shared.write_last().await?;
            // By an event, or by what was read before the watch: nothing but the watcher looks here.
            let saw = async {
                while shared.newest() < last {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            tokio::time::timeout(LAST_EVENT_TIME_MAX, saw)
                .await
                .with_context(|| format!("{habit:?} does not see the last write"))?;
            shared.last.send_replace(Some(last));
            tokio::time::timeout(LAST_EVENT_TIME_MAX, watcher)
                .await
                .with_context(|| format!("{habit:?} does not end"))???;
        }
        running.stop().await
    })?
}
