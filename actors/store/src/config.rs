//! What a store is started with.

use std::net::SocketAddr;
use std::path::PathBuf;

use model::machines::store::Limits;
use transport::pki::Credentials;

/// What a store is started with.
#[derive(Clone)]
pub struct Config {
    /// Where the API server reaches it.
    pub address: SocketAddr,
    /// Its certificate, of the identity [`store`](transport::Identity::store).
    pub credentials: Credentials,
    /// The directory of its file; made if it is not there.
    pub directory: PathBuf,
    /// How far everything in it can grow.
    pub limits: Limits,
    /// Where to record what the machine does; `None` for nowhere.
    pub trace: Option<PathBuf>,
    /// Which start of the store this is, counted from 1 by who starts it.
    pub incarnation: u64,
}
