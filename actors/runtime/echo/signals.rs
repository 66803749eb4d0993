//! SIGTERM. The first process of a pid namespace gets no default action for signals, so a server
//! there must handle SIGTERM itself or be killed after its grace time.

#![allow(unsafe_code)]

use std::convert::Infallible;
use std::thread;

type Handler = usize;

const SIGTERM: i32 = 15;
const SIG_IGN: Handler = 1;

/// What the standard library has no safe name for; declared here because this program depends on
/// nothing else. Signatures as in POSIX `signal(2)` and `_exit(2)` of the C library it is linked with.
unsafe extern "C" {
    fn signal(number: i32, handler: Handler) -> Handler;
    fn _exit(code: i32) -> !;
}

extern "C" fn leave(_number: i32) {
    // SAFETY: `_exit` is async-signal-safe and takes any number.
    unsafe { _exit(0) }
}

/// Ends the process with code 0 on SIGTERM.
pub fn end_on_term() {
    let handler: extern "C" fn(i32) = leave;
    // SAFETY: `leave` has a signal handler's signature and calls only what is async-signal-safe.
    unsafe {
        signal(SIGTERM, handler as Handler);
    }
}

/// Makes SIGTERM do nothing.
pub fn ignore_term() {
    // SAFETY: SIG_IGN is a disposition, not a function.
    unsafe {
        signal(SIGTERM, SIG_IGN);
    }
}

/// Waits until a signal ends the process.
pub fn wait_forever() -> Result<u8, String> {
    let _never: Infallible = loop {
        thread::park();
    };
}
