//! The kubelet from its start to its end.

use std::rc::Rc;
use std::time::Duration;

use anyhow::Context;
use model::machines::kubelet::{self as machine, Input, Kubelet};
use model::trace::Header;
use runtime::cri::ContainerEvent;
use runtime::{EmbeddedRuntime, Events, EventsEnd, Options, Runtime};
use shell::{
    ApiClient, Component, Environment, EventRecorder, Handle, Ready, Running, Shutdown, Start,
    TraceWriter, Tracing, Uplink, Why,
};
use tokio::sync::watch;
use tokio::task::JoinSet;
use transport::Link;

use crate::config::Config;
use crate::effects::{KubeletEffects, Node, Told};
use crate::hardware::{Hardware, ThisMachine};
use crate::node::{self, NodeWriter};
use crate::pods::{Directories, Pods};
use crate::refresh::Refreshing;
use crate::report;
use crate::{follow, log_rotation, serve, volumes};

/// How many pods may be in a step of their start at once.
const PARALLEL_STARTS: u32 = 10;

/// The longest grace time of a pod when the whole cluster goes down, in seconds.
const STOP_GRACE_LIMIT_S: u64 = 10;

/// The longest wait for all pods to stop when the cluster goes down; what is left then is an error, and whoever
/// started the kubelet takes it down.
const STOP_TIME_MAX: Duration = Duration::from_secs(30);

/// Runs a kubelet with the embedded runtime until it is asked to end. `ready` is called when the node is registered
/// and its pods are known.
///
/// Asked to end by [`Why::Restart`], it leaves its pods running: their shims hold them, and the next kubelet of this
/// directory adopts them. Asked by [`Why::Stop`], it first stops every pod and leaves no process, mount, namespace,
/// address or cgroup; the pods' objects stay.
///
/// # Errors
/// What kept it from starting or ended it: the port, the directory, the runtime, the trace. An API server that is
/// away is no error: it is waited for.
pub fn run(
    config: Config,
    environment: Environment,
    shutdown: Shutdown,
    ready: Ready,
) -> Running<anyhow::Error> {
    Box::pin(live(config, environment, shutdown, ready))
}

async fn live(
    config: Config,
    environment: Environment,
    shutdown: Shutdown,
    ready: Ready,
) -> anyhow::Result<()> {
    std::fs::create_dir_all(&config.directory)
        .with_context(|| format!("the node's directory {}", config.directory.display()))?;
    let opened = EmbeddedRuntime::open(Options {
        root: config.directory.join("runtime"),
        images: config.images.clone(),
        node_name: config.node_name.clone(),
        pod_cidr: config.pod_cidr,
        shim: config.shim.clone(),
    });
    let runtime = Rc::new(
        opened
            .await
            .context("the container runtime does not start")?,
    );
    let hardware = ThisMachine {
        directory: config.directory.clone(),
    };
    let why = run_on(
        runtime.clone(),
        hardware,
        config,
        environment,
        shutdown,
        ready,
    )
    .await?;
    if why == Why::Stop {
        runtime
            .close()
            .await
            .context("closing the container runtime")?;
    }
    Ok(())
}

/// The same with a runtime that is open, on any machine, such as a simulation's. Tells why it ended.
///
/// # Errors
/// As [`run`].
pub async fn run_on<R: Runtime + 'static>(
    runtime: Rc<R>,
    hardware: impl Hardware,
    config: Config,
    environment: Environment,
    shutdown: Shutdown,
    ready: Ready,
) -> anyhow::Result<Why> {
    let uplink = Uplink::open(
        "the kubelet",
        config.address,
        &config.credentials,
        config.apiserver,
        &environment,
    )?;
    let ended = run_over(
        uplink.link(),
        runtime,
        hardware,
        config,
        environment,
        shutdown,
        ready,
    )
    .await;
    uplink.close().await;
    ended
}

async fn run_over<R: Runtime + 'static>(
    link: Link,
    runtime: Rc<R>,
    hardware: impl Hardware,
    config: Config,
    environment: Environment,
    shutdown: Shutdown,
    ready: Ready,
) -> anyhow::Result<Why> {
    let version = runtime.version().await.context("the container runtime")?;
    let facts = hardware.facts(&version).context("looking at the machine")?;
    let client = ApiClient::new(link.clone(), &environment);
    let allocatable = node::capacity(&facts, &config);
    let node = Rc::new(Node {
        environment: environment.clone(),
        client: client.clone(),
        runtime: runtime.clone(),
        pods: Pods::default(),
        refreshing: Refreshing::default(),
        directories: Directories::new(&config.directory),
        allocatable,
        config,
    });
    let config = &node.config;
    let (told, mut hears) = watch::channel(Told::default());
    // Subscribed before the machine asks for the first list, so that nothing falls between.
    let events = runtime.events();
    let handle = Component::start(Start {
        machine: Kubelet {
            config: machine_config(&node, &version.runtime_name),
        },
        durable: None,
        effects: KubeletEffects {
            writer: Rc::new(NodeWriter::new(config, &facts, environment.clone())),
            recorder: EventRecorder::start(
                client.clone(),
                environment.clone(),
                "kubelet",
                &config.node_name,
            ),
            told,
            hardware: Box::new(hardware),
            running: Default::default(),
            node: node.clone(),
        },
        trace: trace(config, "kubelet")?,
        environment,
    });
    let _guard = handle.end_with();
    let reflector = trace(config, "reflector")?;
    let (listed, mut is_listed) = watch::channel(false);
    let mut tasks: JoinSet<anyhow::Result<()>> = JoinSet::new();
    tasks.spawn_local(forward(events, handle.clone()));
    tasks.spawn_local(log_rotation::look_after(node.clone()));
    tasks.spawn_local(serve::requests(link, node.clone(), handle.clone()));
    tasks.spawn_local({
        let (node, handle, mut hears) = (node.clone(), handle.clone(), hears.clone());
        async move {
            if hears.wait_for(|told| told.follow.is_some()).await.is_err() {
                return Ok(());
            }
            follow::pods(node, handle, reflector, listed).await
        }
    });
    let mut ready = Some(ready);
    let ended = loop {
        tokio::select! {
            biased;
            why = shutdown.requested() => break Ok(why),
            why = handle.stopped() => break Err(why.into()),
            ended = failed(&mut tasks) => break Err(ended),
            // The sender lives as long as the task that lists.
            Ok(_) = is_listed.wait_for(|listed| *listed), if ready.is_some() => {
                if let Some(ready) = ready.take() {
                    ready();
                }
            }
        }
    };
    tracing::info!(?ended, "the kubelet ends");
    let ended = match ended {
        Ok(Why::Stop) => stop_pods(&handle, &mut hears).await.map(|()| Why::Stop),
        ended => ended,
    };
    tasks.shutdown().await;
    handle.stop().await;
    if matches!(ended, Ok(Why::Stop)) {
        volumes::unmount(&node.directories.pods())?;
    }
    ended
}

/// Stops every pod.
async fn stop_pods(
    handle: &Handle<Kubelet>,
    hears: &mut watch::Receiver<Told>,
) -> anyhow::Result<()> {
    handle.send(Input::Stop).await?;
    tokio::time::timeout(STOP_TIME_MAX, hears.wait_for(|told| told.stopped))
        .await
        .with_context(|| format!("not every pod could be stopped in {STOP_TIME_MAX:?}"))?
        .context("the kubelet ended before its pods were stopped")?;
    Ok(())
}

fn machine_config<R>(node: &Node<R>, runtime_name: &str) -> machine::Config {
    let config = &node.config;
    let labels = node::labels(config);
    let labels = labels.as_object().into_iter().flatten();
    machine::Config {
        node_name: config.node_name.clone(),
        address: config.node_address.to_string(),
        labels: labels
            .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect(),
        allocatable: node.allocatable,
        max_pods: config.capacity.pods,
        parallel_starts: PARALLEL_STARTS,
        runtime_name: runtime_name.to_owned(),
        stop_grace_limit_s: STOP_GRACE_LIMIT_S,
    }
}

/// Waits until a task fails; one that ends well has nothing more to do.
async fn failed(tasks: &mut JoinSet<anyhow::Result<()>>) -> anyhow::Error {
    loop {
        match tasks.join_next().await {
            Some(Ok(Ok(()))) => {}
            Some(Ok(Err(error))) => return error,
            Some(Err(error)) => return error.into(),
            None => std::future::pending().await,
        }
    }
}

/// Gives the machine what happens to containers.
async fn forward(mut events: Events, handle: Handle<Kubelet>) -> anyhow::Result<()> {
    loop {
        let input = match events.next().await {
            Ok(ContainerEvent::Stopped(status)) => match report::container(status) {
                Some(report) => Input::ContainerEnded(report),
                None => continue,
            },
            Ok(ContainerEvent::SandboxStopped(status)) => Input::SandboxDied {
                uid: status.uid,
                id: status.id.0,
            },
            // What was asked for tells its own end.
            Ok(ContainerEvent::Created(_) | ContainerEvent::Started(_)) => continue,
            Ok(ContainerEvent::Deleted { .. }) => continue,
            Err(EventsEnd::Behind(lost)) => {
                tracing::warn!(lost, "container events were lost");
                Input::EventsLost
            }
            Err(EventsEnd::Closed) => return Ok(()),
        };
        handle.send(input).await?;
    }
}

fn trace(config: &Config, machine: &str) -> anyhow::Result<Option<TraceWriter>> {
    let part = match machine {
        "kubelet" => "kubelet".to_owned(),
        machine => format!("kubelet.pods.{machine}"),
    };
    let header = Header {
        machine: machine.to_owned(),
        component: format!("{}.{part}", config.node_name),
        incarnation: config.incarnation,
    };
    let begin = |tracing: &Tracing| tracing.writer(&header);
    Ok(config.trace.as_ref().map(begin).transpose()?)
}
