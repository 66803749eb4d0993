//! The scheduler from its start to its end.

use std::cell::Cell;

use model::machines::reflector::Delivery;
use model::machines::scheduler::{Input, Scheduler};
use model::messages::api::Selection;
use model::objects::bytes::Bytes;
use model::objects::key::{GroupResource, ObjectKey};
use model::objects::kinds;
use model::trace::Header;
use shell::{
    ApiClient, Component, Environment, EventRecorder, Handle, Ready, Running, Shutdown, Start,
    Subject, TraceWriter, Tracing, Uplink, inform,
};
use tokio::sync::watch;

use crate::Config;
use crate::effects::SchedulerEffects;

/// The component's name, in traces and events.
const NAME: &str = "scheduler";

/// Runs a scheduler until it is asked to end. `ready` is called when it has seen every pod and node.
///
/// # Errors
/// What kept it from starting or ended it: the port, the credentials, the trace. An API server that is away is
/// no error: it is waited for.
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
        "the scheduler",
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
    let recorder =
        EventRecorder::start(client.clone(), environment.clone(), "default-scheduler", "");
    let trace = |component: &str, machine: &str| trace(config, component, machine);
    let handle = Component::start(Start {
        machine: Scheduler::default(),
        durable: None,
        effects: SchedulerEffects::new(client.clone(), recorder),
        trace: trace(NAME, "scheduler")?,
        environment: environment.clone(),
    });
    let _guard = handle.end_with();
    let (listed, mut lists) = watch::channel(0_u8);
    let pods = follow(
        &client,
        &environment,
        kinds::pods(),
        trace("scheduler.pods", "reflector")?,
        &listed,
        {
            let handle = handle.clone();
            move |delivery, cause| {
                let view = delivery.view(|object| object.view(), Default::default, report);
                give(&handle, cause, Input::Pods(view))
            }
        },
    );
    let nodes = follow(
        &client,
        &environment,
        kinds::nodes(),
        trace("scheduler.nodes", "reflector")?,
        &listed,
        {
            let handle = handle.clone();
            move |delivery, cause| {
                let view = delivery.view(|object| object.view(), Default::default, report);
                give(&handle, cause, Input::Nodes(view))
            }
        },
    );
    let all_listed = async {
        // The sender lives as long as this function.
        let _ = lists.wait_for(|count| *count == 2).await;
        ready();
        std::future::pending::<()>().await;
    };
    let ended = tokio::select! {
        biased;
        why = shutdown.requested() => {
            tracing::info!(?why, "the scheduler ends");
            Ok(())
        }
        why = handle.stopped() => Err(why.into()),
        ended = pods => ended,
        ended = nodes => ended,
        () = all_listed => Ok(()),
    };
    handle.stop().await;
    ended
}

/// Hands every change of a resource to `sink`, and counts its first list.
async fn follow<F: Future<Output = ()>>(
    client: &ApiClient,
    environment: &Environment,
    resource: GroupResource,
    trace: Option<TraceWriter>,
    listed: &watch::Sender<u8>,
    sink: impl Fn(Delivery<Bytes>, Option<transport::MessageId>) -> F,
) -> anyhow::Result<()> {
    let subject = Subject {
        resource,
        namespace: String::new(),
        selection: Selection::default(),
    };
    let first = Cell::new(true);
    inform(
        client,
        &subject,
        environment,
        trace,
        async |delivery, cause| {
            sink(delivery, cause).await;
            if first.replace(false) {
                listed.send_modify(|count| *count += 1);
            }
        },
    )
    .await?;
    Ok(())
}

/// Gives the machine an input, naming the message that brought it. A machine that has stopped is noticed by
/// [`serve`].
fn give(
    handle: &Handle<Scheduler>,
    cause: Option<transport::MessageId>,
    input: Input,
) -> impl Future<Output = ()> + use<> {
    let handle = match cause {
        Some(cause) => handle.caused_by(cause),
        None => handle.clone(),
    };
    async move {
        let _ = handle.send(input).await;
    }
}

fn report(key: &ObjectKey, error: serde_json::Error) {
    tracing::error!(%key, %error, "an object cannot be read and is treated as absent");
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
