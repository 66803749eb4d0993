//! Two witnesses from outside of the traces: the store's file, and the logs that containers leave.
//!
//! A trace says of itself that it is whole. The store's file says which revisions there are, and the directory of a
//! node's logs which containers were started there: the runtime's shim makes a log when it starts one, and neither
//! writes traces. What these tell must be in the traces, and what the traces tell must be there.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use model::actions::kubelet::KubeletAction;
use model::actions::store::StoreAction;
use model::actions::transaction::{Effect, TransactionAction};
use model::machines::store::Durable;
use model::objects::bytes::Bytes;
use store::disk::{DiskError, StoreFile};

use crate::check::{Rejection, Verdict};
use crate::said::Said;
use crate::timeline::{Moment, Timeline};

/// What the verdict is called.
pub const WITNESS: &str = "witness";

/// Why a witness cannot be heard.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// The store's file.
    #[error("{0}; the cluster has to be stopped, for a running store has its file to itself")]
    Store(#[from] DiskError),
    /// The store that wrote the traces has no file.
    #[error(
        "the objects are in an etcd: only the embedded store leaves a file that can be a witness"
    )]
    Etcd,
    /// There is no cluster in this directory.
    #[error("{0}: no data directory of a cluster")]
    Absent(PathBuf),
    /// A directory of logs.
    #[error("{path}: {source}")]
    Logs {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// An instance of a container: UID of its pod, its name, which instance.
type Instance = (String, String, u32);

/// Holds the traces against what a stopped cluster has left in its data directory.
///
/// # Errors
/// If that cannot be read. A disagreement is no error: it is in the verdict.
pub fn witness(data_dir: &Path, timeline: &Timeline) -> Result<Verdict, WitnessError> {
    let attached =
        |moment: &Moment| matches!(moment.said, Said::Store(StoreAction::Attached { .. }));
    if timeline.moments.iter().any(attached) {
        return Err(WitnessError::Etcd);
    }
    let directory = data_dir.join("store");
    if !directory.is_dir() {
        return Err(WitnessError::Absent(data_dir.to_owned()));
    }
    let stored = StoreFile::open(&directory)?.load()?;
    let mut told = Told::default();
    for moment in &timeline.moments {
        told.hear(&moment.said);
    }
    let mut verdict = Verdict {
        specification: WITNESS,
        subjects: 0,
        actions: 0,
        rejections: Vec::new(),
    };
    revisions(&stored, &told, &mut verdict);
    containers(data_dir, &told, &mut verdict)?;
    Ok(verdict)
}

/// What the traces tell of writes and containers.
#[derive(Default)]
struct Told {
    /// By revision, the keys that the store says it changed, with their numbers of writes. A start that lost what was
    /// not durable makes its revisions again: the last word counts.
    wrote: BTreeMap<u64, Vec<(String, u64)>>,
    /// By revision, the key that an API server says it wrote, and whether it was deleted.
    committed: BTreeMap<u64, (String, bool)>,
    starting: BTreeSet<Instance>,
    started: BTreeSet<Instance>,
    /// UIDs of pods of which something was removed from a node since.
    cleared: BTreeSet<String>,
}

impl Told {
    fn hear(&mut self, said: &Said) {
        match said {
            Said::Store(StoreAction::Started { revision, .. }) => {
                self.wrote.retain(|made, _| made <= revision);
            }
            Said::Store(StoreAction::Wrote { revision, changes }) => {
                let changes = changes
                    .iter()
                    .map(|change| (change.key.to_string(), change.version));
                self.wrote.insert(*revision, changes.collect());
            }
            Said::Transaction(TransactionAction::Committed {
                key,
                revision,
                effect,
                ..
            }) => {
                let deleted = *effect == Effect::Deleted;
                self.committed.insert(*revision, (key.path(), deleted));
            }
            Said::Kubelet(KubeletAction::ContainerStarting {
                pod,
                container,
                attempt,
            }) => {
                let instance = (pod.uid.clone(), container.clone(), *attempt);
                self.starting.insert(instance);
            }
            Said::Kubelet(KubeletAction::ContainerStarted {
                pod,
                container,
                attempt,
            }) => {
                let instance = (pod.uid.clone(), container.clone(), *attempt);
                self.started.insert(instance);
            }
            Said::Kubelet(
                KubeletAction::PodForgotten { pod } | KubeletAction::SandboxRemoved { pod },
            ) => {
                self.cleared.insert(pod.uid.clone());
            }
            _ => {}
        }
    }
}

/// Every revision of the history is in the traces as it is in the file, and the other way round.
fn revisions(stored: &Durable<Bytes>, told: &Told, verdict: &mut Verdict) {
    verdict.subjects += 1;
    for (revision, changes) in &stored.log {
        verdict.actions += 1;
        let stored: Vec<(String, u64)> = changes
            .iter()
            .map(|change| (change.key.to_string(), change.now.version))
            .collect();
        let wrote = told.wrote.get(revision);
        if wrote != Some(&stored) {
            verdict.reject(
                format!("revision {revision}"),
                "every revision is in the store's trace as it is in its file",
                format!("the file has {stored:?}, the trace {wrote:?}"),
            );
        }
        let by = told.committed.get(revision);
        let one = match changes.as_slice() {
            [change] => Some((change.key.to_string(), change.now.value.is_none())),
            _ => None,
        };
        // An API server that died before its store's answer came never says so.
        if by.is_some() && by != one.as_ref() {
            verdict.reject(
                format!("revision {revision}"),
                "an API server commits what the store has",
                format!("the file has {stored:?}, the API server {by:?}"),
            );
        }
    }
    let newest = stored.revision();
    let beyond = told.committed.range(newest + 1..);
    for (revision, (key, _)) in beyond {
        verdict.reject(
            format!("revision {revision}"),
            "what an API server has committed is in the store",
            format!("{key} was committed, and the file ends with revision {newest}"),
        );
    }
    let missing = told.committed.range(stored.compacted.max(1) + 1..=newest);
    for (revision, (key, _)) in missing.filter(|(made, _)| !stored.log.contains_key(made)) {
        verdict.reject(
            format!("revision {revision}"),
            "what an API server has committed is in the store",
            format!("{key} was committed, and the file has no such revision"),
        );
    }
}

/// Every log of a container's instance was announced, and of what runs there is a log.
fn containers(data_dir: &Path, told: &Told, verdict: &mut Verdict) -> Result<(), WitnessError> {
    let mut logged = BTreeSet::new();
    for node in listed(&data_dir.join("nodes"))? {
        for pod in listed(&node.join("logs"))? {
            let Some(uid) = name(&pod).rsplit('_').next().map(str::to_owned) else {
                continue;
            };
            for container in listed(&pod)?.into_iter().filter(|path| path.is_dir()) {
                for log in listed(&container)? {
                    let attempt = name(&log)
                        .strip_suffix(".log")
                        .and_then(|number| number.parse().ok());
                    if let Some(attempt) = attempt {
                        logged.insert((uid.clone(), name(&container), attempt));
                    }
                }
            }
        }
    }
    verdict.subjects += 1;
    for instance in &logged {
        verdict.actions += 1;
        if !told.starting.contains(instance) {
            let (uid, container, attempt) = instance;
            verdict.reject(
                format!("instance {attempt} of container {container} of pod {uid}"),
                "every container that was started is in a kubelet's trace",
                "it has left a log on its node".to_owned(),
            );
        }
    }
    // Former instances' logs are removed; the last one's stays as long as its pod.
    let mut last: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    for (uid, container, attempt) in &told.started {
        let newest = last.entry((uid, container)).or_default();
        *newest = (*newest).max(*attempt);
    }
    for ((uid, container), attempt) in last {
        let instance = (uid.to_owned(), container.to_owned(), attempt);
        if !told.cleared.contains(uid) && !logged.contains(&instance) {
            verdict.reject(
                format!("instance {attempt} of container {container} of pod {uid}"),
                "of every container that runs there is a log",
                "the kubelet has started it, and its node has no log of it".to_owned(),
            );
        }
    }
    Ok(())
}

impl Verdict {
    fn reject(&mut self, subject: String, guard: &'static str, detail: String) {
        self.rejections.push(Rejection {
            subject,
            place: None,
            action: String::new(),
            guard,
            detail,
            before: Vec::new(),
            state: String::new(),
        });
    }
}

/// What is in a directory; nothing if there is none.
fn listed(directory: &Path) -> Result<Vec<PathBuf>, WitnessError> {
    let failed = |source| WitnessError::Logs {
        path: directory.to_owned(),
        source,
    };
    match std::fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) if error.kind() == ErrorKind::NotADirectory => Ok(Vec::new()),
        Err(error) => Err(failed(error)),
        Ok(entries) => entries
            .map(|entry| entry.map(|entry| entry.path()).map_err(failed))
            .collect(),
    }
}

fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
