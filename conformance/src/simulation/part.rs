//! The parts of a simulated cluster, each a process on a host of its own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use transport::Identity;

/// UDP port of every part.
const PORT: u16 = 7443;

/// A part of the cluster, or one of its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The store.
    Store,
    /// The API server.
    Apiserver,
    /// The controllers.
    Controllers,
    /// The scheduler.
    Scheduler,
    /// The kubelet of the node of that number, from 1.
    Kubelet(u8),
    /// A client of that number, from 1.
    Client(u8),
}

impl Part {
    /// The parts of a cluster with so many nodes, in the order in which they are started.
    pub fn all(nodes: u8) -> impl Iterator<Item = Part> {
        let fixed = [
            Part::Store,
            Part::Apiserver,
            Part::Controllers,
            Part::Scheduler,
        ];
        fixed.into_iter().chain((1..=nodes).map(Part::Kubelet))
    }

    /// As traces name it: `store`, `node-1.kubelet`.
    pub fn name(self) -> String {
        match self {
            Part::Store => "store".to_owned(),
            Part::Apiserver => "apiserver".to_owned(),
            Part::Controllers => "controllers".to_owned(),
            Part::Scheduler => "scheduler".to_owned(),
            Part::Kubelet(number) => format!("{}.kubelet", node_name(number)),
            Part::Client(number) => format!("client-{number}"),
        }
    }

    /// The address of its host.
    pub fn host(self) -> IpAddr {
        let (third, fourth) = match self {
            Part::Store => (0, 1),
            Part::Apiserver => (0, 2),
            Part::Controllers => (0, 3),
            Part::Scheduler => (0, 4),
            Part::Kubelet(number) => (1, number),
            Part::Client(number) => (2, number),
        };
        IpAddr::V4(Ipv4Addr::new(10, 0, third, fourth))
    }

    /// Where its QUIC endpoint is.
    pub fn address(self) -> SocketAddr {
        SocketAddr::new(self.host(), PORT)
    }

    /// Who it is to the others.
    ///
    /// # Errors
    /// None for the names of simulated nodes.
    pub fn identity(self) -> Result<Identity, transport::identity::IdentityError> {
        Ok(match self {
            Part::Store => Identity::store(),
            Part::Apiserver => Identity::apiserver(),
            Part::Controllers => Identity::controllers(),
            Part::Scheduler => Identity::scheduler(),
            Part::Kubelet(number) => Identity::kubelet(&node_name(number))?,
            Part::Client(_) => Identity::admin(),
        })
    }
}

/// The name of the node of that number.
pub fn node_name(number: u8) -> String {
    format!("node-{number}")
}
