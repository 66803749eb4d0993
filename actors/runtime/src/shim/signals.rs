//! Signals of the shim, and those its containers start with.

#![allow(unsafe_code)]

use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// The shim's signals as a descriptor.
#[derive(Debug)]
pub(crate) struct Signals(SignalFd);

impl Signals {
    /// Takes SIGCHLD as readable events, and lets SIGTERM, SIGINT and SIGHUP wait for ever: the shim
    /// ends when its runtime says so, not with the terminal or service that the runtime ran in.
    pub(crate) fn take() -> nix::Result<Self> {
        let mut held = SigSet::empty();
        for number in [
            Signal::SIGCHLD,
            Signal::SIGTERM,
            Signal::SIGINT,
            Signal::SIGHUP,
        ] {
            held.add(number);
        }
        held.thread_set_mask()?;
        let mut read = SigSet::empty();
        read.add(Signal::SIGCHLD);
        SignalFd::with_flags(&read, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC).map(Self)
    }

    /// Forgets the signals that have come.
    pub(crate) fn clear(&mut self) {
        while let Ok(Some(_)) = self.0.read_signal() {}
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Gives this process the signal state a program expects at its start. Both the mask and ignored
/// signals survive execve(2); Rust's runtime ignores SIGPIPE, and whoever started the node may have
/// ignored others (nohup does).
pub(crate) fn restore_defaults() -> nix::Result<()> {
    SigSet::empty().thread_set_mask()?;
    let fixed = [Signal::SIGKILL, Signal::SIGSTOP];
    for number in Signal::iterator().filter(|number| !fixed.contains(number)) {
        // SAFETY: the default disposition runs no code of this process.
        unsafe { signal(number, SigHandler::SigDfl) }?;
    }
    Ok(())
}

/// Sends a signal by its number; nix has no name for real-time signals, which images may ask for.
pub(crate) fn send(pid: u32, number: i32) -> nix::Result<()> {
    let Ok(pid @ 1..) = i32::try_from(pid) else {
        return Err(nix::errno::Errno::ESRCH);
    };
    // SAFETY: kill(2) touches no memory of this process.
    nix::errno::Errno::result(unsafe { libc::kill(pid, number) }).map(drop)
}
