//! Commands run in a container for a client (`PodExecOptions` of `core/v1`).

use std::time::Duration;

use bytes::Bytes;
use model::messages::node::{ExecRequest, FromNode, ToNode};
use model::objects::status::{Reason, Status};
use runtime::Runtime;
use runtime::cri::{ContainerId, ContainerState, ExecConfig, TerminalSize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use transport::Stream;

use crate::effects::Node;
use crate::report::label;
use crate::serve::{Ended, bad_request, internal};

/// Bytes of output sent at a time, at most.
const CHUNK_BYTES: usize = 32 << 10;

/// Frames of output that wait to be sent; a command whose client does not read waits.
const WAITING_MAX: usize = 8;

/// How long output is still read after the command has ended: a process that it left behind may hold the pipes.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(1);

/// Runs the command and carries its streams until it ends or the client goes.
pub(crate) async fn serve<R: Runtime + 'static>(
    node: &Node<R>,
    request: &ExecRequest,
    stream: &mut Stream,
) -> Result<(), Ended> {
    if request.command.is_empty() {
        return Err(bad_request(
            "you must specify at least 1 command".to_owned(),
        ));
    }
    let id = running(node, request).await?;
    let config = ExecConfig {
        command: request.command.clone(),
        tty: request.tty,
        stdin: request.stdin,
    };
    let session = node.runtime.exec(&id, &config).await.map_err(internal)?;
    stream.send(&FromNode::Started, Bytes::new(), None).await?;
    let (frames, mut waiting) = mpsc::channel(WAITING_MAX);
    let mut outputs = JoinSet::new();
    outputs.spawn_local(read(session.stdout, FromNode::Stdout, frames.clone()));
    if let Some(stderr) = session.stderr {
        outputs.spawn_local(read(stderr, FromNode::Stderr, frames.clone()));
    }
    drop(frames);
    let (mut exit, mut code) = (session.exit, None);
    let (mut stdin, resize) = (session.stdin, session.resize);
    let mut open = true;
    let drained = tokio::time::sleep(Duration::MAX);
    tokio::pin!(drained);
    loop {
        tokio::select! {
            biased;
            frame = waiting.recv() => match frame {
                Some((head, body)) => { stream.send(&head, body, None).await?; }
                None => break,
            },
            ended = &mut exit, if code.is_none() => {
                code = Some(ended.map_err(internal)?);
                drained.as_mut().reset(tokio::time::Instant::now() + DRAIN_TIME_MAX);
            }
            () = &mut drained, if code.is_some() => break,
            message = stream.recv(), if open => match message? {
                Some(message) => {
                    let head = message.decode::<ToNode>()
                        .map_err(|error| bad_request(format!("not input for a command: {error}")))?;
                    input(head, message.body, &mut stdin, resize.as_ref()).await;
                }
                None => { open = false; stdin = None; }
            },
        }
    }
    let exit_code = match code {
        Some(code) => code,
        None => exit.await.map_err(internal)?,
    };
    stream
        .send(&FromNode::Finished { exit_code }, Bytes::new(), None)
        .await?;
    Ok(())
}

/// The running container that the request names.
async fn running<R: Runtime>(node: &Node<R>, request: &ExecRequest) -> Result<ContainerId, Ended> {
    let all = node.runtime.list_containers().await.map_err(internal)?;
    let found = all.into_iter().find(|status| {
        status.labels.get(label::UID) == Some(&request.uid)
            && status.name == request.container
            && status.state == ContainerState::Running
    });
    found.map(|status| status.id).ok_or_else(|| {
        let message = format!(
            "container not found ({:?}): it does not run in pod {}/{}",
            request.container, request.namespace, request.pod
        );
        Ended::Refused(Status::new(Reason::NotFound, message))
    })
}

/// What the client sends. A command that has closed its input reads no more of it, which is its own affair.
async fn input(
    head: ToNode,
    body: Bytes,
    stdin: &mut Option<Box<dyn AsyncWrite + Send + Unpin>>,
    resize: Option<&mpsc::Sender<TerminalSize>>,
) {
    match head {
        ToNode::Stdin => {
            if let Some(pipe) = stdin
                && (pipe.write_all(&body).await.is_err() || pipe.flush().await.is_err())
            {
                *stdin = None;
            }
        }
        ToNode::StdinClosed => *stdin = None,
        ToNode::Resize { width, height } => {
            if let Some(resize) = resize {
                let _ = resize.send(TerminalSize { width, height }).await;
            }
        }
    }
}

/// Reads an output to its end. A terminal whose other side is gone reads as an error, which is its end.
async fn read(
    mut output: Box<dyn AsyncRead + Send + Unpin>,
    head: FromNode,
    frames: mpsc::Sender<(FromNode, Bytes)>,
) {
    let mut buffer = vec![0; CHUNK_BYTES];
    while let Ok(length @ 1..) = output.read(&mut buffer).await {
        let body = Bytes::copy_from_slice(&buffer[..length]);
        if frames.send((head.clone(), body)).await.is_err() {
            return;
        }
    }
}
