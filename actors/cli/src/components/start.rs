//! Runs a component in this process.

use std::ffi::OsString;

use anyhow::Context;
use shell::{Environment, Shutdown};

use super::{Apiserver, Client, Component, Store};
use crate::cluster::{API_CERTIFICATE, read_credentials};

/// Runs a component until it is told to end. `ready` is called once, when it serves.
///
/// # Errors
/// Why it could not start, or what ended it.
pub async fn start(
    component: Component,
    environment: Environment,
    shutdown: Shutdown,
    ready: impl FnOnce() + 'static,
) -> anyhow::Result<()> {
    let place = component.place();
    let pki = place.data_dir.join("pki");
    let credentials = read_credentials(&pki, &component.name())?;
    match component {
        Component::Store(Store { place, engine }) => {
            let config = store::Config {
                address: place.listen,
                credentials,
                engine,
                directory: place.data_dir.join("store"),
                limits: Default::default(),
                trace: Some(place.data_dir.join("trace")),
                incarnation: place.incarnation,
            };
            store::run(config, environment, shutdown, ready).await
        }
        Component::Controllers(Client { place, apiserver }) => {
            let config = controllers::Config {
                address: place.listen,
                apiserver,
                credentials,
                trace: Some(place.data_dir.join("trace")),
                incarnation: place.incarnation,
            };
            controllers::run(config, environment, shutdown, ready).await
        }
        Component::Scheduler(Client { place, apiserver }) => {
            let config = scheduler::Config {
                address: place.listen,
                apiserver,
                credentials,
                trace: Some(place.data_dir.join("trace")),
                incarnation: place.incarnation,
            };
            scheduler::run(config, environment, shutdown, ready).await
        }
        Component::Apiserver(Apiserver {
            place,
            store,
            api_address,
            insecure_address,
        }) => {
            let config = apiserver::Config {
                address: place.listen,
                credentials,
                store,
                api_address,
                serving: read_credentials(&pki, API_CERTIFICATE)?,
                insecure_address,
                limits: Default::default(),
                trace: Some(place.data_dir.join("trace")),
                incarnation: place.incarnation,
            };
            apiserver::run(config, environment, shutdown, ready).await
        }
        Component::Kubelet(kubelet) => {
            let config = kubelet::Config {
                address: kubelet.place.listen,
                apiserver: kubelet.apiserver,
                credentials,
                node_name: kubelet.node.clone(),
                node_address: kubelet.place.listen.ip(),
                directory: kubelet.directory(),
                images: kubelet.images(),
                pod_cidr: kubelet.pod_cidr,
                shim: shim()?,
                capacity: kubelet::Capacity::default(),
                trace: Some(kubelet.place.data_dir.join("trace")),
                incarnation: kubelet.place.incarnation,
            };
            kubelet::run(config, environment, shutdown, ready).await
        }
    }
}

/// This program as the shim that holds a pod.
///
/// # Errors
/// If the program's own file cannot be found.
pub(super) fn shim() -> anyhow::Result<Vec<OsString>> {
    let program = std::env::current_exe().context("the file of this program cannot be found")?;
    Ok(vec![program.into_os_string(), "shim".into()])
}
