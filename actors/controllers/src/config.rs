//! What the controllers are started with.

use std::net::SocketAddr;
use std::time::Duration;

use shell::Tracing;
use transport::pki::Credentials;

/// How long controllers wait to see what they caused (Kubernetes' `ExpectationsTimeout`).
pub const EXPECTATIONS: Duration = Duration::from_secs(5 * 60);

/// What the controllers are started with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Their own UDP port; port 0 chooses a free one.
    pub address: SocketAddr,
    /// Where the API server is.
    pub apiserver: SocketAddr,
    /// Their certificate, of the identity [`controllers`](transport::Identity::controllers).
    pub credentials: Credentials,
    /// How long they wait to see what they caused, before they act on what they see; [`EXPECTATIONS`] unless that is to be
    /// tried out.
    pub expectations: Duration,
    /// What to record of the machines, and where; `None` for nothing.
    pub trace: Option<Tracing>,
    /// Which start of the controllers this is, counted from 1 by who starts it.
    pub incarnation: u64,
}
