//! A container's log, read for a client (`PodLogOptions` of `core/v1`).
//!
//! The files are in CRI's format, a line `TIME STREAM TAG TEXT`, where the tag `P` says that the text goes on in the
//! next line (kubernetes `pkg/kubelet/kuberuntime/logs`).

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
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
use crate::report::label;
use crate::serve::{Ended, bad_request, internal};

/// Bytes read and sent at a time, at most.
const CHUNK_BYTES: usize = 64 << 10;

/// A line of the file beyond this is cut there; the runtime splits lines long before.
const LINE_BYTES_MAX: usize = 1 << 20;

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
    let mut reader = Reader {
        file,
        rest: BytesMut::new(),
        begun: true,
        passing: true,
        since: since(request, node.environment.now())?,
        timestamps: request.timestamps,
        left: request.limit_bytes,
    };
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
    let changes = Changes::of(path).map_err(internal)?;
    let mut alive = true;
    loop {
        drain(reader, stream).await?;
        if !alive || reader.left == Some(0) {
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

/// News of a file that is written to.
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
        inotify.add_watch(path, AddWatchFlags::IN_MODIFY)?;
        // Deprecated for the sake of types that give their descriptor away while it is registered; `Watch` never
        // does, and what stands in its place is unsafe.
        #[allow(deprecated)]
        let watch = AsyncFd::new(Watch(inotify))?;
        Ok(Changes(watch))
    }

    /// Waits until the file was written to since the last look.
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

/// Where the last `lines` lines of a file begin.
fn tail(file: &mut File, lines: u64) -> io::Result<u64> {
    let mut end = file.seek(SeekFrom::End(0))?;
    let (mut seen, mut buffer) = (0_u64, vec![0; CHUNK_BYTES]);
    if lines == 0 {
        return Ok(end);
    }
    while end > 0 {
        let start = end.saturating_sub(CHUNK_BYTES as u64);
        let length = usize::try_from(end - start).unwrap_or(CHUNK_BYTES);
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut buffer[..length])?;
        for (index, byte) in buffer[..length].iter().enumerate().rev() {
            if *byte == b'\n' {
                seen += 1;
                // The first newline from the end closes the last line.
                if seen > lines {
                    return Ok(start + index as u64 + 1);
                }
            }
        }
        end = start;
    }
    Ok(0)
}

/// Reads a log file and yields what a client asked for of it.
struct Reader {
    file: File,
    /// Bytes read that are not a whole line yet.
    rest: BytesMut,
    /// Whether the next text begins a line of the container.
    begun: bool,
    /// Whether the present line of the container is wanted.
    passing: bool,
    since: Option<Now>,
    timestamps: bool,
    /// How many bytes may still be sent.
    left: Option<u64>,
}

impl Reader {
    /// The next text; `None` at the end of the file (for now) or of what was asked for.
    fn next(&mut self) -> io::Result<Option<Bytes>> {
        let mut buffer = vec![0; CHUNK_BYTES];
        while self.left != Some(0) {
            let length = self.file.read(&mut buffer)?;
            if length == 0 {
                return Ok(None);
            }
            self.rest.extend_from_slice(&buffer[..length]);
            let text = self.lines();
            if !text.is_empty() {
                return Ok(Some(self.limit(text)));
            }
        }
        Ok(None)
    }

    fn lines(&mut self) -> BytesMut {
        let mut text = BytesMut::new();
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line = self.rest.split_to(end + 1);
            self.line(&line[..end], &mut text);
        }
        if self.rest.len() > LINE_BYTES_MAX {
            self.rest.clear();
        }
        text
    }

    /// One line of the file. What is not in CRI's format is left out, as kubernetes does.
    fn line(&mut self, line: &[u8], text: &mut BytesMut) {
        let mut parts = line.splitn(4, |byte| *byte == b' ');
        let (Some(at), Some(_stream), Some(tag)) = (parts.next(), parts.next(), parts.next())
        else {
            return;
        };
        let content = parts.next().unwrap_or_default();
        if self.begun {
            self.passing = self.since.is_none_or(|since| {
                let at = std::str::from_utf8(at)
                    .ok()
                    .and_then(|at| time::parse(at).ok());
                at.is_some_and(|at| at >= since)
            });
        }
        let whole = tag.split(|byte| *byte == b':').next() != Some(b"P");
        if self.passing {
            if self.begun && self.timestamps {
                text.extend_from_slice(at);
                text.extend_from_slice(b" ");
            }
            text.extend_from_slice(content);
            if whole {
                text.extend_from_slice(b"\n");
            }
        }
        self.begun = whole;
    }

    fn limit(&mut self, mut text: BytesMut) -> Bytes {
        if let Some(left) = &mut self.left {
            let most = usize::try_from(*left).unwrap_or(usize::MAX);
            text.truncate(most);
            *left = left.saturating_sub(text.len() as u64);
        }
        text.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "2026-01-01T00:00:01.000000001Z stdout F one\n\
                       2026-01-01T00:00:02.000000001Z stdout P tw\n\
                       2026-01-01T00:00:02.000000002Z stdout F o\n\
                       2026-01-01T00:00:03.000000001Z stderr F three\n\
                       garbage\n\
                       2026-01-01T00:00:04.000000001Z stdout F \n";

    fn read(change: impl FnOnce(&mut Reader)) -> String {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("0.log");
        fs::write(&path, LOG).expect("a log");
        let mut reader = Reader {
            file: File::open(&path).expect("a log"),
            rest: BytesMut::new(),
            begun: true,
            passing: true,
            since: None,
            timestamps: false,
            left: None,
        };
        change(&mut reader);
        let mut all = Vec::new();
        while let Some(text) = reader.next().expect("readable") {
            all.extend_from_slice(&text);
        }
        String::from_utf8(all).expect("text")
    }

    #[test]
    fn lines_are_joined_and_stripped() {
        assert_eq!(read(|_| {}), "one\ntwo\nthree\n\n");
    }

    #[test]
    fn timestamps_begin_lines() {
        let text = read(|reader| reader.timestamps = true);
        assert!(text.starts_with(
            "2026-01-01T00:00:01.000000001Z one\n2026-01-01T00:00:02.000000001Z two\n"
        ));
    }

    #[test]
    fn only_since_a_time() {
        let since = time::parse("2026-01-01T00:00:03Z").expect("a time");
        assert_eq!(read(|reader| reader.since = Some(since)), "three\n\n");
    }

    #[test]
    fn at_most_so_many_bytes() {
        assert_eq!(read(|reader| reader.left = Some(6)), "one\ntw");
        assert_eq!(read(|reader| reader.left = Some(0)), "");
    }

    #[test]
    fn the_last_lines() {
        let last = |lines| {
            read(|reader| {
                let from = tail(&mut reader.file, lines).expect("a place");
                reader.file.seek(SeekFrom::Start(from)).expect("a place");
            })
        };
        assert_eq!(last(0), "");
        assert_eq!(last(1), "\n");
        assert_eq!(last(3), "three\n\n");
        assert_eq!(last(100), "one\ntwo\nthree\n\n");
    }
}
