//! A connection to the shim's socket.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};

use super::protocol::{self, Message, Request};

/// Bytes that may wait for a client before it is closed: it does not read.
const WAITING_BYTES_MAX: usize = 8 << 20;

/// Descriptors that may come with one request.
const DESCRIPTORS_MAX: usize = 3;

/// A client.
#[derive(Debug)]
pub(super) struct Client {
    stream: UnixStream,
    incoming: Vec<u8>,
    descriptors: Vec<OwnedFd>,
    outgoing: VecDeque<u8>,
    /// Whether it gets events.
    pub(super) subscribed: bool,
    /// Whether it said a version that is understood.
    pub(super) welcome: bool,
}

impl Client {
    pub(super) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            incoming: Vec::new(),
            descriptors: Vec::new(),
            outgoing: VecDeque::new(),
            subscribed: false,
            welcome: false,
        })
    }

    /// Whether something waits to be written.
    pub(super) fn is_behind(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Reads what there is. Errors when the connection is at its end or of no use.
    pub(super) fn read(&mut self) -> Result<(), String> {
        let mut buffer = [0u8; 16 * 1024];
        match receive_descriptors(&self.stream, &mut buffer, &mut self.descriptors) {
            Ok(0) => Err("closed".to_owned()),
            Ok(length) => {
                self.incoming.extend_from_slice(&buffer[..length]);
                if self.descriptors.len() > DESCRIPTORS_MAX {
                    return Err(format!("more than {DESCRIPTORS_MAX} descriptors"));
                }
                Ok(())
            }
            Err(e)
                if matches!(
                    e.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) =>
            {
                Ok(())
            }
            Err(e) => Err(e.to_string()),
        }
    }

    /// The next whole request. Errors as [`protocol::decode`].
    pub(super) fn next_request(&mut self) -> Result<Option<Request>, String> {
        protocol::decode(&mut self.incoming)
    }

    /// The descriptors that came with the request just read.
    pub(super) fn take_descriptors(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.descriptors)
    }

    /// Queues a message. Errors when the client does not read.
    pub(super) fn send(&mut self, message: &Message) -> Result<(), String> {
        self.outgoing.extend(protocol::encode(message)?);
        if self.outgoing.len() > WAITING_BYTES_MAX {
            return Err("does not read".to_owned());
        }
        self.write()
    }

    /// Sends a message at once with a descriptor beside it. Nothing else may wait to be written.
    pub(super) fn send_with(
        &mut self,
        message: &Message,
        descriptor: &OwnedFd,
    ) -> Result<(), String> {
        let frame = protocol::encode(message)?;
        let sent = send_descriptors(&self.stream, &frame, &[descriptor.as_fd()])
            .map_err(|e| e.to_string())?;
        self.outgoing.extend(&frame[sent..]);
        self.write()
    }

    /// Writes as much as the client takes now.
    pub(super) fn write(&mut self) -> Result<(), String> {
        while !self.outgoing.is_empty() {
            let (front, _) = self.outgoing.as_slices();
            match self.stream.write(front) {
                Ok(written) => drop(self.outgoing.drain(..written)),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e.to_string()),
            }
        }
        Ok(())
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Reads bytes and the descriptors beside them (SCM_RIGHTS, unix(7)).
pub(crate) fn receive_descriptors(
    stream: impl AsFd,
    buffer: &mut [u8],
    descriptors: &mut Vec<OwnedFd>,
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(buffer)];
    let received = rustix::net::recvmsg(stream, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            descriptors.extend(received);
        }
    }
    Ok(received.bytes)
}

/// Writes bytes with descriptors beside them; returns how many bytes were taken.
pub(crate) fn send_descriptors(
    stream: impl AsFd,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::other(format!(
            "more than {DESCRIPTORS_MAX} descriptors"
        )));
    }
    Ok(rustix::net::sendmsg(
        stream,
        &[IoSlice::new(bytes)],
        &mut control,
        SendFlags::NOSIGNAL,
    )?)
}
