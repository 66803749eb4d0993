//! Telling a component to end, and why.

use tokio::sync::watch;

/// Why a component ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// This process ends and another takes over: what it holds (running pods) stays.
    Restart,
    /// The cluster goes down: what it holds is brought to an end first.
    Stop,
}

/// The side that asks.
#[derive(Debug)]
pub struct Trigger(watch::Sender<Option<Why>>);

/// The side that is asked; clones are told alike.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<Option<Why>>);

impl Shutdown {
    /// A pair of the two sides. Dropping the trigger asks for [`Why::Restart`].
    pub fn new() -> (Trigger, Shutdown) {
        let (sender, receiver) = watch::channel(None);
        (Trigger(sender), Shutdown(receiver))
    }

    /// Waits until an end is asked for.
    pub async fn requested(&self) -> Why {
        let mut receiver = self.0.clone();
        match receiver.wait_for(Option::is_some).await {
            Ok(why) => why.unwrap_or(Why::Restart),
            Err(_) => Why::Restart,
        }
    }

    /// Whether an end has been asked for.
    pub fn asked(&self) -> Option<Why> {
        *self.0.borrow()
    }
}

impl Trigger {
    /// Asks for an end. A later `Stop` outweighs an earlier `Restart`, never the other way round.
    pub fn ask(&self, why: Why) {
        self.0.send_if_modified(|asked| {
            let changes = asked.is_none() || (*asked == Some(Why::Restart) && why == Why::Stop);
            if changes {
                *asked = Some(why);
            }
            changes
        });
    }
}
