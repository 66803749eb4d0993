//! What the controllers are started with.

use std::net::SocketAddr;

use shell::Tracing;
use transport::pki::Credentials;

/// What the controllers are started with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Their own UDP port; port 0 chooses a free one.
    pub address: SocketAddr,
    /// Where the API server is.
    pub apiserver: SocketAddr,
    /// Their certificate, of the identity [`controllers`](transport::Identity::controllers).
    pub credentials: Credentials,
    /// What to record of the machines, and where; `None` for nothing.
    pub trace: Option<Tracing>,
    /// Which start of the controllers this is, counted from 1 by who starts it.
    pub incarnation: u64,
}
