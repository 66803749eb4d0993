//! `GET pods/NAME/log`: the log of a container, from its node.

use std::time::Duration;

use http::Response;
use model::messages::node::{FromNode, LogsRequest, NodeRequest};
use model::objects::status::{Reason, Status};
use serde_json::Value;
use transport::{Message, Stream};

use super::body::AnswerBody;
use super::path::Place;
use super::query::Query;
use super::service::{Call, Front};
use super::status::{text_answer, with_type};
use crate::api;

/// How long a kubelet may take to begin.
const START_TIME_MAX: Duration = Duration::from_secs(30);

/// The answer: the log as it is read, with `follow` as it grows.
///
/// # Errors
/// 400 for options that cannot be, and for a container that there is not; what the kubelet says; 503 without it.
pub(super) async fn answer(
    front: &Front,
    place: &Place,
    mut call: Call<'_>,
) -> Result<Response<AnswerBody>, Status> {
    front
        .api
        .authorize(&call.who, "get", place, &place.name, "")
        .await?;
    let pod = api::parsed(
        &front
            .api
            .backend
            .get(&place.key(), Default::default())
            .await?,
    );
    let request = options(place, &pod, &call.query)?;
    let node = pod["spec"]["nodeName"].as_str().unwrap_or_default();
    if node.is_empty() {
        // Nothing has run yet, and nothing was said.
        return Ok(text_answer(200, ""));
    }
    let mut stream = front
        .api
        .kubelets
        .open(node, &NodeRequest::Logs(request))
        .await?;
    started(&mut stream).await?;
    let held = front.api.metrics.stream().with(call.room.take());
    let unread_time_max = front.limits.unread_time_max;
    let ending = front.ending.clone();
    let (sender, body) = AnswerBody::channel();
    tokio::task::spawn_local(async move {
        let _held = held;
        loop {
            let next = tokio::select! {
                biased;
                () = sender.closed() => return,
                _ = ending.requested() => return,
                next = frame(&mut stream) => next,
            };
            match next {
                Ok((FromNode::Stdout | FromNode::Stderr, message)) => {
                    // A reader that takes nothing would otherwise keep the stream for ever.
                    let sent =
                        tokio::time::timeout(unread_time_max, sender.send(message.body)).await;
                    if !matches!(sent, Ok(Ok(()))) {
                        return;
                    }
                }
                Ok((FromNode::Started, _)) => {}
                Ok((FromNode::Finished { .. } | FromNode::Failed(_), _)) | Err(_) => return,
            }
        }
    });
    Ok(with_type(200, "text/plain", body))
}

/// Waits until the kubelet has begun.
///
/// # Errors
/// What it says if it cannot, 504 if it says nothing.
pub(super) async fn started(stream: &mut Stream) -> Result<(), Status> {
    match tokio::time::timeout(START_TIME_MAX, frame(stream)).await {
        Ok(Ok((FromNode::Failed(status), _))) => Err(status),
        Ok(Ok(_)) => Ok(()),
        Ok(Err(status)) => Err(status),
        Err(_) => Err(Status::new(
            Reason::Timeout,
            format!(
                "the kubelet did not begin within {} s",
                START_TIME_MAX.as_secs()
            ),
        )),
    }
}

/// The next frame from the kubelet.
///
/// # Errors
/// 500 if the stream breaks or makes no sense.
pub(super) async fn frame<R: Receive>(stream: &mut R) -> Result<(FromNode, Message), Status> {
    let broken = |why: String| {
        Status::new(
            Reason::InternalError,
            format!("Internal error occurred: {why}"),
        )
    };
    let received = stream.receive().await;
    let message = received
        .map_err(|error| broken(format!("the stream to the kubelet broke: {error}")))?
        .ok_or_else(|| broken("the kubelet ended the stream early".to_owned()))?;
    let frame = message
        .decode()
        .map_err(|error| broken(error.to_string()))?;
    Ok((frame, message))
}

/// A stream, or the half of it that receives.
pub(super) trait Receive {
    /// The next message; `None` at the end.
    async fn receive(&mut self) -> Result<Option<Message>, transport::Error>;
}

impl Receive for Stream {
    async fn receive(&mut self) -> Result<Option<Message>, transport::Error> {
        self.recv().await
    }
}

impl Receive for transport::StreamReceiver {
    async fn receive(&mut self) -> Result<Option<Message>, transport::Error> {
        self.recv().await
    }
}

/// Reads `PodLogOptions`.
fn options(place: &Place, pod: &Value, query: &Query) -> Result<LogsRequest, Status> {
    let positive = |name: &str, least: i64| -> Result<Option<u64>, Status> {
        let number = query
            .number(name)
            .map_err(|why| Status::new(Reason::BadRequest, why))?;
        match number {
            Some(number) if number < least => Err(invalid(&format!(
                "{name}: Invalid value: {number}: must be greater than {}",
                if least == 0 { "or equal to 0" } else { "0" }
            ))),
            number => Ok(number.map(i64::unsigned_abs)),
        }
    };
    let since_time = Some(query.get("sinceTime"))
        .filter(|text| !text.is_empty())
        .map(str::to_owned);
    let since_seconds = positive("sinceSeconds", 1)?;
    if since_time.is_some() && since_seconds.is_some() {
        return Err(invalid(
            "sinceSeconds: Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified",
        ));
    }
    Ok(LogsRequest {
        namespace: place.namespace.clone(),
        pod: place.name.clone(),
        uid: pod["metadata"]["uid"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        container: container(pod, query.get("container"))?,
        follow: query.yes("follow"),
        previous: query.yes("previous"),
        timestamps: query.yes("timestamps"),
        tail_lines: positive("tailLines", 0)?,
        since_seconds,
        since_time,
        limit_bytes: positive("limitBytes", 1)?,
    })
}

fn invalid(fault: &str) -> Status {
    Status::new(
        Reason::Invalid,
        format!("PodLogOptions \"\" is invalid: {fault}"),
    )
}

/// The container that is meant: the only one, where none is named.
///
/// # Errors
/// 400 in Kubernetes' words.
pub(super) fn container(pod: &Value, named: &str) -> Result<String, Status> {
    let names = |list: &str| -> Vec<String> {
        let list = pod["spec"][list].as_array().into_iter().flatten();
        list.filter_map(|one| one["name"].as_str().map(str::to_owned))
            .collect()
    };
    let (containers, init, ephemeral) = (
        names("containers"),
        names("initContainers"),
        names("ephemeralContainers"),
    );
    let pod = pod["metadata"]["name"].as_str().unwrap_or_default();
    if named.is_empty() {
        if let ([only], [], []) = (containers.as_slice(), init.as_slice(), ephemeral.as_slice()) {
            return Ok(only.clone());
        }
        let mut message = format!(
            "a container name must be specified for pod {pod}, choose one of: [{}]",
            containers.join(" ")
        );
        if !init.is_empty() {
            message.push_str(&format!(
                " or one of the init containers: [{}]",
                init.join(" ")
            ));
        }
        return Err(Status::new(Reason::BadRequest, message));
    }
    if [&containers, &init, &ephemeral]
        .iter()
        .any(|list| list.iter().any(|name| name == named))
    {
        return Ok(named.to_owned());
    }
    Err(Status::new(
        Reason::BadRequest,
        format!("container {named} is not valid for pod {pod}"),
    ))
}
