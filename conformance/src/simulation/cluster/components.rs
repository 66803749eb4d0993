//! The parts of a cluster as they are started: their own `run`, with what is simulated put under it.

use std::rc::Rc;

use shell::{Running, Shutdown};
use transport::pki::Credentials;

use super::Cluster;
use crate::simulation::part::{Part, node_name};

/// Pods that a node takes.
const PODS: u32 = 20;

impl Cluster {
    pub(super) fn component(
        self: &Rc<Self>,
        part: Part,
        incarnation: u64,
        shutdown: Shutdown,
    ) -> anyhow::Result<Running<anyhow::Error>> {
        let environment = self.environment(part, incarnation);
        let (address, apiserver) = (part.address(), Part::Apiserver.address());
        let credentials = self.credentials(part)?;
        let trace = Some(self.tracing());
        let ready = {
            let cluster = self.clone();
            Box::new(move || cluster.serves(part))
        };
        Ok(match part {
            Part::Store => {
                let config = store::Config {
                    address,
                    credentials,
                    engine: Default::default(),
                    directory: self.directory.join("store"),
                    limits: model::machines::store::Limits {
                        step_bytes: self.knobs.step_bytes,
                        ..Default::default()
                    },
                    trace,
                    incarnation,
                };
                let disk = self.drive.disk();
                store::run_on(disk, config, environment, shutdown, ready)
            }
            Part::Apiserver => {
                let config = apiserver::Config {
                    address,
                    store: Part::Store.address(),
                    api_address: address,
                    serving: credentials.clone(),
                    credentials,
                    api_socket: None,
                    insecure_address: None,
                    event_ttl_seconds: self.knobs.event_ttl_seconds,
                    limits: Default::default(),
                    cache: model::machines::watch_cache::Limits {
                        window_changes: self.knobs.window_changes,
                        ..Default::default()
                    },
                    trace,
                    incarnation,
                };
                let entrances = Vec::new();
                apiserver::run_on(entrances, config, environment, shutdown, ready)
            }
            Part::Controllers => {
                let config = controllers::Config {
                    address,
                    apiserver,
                    credentials,
                    expectations: self.knobs.expectations,
                    trace,
                    incarnation,
                };
                controllers::run(config, environment, shutdown, ready)
            }
            Part::Scheduler => {
                let config = scheduler::Config {
                    address,
                    apiserver,
                    credentials,
                    trace,
                    incarnation,
                };
                scheduler::run(config, environment, shutdown, ready)
            }
            Part::Kubelet(number) => {
                let config = self.kubelet(part, number, credentials, incarnation)?;
                let node = self.node(number);
                let (containers, machine) = node.ok_or_else(|| anyhow::anyhow!("no such node"))?;
                let runtime = Rc::new(containers.runtime());
                let run = kubelet::run_on(
                    runtime,
                    machine.clone(),
                    config,
                    environment,
                    shutdown,
                    ready,
                );
                Box::pin(async move { run.await.map(drop) })
            }
            Part::Client(_) => anyhow::bail!("a client is not started by the cluster"),
        })
    }

    fn kubelet(
        &self,
        part: Part,
        number: u8,
        credentials: Credentials,
        incarnation: u64,
    ) -> anyhow::Result<kubelet::Config> {
        let node_name = node_name(number);
        let directory = self.directory.join(&node_name);
        std::fs::create_dir_all(&directory)?;
        let pod_cidr = format!("10.{}.0.0/16", 128 + u16::from(number));
        Ok(kubelet::Config {
            address: part.address(),
            apiserver: Part::Apiserver.address(),
            credentials,
            node_address: part.host(),
            images: directory.join("images"),
            directory,
            pod_cidr: pod_cidr.parse().map_err(anyhow::Error::msg)?,
            shim: Vec::new(),
            capacity: kubelet::Capacity {
                pods: PODS,
                ..Default::default()
            },
            trace: Some(self.tracing()),
            incarnation,
            node_name,
        })
    }
}
