//! What the API server asks of a node: logs and exec, over the connection that the kubelet made.

use std::rc::Rc;

use bytes::Bytes;
use model::machines::kubelet::Kubelet;
use model::messages::node::{FromNode, NodeRequest};
use model::objects::status::{Reason, Status};
use runtime::Runtime;
use shell::Handle;
use tokio::task::AbortHandle;
use transport::{Connection, Incoming, Link, Stream};

use crate::effects::Node;
use crate::{exec, logs};

/// How many streams may be served at once; what comes on top is refused.
const STREAMS_MAX: usize = 256;

/// Serves every connection of the link, one after another, for ever.
pub(crate) async fn requests<R: Runtime + 'static>(
    link: Link,
    node: Rc<Node<R>>,
    handle: Handle<Kubelet>,
) -> anyhow::Result<()> {
    while let Some(live) = link.connection().await {
        connection(live.connection, &node, &handle).await;
    }
    Ok(())
}

/// Serves one connection. Its streams end with it.
async fn connection<R: Runtime + 'static>(
    connection: Connection,
    node: &Rc<Node<R>>,
    handle: &Handle<Kubelet>,
) {
    let mut streams = Streams::default();
    loop {
        match connection.next().await {
            Incoming::Open(message, stream) => match message.decode::<NodeRequest>() {
                Ok(_) if streams.open() >= STREAMS_MAX => {
                    stream.close("too many logs and commands are served at once");
                }
                Ok(request) => {
                    let task = handle.spawn(serve(request, stream, node.clone()));
                    streams.0.extend(task);
                }
                Err(error) => stream.close(&format!("not a request to a node: {error}")),
            },
            Incoming::Ask(_, responder) => responder.refuse("a kubelet answers no asks"),
            Incoming::Tell(_) => {}
            Incoming::Closed(_) => return,
        }
    }
}

/// The streams of a connection: tasks of the component, broken off when the connection ends.
#[derive(Default)]
struct Streams(Vec<AbortHandle>);

impl Streams {
    /// How many are served.
    fn open(&mut self) -> usize {
        self.0.retain(|stream| !stream.is_finished());
        self.0.len()
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        for stream in &self.0 {
            stream.abort();
        }
    }
}

async fn serve<R: Runtime + 'static>(request: NodeRequest, mut stream: Stream, node: Rc<Node<R>>) {
    let refused = match request {
        NodeRequest::Logs(request) => logs::serve(&node, &request, &mut stream).await,
        NodeRequest::Exec(request) => exec::serve(&node, &request, &mut stream).await,
    };
    let ended = match refused {
        Ok(()) => stream.finish().await,
        Err(Ended::Refused(status)) => {
            match stream
                .send(&FromNode::Failed(status), Bytes::new(), None)
                .await
            {
                Ok(_) => stream.finish().await,
                Err(error) => Err(error),
            }
        }
        Err(Ended::Stream(error)) => Err(error),
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a stream of logs or a command ended early");
    }
}

/// Why a request was not served to its end.
pub(crate) enum Ended {
    /// It cannot be served; the client is told.
    Refused(Status),
    /// The client or the connection is gone.
    Stream(transport::Error),
}

impl From<transport::Error> for Ended {
    fn from(error: transport::Error) -> Self {
        Ended::Stream(error)
    }
}

impl From<Status> for Ended {
    fn from(status: Status) -> Self {
        Ended::Refused(status)
    }
}

/// 400, in Kubernetes' words for what is asked of a container that is not there.
pub(crate) fn bad_request(message: String) -> Ended {
    Ended::Refused(Status::new(Reason::BadRequest, message))
}

/// 500: the node could not do it.
pub(crate) fn internal(error: impl ToString) -> Ended {
    Ended::Refused(Status::new(Reason::InternalError, error.to_string()))
}
