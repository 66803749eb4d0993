//! Commands in containers, from the runtime's side. The streams are the kernel's own: their ends go to
//! the shim as descriptors, and the shim hands them to the command.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::fs::OFlags;
use rustix::termios::{Winsize, tcsetwinsize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest, ReadBuf};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::sync::mpsc;

use super::shim::{CallError, connect};
use crate::cri::{ExecConfig, ExecSession, TerminalSize};
use crate::shim::protocol::{self, Call, Message, Request};
use crate::shim::{receive_descriptors, send_descriptors};

/// Sizes of a terminal that may wait to be set.
const RESIZES_MAX: usize = 8;

/// Exit code if the connection to the shim ended before the command did: it was killed with its pod.
const LOST_CODE: i32 = 137;

/// Runs a command in container `name` of the sandbox in `directory`.
pub(super) async fn exec(
    directory: &Path,
    name: &str,
    config: &ExecConfig,
) -> Result<ExecSession, String> {
    let connection = connect(directory)
        .await
        .map_err(|e| format!("the pod's shim does not answer: {e}"))?;
    let streams = if config.tty {
        Pipes::default()
    } else {
        Pipes::open(config.stdin).map_err(|e| e.to_string())?
    };
    let call = Call::Exec {
        container: name.to_owned(),
        config: config.clone(),
    };
    let frame = protocol::encode(&Request { id: 1, call })?;
    let handed: Vec<_> = streams.theirs.iter().map(AsFd::as_fd).collect();
    let sent = connection
        .async_io(Interest::WRITABLE, || {
            send_descriptors(&connection, &frame, &handed)
        })
        .await;
    let sent = sent.map_err(|e| e.to_string())?;
    let mut connection = connection;
    connection
        .write_all(&frame[sent..])
        .await
        .map_err(|e| e.to_string())?;
    drop(streams.theirs);

    let (mut buffer, mut descriptors) = (Vec::new(), Vec::new());
    loop {
        match protocol::decode::<Message>(&mut buffer)? {
            Some(Message::Answer { result: Ok(_), .. }) => break,
            Some(Message::Answer {
                result: Err(refusal),
                ..
            }) => return Err(CallError::Refused(refusal).to_string()),
            Some(_) => {}
            None => receive(&connection, &mut buffer, &mut descriptors)
                .await
                .map_err(|e| e.to_string())?,
        }
    }
    let exit = Box::pin(async move { Ok(ended(connection, buffer).await) });
    if config.tty {
        let terminal = descriptors.pop().ok_or("no terminal came")?;
        return terminal_session(terminal, config, exit).map_err(|e| e.to_string());
    }
    Ok(ExecSession {
        stdin: streams
            .stdin
            .map(|stdin| Box::new(stdin) as Box<dyn AsyncWrite + Send + Unpin>),
        stdout: Box::new(streams.stdout.ok_or("no output")?),
        stderr: streams
            .stderr
            .map(|stderr| Box::new(stderr) as Box<dyn AsyncRead + Send + Unpin>),
        resize: None,
        exit,
    })
}

/// The pipes of a command without a terminal.
#[derive(Default)]
struct Pipes {
    stdin: Option<pipe::Sender>,
    stdout: Option<pipe::Receiver>,
    stderr: Option<pipe::Receiver>,
    theirs: Vec<OwnedFd>,
}

impl Pipes {
    fn open(with_stdin: bool) -> io::Result<Self> {
        let mut pipes = Self::default();
        if with_stdin {
            let (reader, writer) = io::pipe()?;
            pipes.theirs.push(reader.into());
            pipes.stdin = Some(pipe::Sender::from_owned_fd(writer.into())?);
        }
        for ours in [&mut pipes.stdout, &mut pipes.stderr] {
            let (reader, writer) = io::pipe()?;
            pipes.theirs.push(writer.into());
            *ours = Some(pipe::Receiver::from_owned_fd(reader.into())?);
        }
        Ok(pipes)
    }
}

/// Reads what has come, with the descriptors beside it.
async fn receive(
    stream: &UnixStream,
    buffer: &mut Vec<u8>,
    descriptors: &mut Vec<OwnedFd>,
) -> io::Result<()> {
    let mut part = [0u8; 4096];
    let receive = || receive_descriptors(stream, &mut part, descriptors);
    let length = stream.async_io(Interest::READABLE, receive).await?;
    if length == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    buffer.extend_from_slice(&part[..length]);
    Ok(())
}

async fn ended(mut connection: UnixStream, mut buffer: Vec<u8>) -> i32 {
    loop {
        match protocol::decode::<Message>(&mut buffer) {
            Ok(Some(Message::ExecEnded { exit_code })) => return exit_code,
            Ok(Some(_)) => {}
            Ok(None) => match connection.read_buf(&mut buffer).await {
                Ok(1..) => {}
                _ => return LOST_CODE,
            },
            Err(_) => return LOST_CODE,
        }
    }
}

/// Reading, writing and resizing each have a descriptor of their own to the same terminal.
fn terminal_session(
    terminal: OwnedFd,
    config: &ExecConfig,
    exit: Pin<Box<dyn Future<Output = crate::Result<i32>> + Send>>,
) -> io::Result<ExecSession> {
    let flags = rustix::fs::fcntl_getfl(&terminal)?;
    rustix::fs::fcntl_setfl(&terminal, flags | OFlags::NONBLOCK)?;
    // A terminal is no pipe, but is read and written like one: that is all that is not checked.
    let output = Terminal(pipe::Receiver::from_owned_fd_unchecked(
        terminal.try_clone()?,
    )?);
    let stdin = match config.stdin {
        true => Some(pipe::Sender::from_owned_fd_unchecked(
            terminal.try_clone()?,
        )?),
        false => None,
    };
    let (sender, mut sizes) = mpsc::channel::<TerminalSize>(RESIZES_MAX);
    tokio::spawn(async move {
        while let Some(TerminalSize { width, height }) = sizes.recv().await {
            let size = Winsize {
                ws_row: height,
                ws_col: width,
                ws_xpixel: 0,
                ws_ypixel: 0,
            };
            if let Err(error) = tcsetwinsize(&terminal, size) {
                tracing::debug!(%error, "a terminal's size could not be set");
            }
        }
    });
    Ok(ExecSession {
        stdin: stdin.map(|stdin| Box::new(stdin) as Box<dyn AsyncWrite + Send + Unpin>),
        stdout: Box::new(output),
        stderr: None,
        resize: Some(sender),
        exit,
    })
}

/// What a terminal shows.
struct Terminal(pipe::Receiver);

impl AsyncRead for Terminal {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match ready!(Pin::new(&mut self.0).poll_read(context, buffer)) {
            // The last user of the other end is gone: end of file, in a terminal's words.
            Err(e) if e.raw_os_error() == Some(nix::libc::EIO) => Poll::Ready(Ok(())),
            read => Poll::Ready(read),
        }
    }
}
