//! The components of a cluster: what each is told on its command line, and how each is run.

mod event_ttl;
mod start;
mod sweep;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use runtime::Subnet;
use shell::Tracing;
use transport::Identity;

pub use event_ttl::EventTtl;
pub use start::start;
pub use sweep::sweep;

/// A component with its settings.
#[derive(Clone, Debug, Subcommand)]
pub enum Component {
    /// The durable, revisioned store of every object; only the API server talks to it
    Store(Store),
    /// The API server: HTTPS for clients, QUIC for components
    Apiserver(Apiserver),
    /// The controllers: ReplicaSets, garbage collection, namespaces, service accounts
    Controllers(Client),
    /// The scheduler: gives every pod a node
    Scheduler(Client),
    /// The kubelet of one node, with its container runtime
    Kubelet(Kubelet),
    /// The check: holds what the others record against the specifications while they run
    Checker(Checker),
}

/// What every component is told.
#[derive(Args, Clone, Debug)]
pub struct Place {
    /// Directory of the cluster; certificates are in DIR/pki, traces go to DIR/trace
    #[arg(long, value_name = "DIR", env = "PLIMSOLL_DATA_DIR")]
    pub data_dir: PathBuf,
    /// UDP address of this component's QUIC endpoint
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Which start of this component it is; names its trace file and may not be used twice
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub incarnation: u64,
    /// What to record in DIR/trace: nothing, what was done, or also what machines were given, to replay it
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = Recording::Actions)]
    pub trace: Recording,
}

/// How much is written down of what components do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Recording {
    /// Nothing.
    Off,
    /// Every action of every machine.
    #[default]
    Actions,
    /// Every action and every input: some 7 % of the throughput is paid for it.
    Full,
}

impl Recording {
    /// As it is written on a command line.
    fn name(self) -> &'static str {
        match self {
            Recording::Off => "off",
            Recording::Actions => "actions",
            Recording::Full => "full",
        }
    }

    /// The recording in a cluster's directory.
    pub fn within(self, data_dir: &Path) -> Option<Tracing> {
        (self != Recording::Off).then(|| Tracing {
            directory: data_dir.join("trace"),
            inputs: self == Recording::Full,
        })
    }
}

impl Place {
    /// What to record of the component's machines, and where.
    pub fn tracing(&self) -> Option<Tracing> {
        self.trace.within(&self.data_dir)
    }
}

/// Settings of the store.
#[derive(Args, Clone, Debug)]
pub struct Store {
    /// Where and who.
    #[command(flatten)]
    pub place: Place,
    /// Where it keeps the objects: in a file of its own, or in an etcd (3.4 or later, without TLS). Keys in etcd begin
    /// with /plimsoll, or with the URL's path
    #[arg(long, value_name = "embedded|etcd=URL,…", default_value_t = store::Engine::Embedded)]
    pub engine: store::Engine,
}

/// Settings of the API server.
#[derive(Args, Clone, Debug)]
pub struct Apiserver {
    /// Where and who.
    #[command(flatten)]
    pub place: Place,
    /// UDP address of the store
    #[arg(long, value_name = "ADDR")]
    pub store: SocketAddr,
    /// Address of the API for clients: HTTPS, with client certificates
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:6443")]
    pub api_address: SocketAddr,
    /// Serve the API here too, without TLS and to everyone who can connect
    #[arg(long, value_name = "ADDR")]
    pub insecure_address: Option<SocketAddr>,
    /// How long an event is kept after it was last written, as in 90s or 1h30m
    #[arg(
        long,
        value_name = "DURATION",
        default_value_t,
        allow_hyphen_values = true
    )]
    pub event_ttl: EventTtl,
    /// Standard input is a socket that listens at the address of the API
    #[arg(long = "api-socket-on-stdin", hide = true)]
    pub api_socket_on_stdin: bool,
}

/// Tells an API server that its standard input is the socket at which clients connect.
pub const API_SOCKET_ON_STDIN: &str = "--api-socket-on-stdin";

/// Settings of a component that only talks to the API server.
#[derive(Args, Clone, Debug)]
pub struct Client {
    /// Where and who.
    #[command(flatten)]
    pub place: Place,
    /// UDP address of the API server
    #[arg(long, value_name = "ADDR")]
    pub apiserver: SocketAddr,
}

/// Settings of the check.
#[derive(Args, Clone, Debug)]
pub struct Checker {
    /// Where and who.
    #[command(flatten)]
    pub place: Place,
    /// Serve violations and lag here, as Prometheus reads them: GET /metrics
    #[arg(long, value_name = "ADDR")]
    pub metrics: SocketAddr,
}

/// Settings of a kubelet.
#[derive(Args, Clone, Debug)]
pub struct Kubelet {
    /// Where and who.
    #[command(flatten)]
    pub place: Place,
    /// UDP address of the API server
    #[arg(long, value_name = "ADDR")]
    pub apiserver: SocketAddr,
    /// Name of the node, a DNS-1123 subdomain
    #[arg(long, value_name = "NAME")]
    pub node: String,
    /// Addresses of the node's pods
    #[arg(long, value_name = "CIDR", default_value = "10.244.1.0/24")]
    pub pod_cidr: Subnet,
}

impl Kubelet {
    /// Directory of the node: its pods' volumes and logs, its runtime's state.
    pub fn directory(&self) -> PathBuf {
        self.place.data_dir.join("nodes").join(&self.node)
    }

    /// Directory of images, shared by the nodes of a machine.
    pub fn images(&self) -> PathBuf {
        images(&self.place.data_dir)
    }
}

/// Directory of the images of a cluster on this machine.
pub fn images(data_dir: &Path) -> PathBuf {
    data_dir.join("images")
}

impl Component {
    /// Its name among the components of a cluster: `store`, `node-1.kubelet`.
    pub fn name(&self) -> String {
        match self {
            Component::Kubelet(kubelet) => format!("{}.{}", kubelet.node, self.verb()),
            _ => self.verb().to_owned(),
        }
    }

    /// Who it is to the others; `None` if it does not talk to them.
    ///
    /// # Errors
    /// If a node has a name that cannot stand in a certificate.
    pub fn identity(&self) -> anyhow::Result<Option<Identity>> {
        Ok(Some(match self {
            Component::Store(_) => Identity::store(),
            Component::Apiserver(_) => Identity::apiserver(),
            Component::Controllers(_) => Identity::controllers(),
            Component::Scheduler(_) => Identity::scheduler(),
            Component::Kubelet(kubelet) => Identity::kubelet(&kubelet.node)?,
            Component::Checker(_) => return Ok(None),
        }))
    }

    /// The same component started another time.
    pub fn as_incarnation(&self, incarnation: u64) -> Self {
        let mut component = self.clone();
        component.place_mut().incarnation = incarnation;
        component
    }

    /// The settings that every component has.
    pub fn place(&self) -> &Place {
        match self {
            Component::Store(store) => &store.place,
            Component::Apiserver(apiserver) => &apiserver.place,
            Component::Controllers(client) | Component::Scheduler(client) => &client.place,
            Component::Kubelet(kubelet) => &kubelet.place,
            Component::Checker(checker) => &checker.place,
        }
    }

    fn place_mut(&mut self) -> &mut Place {
        match self {
            Component::Store(store) => &mut store.place,
            Component::Apiserver(apiserver) => &mut apiserver.place,
            Component::Controllers(client) | Component::Scheduler(client) => &mut client.place,
            Component::Kubelet(kubelet) => &mut kubelet.place,
            Component::Checker(checker) => &mut checker.place,
        }
    }

    fn verb(&self) -> &'static str {
        match self {
            Component::Store(_) => "store",
            Component::Apiserver(_) => "apiserver",
            Component::Controllers(_) => "controllers",
            Component::Scheduler(_) => "scheduler",
            Component::Kubelet(_) => "kubelet",
            Component::Checker(_) => "checker",
        }
    }

    /// The command line after `plimsoll run` that parses to this component.
    pub fn arguments(&self) -> Vec<String> {
        let place = self.place();
        let mut arguments = vec![self.verb().to_owned()];
        let mut option = |name: &str, value: String| arguments.extend([format!("--{name}"), value]);
        option("data-dir", place.data_dir.display().to_string());
        option("listen", place.listen.to_string());
        option("incarnation", place.incarnation.to_string());
        option("trace", place.trace.name().to_owned());
        match self {
            Component::Store(store) => option("engine", store.engine.to_string()),
            Component::Apiserver(apiserver) => {
                option("store", apiserver.store.to_string());
                option("api-address", apiserver.api_address.to_string());
                if let Some(address) = apiserver.insecure_address {
                    option("insecure-address", address.to_string());
                }
                option("event-ttl", apiserver.event_ttl.to_string());
            }
            Component::Controllers(client) | Component::Scheduler(client) => {
                option("apiserver", client.apiserver.to_string());
            }
            Component::Kubelet(kubelet) => {
                option("apiserver", kubelet.apiserver.to_string());
                option("node", kubelet.node.clone());
                option("pod-cidr", kubelet.pod_cidr.to_string());
            }
            Component::Checker(checker) => {
                option("metrics", checker.metrics.to_string());
            }
        }
        arguments
    }
}
