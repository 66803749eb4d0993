//! The connections that kubelets have made, by the name of their node: logs and exec go over them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use model::messages::node::NodeRequest;
use model::objects::status::{Reason, Status};
use transport::{Connection, Stream};

/// Which kubelet is connected. Cheap to clone; clones share everything.
#[derive(Clone, Debug, Default)]
pub struct Kubelets(Rc<RefCell<BTreeMap<String, Connection>>>);

impl Kubelets {
    /// The kubelet of a node has spoken over a connection for the first time. It stands in place of an earlier one. One
    /// that it does not speak over may be an attempt that it has given up for another.
    pub fn speaks(&self, node: &str, connection: &Connection) {
        let connection = connection.clone();
        self.0.borrow_mut().insert(node.to_owned(), connection);
    }

    /// A connection has ended.
    pub fn ended(&self, node: &str, connection: &Connection) {
        let mut all = self.0.borrow_mut();
        if all.get(node).is_some_and(|present| present.is(connection)) {
            all.remove(node);
        }
    }

    /// The connection of the kubelet of a node.
    ///
    /// # Errors
    /// 503 if it is not connected.
    pub fn connection(&self, node: &str) -> Result<Connection, Status> {
        let connection = self.0.borrow().get(node).cloned();
        connection
            .ok_or_else(|| unavailable(format!("the kubelet of node {node:?} is not connected")))
    }

    /// Opens a stream to the kubelet of a node.
    ///
    /// # Errors
    /// 503 if that kubelet is not connected, or cannot be reached.
    pub async fn open(&self, node: &str, request: &NodeRequest) -> Result<Stream, Status> {
        self.connection(node)?
            .open(request, bytes::Bytes::new(), None)
            .await
            .map_err(|error| {
                unavailable(format!(
                    "the kubelet of node {node:?} cannot be reached: {error}"
                ))
            })
    }
}

fn unavailable(why: String) -> Status {
    Status::new(Reason::ServiceUnavailable, why)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use transport::pki::{Authority, Validity};
    use transport::{Config, Endpoint, Identity};

    use super::*;

    /// Two connections of the same kubelet, as the API server has them and as the kubelet has.
    async fn connections() -> [(Connection, Connection); 2] {
        let environment = transport::Environment::system();
        let validity = Validity::lasting(&environment, Duration::from_secs(60));
        let random = &*environment.random;
        let authority = Authority::create(random, validity).expect("an authority");
        let endpoint = |identity: &Identity| {
            let credentials = authority.issue_identity(random, identity, validity);
            let credentials = credentials.expect("a certificate");
            let config = Config::new((Ipv4Addr::LOCALHOST, 0).into(), credentials);
            Endpoint::bind(config).expect("an endpoint")
        };
        let server = endpoint(&Identity::apiserver());
        let kubelet = endpoint(&Identity::kubelet("n").expect("a name"));
        let address = server.address().expect("an address");
        let connect = async || {
            let apiserver = Identity::apiserver();
            let connect = kubelet.connect(address, &apiserver);
            let (connected, accepted) = tokio::join!(connect, server.accept());
            let accepted = accepted.expect("an endpoint").expect("a connection");
            (accepted, connected.expect("a connection"))
        };
        [connect().await, connect().await]
    }

    #[test]
    fn an_attempt_that_was_given_up_takes_nothing_with_it() {
        shell::run(given_up()).expect("a runtime");
    }

    async fn given_up() {
        let [(one, _kept), (other, _kept_too)] = connections().await;
        let kubelets = Kubelets::default();
        kubelets.speaks("n", &one);
        kubelets.ended("n", &other);
        assert!(kubelets.connection("n").expect("the first").is(&one));
        kubelets.speaks("n", &other);
        kubelets.ended("n", &one);
        assert!(kubelets.connection("n").expect("the second").is(&other));
        kubelets.ended("n", &other);
        assert!(kubelets.connection("n").is_err());
    }
}
