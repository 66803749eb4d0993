//! Which machines a shell can run.

use bincode::{Decode, Encode};
use model::machine::Machine;

/// A machine that a shell can run: its inputs may come from other threads; itself, what it finds, what it is given and
/// what it says can be recorded.
pub trait Runnable:
    Machine<
        Durable: Encode + Decode<()> + Unpin + 'static,
        State: Unpin + 'static,
        Input: Encode + Decode<()> + Send + 'static,
        Output: 'static,
        Timer: Unpin + 'static,
        Action: Encode,
    > + Encode
    + Decode<()>
    + Unpin
    + 'static
{
}

impl<M> Runnable for M where
    M: Machine<
            Durable: Encode + Decode<()> + Unpin + 'static,
            State: Unpin + 'static,
            Input: Encode + Decode<()> + Send + 'static,
            Output: 'static,
            Timer: Unpin + 'static,
            Action: Encode,
        > + Encode
        + Decode<()>
        + Unpin
        + 'static
{
}
