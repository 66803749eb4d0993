//! Which components a cluster on this machine has, where each listens, and in which order they stop.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;
use model::machines::supervisor::{Part, Supervisor};
use runtime::Subnet;
use store::Engine;

use super::ports;
use crate::components::{
    Apiserver, Checker, Client, Component, EventTtl, Kubelet, Place, Recording, Store,
};

/// How long a component may take to stop, in milliseconds.
const STOP_MS: u64 = 5_000;
/// How long a kubelet may take: the grace period of a pod (30 s unless it says otherwise) and the work around it.
const KUBELET_STOP_MS: u64 = 40_000;

/// The components of a cluster.
#[derive(Debug)]
pub struct Plan {
    /// Each with its place in the order of stopping.
    pub parts: Vec<PlannedPart>,
}

/// What the user chooses of the API server.
#[derive(Clone, Copy, Debug)]
pub struct ApiServing {
    /// Where clients reach it.
    pub address: SocketAddr,
    /// Where they reach it without TLS, if anywhere.
    pub insecure_address: Option<SocketAddr>,
    /// How long it keeps events.
    pub event_ttl: EventTtl,
}

/// One component of a plan.
#[derive(Clone, Debug)]
pub struct PlannedPart {
    /// The component.
    pub component: Component,
    /// Lower ranks stop first.
    pub stop_rank: u8,
    /// How long it may take to stop, in milliseconds.
    pub stop_ms: u64,
}

impl Plan {
    /// A cluster of `nodes` nodes (1 to 254) in `data_dir`, whose objects `engine` keeps and whose pods have addresses in
    /// the /16 that begins with these two bytes. With `check` its traces are checked while it runs, and figures of that
    /// served there.
    ///
    /// # Errors
    /// If an address that the user chose is busy, or there is no free UDP port.
    pub fn new(
        data_dir: &Path,
        nodes: u8,
        engine: Engine,
        pod_network: [u8; 2],
        api: ApiServing,
        (trace, check): (Recording, Option<SocketAddr>),
    ) -> anyhow::Result<Self> {
        Plan::check_addresses(api.address, api.insecure_address)?;
        let mut free = ports::free_udp(4 + usize::from(nodes))?.into_iter();
        let mut place = || Place {
            data_dir: data_dir.to_owned(),
            listen: free
                .next()
                .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0))),
            incarnation: 1,
            trace,
        };
        let store = Store {
            place: place(),
            engine,
        };
        let apiserver = Apiserver {
            place: place(),
            store: store.place.listen,
            api_address: api.address,
            insecure_address: api.insecure_address,
            event_ttl: api.event_ttl,
            api_socket_on_stdin: false,
        };
        let reached_at = apiserver.place.listen;
        let mut client = || Client {
            place: place(),
            apiserver: reached_at,
        };
        let planned = |component, stop_rank, stop_ms| PlannedPart {
            component,
            stop_rank,
            stop_ms,
        };
        let mut parts = vec![
            planned(Component::Controllers(client()), 1, STOP_MS),
            planned(Component::Scheduler(client()), 1, STOP_MS),
        ];
        for number in 1..=nodes {
            let kubelet = Kubelet {
                place: place(),
                apiserver: reached_at,
                node: format!("node-{number}"),
                pod_cidr: cidr(pod_network, number)?,
            };
            parts.push(planned(Component::Kubelet(kubelet), 0, KUBELET_STOP_MS));
        }
        parts.insert(0, planned(Component::Apiserver(apiserver), 2, STOP_MS));
        parts.insert(0, planned(Component::Store(store), 3, STOP_MS));
        if let Some(metrics) = check {
            ports::check_free(metrics, "--check-metrics")?;
            let place = Place {
                data_dir: data_dir.to_owned(),
                listen: SocketAddr::from(([127, 0, 0, 1], 0)),
                incarnation: 1,
                trace: Recording::Off,
            };
            // It stops last: what the others do while they stop is checked too.
            let checker = Component::Checker(Checker { place, metrics });
            parts.push(planned(checker, 4, STOP_MS));
        }
        Ok(Plan { parts })
    }

    /// Checks that clients can be listened for where the user said.
    ///
    /// # Errors
    /// If one of the addresses is busy, or not of this machine.
    pub fn check_addresses(
        api_address: SocketAddr,
        insecure_address: Option<SocketAddr>,
    ) -> anyhow::Result<()> {
        ports::check_free(api_address, "--api-address")?;
        match insecure_address {
            Some(address) => ports::check_free(address, "--insecure-address"),
            None => Ok(()),
        }
    }

    /// The kubelets of nodes that an earlier run on the directory had, and that this plan has not: nobody adopts
    /// their pods, so that what is left of them is to be taken down.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn former_kubelets(&self) -> anyhow::Result<Vec<Kubelet>> {
        let mut kubelets = self.parts.iter().filter_map(|part| match &part.component {
            Component::Kubelet(kubelet) => Some(kubelet),
            _ => None,
        });
        let Some(like) = kubelets.next() else {
            return Ok(Vec::new());
        };
        let own: BTreeSet<&str> = kubelets.chain([like]).map(|one| &*one.node).collect();
        let pod_network = like.pod_cidr.gateway().octets();
        let directory = like.directory();
        let Some(nodes) = directory.parent().filter(|nodes| nodes.is_dir()) else {
            return Ok(Vec::new());
        };
        let mut former = Vec::new();
        for entry in std::fs::read_dir(nodes)
            .with_context(|| format!("{} cannot be read", nodes.display()))?
        {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let number = name.strip_prefix("node-").and_then(|n| n.parse().ok());
            if let Some(number) = number.filter(|_| !own.contains(&*name)) {
                former.push(Kubelet {
                    pod_cidr: cidr([pod_network[0], pod_network[1]], number)?,
                    node: name,
                    ..like.clone()
                });
            }
        }
        Ok(former)
    }

    /// The machine that looks after the plan's components.
    pub fn supervisor(&self) -> Supervisor {
        let part = |planned: &PlannedPart| Part {
            name: planned.component.name(),
            stop_rank: planned.stop_rank,
            stop_ms: planned.stop_ms,
        };
        Supervisor {
            parts: self.parts.iter().map(part).collect(),
        }
    }

    /// The component of that name.
    pub fn component(&self, name: &str) -> Option<&Component> {
        self.parts
            .iter()
            .map(|part| &part.component)
            .find(|component| component.name() == name)
    }
}

/// The addresses of a node's pods: its own /24 of the cluster's /16.
fn cidr([first, second]: [u8; 2], node: u8) -> anyhow::Result<Subnet> {
    format!("{first}.{second}.{node}.0/24")
        .parse()
        .map_err(anyhow::Error::msg)
}
