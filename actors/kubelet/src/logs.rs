//! A container's log, read for a client (`PodLogOptions` of `core/v1`).

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use model::actions::kubelet::PodName;
use model::machine::Now;
use model::messages::node::{FromNode, LogsRequest};
use model::rules::time;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use runtime::cri::{ContainerEvent, ContainerId, ContainerState};
use runtime::{Events, Runtime};
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
    let (attempt, path) = choose(&directory, request)?;
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

/// The newest instance's file, or with `previous` the one before it.
fn choose(directory: &Path, request: &LogsRequest) -> Result<(u32, PathBuf), Ended> {
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
    let attempt = chosen.ok_or_else(|| {
        bad_request(if request.previous {
            format!("previous terminated container {container:?} in pod {pod:?} not found")
        } else {
            format!("container {container:?} in pod {pod:?} is waiting to start")
        })
    })?;
    Ok((attempt, directory.join(format!("{attempt}.log"))))
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
