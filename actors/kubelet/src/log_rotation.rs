//! Container logs have a limit: a file that has grown to its size is put aside, the runtime begins another, and the
//! oldest are dropped (kubernetes `pkg/kubelet/logs/container_log_manager.go`; files put aside are not compressed).

use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use model::machine::Now;
use model::rules::time;
use runtime::Runtime;
use runtime::cri::{ContainerState, ContainerStatus};
use tokio::time::MissedTickBehavior;

use crate::effects::Node;

/// `containerLogMaxSize`: a file that has so many bytes is put aside at the next look.
const FILE_BYTES_MAX: u64 = 10 << 20;

/// `containerLogMaxFiles`: how many files an instance of a container has, the one that is written included.
const FILES_MAX: usize = 5;

/// `containerLogMonitorInterval`: the sizes are looked at so often. Nobody tells the kubelet that a log grows.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Looks after the logs of running containers for ever.
pub(crate) async fn look_after<R: Runtime>(node: Rc<Node<R>>) -> anyhow::Result<()> {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let all = match node.runtime.list_containers().await {
            Ok(all) => all,
            Err(error) => {
                tracing::warn!(%error, "the containers' logs could not be looked at");
                continue;
            }
        };
        for status in all {
            if status.state == ContainerState::Running
                && let Err(error) = look(&*node.runtime, &status, node.environment.now()).await
            {
                tracing::warn!(container = %status.id, error, "a log could not be put aside");
            }
        }
    }
}

async fn look(runtime: &impl Runtime, status: &ContainerStatus, now: Now) -> Result<(), String> {
    let path = &status.log_path;
    let size = match fs::metadata(path) {
        Ok(found) => found.len(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.to_string()),
    };
    if size < FILE_BYTES_MAX {
        return Ok(());
    }
    let aside = put_aside(path, now).map_err(|error| error.to_string())?;
    if let Err(error) = runtime.reopen_container_log(&status.id).await {
        // The runtime goes on writing where it did, under the name where it is looked for.
        let back = fs::rename(&aside, path);
        return Err(format!("{error}; put back: {back:?}"));
    }
    Ok(())
}

/// Renames the file by the time, as `0.log.20260102-150405`, and drops the oldest.
fn put_aside(path: &Path, now: Now) -> io::Result<PathBuf> {
    let digits = |part: &str| {
        part.chars()
            .filter(char::is_ascii_digit)
            .collect::<String>()
    };
    let stamp = time::seconds(now);
    let (date, clock) = stamp.split_once('T').unwrap_or((&stamp, ""));
    let aside = with_end(path, &format!(".{}-{}", digits(date), digits(clock)));
    fs::rename(path, &aside)?;
    let mut former = former(path)?;
    former.sort();
    // One name is that of the file which the runtime begins.
    let surplus = former.len().saturating_sub(FILES_MAX - 1);
    for oldest in former.iter().take(surplus) {
        fs::remove_file(oldest)?;
    }
    Ok(aside)
}

/// Removes what has been put aside of a log.
pub(crate) fn remove_former(path: &Path) -> io::Result<()> {
    former(path)?.iter().try_for_each(fs::remove_file)
}

/// The files that have been put aside of a log.
fn former(path: &Path) -> io::Result<Vec<PathBuf>> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(Vec::new());
    };
    let mut begin = name.as_encoded_bytes().to_vec();
    begin.push(b'.');
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(&begin) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_files_are_dropped() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("0.log");
        let other = directory.path().join("10.log");
        fs::write(&other, "another instance").expect("written");
        for second in 0..7 {
            fs::write(&path, second.to_string()).expect("written");
            let aside = put_aside(&path, Now(1_767_366_245_000 + second * 1000)).expect("renamed");
            assert_eq!(fs::read_to_string(&aside).ok(), Some(second.to_string()));
        }
        let mut left = former(&path).expect("readable");
        left.sort();
        let names: Vec<_> = left
            .iter()
            .filter_map(|path| path.file_name()?.to_str())
            .collect();
        let expected = [
            "0.log.20260102-150408",
            "0.log.20260102-150409",
            "0.log.20260102-150410",
            "0.log.20260102-150411",
        ];
        assert_eq!(names, expected);
        remove_former(&path).expect("removed");
        assert_eq!(former(&path).ok(), Some(Vec::new()));
        assert!(other.exists());
    }
}
