//! What can go wrong in a simulation.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// Datagrams are lost.
    Loss,
    /// Datagrams take long.
    Delay,
    /// Datagrams overtake each other.
    Reorder,
    /// Datagrams arrive twice.
    Duplicate,
    /// Hosts do not reach each other.
    Partition,
    /// One host does not reach another, which reaches it.
    OneWay,
    /// A process is killed, the store's and the API server's preferably between a write and its answer, the latter at
    /// times while a namespace is new.
    Crash,
    /// The store's host loses power: what was not synced is lost, torn or kept.
    Power,
    /// A process is asked to end, a kubelet at times with all its pods, and another takes over.
    Restart,
    /// A process stands still and goes on.
    Pause,
    /// The store's disk is slow.
    Disk,
    /// The clock of a host is wrong.
    Clock,
    /// Operations of a node's container runtime fail.
    Runtime,
    /// A container dies by itself, or the sandbox of a pod with all that runs in it.
    Container,
    /// The host of a node loses power, and all its containers with it; while it is off, an administrator may remove its
    /// Node.
    Node,
    /// Memory, disk or process ids of a node run short.
    Pressure,
    /// Two who do not know of each other have the store forget its history at once.
    Compaction,
    /// A write or sync of the store's disk fails with an error.
    DiskFailure,
    /// The host of a node loses power and its Node is removed, and when the pod GC collects its pods, the API server or
    /// the store is killed, the controllers are cut off, or somebody binds more pods to it.
    Collection,
}

impl Fault {
    /// Every kind.
    pub const ALL: [Fault; 19] = [
        Fault::Loss,
        Fault::Delay,
        Fault::Reorder,
        Fault::Duplicate,
        Fault::Partition,
        Fault::OneWay,
        Fault::Crash,
        Fault::Power,
        Fault::Restart,
        Fault::Pause,
        Fault::Disk,
        Fault::Clock,
        Fault::Runtime,
        Fault::Container,
        Fault::Node,
        Fault::Pressure,
        Fault::Compaction,
        Fault::DiskFailure,
        Fault::Collection,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Fault::Loss => "loss",
            Fault::Delay => "delay",
            Fault::Reorder => "reorder",
            Fault::Duplicate => "duplicate",
            Fault::Partition => "partition",
            Fault::OneWay => "one-way",
            Fault::Crash => "crash",
            Fault::Power => "power",
            Fault::Restart => "restart",
            Fault::Pause => "pause",
            Fault::Disk => "disk",
            Fault::Clock => "clock",
            Fault::Runtime => "runtime",
            Fault::Container => "container",
            Fault::Node => "node",
            Fault::Pressure => "pressure",
            Fault::Compaction => "compaction",
            Fault::DiskFailure => "disk-failure",
            Fault::Collection => "collection",
        }
    }
}

/// The faults that may happen in a simulation: `all`, `none`, or names with commas between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(BTreeSet<Fault>);

impl Faults {
    /// Every fault.
    pub fn all() -> Self {
        Faults(Fault::ALL.into())
    }

    /// No fault.
    pub fn none() -> Self {
        Faults(BTreeSet::new())
    }

    /// Those that may happen, in a fixed order.
    pub fn kinds(&self) -> Vec<Fault> {
        self.0.iter().copied().collect()
    }
}

impl FromStr for Faults {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => return Ok(Faults::all()),
            "none" => return Ok(Faults::none()),
            _ => {}
        }
        let find = |name: &str| {
            let found = Fault::ALL.into_iter().find(|fault| fault.name() == name);
            found.ok_or_else(|| {
                let known = Fault::ALL.map(Fault::name).join(", ");
                format!("{name:?} is no fault; there are {known}, and all or none")
            })
        };
        text.split(',')
            .map(find)
            .collect::<Result<_, _>>()
            .map(Faults)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Faults::all() {
            return f.write_str("all");
        }
        let names: Vec<_> = self.0.iter().map(|fault| fault.name()).collect();
        match names.is_empty() {
            true => f.write_str("none"),
            false => f.write_str(&names.join(",")),
        }
    }
}
