//! One watch: its frames to its stream, one after another, as its receiver takes them.

use model::messages::store::{Segment, WatchFrame, WatchRequest, Wire};
use shell::Handle;
use tokio::sync::mpsc;
use transport::{Message, Stream, StreamReceiver, StreamSender};

use crate::clients::{Clients, Outgoing};
use crate::front::Front;

/// Serves a watch from its request to its end.
pub(crate) async fn watch<M: Front>(
    opening: Message,
    stream: Stream,
    clients: Clients,
    handle: Handle<M>,
) {
    let request = match opening.decode::<WatchRequest>() {
        Ok(request) if opening.body.is_empty() => request,
        Ok(_) => return stream.close("a watch has no body"),
        Err(error) => return stream.close(&error.to_string()),
    };
    let handle = handle.caused_by(opening.id);
    let (id, frames) = clients.watch();
    if handle.send(M::watch(id, request)).await.is_err() {
        return stream.close("the store is ending");
    }
    let (mut sender, receiver) = stream.split();
    let gone = tokio::select! {
        biased;
        sent = send(frames, &mut sender, &handle, id) => sent.is_err(),
        () = left(receiver) => true,
    };
    clients.unwatch(id);
    if gone {
        // The machine may have ended the watch itself meanwhile, which is the same to it.
        let _ = handle.send(M::unwatch(id)).await;
    } else if let Err(error) = sender.finish().await {
        tracing::debug!(%error, "the end of a watch did not reach its receiver");
    }
}

/// Sends frames until the last; an error means that nobody receives them.
async fn send<M: Front>(
    mut frames: mpsc::UnboundedReceiver<Outgoing>,
    sender: &mut StreamSender,
    handle: &Handle<M>,
    id: u64,
) -> Result<(), ()> {
    while let Some((frame, cause)) = frames.recv().await {
        let last = matches!(frame, WatchFrame::Cancelled(_));
        let (header, body): (WatchFrame<Segment>, Vec<u8>) = frame.split().map_err(drop)?;
        sender
            .send(&header, body.into(), cause)
            .await
            .map_err(drop)?;
        if last {
            break;
        }
        handle.send(M::taken(id)).await.map_err(drop)?;
    }
    Ok(())
}

/// Waits until the receiver gives the watch up. It has nothing more to say; having said so is no end.
async fn left(mut receiver: StreamReceiver) {
    if let Ok(None) = receiver.recv().await {
        std::future::pending().await
    }
}
