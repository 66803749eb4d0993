//! What a scheduler is started with.

use std::net::SocketAddr;

use shell::Tracing;
use transport::pki::Credentials;

/// What a scheduler is started with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its own UDP port; port 0 chooses a free one.
    pub address: SocketAddr,
    /// Where the API server is.
    pub apiserver: SocketAddr,
    /// Its certificate, of the identity [`scheduler`](transport::Identity::scheduler).
    pub credentials: Credentials,
    /// What to record of the machines, and where; `None` for nothing.
    pub trace: Option<Tracing>,
    /// Which start of the scheduler this is, counted from 1 by who starts it.
    pub incarnation: u64,
}
