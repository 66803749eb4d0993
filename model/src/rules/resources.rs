//! What a pod asks of a node, and what a node has: `k8s.io/component-helpers/resource`.

use std::collections::BTreeMap;

use bincode::{Decode, Encode};
use serde::Deserialize;

use crate::objects::pod::{self, ContainerSpec, PodSpec};
use crate::rules::quantity::{Quantity, QuantityError};

/// Amounts of resources in the units in which they are counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Resources {
    /// CPU, in thousandths of a core.
    pub milli_cpu: i64,
    /// Memory, in bytes.
    pub memory: i64,
    /// Local disk, in bytes.
    pub ephemeral_storage: i64,
    /// How many pods: what a node allows; a pod itself counts as none here.
    pub pods: i64,
    /// Everything else (huge pages, devices), by name.
    pub extended: BTreeMap<String, i64>,
}

/// `resources.requests`, `status.allocatable`: quantities by name.
pub type ResourceList = BTreeMap<String, Quantity>;

impl Resources {
    /// The amounts of a list. What is negative counts as nothing.
    pub fn of(list: &ResourceList) -> Self {
        let mut resources = Resources::default();
        for (name, quantity) in list {
            let value = quantity.value().max(0);
            match name.as_str() {
                "cpu" => resources.milli_cpu = quantity.milli_value().max(0),
                "memory" => resources.memory = value,
                "ephemeral-storage" => resources.ephemeral_storage = value,
                "pods" => resources.pods = value,
                _ => {
                    resources.extended.insert(name.clone(), value);
                }
            }
        }
        resources
    }

    /// Adds what another has.
    pub fn add(&mut self, other: &Resources) {
        self.zip(other, i64::saturating_add);
    }

    /// Takes away what another has.
    pub fn subtract(&mut self, other: &Resources) {
        self.zip(other, i64::saturating_sub);
        self.extended.retain(|_, amount| *amount != 0);
    }

    /// Raises each amount to that of another, where the other has more.
    pub fn raise(&mut self, other: &Resources) {
        self.zip(other, i64::max);
    }

    fn zip(&mut self, other: &Resources, with: impl Fn(i64, i64) -> i64) {
        self.milli_cpu = with(self.milli_cpu, other.milli_cpu);
        self.memory = with(self.memory, other.memory);
        self.ephemeral_storage = with(self.ephemeral_storage, other.ephemeral_storage);
        self.pods = with(self.pods, other.pods);
        for (name, amount) in &other.extended {
            let mine = self.extended.entry(name.clone()).or_insert(0);
            *mine = with(*mine, *amount);
        }
    }
}

/// An amount of the resources that admission counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Requests {
    /// Processor time in thousandths of a core.
    pub cpu_milli: i64,
    /// Memory in bytes.
    pub memory_bytes: i64,
}

impl Requests {
    /// Both amounts together; the nearest that fits if the sum does not fit.
    pub fn plus(self, other: Requests) -> Requests {
        Requests {
            cpu_milli: self.cpu_milli.saturating_add(other.cpu_milli),
            memory_bytes: self.memory_bytes.saturating_add(other.memory_bytes),
        }
    }
}

/// The requests of a pod, of the two resources that admission counts.
///
/// # Errors
/// If an amount is no quantity.
pub fn requests(spec: &PodSpec) -> Result<Requests, QuantityError> {
    let asked = PodResources::of(spec)?.requests();
    Ok(Requests {
        cpu_milli: asked.milli_cpu,
        memory_bytes: asked.memory,
    })
}

/// `cpu` of a list of resources in thousandths of a core.
pub fn cpu(resources: &BTreeMap<String, String>) -> Result<Option<i64>, QuantityError> {
    let read = |text: &String| Quantity::parse(text).map(|quantity| quantity.milli_value().max(0));
    resources.get("cpu").map(read).transpose()
}

/// `memory` of a list of resources in bytes.
pub fn memory(resources: &BTreeMap<String, String>) -> Result<Option<i64>, QuantityError> {
    let read = |text: &String| Quantity::parse(text).map(|quantity| quantity.value().max(0));
    resources.get("memory").map(read).transpose()
}

/// The part of a pod's spec that says what it asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodResources {
    /// Containers that run together.
    pub containers: Vec<ContainerResources>,
    /// Containers that run before them, one after another; sidecars among them stay.
    pub init_containers: Vec<ContainerResources>,
    /// What the pod costs beyond its containers.
    pub overhead: ResourceList,
}

/// The part of a container that says what it asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerResources {
    /// Requests and limits.
    pub resources: ResourceRequirements,
    /// `Always` makes an init container a sidecar.
    pub restart_policy: String,
}

/// Requests and limits of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(default)]
pub struct ResourceRequirements {
    /// What must be there. Where one is missing that has a limit, defaulting makes it the limit.
    pub requests: ResourceList,
    /// What must not be exceeded.
    pub limits: ResourceList,
}

impl ContainerResources {
    fn of(spec: &ContainerSpec) -> Result<Self, QuantityError> {
        let pod::Resources { requests, limits } = &spec.resources;
        Ok(ContainerResources {
            resources: ResourceRequirements {
                requests: list(requests)?,
                limits: list(limits)?,
            },
            restart_policy: spec.restart_policy.clone(),
        })
    }
}

fn list(texts: &BTreeMap<String, String>) -> Result<ResourceList, QuantityError> {
    let read = |(name, text): (&String, &String)| Ok((name.clone(), Quantity::parse(text)?));
    texts.iter().map(read).collect()
}

impl ResourceRequirements {
    /// What is asked for, limits standing in where requests are missing.
    fn asked(&self) -> Resources {
        let mut list = self.limits.clone();
        list.extend(
            self.requests
                .iter()
                .map(|(name, amount)| (name.clone(), *amount)),
        );
        Resources::of(&list)
    }
}

impl PodResources {
    /// The part of a whole spec, whose quantities are text.
    ///
    /// # Errors
    /// If an amount is no quantity.
    pub fn of(spec: &PodSpec) -> Result<Self, QuantityError> {
        let containers = |all: &[ContainerSpec]| -> Result<Vec<_>, QuantityError> {
            all.iter().map(ContainerResources::of).collect()
        };
        Ok(PodResources {
            containers: containers(&spec.containers)?,
            init_containers: containers(&spec.init_containers)?,
            overhead: list(&spec.overhead)?,
        })
    }

    /// What the whole pod asks for: `PodRequests` (KEP-753 for sidecars).
    pub fn requests(&self) -> Resources {
        self.total(|container| container.resources.asked())
    }

    /// The same for scoring, where a container that asks for no CPU or no memory counts as asking for 100m and
    /// 200Mi, so that pods that ask for nothing are spread too: `GetNonzeroRequests`.
    pub fn nonzero_requests(&self) -> Resources {
        self.total(|container| {
            let mut asked = container.resources.asked();
            let lists = [&container.resources.requests, &container.resources.limits];
            if !lists.iter().any(|list| list.contains_key("cpu")) {
                asked.milli_cpu = 100;
            }
            if !lists.iter().any(|list| list.contains_key("memory")) {
                asked.memory = 200 << 20;
            }
            asked
        })
    }

    /// The containers together, or the most demanding moment of the start if that is more; and the overhead.
    fn total(&self, asked: impl Fn(&ContainerResources) -> Resources) -> Resources {
        let mut running = Resources::default();
        for container in &self.containers {
            running.add(&asked(container));
        }
        let mut sidecars = Resources::default();
        let mut starting = Resources::default();
        for container in &self.init_containers {
            let mut moment = asked(container);
            moment.add(&sidecars);
            if container.restart_policy == "Always" {
                sidecars = moment.clone();
            }
            starting.raise(&moment);
        }
        running.add(&sidecars);
        running.raise(&starting);
        running.add(&Resources::of(&self.overhead));
        running
    }
}
