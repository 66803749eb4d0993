//! A component's own port, and its connection with the API server over it.

use std::net::SocketAddr;

use transport::pki::Credentials;
use transport::{Backoff, Endpoint, Identity, Limits, Link};

use crate::Environment;

/// A component's way to the API server: open while the component runs, closed with its name at its end.
pub struct Uplink {
    component: &'static str,
    endpoint: Endpoint,
    link: Link,
}

/// A component cannot open its port.
#[derive(Debug, thiserror::Error)]
#[error("{component} cannot open {address}")]
pub struct OpenError {
    component: &'static str,
    address: SocketAddr,
    source: Box<transport::Error>,
}

impl Uplink {
    /// Opens the port `address` of `component` (as in "the scheduler"). The API server need not be there yet: the link
    /// waits for it.
    ///
    /// # Errors
    /// If the port or the credentials cannot be used.
    pub fn open(
        component: &'static str,
        address: SocketAddr,
        credentials: &Credentials,
        apiserver: SocketAddr,
        environment: &Environment,
    ) -> Result<Self, OpenError> {
        let endpoint = Endpoint::bind(transport::Config {
            address,
            credentials: credentials.clone(),
            limits: Limits::default(),
            environment: environment.transport.clone(),
            origin: None,
        })
        .map_err(|source| OpenError {
            component,
            address,
            source: Box::new(source),
        })?;
        let link = Link::new(
            endpoint.clone(),
            apiserver,
            Identity::apiserver(),
            Backoff::default(),
        );
        Ok(Uplink {
            component,
            endpoint,
            link,
        })
    }

    /// The link to the API server.
    pub fn link(&self) -> Link {
        self.link.clone()
    }

    /// Closes link and port, telling the API server why.
    pub async fn close(self) {
        let Uplink {
            component,
            endpoint,
            link,
        } = self;
        // As in "the scheduler ends", "the controllers end".
        let verb = if component.ends_with('s') {
            "end"
        } else {
            "ends"
        };
        let why = format!("{component} {verb}");
        link.close(&why);
        endpoint.close(&why).await;
    }
}
