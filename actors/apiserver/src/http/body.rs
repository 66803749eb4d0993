//! Bodies of answers: bytes at once, or as they come.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

/// Chunks that may wait for a slow reader before the writer waits too.
const CHUNKS_WAITING: usize = 8;

/// What follows the head of an answer.
#[derive(Debug)]
pub enum AnswerBody {
    /// All of it, or what is left of it.
    Whole(Option<Bytes>),
    /// Chunks from a task, until it drops its end.
    Chunks(mpsc::Receiver<Bytes>),
}

impl AnswerBody {
    /// No body.
    pub fn empty() -> Self {
        AnswerBody::Whole(None)
    }

    /// A body that a task writes, and the end at which it writes. A send fails once the reader is gone.
    pub fn channel() -> (mpsc::Sender<Bytes>, Self) {
        let (sender, receiver) = mpsc::channel(CHUNKS_WAITING);
        (sender, AnswerBody::Chunks(receiver))
    }
}

impl From<Bytes> for AnswerBody {
    fn from(bytes: Bytes) -> Self {
        AnswerBody::Whole(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            AnswerBody::Whole(bytes) => {
                Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes))))
            }
            AnswerBody::Chunks(chunks) => chunks
                .poll_recv(context)
                .map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, AnswerBody::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            AnswerBody::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            AnswerBody::Chunks(_) => SizeHint::default(),
        }
    }
}
