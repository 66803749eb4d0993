//! Components as processes of their own: this program again, as `plimsoll run COMPONENT`.
//!
//! A component says on its standard output, a pipe to its supervisor, that it is `ready`, or why it `failed`;
//! its standard error is its log. It has a process group of its own, so that Ctrl-C reaches the supervisor alone.
//!
//! The API server's standard input is the socket at which clients connect, which the supervisor keeps (as inetd does): while
//! the API server is started again they wait, and are not refused.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use model::machines::supervisor::Ending;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};

use super::logging::open_log;
use super::ports;
use super::supervision::{Launcher, Reporter};
use crate::components::{API_SOCKET_ON_STDIN, Component};

/// What a supervised component says when it serves.
pub const READY: &str = "ready";
/// What it says before the reason why it ends.
pub const FAILED: &str = "failed: ";

/// How long the last words of a component that has ended may take through the pipe.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Starts components as processes.
#[derive(Debug)]
pub struct Processes {
    program: PathBuf,
    logs: PathBuf,
    /// Where clients connect to the API server.
    api: TcpListener,
    running: BTreeMap<String, Pid>,
}

impl Processes {
    /// Processes of this program, which log to `DIR/log`, with an API server for clients that connect to `api_address`.
    ///
    /// # Errors
    /// If the program's own file cannot be found, or the address is busy.
    pub fn new(data_dir: &std::path::Path, api_address: SocketAddr) -> anyhow::Result<Self> {
        let program =
            std::env::current_exe().context("the file of this program cannot be found")?;
        Ok(Processes {
            program,
            logs: data_dir.join("log"),
            api: ports::listen(api_address, "--api-address")?,
            running: BTreeMap::new(),
        })
    }

    /// The standard input of a component, and what tells it of that.
    fn input(&self, component: &Component) -> anyhow::Result<(Stdio, Option<&'static str>)> {
        if !matches!(component, Component::Apiserver(_)) {
            return Ok((Stdio::null(), None));
        }
        let socket = self
            .api
            .try_clone()
            .context("the socket of the API cannot be passed on")?;
        Ok((OwnedFd::from(socket).into(), Some(API_SOCKET_ON_STDIN)))
    }

    fn signal(&self, part: &str, signal: Signal) {
        if let Some(pid) = self.running.get(part) {
            // The process may have ended already: its exit is on its way.
            let _ = kill(*pid, signal);
        }
    }
}

impl Launcher for Processes {
    fn start(&mut self, component: Component, reporter: Reporter) -> anyhow::Result<()> {
        let name = component.name();
        let path = self.logs.join(format!("{name}.log"));
        let log = open_log(&path)?;
        let (input, told) = self.input(&component)?;
        let mut child = Command::new(&self.program)
            .args(["run", "--supervised-by", &std::process::id().to_string()])
            .arg("--log")
            .arg(&path)
            .args(component.arguments())
            .args(told)
            // One thread needs one arena; glibc would otherwise keep several, and freed memory in them.
            .env("MALLOC_ARENA_MAX", "1")
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(log)
            .process_group(0)
            .spawn()
            .with_context(|| format!("{} cannot be run", self.program.display()))?;
        let pid = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .context("the process ended at once")?;
        let pipe = child
            .stdout
            .take()
            .context("the process has no standard output")?;
        self.running.insert(name, Pid::from_raw(pid));
        tokio::task::spawn_local(attend(child, pipe, reporter));
        Ok(())
    }

    fn stop(&mut self, part: &str) {
        self.signal(part, Signal::SIGTERM);
    }

    fn kill(&mut self, part: &str) {
        self.signal(part, Signal::SIGKILL);
    }
}

/// Passes on what a component says, until it has ended.
async fn attend(mut child: Child, pipe: impl AsyncRead + Unpin + 'static, reporter: Reporter) {
    let listener = tokio::task::spawn_local(listen(pipe, reporter.clone()));
    let status = child.wait().await;
    let said = tokio::time::timeout(LAST_WORDS, listener)
        .await
        .ok()
        .and_then(Result::ok)
        .flatten();
    reporter.exited(match (said, status) {
        (Some(reason), _) => Ending::Failed(reason),
        (None, Ok(status)) if status.success() => Ending::Left,
        (None, Ok(status)) => Ending::Died(status.to_string()),
        (None, Err(error)) => Ending::Died(error.to_string()),
    });
}

/// Reads the pipe to its end; the reason that the component gave for ending, if it did.
async fn listen(pipe: impl AsyncRead + Unpin, reporter: Reporter) -> Option<String> {
    let mut lines = BufReader::new(pipe).lines();
    let mut said = None;
    while let Ok(Some(line)) = lines.next_line().await {
        if line == READY {
            reporter.ready();
        } else if let Some(reason) = line.strip_prefix(FAILED) {
            said = Some(reason.to_owned());
        }
    }
    said
}
