//! What is sent to a component's mailbox.

use std::any::Any;

use actix::Message;
use transport::MessageId;

/// The wish that the component ends.
pub(crate) struct Halt;

impl Message for Halt {
    type Result = ();
}

/// An input, and the message that brought it.
pub(crate) struct Envelope<I> {
    pub(crate) input: I,
    pub(crate) cause: Option<MessageId>,
}

impl<I: 'static> Message for Envelope<I> {
    type Result = ();
}

/// What a panic said.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
