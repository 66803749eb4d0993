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
    /// The kubelet of a node has connected. A later connection stands in place of an earlier one.
    pub fn connected(&self, node: &str, connection: Connection) {
        self.0.borrow_mut().insert(node.to_owned(), connection);
    }

    /// A connection has ended.
    pub fn ended(&self, node: &str, connection: &Connection) {
        let mut all = self.0.borrow_mut();
        if all
            .get(node)
            .is_some_and(|present| present.peer_origin() == connection.peer_origin())
        {
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
