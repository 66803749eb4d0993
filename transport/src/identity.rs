//! Who a process is: a component of the cluster, for a kubelet with its node.
//!
//! On the wire an identity is the only DNS subject alternative name of a certificate, below
//! `plimsoll.internal`. Which requests an identity may make is the receiver's business: this crate
//! only proves who asks.

use std::fmt;
use std::str::FromStr;

use rustls::pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// The zone below which every identity is named; no certificate for HTTP may carry a name in it.
pub const ZONE: &str = "plimsoll.internal";

/// Length of a DNS name (RFC 1035, section 2.3.4), in bytes.
const DNS_NAME_BYTES_MAX: usize = 253;
/// Length of one label of a DNS name (RFC 1035, section 2.3.4), in bytes.
const DNS_LABEL_BYTES_MAX: usize = 63;

/// A part of the cluster that owns a certificate of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Component {
    /// The durable revisioned store; only the API server talks to it.
    Store,
    /// The API server.
    Apiserver,
    /// The controllers of one cluster, in one process.
    Controllers,
    /// The scheduler.
    Scheduler,
    /// The kubelet of one node: the only component whose identity names a node.
    Kubelet,
    /// A tool of the cluster's owner: the supervisor, the command line.
    Admin,
}

impl Component {
    /// Every component, in the order of the architecture diagram.
    pub const ALL: [Self; 6] = [
        Self::Store,
        Self::Apiserver,
        Self::Controllers,
        Self::Scheduler,
        Self::Kubelet,
        Self::Admin,
    ];

    /// The component's lower-case name, as it stands in certificates, traces and file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Apiserver => "apiserver",
            Self::Controllers => "controllers",
            Self::Scheduler => "scheduler",
            Self::Kubelet => "kubelet",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Component {
    type Err = IdentityError;

    fn from_str(name: &str) -> Result<Self, IdentityError> {
        Self::ALL
            .into_iter()
            .find(|component| component.name() == name)
            .ok_or_else(|| IdentityError::Component(name.to_owned()))
    }
}

/// The verified name of a process: its component and, for a kubelet, its node.
///
/// [`Display`](fmt::Display) gives the form people read: `apiserver`, `kubelet of node-1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    component: Component,
    node: Option<String>,
}

/// Why a name or a certificate is not an identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// A component was named that does not exist.
    #[error(
        "no component is called {0:?}; there are store, apiserver, controllers, scheduler, kubelet and admin"
    )]
    Component(String),
    /// A kubelet without a node, or a node where the component has none.
    #[error("an identity of {component} {rule}")]
    Node {
        /// The component in question.
        component: Component,
        /// What holds for it.
        rule: &'static str,
    },
    /// The node's name is not a DNS-1123 subdomain whose labels fit into a DNS name.
    #[error(
        "the node name {0:?} cannot be certified: use a DNS-1123 subdomain (lower-case letters, digits, '-' and '.') \
         with labels of at most 63 bytes and at most 227 bytes in all"
    )]
    NodeName(String),
    /// The name does not lie below [`ZONE`].
    #[error("{0:?} is no identity of the cluster: it does not end in .{ZONE}")]
    Zone(String),
    /// The certificate cannot be read.
    #[error("the certificate cannot be parsed: {0}")]
    Certificate(String),
    /// The certificate does not carry exactly one name below [`ZONE`].
    #[error("the certificate carries {0} names below {ZONE}, and an identity has exactly one")]
    Names(usize),
}

impl Identity {
    /// The identity of the kubelet of `node`, a DNS-1123 subdomain.
    ///
    /// # Errors
    /// [`IdentityError::NodeName`] if the name cannot stand in a certificate.
    pub fn kubelet(node: &str) -> Result<Self, IdentityError> {
        Self::new(Component::Kubelet, Some(node))
    }

    /// The identity of `component`, with a node if and only if it is a kubelet.
    ///
    /// # Errors
    /// [`IdentityError::Node`] and [`IdentityError::NodeName`].
    pub fn new(component: Component, node: Option<&str>) -> Result<Self, IdentityError> {
        match (component, node) {
            (Component::Kubelet, None) => Err(IdentityError::Node {
                component,
                rule: "names its node",
            }),
            (Component::Kubelet, Some(node)) if !may_be_certified(node) => {
                Err(IdentityError::NodeName(node.to_owned()))
            }
            (Component::Kubelet, Some(_)) | (_, None) => Ok(Self {
                component,
                node: node.map(str::to_owned),
            }),
            (_, Some(_)) => Err(IdentityError::Node {
                component,
                rule: "has no node",
            }),
        }
    }

    /// The store of the cluster.
    pub fn store() -> Self {
        Self {
            component: Component::Store,
            node: None,
        }
    }

    /// The API server of the cluster.
    pub fn apiserver() -> Self {
        Self {
            component: Component::Apiserver,
            node: None,
        }
    }

    /// The controllers of the cluster.
    pub fn controllers() -> Self {
        Self {
            component: Component::Controllers,
            node: None,
        }
    }

    /// The scheduler of the cluster.
    pub fn scheduler() -> Self {
        Self {
            component: Component::Scheduler,
            node: None,
        }
    }

    /// The cluster's owner.
    pub fn admin() -> Self {
        Self {
            component: Component::Admin,
            node: None,
        }
    }

    /// The component.
    pub fn component(&self) -> Component {
        self.component
    }

    /// The node's name; `Some` exactly for a kubelet.
    pub fn node(&self) -> Option<&str> {
        self.node.as_deref()
    }

    /// The name in the certificate: `apiserver.plimsoll.internal`, `node-1.kubelet.plimsoll.internal`.
    pub fn dns_name(&self) -> String {
        match &self.node {
            Some(node) => format!("{node}.{}.{ZONE}", self.component),
            None => format!("{}.{ZONE}", self.component),
        }
    }

    /// Reads the form that [`Identity::dns_name`] writes.
    ///
    /// # Errors
    /// [`IdentityError`] names what is wrong with the name.
    pub fn from_dns_name(name: &str) -> Result<Self, IdentityError> {
        let inner = name
            .strip_suffix(ZONE)
            .and_then(|rest| rest.strip_suffix('.'))
            .ok_or_else(|| IdentityError::Zone(name.to_owned()))?;
        match inner.rsplit_once('.') {
            Some((node, component)) => Self::new(component.parse()?, Some(node)),
            None => Self::new(inner.parse()?, None),
        }
    }

    /// Reads the identity from a certificate whose chain has been verified already.
    ///
    /// # Errors
    /// [`IdentityError`] if there is not exactly one name below [`ZONE`], or it is none of ours.
    pub fn from_certificate(certificate: &CertificateDer<'_>) -> Result<Self, IdentityError> {
        let (_, parsed) = X509Certificate::from_der(certificate)
            .map_err(|error| IdentityError::Certificate(error.to_string()))?;
        let names = parsed
            .subject_alternative_name()
            .map_err(|error| IdentityError::Certificate(error.to_string()))?;
        let below_zone: Vec<&str> = names
            .iter()
            .flat_map(|extension| &extension.value.general_names)
            .filter_map(|name| match name {
                GeneralName::DNSName(name) if in_zone(name) => Some(*name),
                _ => None,
            })
            .collect();
        match below_zone.as_slice() {
            [name] => Self::from_dns_name(name),
            names => Err(IdentityError::Names(names.len())),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.node {
            Some(node) => write!(f, "{} of {node}", self.component),
            None => write!(f, "{}", self.component),
        }
    }
}

/// Whether a DNS name is [`ZONE`] or lies below it; DNS names compare without case.
pub(crate) fn in_zone(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name.strip_suffix(ZONE)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// A DNS-1123 subdomain (RFC 1123, section 2.1) that still fits with its suffix into a DNS name.
fn may_be_certified(node: &str) -> bool {
    let suffix = Component::Kubelet.name().len() + ZONE.len() + 2;
    node.len() + suffix <= DNS_NAME_BYTES_MAX
        && node.split('.').all(|label| {
            let alphanumeric = |byte: Option<&u8>| {
                byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
            };
            let bytes = label.as_bytes();
            bytes.len() <= DNS_LABEL_BYTES_MAX
                && alphanumeric(bytes.first())
                && alphanumeric(bytes.last())
                && bytes
                    .iter()
                    .all(|byte| *byte == b'-' || alphanumeric(Some(byte)))
        })
}
