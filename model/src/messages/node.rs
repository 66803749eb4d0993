//! The API server to a node's kubelet: logs and exec (architecture documents: "calls the kubelet for logs, exec").
//!
//! Each opens a stream of its own on the connection that the kubelet made. Bytes travel as frame bodies.

use bincode::{Decode, Encode};

use crate::objects::status::Status;

/// The first frame of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum NodeRequest {
    /// Read a container's log; `PodLogOptions` of `core/v1`.
    Logs(LogsRequest),
    /// Run a command inside a running container; `PodExecOptions` of `core/v1`.
    Exec(ExecRequest),
}

/// Which log, and which part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct LogsRequest {
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub pod: String,
    /// UID of the pod, so that a later pod of the same name does not answer.
    pub uid: String,
    /// Name of the container.
    pub container: String,
    /// Go on as the log grows, until the container ends.
    pub follow: bool,
    /// The log of the instance before the running one.
    pub previous: bool,
    /// Begin each line with its time.
    pub timestamps: bool,
    /// Only so many lines from the end.
    pub tail_lines: Option<u64>,
    /// Only lines of the last so many seconds.
    pub since_seconds: Option<u64>,
    /// Only lines from this time on, RFC 3339.
    pub since_time: Option<String>,
    /// At most so many bytes.
    pub limit_bytes: Option<u64>,
}

/// Which command, where, with which streams.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub struct ExecRequest {
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub pod: String,
    /// UID of the pod.
    pub uid: String,
    /// Name of the container.
    pub container: String,
    /// Program and arguments; not a shell line.
    pub command: Vec<String>,
    /// Whether the client sends input.
    pub stdin: bool,
    /// Whether the client wants output.
    pub stdout: bool,
    /// Whether the client wants errors; with a terminal they come with the output.
    pub stderr: bool,
    /// Whether the command gets a terminal.
    pub tty: bool,
}

/// A frame from the API server to the kubelet after the first.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum ToNode {
    /// Input for the command: the frame's body.
    Stdin,
    /// The client has closed its input.
    StdinClosed,
    /// The client's terminal has this size.
    Resize {
        /// Columns.
        width: u16,
        /// Rows.
        height: u16,
    },
}

/// A frame from the kubelet to the API server. A stream ends with `Finished` or `Failed`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum FromNode {
    /// The request is under way. Always the first frame unless it is `Failed`.
    Started,
    /// Output (or log bytes): the frame's body.
    Stdout,
    /// Errors: the frame's body.
    Stderr,
    /// The log is at its end, or the command has ended with this code.
    Finished {
        /// Exit code of the command; 0 for a log.
        exit_code: i32,
    },
    /// It cannot be done.
    Failed(Status),
}
