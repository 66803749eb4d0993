//! What can happen around the controller.

use std::fmt;

use model::machines::controller::Timer;

/// One thing that may happen next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The user asks for the next number of replicas.
    Wish(i64),
    /// The controller sees the next change of pods, or of the set.
    See {
        /// Of pods.
        pods: bool,
    },
    /// The API server carries out a request.
    Serve(u32),
    /// The controller hears the answer.
    Hear(u32),
    /// The connection breaks under a request.
    Lose {
        /// Which.
        index: u32,
        /// Whether it was carried out.
        done: bool,
    },
    /// A wait of the controller is over.
    Fire(Timer),
    /// A pod goes without the controller's doing.
    Die(u8),
    /// The controller crashes, starts again and lists.
    Restart {
        /// At which revision.
        revision: usize,
    },
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Choice::Wish(replicas) => write!(f, "the user asks for {replicas} replicas"),
            Choice::See { pods: true } => write!(f, "the controller sees the next change of a pod"),
            Choice::See { pods: false } => {
                write!(f, "the controller sees the next change of the set")
            }
            Choice::Serve(index) => write!(f, "the API server carries out request {index}"),
            Choice::Hear(index) => write!(f, "the controller hears the answer to request {index}"),
            Choice::Lose { index, done: true } => {
                write!(
                    f,
                    "the connection breaks after request {index} was carried out"
                )
            }
            Choice::Lose { index, done: false } => {
                write!(
                    f,
                    "the connection breaks before request {index} is carried out"
                )
            }
            Choice::Fire(timer) => match timer {
                Timer::Backoff(_) => write!(f, "the controller's back-off is over"),
                Timer::Later(_) => write!(f, "the controller's wait is over"),
                Timer::More => write!(f, "the controller goes on"),
                Timer::Expectations(_) => write!(f, "the controller has waited five minutes"),
            },
            Choice::Die(pod) => write!(f, "pod {pod} goes by itself"),
            Choice::Restart { revision } => {
                write!(f, "the controller restarts and lists revision {revision}")
            }
        }
    }
}
