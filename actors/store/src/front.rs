//! What the connections need of the machine behind them, whichever engine it has.

use model::machines::relay::{self, Relay};
use model::machines::store::{self, AskId, Store, WatchId};
use model::messages::store::{StoreRequest, WatchRequest};
use model::objects::bytes::Bytes;
use shell::Runnable;

/// A machine that serves the store's messages.
pub(crate) trait Front: Runnable {
    /// A request has arrived.
    fn ask(from: AskId, request: StoreRequest<Bytes>) -> Self::Input;
    /// A watch was opened.
    fn watch(watch: WatchId, request: WatchRequest) -> Self::Input;
    /// The receiver of a watch has taken a frame.
    fn taken(watch: WatchId) -> Self::Input;
    /// The receiver of a watch has gone.
    fn unwatch(watch: WatchId) -> Self::Input;
}

impl Front for Store<Bytes> {
    fn ask(from: AskId, request: StoreRequest<Bytes>) -> Self::Input {
        store::Input::Ask { from, request }
    }

    fn watch(watch: WatchId, request: WatchRequest) -> Self::Input {
        store::Input::Watch { watch, request }
    }

    fn taken(watch: WatchId) -> Self::Input {
        store::Input::Taken { watch }
    }

    fn unwatch(watch: WatchId) -> Self::Input {
        store::Input::Unwatch { watch }
    }
}

impl Front for Relay<Bytes> {
    fn ask(from: AskId, request: StoreRequest<Bytes>) -> Self::Input {
        relay::Input::Ask { from, request }
    }

    fn watch(watch: WatchId, request: WatchRequest) -> Self::Input {
        relay::Input::Watch { watch, request }
    }

    fn taken(watch: WatchId) -> Self::Input {
        relay::Input::Taken { watch }
    }

    fn unwatch(watch: WatchId) -> Self::Input {
        relay::Input::Unwatch { watch }
    }
}
