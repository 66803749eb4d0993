//! What is said on a shim's socket: frames of a 32-bit little-endian length and that many bytes of
//! bincode. A client asks, the shim answers with the same number; events come between to those who
//! subscribed. Descriptors travel beside the frame of an `Exec` (SCM_RIGHTS, unix(7)).

use bincode::{Decode, Encode, config};

use crate::cri::ExecConfig;
use crate::state::Progress;

/// Version of this protocol. A shim outlives its kubelet, perhaps into a newer release.
pub const VERSION: u32 = 1;

/// Largest frame in bytes.
pub const FRAME_BYTES_MAX: usize = 1 << 20;

/// A question with its number.
#[derive(Debug, Encode, Decode)]
pub struct Request {
    /// Chosen by the client, repeated in the answer.
    pub id: u64,
    /// What is asked.
    pub call: Call,
}

/// What a shim can be asked. Containers are named by their directory.
#[derive(Debug, Encode, Decode)]
pub enum Call {
    /// First on every connection: the version the client speaks. The shim refuses one it does not.
    Hello {
        /// The client's [`VERSION`].
        version: u32,
    },
    /// Send events on this connection from here on; answers with every container that was started.
    Subscribe,
    /// Start a container whose directory the runtime has prepared.
    Start {
        /// Its directory's name.
        container: String,
    },
    /// Send a signal, later SIGKILL; the answer comes when the container has ended.
    Stop {
        /// Its directory's name.
        container: String,
        /// The first signal.
        signal: i32,
        /// Milliseconds until SIGKILL; an earlier request's time is shortened, never lengthened.
        grace_ms: u64,
    },
    /// Kill the container if it runs and remove its directory; answered when both are done.
    Remove {
        /// Its directory's name.
        container: String,
    },
    /// Run a command in a container. With it come the descriptors of standard input, output and error
    /// as far as they are connected, in that order; with a terminal none: the answer carries its end.
    Exec {
        /// Its directory's name.
        container: String,
        /// The command.
        config: ExecConfig,
    },
    /// Open the container's log file again.
    ReopenLog {
        /// Its directory's name.
        container: String,
    },
    /// Kill everything, answer, and end.
    Shutdown,
}

/// What a shim says.
#[derive(Debug, Encode, Decode)]
pub enum Message {
    /// The answer to a request.
    Answer {
        /// The request's number.
        id: u64,
        /// What came of it.
        result: Result<Answer, Refusal>,
    },
    /// A container has ended.
    Exited {
        /// Its directory's name.
        container: String,
        /// Its final state.
        progress: Progress,
    },
    /// The command started on this connection has ended.
    ExecEnded {
        /// Its exit code.
        exit_code: i32,
    },
}

/// What a request came to.
#[derive(Debug, Encode, Decode)]
pub enum Answer {
    /// It is done.
    Done,
    /// The containers that were started, by directory.
    Containers(Vec<(String, Progress)>),
    /// The container runs.
    Started(Progress),
}

/// Why a request came to nothing.
#[derive(Debug, Encode, Decode)]
pub enum Refusal {
    /// No such container, or it does not run.
    NotFound(String),
    /// What failed.
    Failed(String),
    /// The container could not be started and has ended with that; the state is final.
    NotStarted(Progress),
}

/// Encodes one frame. Errors if it would be larger than [`FRAME_BYTES_MAX`].
pub fn encode<T: Encode>(value: &T) -> Result<Vec<u8>, String> {
    let body = bincode::encode_to_vec(value, config::standard()).map_err(|e| e.to_string())?;
    if body.len() > FRAME_BYTES_MAX {
        return Err(format!(
            "a frame of {} bytes is larger than {FRAME_BYTES_MAX}",
            body.len()
        ));
    }
    let mut frame = (body.len() as u32).to_le_bytes().to_vec();
    frame.extend(body);
    Ok(frame)
}

/// Takes one frame off the front of `buffer` if it is there whole.
/// Errors on a frame that is too large or is not what it should be; the connection is then of no use.
pub fn decode<T: Decode<()>>(buffer: &mut Vec<u8>) -> Result<Option<T>, String> {
    let Some((length, rest)) = buffer.split_first_chunk::<4>() else {
        return Ok(None);
    };
    let length = u32::from_le_bytes(*length) as usize;
    if length > FRAME_BYTES_MAX {
        return Err(format!(
            "a frame of {length} bytes is larger than {FRAME_BYTES_MAX}"
        ));
    }
    let Some(body) = rest.get(..length) else {
        return Ok(None);
    };
    let limited = config::standard().with_limit::<FRAME_BYTES_MAX>();
    let (value, used) = bincode::decode_from_slice(body, limited).map_err(|e| e.to_string())?;
    if used != length {
        return Err(format!(
            "a frame of {length} bytes holds a message of {used}"
        ));
    }
    buffer.drain(..4 + length);
    Ok(Some(value))
}
