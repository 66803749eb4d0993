//! Commands run in a container.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use crate::error::Result;

/// A command to run in a container (CRI `ExecRequest`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct ExecConfig {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Give it a terminal; standard error then comes with standard output.
    pub tty: bool,
    /// Connect standard input; else it reads end of file.
    pub stdin: bool,
}

/// Size of a terminal in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct TerminalSize {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

/// A running command with its ends of the streams. The parts are separate so that each can be driven
/// by its own task. Dropping them all closes the streams; the command then sees end of file, or a
/// hang-up on its terminal.
pub struct ExecSession {
    /// Standard input, if it was asked for; dropping it is end of file.
    pub stdin: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    /// Standard output, or the terminal.
    pub stdout: Box<dyn AsyncRead + Send + Unpin>,
    /// Standard error; none with a terminal.
    pub stderr: Option<Box<dyn AsyncRead + Send + Unpin>>,
    /// Changes the terminal's size; none without one.
    pub resize: Option<mpsc::Sender<TerminalSize>>,
    /// Ends with the exit code, as in [`ContainerStatus::exit_code`](super::ContainerStatus::exit_code).
    pub exit: Pin<Box<dyn Future<Output = Result<i32>> + Send>>,
}

impl fmt::Debug for ExecSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecSession")
            .field("stdin", &self.stdin.is_some())
            .field("tty", &self.resize.is_some())
            .finish_non_exhaustive()
    }
}
