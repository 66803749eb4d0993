//! What the controllers are started with.

use std::net::SocketAddr;
use std::path::PathBuf;

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
    /// Where to record what the machines do; `None` for nowhere.
    pub trace: Option<PathBuf>,
    /// Which start of the controllers this is, counted from 1 by who starts it.
    pub incarnation: u64,
}
