//! Asking the store, over the link to it.

use std::time::Duration;

use model::messages::store::{Segment, StoreRequest, StoreResponse, Wire};
use model::objects::bytes::Bytes;
use shell::Revisions;
use tokio::time::timeout;
use transport::{Connection, Link, MessageId};

/// How long an ask waits for a connection: longer than a store takes to be started again.
const REACH_WAIT: Duration = Duration::from_secs(10);

/// The store, as far as it can be reached.
#[derive(Clone)]
pub(super) struct Store {
    link: Link,
    revisions: Revisions,
}

/// Why the store gave no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    /// It was not asked.
    #[error("the store is not reached: {0}")]
    Unsent(String),
    /// It was asked, and may have done it.
    #[error("the store's answer was lost: {0}")]
    Lost(String),
}

impl Store {
    pub(super) fn new(link: Link, revisions: Revisions) -> Self {
        Store { link, revisions }
    }

    /// Waits for a connection, however long that takes; `None` once the link is closed.
    pub(super) async fn connection(&self) -> Option<Connection> {
        Some(self.link.connection().await?.connection)
    }

    /// Notes a revision of which the store has told.
    pub(super) fn heard(&self, revision: u64) {
        self.revisions.heard(revision);
    }

    /// Asks over the connection that there is, or that comes within [`REACH_WAIT`].
    pub(super) async fn ask(
        &self,
        request: StoreRequest<Bytes>,
        cause: Option<MessageId>,
    ) -> Result<(StoreResponse<Bytes>, MessageId), AskError> {
        let unsent = |why: &str| AskError::Unsent(why.to_owned());
        let connection = timeout(REACH_WAIT, self.connection())
            .await
            .map_err(|_| unsent("there is no connection"))?
            .ok_or_else(|| unsent("the link is closed"))?;
        let (header, body) = request
            .split()
            .map_err(|error| AskError::Unsent(error.to_string()))?;
        let reply = connection
            .ask(&header, body.into(), cause)
            .await
            .map_err(|error| {
                if error.certainly_not_sent() {
                    AskError::Unsent(error.to_string())
                } else {
                    AskError::Lost(error.to_string())
                }
            })?;
        let header = reply
            .decode::<StoreResponse<Segment>>()
            .map_err(|error| AskError::Lost(error.to_string()))?;
        let response = StoreResponse::join(header, &reply.body)
            .map_err(|error| AskError::Lost(error.to_string()))?;
        self.heard(response.revision().unwrap_or(0));
        Ok((response, reply.id))
    }
}
