//! What the API server does with the store's messages.

use model::messages::store::{
    Compare, KeyRange, KeyValue, Operand, Operation, RangeRequest, RangeResponse, Relation,
    Segment, StoreError, StoreRequest, StoreResponse, Transaction, WatchFrame, WatchRequest, Wire,
};
use model::objects::bytes::Bytes;
use transport::{Connection, Error, Link, Stream};

#[derive(Clone)]
pub struct Client {
    pub connection: Connection,
    /// Keeps the connection.
    _link: Link,
}

impl Client {
    pub fn new(connection: Connection, link: Link) -> Self {
        Client {
            connection,
            _link: link,
        }
    }

    pub async fn ask(&self, request: StoreRequest<Bytes>) -> Result<StoreResponse<Bytes>, Error> {
        let (header, body) = request.split().expect("a sendable request");
        let reply = self.connection.ask(&header, body.into(), None).await?;
        let header = reply
            .decode::<StoreResponse<Segment>>()
            .expect("a response");
        Ok(StoreResponse::join(header, &reply.body).expect("a body that belongs to it"))
    }

    /// Creates a key; the revision, or `None` if it exists.
    pub async fn create(&self, key: &str, value: &[u8]) -> Result<Option<u64>, Error> {
        let request = StoreRequest::Transaction(Transaction {
            compares: vec![Compare {
                key: key.into(),
                operand: Operand::ModRevision(0),
                relation: Relation::Equal,
            }],
            success: vec![put(key, value)],
            failure: vec![],
        });
        match self.ask(request).await? {
            StoreResponse::Transaction {
                revision,
                succeeded,
                ..
            } => Ok(succeeded.then_some(revision)),
            other => panic!("{other:?}"),
        }
    }

    pub async fn put(&self, key: &str, value: &[u8]) -> u64 {
        let request = StoreRequest::Transaction(Transaction {
            compares: vec![],
            success: vec![put(key, value)],
            failure: vec![],
        });
        match self.ask(request).await.expect("an answer") {
            StoreResponse::Transaction { revision, .. } => revision,
            other => panic!("{other:?}"),
        }
    }

    pub async fn range(&self, request: RangeRequest) -> Result<RangeResponse<Bytes>, StoreError> {
        match self
            .ask(StoreRequest::Range(request))
            .await
            .expect("an answer")
        {
            StoreResponse::Range(range) => Ok(range),
            StoreResponse::Failed(error) => Err(error),
            other => panic!("{other:?}"),
        }
    }

    pub async fn all(&self, prefix: &str) -> Vec<KeyValue<Bytes>> {
        let mut request = RangeRequest::now(KeyRange::prefix(prefix));
        let mut items = Vec::new();
        loop {
            let page = self.range(request.clone()).await.expect("a range");
            request.revision = Some(page.revision);
            if let Some(last) = page.items.last() {
                request.range = request.range.after(&last.key);
            }
            items.extend(page.items);
            if !page.more {
                return items;
            }
        }
    }

    pub async fn watch(&self, range: KeyRange, after: Option<u64>) -> Watch {
        let request = WatchRequest {
            range,
            after,
            previous: true,
        };
        let stream = self
            .connection
            .open(&request, Vec::new().into(), None)
            .await
            .expect("a stream");
        Watch { stream }
    }
}

pub struct Watch {
    pub stream: Stream,
}

impl Watch {
    pub async fn frame(&mut self) -> Option<WatchFrame<Bytes>> {
        let message = self.stream.recv().await.expect("a frame")?;
        let header = message
            .decode::<WatchFrame<Segment>>()
            .expect("a frame's header");
        Some(WatchFrame::join(header, &message.body).expect("a body that belongs to it"))
    }

    /// The revisions of so many events.
    pub async fn revisions(&mut self, count: usize) -> Vec<u64> {
        let mut revisions = Vec::new();
        while revisions.len() < count {
            match self.frame().await.expect("a watch that goes on") {
                WatchFrame::Events { events, .. } => {
                    revisions.extend(events.iter().map(|event| event.revision()))
                }
                WatchFrame::Started { .. } | WatchFrame::Progress { .. } => {}
                WatchFrame::Cancelled(error) => panic!("{error}"),
            }
        }
        revisions
    }
}

pub fn put(key: &str, value: &[u8]) -> Operation<Bytes> {
    Operation::Put {
        key: key.into(),
        value: Bytes::from(value),
        lease: 0,
    }
}
