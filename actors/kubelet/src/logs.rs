//! A container's log, read for a client (`PodLogOptions` of `core/v1`).

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use model::actions::kubelet::PodName;
use model::machine::Now;
use model::messages::node::{FromNode, LogsRequest};
use model::objects::key::ObjectKey;
use model::objects::kinds;
use model::rules::time;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use runtime::cri::{ContainerEvent, ContainerId, ContainerState};
use runtime::{Events, Runtime};
use serde_json::Value;
use shell::ApiClient;
use tokio::io::unix::AsyncFd;
use transport::Stream;

use crate::effects::Node;
use crate::log_file::{Reader, tail};
use crate::report::label;
use crate::serve::{Ended, bad_request, internal};

/// Sends the part of the log that was asked for, and with `follow` what is added until the container ends.
pub(crate) async fn serve<R: Runtime + 'static>(
    node: &Node<R>,
    request: &LogsRequest,
    stream: &mut Stream,
) -> Result<(), Ended> {
    let pod = PodName {
        namespace: request.namespace.clone(),
        name: request.pod.clone(),
        uid: request.uid.clone(),
    };
    // Subscribed before the state is looked at, so that no end falls between.
    let events = node.runtime.events();
    let directory = node.directories.container_logs(&pod, &request.container);
    let Some((attempt, path)) = choose(&directory, request)? else {
        return Err(bad_request(waiting(&node.client, request).await));
    };
    let mut file = File::open(&path).map_err(internal)?;
    if let Some(lines) = request.tail_lines {
        let from = tail(&mut file, lines).map_err(internal)?;
        file.seek(SeekFrom::Start(from)).map_err(internal)?;
    }
    let since = since(request, node.environment.now())?;
    let mut reader = Reader::new(file, since, request.timestamps, request.limit_bytes);
    stream.send(&FromNode::Started, Bytes::new(), None).await?;
    let follow = request.follow && !request.previous;
    let id = if follow {
        alive(node, &pod, request, attempt).await?
    } else {
        None
    };
    match id {
        Some(id) => grow(&mut reader, &path, &id, events, stream).await?,
        None => drain(&mut reader, stream).await?,
    }
    stream
        .send(&FromNode::Finished { exit_code: 0 }, Bytes::new(), None)
        .await?;
    Ok(())
}

/// The newest instance's file, `None` if there is none yet; or with `previous` the one before it.
fn choose(directory: &Path, request: &LogsRequest) -> Result<Option<(u32, PathBuf)>, Ended> {
    let mut attempts: Vec<u32> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            entry
                .file_name()
                .to_str()?
                .strip_suffix(".log")?
                .parse()
                .ok()
        })
        .collect();
    attempts.sort_unstable();
    let (container, pod) = (&request.container, &request.pod);
    let newest = attempts.pop();
    let chosen = if request.previous {
        attempts.pop()
    } else {
        newest
    };
    if request.previous && chosen.is_none() {
        return Err(bad_request(format!(
            "previous terminated container {container:?} in pod {pod:?} not found"
        )));
    }
    Ok(chosen.map(|attempt| (attempt, directory.join(format!("{attempt}.log")))))
}

/// Why a container has no log yet, as its status says.
async fn waiting(client: &ApiClient, request: &LogsRequest) -> String {
    let key = ObjectKey::new(kinds::pods(), &request.namespace, &request.pod);
    let found = client.get(&key).await.ok();
    let pod: Option<Value> = found.and_then(|object| serde_json::from_slice(&object.body).ok());
    not_started(&pod.unwrap_or_default(), request)
}

/// The words of kubernetes `pkg/kubelet/kubelet_pods.go`, `validateContainerLogStatus`.
fn not_started(pod: &Value, request: &LogsRequest) -> String {
    let statuses = ["containerStatuses", "initContainerStatuses"]
        .into_iter()
        .filter_map(|field| pod["status"][field].as_array())
        .flatten();
    let status = statuses
        .into_iter()
        .find(|status| status["name"] == *request.container);
    let about = format!("container {:?} in pod {:?}", request.container, request.pod);
    let reason = match status.filter(|_| pod["metadata"]["uid"] == *request.uid) {
        None => return format!("{about} is not available"),
        Some(status) => status["state"]["waiting"]["reason"].as_str(),
    };
    match reason {
        Some("ErrImagePull") => format!("{about} is waiting to start: image can't be pulled"),
        Some("ImagePullBackOff") => {
            format!("{about} is waiting to start: trying and failing to pull image")
        }
        Some(reason) => format!("{about} is waiting to start: {reason}"),
        None => format!("{about} is waiting to start - no logs yet"),
    }
}

/// The time from which lines are wanted, if one is given.
fn since(request: &LogsRequest, now: Now) -> Result<Option<Now>, Ended> {
    if let Some(text) = &request.since_time {
        let time = time::parse(text);
        return time
            .map(Some)
            .map_err(|error| bad_request(format!("sinceTime {text:?}: {error}")));
    }
    let ago = |seconds: u64| Now(now.0.saturating_sub(seconds.saturating_mul(1000)));
    Ok(request.since_seconds.map(ago))
}

/// The instance whose log this is, if it has not ended.
async fn alive<R: Runtime>(
    node: &Node<R>,
    pod: &PodName,
    request: &LogsRequest,
    attempt: u32,
) -> Result<Option<ContainerId>, Ended> {
    let all = node.runtime.list_containers().await.map_err(internal)?;
    let found = all.into_iter().find(|status| {
        status.labels.get(label::UID) == Some(&pod.uid)
            && status.name == request.container
            && status.attempt == attempt
            && matches!(
                status.state,
                ContainerState::Running | ContainerState::Created
            )
    });
    Ok(found.map(|status| status.id))
}

/// Sends what is in the file.
async fn drain(reader: &mut Reader, stream: &mut Stream) -> Result<(), Ended> {
    while let Some(text) = reader.next().map_err(internal)? {
        stream.send(&FromNode::Stdout, text, None).await?;
    }
    Ok(())
}

/// Sends what is in the file and what comes into it, until the container has ended.
async fn grow(
    reader: &mut Reader,
    path: &Path,
    id: &ContainerId,
    mut events: Events,
    stream: &mut Stream,
) -> Result<(), Ended> {
    let changes = Changes::of(path.parent().unwrap_or(path)).map_err(internal)?;
    let mut alive = true;
    loop {
        drain(reader, stream).await?;
        if let Some(next) = reader.another(path).map_err(internal)? {
            // The runtime begins a file before it writes to it: the former one is complete.
            drain(reader, stream).await?;
            reader.go_on(next);
            continue;
        }
        if !alive || reader.full() {
            return Ok(());
        }
        tokio::select! {
            biased;
            event = events.next() => match event {
                Ok(ContainerEvent::Stopped(status)) if status.id == *id => alive = false,
                Ok(ContainerEvent::Deleted { id: gone, .. }) if gone == *id => alive = false,
                Ok(_) => {}
                // Whether it has ended meanwhile cannot be known: the client may ask again.
                Err(_) => alive = false,
            },
            changed = changes.next() => changed.map_err(internal)?,
            message = stream.recv() => match message? {
                Some(_) => {}
                // The client is gone.
                None => return Ok(()),
            },
        }
    }
}

/// News of a directory whose files are begun and written to.
struct Changes(AsyncFd<Watch>);

/// An inotify instance that tokio can wait for.
struct Watch(Inotify);

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Watch {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Changes {
    fn of(path: &Path) -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        inotify.add_watch(path, AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_CREATE)?;
        // Deprecated for the sake of types that give their descriptor away while it is registered; `Watch` never
        // does, and what stands in its place is unsafe.
        #[allow(deprecated)]
        let watch = AsyncFd::new(Watch(inotify))?;
        Ok(Changes(watch))
    }

    /// Waits until something was written since the last look.
    async fn next(&self) -> io::Result<()> {
        loop {
            let mut ready = self.0.readable().await?;
            match ready.try_io(|watch| watch.get_ref().0.read_events().map_err(io::Error::from)) {
                Ok(events) => return events.map(drop),
                Err(_not_ready) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_container_without_a_log_says_what_it_waits_for() {
        let request = LogsRequest {
            pod: "p".to_owned(),
            uid: "u".to_owned(),
            container: "c".to_owned(),
            ..LogsRequest::default()
        };
        let said = |field: &str, uid: &str, state: Value| {
            let status = json!({field: [{"name": "other"}, {"name": "c", "state": state}]});
            not_started(
                &json!({"metadata": {"uid": uid}, "status": status}),
                &request,
            )
        };
        let waits = |reason: &str| json!({"waiting": {"reason": reason}});
        let cases = [
            ("ErrImagePull", "image can't be pulled"),
            ("ImagePullBackOff", "trying and failing to pull image"),
            ("PodInitializing", "PodInitializing"),
            ("CreateContainerConfigError", "CreateContainerConfigError"),
        ];
        for (reason, words) in cases {
            for field in ["containerStatuses", "initContainerStatuses"] {
                let expected = format!("container \"c\" in pod \"p\" is waiting to start: {words}");
                assert_eq!(said(field, "u", waits(reason)), expected);
            }
        }
        let about = "container \"c\" in pod \"p\" is";
        assert_eq!(
            said("containerStatuses", "u", json!({"running": {}})),
            format!("{about} waiting to start - no logs yet")
        );
        for (pod, what) in [
            (
                said("containerStatuses", "another", waits("X")),
                "another pod",
            ),
            (not_started(&Value::Null, &request), "no pod"),
        ] {
            assert_eq!(pod, format!("{about} not available"), "{what}");
        }
    }
}
