//! Runs a component in this process.

use std::ffi::OsString;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::sync::Arc;

use anyhow::Context;
use conformance::check::Rejection;
use shell::{Environment, Ready, Shutdown};

use super::{Apiserver, Checker, Client, Component, Store};
use crate::checker::follow;
use crate::cluster::{API_CERTIFICATE, read_credentials};

/// Runs a component until it is told to end. `ready` is called once, when it serves.
///
/// # Errors
/// Why it could not start, or what ended it.
pub async fn start(
    component: Component,
    environment: Environment,
    shutdown: Shutdown,
    ready: Ready,
) -> anyhow::Result<()> {
    let place = component.place();
    let pki = place.data_dir.join("pki");
    if let Component::Checker(Checker { place, metrics }) = &component {
        let directory = place.data_dir.join("trace");
        let end = shutdown.requested();
        return follow(&directory, Some(*metrics), end, ready, told)
            .await
            .map(drop);
    }
    let credentials = read_credentials(&pki, &component.name())?;
    match component {
        Component::Store(Store { place, engine }) => {
            let config = store::Config {
                address: place.listen,
                credentials,
                engine,
                directory: place.data_dir.join("store"),
                limits: Default::default(),
                trace: place.tracing(),
                incarnation: place.incarnation,
            };
            store::run(config, environment, shutdown, ready).await
        }
        Component::Controllers(Client { place, apiserver }) => {
            let config = controllers::Config {
                address: place.listen,
                apiserver,
                credentials,
                expectations: controllers::EXPECTATIONS,
                trace: place.tracing(),
                incarnation: place.incarnation,
            };
            controllers::run(config, environment, shutdown, ready).await
        }
        Component::Scheduler(Client { place, apiserver }) => {
            let config = scheduler::Config {
                address: place.listen,
                apiserver,
                credentials,
                trace: place.tracing(),
                incarnation: place.incarnation,
            };
            scheduler::run(config, environment, shutdown, ready).await
        }
        Component::Apiserver(Apiserver {
            place,
            store,
            api_address,
            insecure_address,
            event_ttl,
            api_socket_on_stdin,
        }) => {
            let api_socket = api_socket_on_stdin.then(socket_on_stdin).transpose()?;
            let config = apiserver::Config {
                address: place.listen,
                credentials,
                store,
                api_address,
                api_socket,
                serving: read_credentials(&pki, API_CERTIFICATE)?,
                insecure_address,
                event_ttl_seconds: event_ttl.as_seconds(),
                limits: Default::default(),
                cache: Default::default(),
                trace: place.tracing(),
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
                trace: kubelet.place.tracing(),
                incarnation: kubelet.place.incarnation,
            };
            kubelet::run(config, environment, shutdown, ready).await
        }
        Component::Checker(_) => Ok(()),
    }
}

/// A violation in the log.
fn told(specification: &str, rejection: &Rejection) {
    let place = rejection.place.as_ref().map(ToString::to_string);
    tracing::error!(
        specification,
        subject = rejection.subject,
        place,
        action = rejection.action,
        guard = rejection.guard,
        detail = rejection.detail,
        before = ?rejection.before,
        "the cluster has left its specification"
    );
}

/// This program as the shim that holds a pod.
///
/// # Errors
/// If the program's own file cannot be found.
pub(super) fn shim() -> anyhow::Result<Vec<OsString>> {
    let program = std::env::current_exe().context("the file of this program cannot be found")?;
    Ok(vec![program.into_os_string(), "shim".into()])
}

/// The socket that a supervisor listens at, and keeps while this process is away.
fn socket_on_stdin() -> anyhow::Result<Arc<TcpListener>> {
    let socket = std::io::stdin().as_fd().try_clone_to_owned();
    let socket = socket
        .map(TcpListener::from)
        .and_then(|socket| socket.local_addr().map(|_| socket))
        .context("standard input is no socket that listens")?;
    Ok(Arc::new(socket))
}
