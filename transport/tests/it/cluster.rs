//! A cluster's certificates and endpoints on loopback.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use transport::pki::{Authority, Credentials, Validity};
use transport::sim::{Conditions, Network};
use transport::{Config, Connection, Endpoint, Environment, Identity, Incoming, Limits, Responder};

/// 2026-01-01 00:00:00 UTC, where simulations begin.
pub const NOW: u64 = 1_767_225_600;

/// Runs on a paused clock; time passes only while every task waits.
pub fn simulate<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(test)
}

pub fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

/// An authority, as `plimsoll up` makes one.
pub struct Cluster {
    pub issued: RefCell<BTreeMap<Identity, Credentials>>,
    pub authority: Authority,
    pub environment: Environment,
    pub limits: Limits,
}

impl Cluster {
    pub fn new() -> Self {
        Self::in_environment(Environment::system())
    }

    /// On a network of its own, to be used within [`simulate`].
    pub fn simulated() -> Self {
        Self::in_environment(Network::new(1, Conditions::default()).environment(1, NOW))
    }

    pub fn in_environment(environment: Environment) -> Self {
        let validity = Validity::lasting(&environment, Duration::from_secs(3600));
        let authority = Authority::create(&*environment.random, validity).expect("an authority");
        Self {
            issued: RefCell::default(),
            authority,
            environment,
            limits: Limits::default(),
        }
    }

    /// The credentials of a component, which stay the same when it restarts.
    pub fn credentials(&self, identity: &Identity) -> Credentials {
        let issue = || {
            let validity = Validity::lasting(&self.environment, Duration::from_secs(3600));
            self.authority
                .issue_identity(&*self.environment.random, identity, validity)
                .expect("a certificate")
        };
        self.issued
            .borrow_mut()
            .entry(identity.clone())
            .or_insert_with(issue)
            .clone()
    }

    pub fn endpoint(&self, identity: &Identity) -> Endpoint {
        self.endpoint_at(loopback(), identity)
    }

    pub fn endpoint_at(&self, address: SocketAddr, identity: &Identity) -> Endpoint {
        let mut config = Config::new(address, self.credentials(identity));
        config.environment = self.environment.clone();
        config.limits = self.limits.clone();
        Endpoint::bind(config).expect("an endpoint")
    }

    /// A kubelet connected to an API server: (kubelet's handle, API server's handle).
    pub async fn pair(&self) -> (Connection, Connection) {
        let server = self.endpoint(&Identity::apiserver());
        let client = self.endpoint(&Identity::kubelet("node-1").expect("a node name"));
        let address = server.address().expect("an address");
        let expected = Identity::apiserver();
        let (connected, accepted) =
            tokio::join!(client.connect(address, &expected), server.accept());
        (
            connected.expect("connected"),
            accepted.expect("open").expect("accepted"),
        )
    }
}

/// The next ask, where nothing else may come.
pub async fn next_ask(connection: &Connection) -> (transport::Message, Responder) {
    match connection.next().await {
        Incoming::Ask(message, responder) => (message, responder),
        other => panic!("an ask was expected, not {other:?}"),
    }
}
