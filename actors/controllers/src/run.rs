//! The controllers from their start to their end.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use anyhow::Context;
use model::machines::controller::Reconcile;
use model::machines::garbage_collector::GarbageCollector;
use model::machines::namespace::Namespaces;
use model::machines::pod_gc::PodGc;
use model::machines::replicaset::ReplicaSets;
use model::machines::serviceaccount::ServiceAccounts;
use model::messages::api::Selection;
use model::objects::key::GroupResource;
use model::trace::Header;
use shell::{
    ApiClient, Environment, EventRecorder, Ready, Running, Shutdown, Subject, TraceWriter, Tracing,
    Uplink, inform,
};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::Config;
use crate::effects::ControllerEffects;
use crate::host::{Hosted, start};

/// The component's name, in traces.
const NAME: &str = "controllers";

/// How many requests of all controllers together may be under way at once.
const REQUESTS_MAX: usize = 128;

/// Runs every controller until asked to end. `ready` is called when all they look at has been listed once.
///
/// # Errors
/// What kept them from starting or ended them: the port, the credentials, the trace. An API server that is away
/// is no error: it is waited for.
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
    let uplink = Uplink::open(
        "the controllers",
        config.address,
        &config.credentials,
        config.apiserver,
        &environment,
    )?;
    let client = ApiClient::new(uplink.link(), &environment);
    let ended = serve(&config, environment, shutdown, client, ready).await;
    uplink.close().await;
    ended
}

async fn serve(
    config: &Config,
    environment: Environment,
    shutdown: Shutdown,
    client: ApiClient,
    ready: Ready,
) -> anyhow::Result<()> {
    let hosted = Rc::new(hosts(config, &environment, &client)?);
    let followed = hosted.iter().flat_map(|host| host.resources());
    let resources: BTreeSet<GroupResource> = followed.cloned().collect();
    let (listed, mut lists) = watch::channel(0_usize);
    let mut informers = JoinSet::new();
    for resource in &resources {
        let component = format!("{NAME}.{}", resource.resource);
        let trace = trace(config, &component, "reflector")?;
        let follower = follow(
            hosted.clone(),
            client.clone(),
            environment.clone(),
            resource.clone(),
            trace,
            listed.clone(),
        );
        informers.spawn_local(follower);
    }
    let all_listed = async {
        // The sender lives as long as this function.
        let _ = lists.wait_for(|count| *count == resources.len()).await;
        ready();
        std::future::pending::<()>().await;
    };
    let ended = tokio::select! {
        biased;
        why = shutdown.requested() => {
            tracing::info!(?why, "the controllers end");
            Ok(())
        }
        why = first(hosted.iter().map(|host| host.stopped()).collect()) => Err(why.into()),
        // There is one at least, and none ends without a failure.
        Some(ended) = informers.join_next() => ended.context("an informer broke").and_then(|ended| ended),
        () = all_listed => Ok(()),
    };
    informers.shutdown().await;
    for host in hosted.iter() {
        host.stop().await;
    }
    ended
}

/// Starts every controller, each under the name by which Kubernetes' events know it.
fn hosts(
    config: &Config,
    environment: &Environment,
    client: &ApiClient,
) -> anyhow::Result<Vec<Box<dyn Hosted>>> {
    let requests = Rc::new(Semaphore::new(REQUESTS_MAX));
    let effects = |name: &str| {
        let recorder = EventRecorder::start(client.clone(), environment.clone(), name, "");
        ControllerEffects::new(client.clone(), recorder, requests.clone())
    };
    let trace = |machine: &str| trace(config, NAME, machine);
    let world = || environment.clone();
    Ok(vec![
        start(
            ReplicaSets,
            config.expectations,
            effects("replicaset-controller"),
            trace(ReplicaSets::NAME)?,
            world(),
        ),
        start(
            GarbageCollector,
            config.expectations,
            effects("garbage-collector-controller"),
            trace(GarbageCollector::NAME)?,
            world(),
        ),
        start(
            Namespaces,
            config.expectations,
            effects("namespace-controller"),
            trace(Namespaces::NAME)?,
            world(),
        ),
        start(
            ServiceAccounts,
            config.expectations,
            effects("serviceaccount-controller"),
            trace(ServiceAccounts::NAME)?,
            world(),
        ),
        start(
            PodGc,
            config.expectations,
            effects("pod-garbage-collector-controller"),
            trace(PodGc::NAME)?,
            world(),
        ),
    ])
}

/// Follows a resource and gives its changes to every controller that looks at it.
async fn follow(
    hosted: Rc<Vec<Box<dyn Hosted>>>,
    client: ApiClient,
    environment: Environment,
    resource: GroupResource,
    trace: Option<TraceWriter>,
    listed: watch::Sender<usize>,
) -> anyhow::Result<()> {
    let subject = Subject {
        resource: resource.clone(),
        namespace: String::new(),
        selection: Selection::default(),
    };
    let fresh = Cell::new(true);
    inform(
        &client,
        &subject,
        &environment,
        trace,
        async |delivery, cause| {
            for host in hosted
                .iter()
                .filter(|host| host.resources().contains(&resource))
            {
                host.deliver(&resource, &delivery, cause).await;
            }
            if fresh.replace(false) {
                listed.send_modify(|count| *count += 1);
            }
        },
    )
    .await?;
    Ok(())
}

/// The result of whichever ends first, in their order.
async fn first<T>(mut futures: Vec<Pin<Box<dyn Future<Output = T> + '_>>>) -> T {
    poll_fn(|context| {
        for future in &mut futures {
            if let Poll::Ready(result) = future.as_mut().poll(context) {
                return Poll::Ready(result);
            }
        }
        Poll::Pending
    })
    .await
}

fn trace(config: &Config, component: &str, machine: &str) -> anyhow::Result<Option<TraceWriter>> {
    let header = Header {
        machine: machine.to_owned(),
        component: component.to_owned(),
        incarnation: config.incarnation,
    };
    let begin = |tracing: &Tracing| tracing.writer(&header);
    Ok(config.trace.as_ref().map(begin).transpose()?)
}
