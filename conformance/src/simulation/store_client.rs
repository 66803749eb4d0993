//! A client of the store itself, beside the API server.

use model::messages::store::{
    KeyRange, Segment, StoreRequest, StoreResponse, WatchFrame, WatchRequest, Wire,
};
use model::objects::bytes::Bytes;
use transport::{Link, Stream};

/// A client of the store.
pub struct StoreClient(Link);

impl StoreClient {
    /// A client over this link.
    pub fn new(link: Link) -> Self {
        StoreClient(link)
    }

    /// The answer to a request, or `None` if it was lost.
    pub async fn ask(&self, request: StoreRequest<Bytes>) -> Option<StoreResponse<Bytes>> {
        let connection = self.0.connection().await?.connection;
        let (header, body) = request.split().ok()?;
        let reply = connection.ask(&header, body.into(), None).await.ok()?;
        let header = reply.decode::<StoreResponse<Segment>>().ok()?;
        StoreResponse::join(header, &reply.body).ok()
    }

    /// A watch of a range, after a revision or from now on; `None` if there is no connection that lasts.
    pub async fn watch(&self, range: KeyRange, after: Option<u64>) -> Option<StoreWatch> {
        let connection = self.0.connection().await?.connection;
        let request = WatchRequest {
            range,
            after,
            previous: false,
        };
        let opened = connection.open(&request, Vec::new().into(), None).await;
        opened.ok().map(StoreWatch)
    }
}

/// A watch of the store.
pub struct StoreWatch(Stream);

impl StoreWatch {
    /// The next frame, or `None` if there comes none.
    pub async fn frame(&mut self) -> Option<WatchFrame<Bytes>> {
        let message = self.0.recv().await.ok()??;
        let header = message.decode::<WatchFrame<Segment>>().ok()?;
        WatchFrame::join(header, &message.body).ok()
    }
}
