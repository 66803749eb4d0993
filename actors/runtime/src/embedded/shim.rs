//! The runtime's side of a shim: starting its process, speaking to it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::process::Command;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::locked;
use crate::shim::READY;
use crate::shim::protocol::{self, Answer, Call, Message, Refusal, Request, VERSION};
use crate::state::{Progress, file};

/// How long a shim may take until it can be spoken to.
const START_TIME_MAX: Duration = Duration::from_secs(30);

/// Longest line a shim says at its start.
const LINE_BYTES_MAX: u64 = 4096;

type Pending = Arc<Mutex<BTreeMap<u64, oneshot::Sender<Result<Answer, Refusal>>>>>;

/// A connection to a shim.
#[derive(Debug)]
pub(super) struct ShimClient {
    writer: tokio::sync::Mutex<(u64, OwnedWriteHalf)>,
    pending: Pending,
    reader: JoinHandle<()>,
}

/// What a shim tells unasked.
pub(super) enum Told {
    /// A container has ended.
    Exited {
        /// Its directory's name.
        container: String,
        /// Its final state.
        progress: Progress,
    },
    /// The connection has ended; with it, as a rule, the shim.
    Gone,
}

/// Why a call got no answer.
pub(super) enum CallError {
    /// The shim said no.
    Refused(Refusal),
    /// The connection ended before the answer came.
    Gone(String),
}

impl std::fmt::Display for CallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CallError::Refused(Refusal::Failed(why)) => f.write_str(why),
            CallError::Refused(Refusal::NotFound(what)) => write!(f, "{what:?} does not run"),
            CallError::Refused(Refusal::NotStarted(progress)) => f.write_str(&progress.message),
            CallError::Gone(why) => write!(f, "the pod's shim does not answer: {why}"),
        }
    }
}

/// Starts a shim for the sandbox in `directory` and returns when it can be spoken to.
pub(super) async fn spawn(shim: &[OsString], directory: &Path) -> Result<(), String> {
    let (program, args) = shim.split_first().ok_or("no shim program is configured")?;
    let log = File::create(directory.join(file::SHIM_LOG)).map_err(|e| e.to_string())?;
    let mut child = Command::new(program)
        .args(args)
        .arg(directory)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .map_err(|e| format!("{}: {e}", program.display()))?;
    let stdout = child.stdout.take().ok_or("the shim has no output")?;
    let mut line = String::new();
    let mut reader = BufReader::new(stdout.take(LINE_BYTES_MAX));
    let said = match timeout(START_TIME_MAX, reader.read_line(&mut line)).await {
        Ok(Ok(_)) => line.trim().to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!(
            "the shim did not start within {} s",
            START_TIME_MAX.as_secs()
        ),
    };
    if said == READY {
        // Its end is seen on its socket; this only takes its zombie away.
        tokio::spawn(async move { child.wait().await });
        return Ok(());
    }
    let _ = child.kill().await;
    Err(if said.is_empty() {
        "the shim ended without a word".to_owned()
    } else {
        said
    })
}

/// Opens a connection to the shim in `directory` and greets it. The path leads through the open
/// directory, because a socket's path has 108 bytes at most.
pub(super) async fn connect(directory: &Path) -> io::Result<UnixStream> {
    let directory = File::open(directory)?;
    let path = format!("/proc/self/fd/{}/{}", directory.as_raw_fd(), file::SOCKET);
    let mut stream = UnixStream::connect(path).await?;
    let hello = Request {
        id: 0,
        call: Call::Hello { version: VERSION },
    };
    stream
        .write_all(&protocol::encode(&hello).map_err(io::Error::other)?)
        .await?;
    let mut buffer = Vec::new();
    loop {
        match protocol::decode::<Message>(&mut buffer).map_err(io::Error::other)? {
            Some(Message::Answer { result: Ok(_), .. }) => return Ok(stream),
            Some(Message::Answer {
                result: Err(refusal),
                ..
            }) => {
                return Err(io::Error::other(CallError::Refused(refusal).to_string()));
            }
            Some(_) => {}
            None => {
                if stream.read_buf(&mut buffer).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
        }
    }
}

impl ShimClient {
    /// Connects to the shim in `directory`. What it tells from here on goes to `told`.
    pub(super) async fn open(
        directory: &Path,
        told: impl Fn(Told) + Send + 'static,
    ) -> io::Result<Self> {
        let (mut reader, writer) = connect(directory).await?.into_split();
        let pending = Pending::default();
        let waiting = Arc::clone(&pending);
        let reader = tokio::spawn(async move {
            let mut buffer = Vec::new();
            while let Ok(1..) = reader.read_buf(&mut buffer).await {
                loop {
                    match protocol::decode::<Message>(&mut buffer) {
                        Ok(Some(message)) => dispatch(message, &waiting, &told),
                        Ok(None) => break,
                        Err(error) => {
                            tracing::error!(%error, "a shim speaks nonsense");
                            locked(&waiting).clear();
                            return told(Told::Gone);
                        }
                    }
                }
            }
            // Whoever waits for an answer sees its sender dropped.
            locked(&waiting).clear();
            told(Told::Gone);
        });
        Ok(Self {
            writer: tokio::sync::Mutex::new((0, writer)),
            pending,
            reader,
        })
    }

    /// Asks and waits for the answer.
    pub(super) async fn call(&self, call: Call) -> Result<Answer, CallError> {
        let (sender, receiver) = oneshot::channel();
        {
            let mut writer = self.writer.lock().await;
            let (id, stream) = &mut *writer;
            *id += 1;
            let frame = protocol::encode(&Request { id: *id, call }).map_err(CallError::Gone)?;
            locked(&self.pending).insert(*id, sender);
            if self.reader.is_finished() {
                locked(&self.pending).clear();
            }
            stream
                .write_all(&frame)
                .await
                .map_err(|e| CallError::Gone(e.to_string()))?;
        }
        match receiver.await {
            Ok(answer) => answer.map_err(CallError::Refused),
            Err(_) => Err(CallError::Gone("its connection ended".to_owned())),
        }
    }
}

impl Drop for ShimClient {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

fn dispatch(message: Message, waiting: &Pending, told: &impl Fn(Told)) {
    match message {
        Message::Answer { id, result } => {
            if let Some(sender) = locked(waiting).remove(&id) {
                // Whoever asked may have given up.
                let _ = sender.send(result);
            }
        }
        Message::Exited {
            container,
            progress,
        } => told(Told::Exited {
            container,
            progress,
        }),
        Message::ExecEnded { .. } => {}
    }
}
