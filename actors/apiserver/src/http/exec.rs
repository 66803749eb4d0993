//! `pods/NAME/exec` over WebSocket: the subprotocols `v5.channel.k8s.io` and `v4.channel.k8s.io` (KEP-4006).
//!
//! The first byte of a message names its channel: 0 input, 1 output, 2 errors, 3 how it ended, 4 size of the
//! terminal; 255, in v5, closes the channel that the second byte names.

use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::extract::ws::{CloseFrame, Message as Socket, WebSocket, WebSocketUpgrade, close_code};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use http::Response;
use model::messages::node::{ExecRequest, FromNode, NodeRequest, ToNode};
use model::objects::status::{Reason, Status};
use serde::Deserialize;
use serde_json::json;
use transport::{Stream, StreamReceiver, StreamSender};

use super::body::AnswerBody;
use super::logs::{container, frame, started};
use super::path::Place;
use super::service::{Call, Front};
use super::status::to_value;
use crate::api;
use crate::kubelets::Kubelets;

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
const RESIZE: u8 = 4;
const CLOSE: u8 = 255;

/// The subprotocols, best first.
const PROTOCOLS: [&str; 2] = ["v5.channel.k8s.io", "v4.channel.k8s.io"];
/// A message of input may be so long.
const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// How long a client may take to answer the close of its session.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(2);
/// Input goes to the kubelet in pieces of at most this size.
const PIECE_BYTES_MAX: usize = 64 << 10;

/// The answer: the switch to a session. What the kubelet says of the command is told in it, on the channel of how it
/// ended, as Kubernetes does.
///
/// # Errors
/// 400 for a request that is no session, a command or container that is not there; 503 for one that is no session
/// either while the kubelet is away.
pub(super) async fn answer(
    front: &Front,
    place: &Place,
    mut call: Call<'_>,
) -> Result<Response<AnswerBody>, Status> {
    let verb = if call.parts.method == http::Method::POST {
        "create"
    } else {
        "get"
    };
    front
        .api
        .authorize(&call.who, verb, place, &place.name, "")
        .await?;
    let pod = api::parsed(
        &front
            .api
            .backend
            .get(&place.key(), Default::default())
            .await?,
    );
    let request = request(place, &pod, &call)?;
    let node = pod["spec"]["nodeName"].as_str().unwrap_or_default();
    if node.is_empty() {
        return Err(Status::new(
            Reason::BadRequest,
            format!("pod {} does not have a host assigned", place.name),
        ));
    }
    let Ok(upgrade) = WebSocketUpgrade::from_request_parts(call.parts, &()).await else {
        // kubectl tries without WebSocket what has failed with it, and shows only what that was told.
        front.api.kubelets.connection(node)?;
        return Err(Status::new(Reason::BadRequest, "Upgrade request required"));
    };
    let upgrade = upgrade
        .max_message_size(MESSAGE_BYTES_MAX)
        .protocols(PROTOCOLS);
    let Some(protocol) = upgrade.selected_protocol() else {
        return Err(Status::new(
            Reason::BadRequest,
            format!(
                "the session must be of one of the subprotocols {}",
                PROTOCOLS.join(", ")
            ),
        ));
    };
    let wish = Wish {
        node: node.to_owned(),
        request,
        closes: protocol.as_bytes() == PROTOCOLS[0].as_bytes(),
    };
    let held = front.api.metrics.stream().with(call.room.take());
    // The socket leaves the task that axum makes, which would have to be able to move between threads.
    let (hand, socket) = tokio::sync::oneshot::channel();
    let response = upgrade.on_upgrade(move |socket| async move {
        // The session is gone only if this server is.
        let _ = hand.send(socket);
    });
    let ending = front.ending.clone();
    let kubelets = front.api.kubelets.clone();
    tokio::task::spawn_local(async move {
        let _held = held;
        let Ok(socket) = socket.await else { return };
        tokio::select! {
            biased;
            _ = ending.requested() => {}
            () = run(&kubelets, wish, socket) => {}
        }
    });
    Ok(response.map(|_| AnswerBody::empty()))
}

/// A command that is to run in a container.
struct Wish {
    node: String,
    request: ExecRequest,
    /// Whether the client can say that its input has ended (v5).
    closes: bool,
}

/// Has the command started, and carries its session. The protocols have been switched by then, so a client whose
/// command cannot start is told why in the session.
async fn run(kubelets: &Kubelets, wish: Wish, socket: WebSocket) {
    let wanted = (wish.request.stdout, wish.request.stderr);
    match begun(kubelets, &wish.node, wish.request).await {
        Ok(stream) => session(socket, stream, wish.closes, wanted).await,
        Err(status) => refused(socket, &status).await,
    }
}

async fn begun(kubelets: &Kubelets, node: &str, request: ExecRequest) -> Result<Stream, Status> {
    let mut stream = kubelets.open(node, &NodeRequest::Exec(request)).await?;
    started(&mut stream).await?;
    Ok(stream)
}

/// Ends a session that has no command.
async fn refused(socket: WebSocket, status: &Status) {
    let (to_client, mut from_client) = socket.split();
    let mut out = Output { socket: to_client };
    // client-go begins to read before it has made the streams that it reads for, and drops what comes too early. Once
    // it answers, it reads.
    if out.socket.send(Socket::Ping(Bytes::new())).await.is_err() {
        return;
    }
    let _ = tokio::time::timeout(CLOSE_TIME_MAX, from_client.next()).await;
    out.end(&to_value(status)).await;
    let closed = async { while let Some(Ok(_)) = from_client.next().await {} };
    let _ = tokio::time::timeout(CLOSE_TIME_MAX, closed).await;
}

fn request(place: &Place, pod: &serde_json::Value, call: &Call<'_>) -> Result<ExecRequest, Status> {
    let query = &call.query;
    let command: Vec<String> = query.all("command").map(str::to_owned).collect();
    let phase = pod["status"]["phase"].as_str().unwrap_or_default();
    if matches!(phase, "Succeeded" | "Failed") {
        let why =
            format!("cannot exec into a container in a completed pod; current phase is {phase}");
        return Err(Status::new(Reason::BadRequest, why));
    }
    if command.is_empty() {
        return Err(Status::new(
            Reason::BadRequest,
            "you must specify at least 1 command for the container",
        ));
    }
    let tty = query.yes("tty");
    Ok(ExecRequest {
        namespace: place.namespace.clone(),
        pod: place.name.clone(),
        uid: pod["metadata"]["uid"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        container: container(pod, query.get("container"))?,
        command,
        stdin: query.yes("stdin"),
        stdout: query.yes("stdout"),
        stderr: query.yes("stderr") && !tty,
        tty,
    })
}

/// Carries both directions until the command has ended, or the client is gone.
async fn session(socket: WebSocket, stream: Stream, closes: bool, wanted: (bool, bool)) {
    let (to_client, from_client) = socket.split();
    let (to_node, from_node) = stream.split();
    let mut input = tokio::task::JoinSet::new();
    input.spawn_local(self::input(from_client, to_node, closes));
    let mut out = Output { socket: to_client };
    // Kubernetes tells the client by an empty message that the session has begun.
    let first = match wanted {
        (true, _) => STDOUT,
        (_, true) => STDERR,
        _ => ERROR,
    };
    if out.send(first, b"").await.is_err() {
        return;
    }
    tokio::select! {
        biased;
        () = out.run(from_node) => {}
        // The client is gone; so is the stream to the kubelet, when this returns.
        _ = input.join_next() => return,
    }
    // The client answers the close with its own (RFC 6455, section 5.5.1). Dropping the set ends the task of the
    // other direction, here as when the session is cut.
    let _ = tokio::time::timeout(CLOSE_TIME_MAX, input.join_next()).await;
}

struct Output<S> {
    socket: S,
}

impl<S: futures_util::Sink<Socket, Error = axum::Error> + Unpin> Output<S> {
    async fn run(&mut self, mut from_node: StreamReceiver) {
        loop {
            let status = match frame(&mut from_node).await {
                Ok((FromNode::Started, _)) => continue,
                Ok((FromNode::Stdout, message)) => {
                    if self.send(STDOUT, &message.body).await.is_err() {
                        return;
                    }
                    continue;
                }
                Ok((FromNode::Stderr, message)) => {
                    if self.send(STDERR, &message.body).await.is_err() {
                        return;
                    }
                    continue;
                }
                Ok((FromNode::Finished { exit_code }, _)) => ended(exit_code),
                Ok((FromNode::Failed(status), _)) | Err(status) => to_value(&status),
            };
            return self.end(&status).await;
        }
    }

    /// Tells how the session ended, a Status, and closes it. A client that is gone needs no end.
    async fn end(&mut self, status: &serde_json::Value) {
        let _ = self.send(ERROR, status.to_string().as_bytes()).await;
        // client-go takes any other end, one without a code too, for a broken connection.
        let end = CloseFrame {
            code: close_code::NORMAL,
            reason: "".into(),
        };
        let _ = self.socket.send(Socket::Close(Some(end))).await;
    }

    async fn send(&mut self, channel: u8, bytes: &[u8]) -> Result<(), axum::Error> {
        let mut message = BytesMut::with_capacity(bytes.len() + 1);
        message.put_u8(channel);
        message.put_slice(bytes);
        self.socket.send(Socket::Binary(message.freeze())).await
    }
}

/// How a command ended, as a Status: its code stands among the causes.
fn ended(exit_code: i32) -> serde_json::Value {
    if exit_code == 0 {
        return json!({ "metadata": {}, "status": "Success" });
    }
    json!({
        "metadata": {},
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "message": format!("command terminated with non-zero exit code: exit status {exit_code}"),
        "details": { "causes": [{ "reason": "ExitCode", "message": exit_code.to_string() }] },
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Size {
    width: u16,
    height: u16,
}

/// Carries what the client sends to the kubelet, and reads on until the client has closed: one that is cut off
/// while it writes would take that for a failure.
async fn input<S>(mut from_client: S, mut to_node: StreamSender, closes: bool)
where
    S: futures_util::Stream<Item = Result<Socket, axum::Error>> + Unpin,
{
    let mut node_listens = true;
    while let Some(Ok(message)) = from_client.next().await {
        let bytes = match message {
            Socket::Binary(bytes) => bytes,
            Socket::Text(text) => Bytes::from(text),
            Socket::Close(_) => break,
            Socket::Ping(_) | Socket::Pong(_) => continue,
        };
        if node_listens {
            node_listens = forward(&bytes, &mut to_node, closes).await.is_ok();
        }
    }
    // The client is gone: so is its command's input, and the kubelet learns it from the end of the stream.
    let _ = to_node.send(&ToNode::StdinClosed, Bytes::new(), None).await;
    let _ = to_node.finish().await;
}

async fn forward(
    message: &Bytes,
    to_node: &mut StreamSender,
    closes: bool,
) -> Result<(), transport::Error> {
    let Some((channel, _)) = message.split_first() else {
        return Ok(());
    };
    let rest = message.slice(1..);
    match *channel {
        STDIN => {
            let mut rest = rest;
            while !rest.is_empty() {
                let piece = rest.split_to(rest.len().min(PIECE_BYTES_MAX));
                to_node.send(&ToNode::Stdin, piece, None).await?;
            }
        }
        RESIZE => {
            // A size that cannot be read is no reason to end the session.
            if let Ok(Size { width, height }) = serde_json::from_slice(&rest) {
                to_node
                    .send(&ToNode::Resize { width, height }, Bytes::new(), None)
                    .await?;
            }
        }
        CLOSE if closes && rest.first() == Some(&STDIN) => {
            to_node
                .send(&ToNode::StdinClosed, Bytes::new(), None)
                .await?;
        }
        _ => {}
    }
    Ok(())
}
