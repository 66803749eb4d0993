//! The traces of a directory as one sequence of moments, ordered by what each process could know.
//!
//! No wall clock orders anything. The store's revisions do: a record stands after every write that its process had
//! heard of (its stamp), a committed write stands at its own revision, and what one process did stays in the order in
//! which it did it. Two moments between which no message can have passed may stand in either order; acceptors ask
//! only for what holds in both.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use model::actions::store::StoreAction;
use model::actions::transaction::TransactionAction;
use model::trace::{Header, Record};

use crate::fates::settle;
use crate::said::{Said, Unread, decode};
use crate::trace::{ReadError, read};

/// One action of one machine.
#[derive(Clone, Debug)]
pub struct Moment {
    /// Where it was recorded.
    pub place: Place,
    /// The store revision that it stands after, or at.
    pub revision: u64,
    /// Wall-clock milliseconds since the Unix epoch, for people to read.
    pub at_ms: u64,
    /// What happened.
    pub said: Said,
}

/// Names a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The process: `apiserver`, `node-1.kubelet`, ….
    pub component: Rc<str>,
    /// The machine in it.
    pub machine: Rc<str>,
    /// Which start of the process.
    pub incarnation: u64,
    /// Which record of that start, from 1.
    pub sequence: u64,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Place {
            component,
            machine,
            incarnation,
            sequence,
        } = self;
        write!(f, "{component}.{machine}.{incarnation} record {sequence}")
    }
}

/// Traces that were read.
#[derive(Debug, Default)]
pub struct Timeline {
    /// Every action in order.
    pub moments: Vec<Moment>,
    /// How many files were read.
    pub files: usize,
    /// How many records.
    pub records: u64,
    /// Records that map to no action: each rejects.
    pub unread: Vec<(Place, Unread)>,
    /// Of how many writes their API server said that nobody knows, before the store's traces settled it.
    pub settled: u64,
    /// Whether the first start of the API server is among them: then no pod is older than the traces.
    pub from_the_beginning: bool,
}

/// Why there is no timeline.
#[derive(Debug, thiserror::Error)]
pub enum TimelineError {
    /// A directory cannot be listed.
    #[error("{path}: {source}")]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file cannot be read as a trace.
    #[error(transparent)]
    File(#[from] ReadError),
    /// Its oldest parts were dropped to keep to their bound: of what a machine did before nothing is known, so nothing
    /// can be said of what it did after.
    #[error(
        "{component}.{machine}: the trace begins with part {part}; give only starts whose beginning is kept"
    )]
    BeginningLost {
        /// The process.
        component: String,
        /// The machine in it.
        machine: String,
        /// The first part that is kept.
        part: u32,
    },
    /// There is nothing to check.
    #[error("{0}: no trace files there")]
    Empty(PathBuf),
}

/// Reads trace files and every `.trace` file of directories.
///
/// # Errors
/// If one of them cannot be read, or there are none.
pub fn timeline(paths: &[PathBuf]) -> Result<Timeline, TimelineError> {
    let files = traces_of(paths)?;
    let mut traces = files
        .iter()
        .map(|file| read(file))
        .collect::<Result<Vec<_>, _>>()?;
    traces.sort_by(|one, other| {
        let name = |trace: &crate::trace::Trace| {
            (
                rank(&trace.header.machine),
                trace.header.component.clone(),
                trace.header.machine.clone(),
                trace.header.incarnation,
            )
        };
        name(one).cmp(&name(other))
    });
    let mut timeline = Timeline {
        files: traces.len(),
        ..Timeline::default()
    };
    let mut clocks: BTreeMap<(Rc<str>, Rc<str>), u64> = BTreeMap::new();
    for trace in traces {
        if trace.part.number > 1 {
            return Err(TimelineError::BeginningLost {
                component: trace.header.component,
                machine: trace.header.machine,
                part: trace.part.number,
            });
        }
        timeline.from_the_beginning |=
            trace.header.machine == "transaction" && trace.header.incarnation == 1;
        let mut placing = Placing::new(&trace.header);
        let clock = clocks.entry(placing.machine()).or_default();
        for record in trace.records {
            timeline.records += 1;
            for placed in placing.place(clock, &record) {
                match placed {
                    Ok(moment) => timeline.moments.push(moment),
                    Err(unread) => timeline.unread.push(unread),
                }
            }
        }
    }
    timeline.settled = settle(&mut timeline.moments);
    // Stable: what stands at one revision stays in the order of ranks, and of each process's own record.
    timeline.moments.sort_by_key(|moment| moment.revision);
    Ok(timeline)
}

/// Puts the records of one start of a machine where they stand.
pub(crate) struct Placing {
    component: Rc<str>,
    machine: Rc<str>,
    incarnation: u64,
    /// The stamp of the record before.
    stamp: u64,
}

/// A moment, or a record that says nothing.
type Placed = Result<Moment, (Place, Unread)>;

impl Placing {
    pub(crate) fn new(header: &Header) -> Self {
        Placing {
            component: header.component.as_str().into(),
            machine: header.machine.as_str().into(),
            incarnation: header.incarnation,
            stamp: 0,
        }
    }

    /// The process and the machine in it: its starts share a clock, for what came before a crash stays before what
    /// came after it, though the new process knew less.
    pub(crate) fn machine(&self) -> (Rc<str>, Rc<str>) {
        (self.component.clone(), self.machine.clone())
    }

    /// The moments of the next record.
    pub(crate) fn place<'a>(
        &mut self,
        clock: &'a mut u64,
        record: &'a Record,
    ) -> impl Iterator<Item = Placed> + use<'a> {
        let place = Place {
            component: self.component.clone(),
            machine: self.machine.clone(),
            incarnation: self.incarnation,
            sequence: record.sequence,
        };
        let (heard, stamp) = (self.stamp, record.revision);
        self.stamp = heard.max(stamp);
        let forgot = (stamp < heard).then(|| {
            let unread = Unread::Stamp { stamp, heard };
            Err((place.clone(), unread))
        });
        let moments = record.actions.iter().map(move |bytes| {
            let said = decode(&place.machine, bytes).map_err(|unread| (place.clone(), unread))?;
            *clock = (*clock).max(record.revision).max(durable(&said));
            Ok(Moment {
                place: place.clone(),
                revision: written(&said).unwrap_or(*clock),
                at_ms: record.at_ms,
                said,
            })
        });
        forgot.into_iter().chain(moments)
    }
}

/// The traces that paths name: files, and every `.trace` file of directories.
///
/// # Errors
/// If a directory cannot be listed, or there are none.
pub fn traces_of(paths: &[PathBuf]) -> Result<Vec<PathBuf>, TimelineError> {
    let mut files = Vec::new();
    for path in paths {
        match path.is_dir() {
            true => files.extend(traces_in(path)?),
            false => files.push(path.clone()),
        }
    }
    match files.is_empty() {
        true => Err(TimelineError::Empty(
            paths.first().cloned().unwrap_or_default(),
        )),
        false => Ok(files),
    }
}

/// The traces of a directory, in the order of their names.
pub(crate) fn traces_in(directory: &Path) -> Result<Vec<PathBuf>, TimelineError> {
    let failed = |source| TimelineError::Directory {
        path: directory.to_owned(),
        source,
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "trace")
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// At one revision the store comes first, then the API server, then those who heard of it from there.
pub(crate) fn rank(machine: &str) -> u8 {
    match machine {
        "store" => 0,
        "transaction" => 1,
        "watch_cache" => 2,
        "reflector" => 3,
        _ => 4,
    }
}

/// How far everyone may know after this action of the store: what it has written nobody knows before it is durable.
fn durable(said: &Said) -> u64 {
    match said {
        Said::Store(StoreAction::Persisted { through }) => *through,
        Said::Store(
            StoreAction::Started { revision, .. } | StoreAction::Attached { revision, .. },
        ) => *revision,
        _ => 0,
    }
}

/// The revision at which an action itself took place, for those that are writes.
fn written(said: &Said) -> Option<u64> {
    match said {
        Said::Transaction(TransactionAction::Committed { revision, .. }) => Some(*revision),
        _ => None,
    }
}
