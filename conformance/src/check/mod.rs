//! Does what was recorded follow the specifications: every record is given to the acceptors that it concerns.

mod cases;
mod pods;
pub mod replays;
mod stores;
mod watches;

use std::path::{Path, PathBuf};
use std::time::Instant;

use model::actions::kubelet::KubeletAction;

use crate::replay::ReplayError;
use crate::said::{Said, Unread};
use crate::timeline::{Moment, Place, Timeline, TimelineError, timeline};
use crate::witness::{WitnessError, witness};

/// What became of traces.
#[derive(Debug)]
pub struct Report {
    /// How many files were read.
    pub files: usize,
    /// How many records.
    pub records: u64,
    /// How many actions, in all records.
    pub actions: usize,
    /// How long it took to read and to judge them, in seconds.
    pub seconds: f64,
    /// How long it took beside that to run machines again, in seconds.
    pub replay_seconds: f64,
    /// How many containers the kubelets say they have started.
    pub container_starts: u64,
    /// For each specification, what it says.
    pub verdicts: Vec<Verdict>,
}

impl Report {
    /// Whether every specification accepts.
    pub fn accepted(&self) -> bool {
        self.verdicts
            .iter()
            .all(|verdict| verdict.rejections.is_empty())
    }
}

/// What a specification says of traces.
#[derive(Debug)]
pub struct Verdict {
    /// Which specification.
    pub specification: &'static str,
    /// Of how many stores, watchers, pods, nodes, ….
    pub subjects: usize,
    /// How many actions concerned them.
    pub actions: u64,
    /// Where it was left, for each subject that left it.
    pub rejections: Vec<Rejection>,
}

/// Where a run left a specification.
#[derive(Clone, Debug)]
pub struct Rejection {
    /// Of what: `pod default/web`, `store`, ….
    pub subject: String,
    /// At which record.
    pub place: Option<Place>,
    /// The action that was not allowed.
    pub action: String,
    /// The guard that forbids it.
    pub guard: &'static str,
    /// What was expected and what came.
    pub detail: String,
    /// What came before it, the latest last.
    pub before: Vec<String>,
    /// What the specification knew then.
    pub state: String,
}

/// A specification that looks at moments.
trait Examiner {
    /// Which specification it is.
    fn name(&self) -> &'static str;

    /// Takes the next moment.
    fn see(&mut self, moment: &Moment);

    /// Where runs have left it so far, in the order in which that was seen.
    fn rejections(&self) -> &[Rejection];

    /// What it says in the end.
    fn verdict(self: Box<Self>) -> Verdict;
}

/// Why traces cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// There is no timeline of them.
    #[error(transparent)]
    Timeline(#[from] TimelineError),
    /// A machine cannot be run again.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// A witness cannot be heard.
    #[error(transparent)]
    Witness(#[from] WitnessError),
}

/// What traces are held against beside the specifications.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    /// Machines whose inputs are recorded are run again.
    pub replay: bool,
    /// The data directory of the stopped cluster of which the traces are: its store's file and its containers' logs
    /// are witnesses.
    pub witness: Option<PathBuf>,
}

/// Checks trace files and the traces of directories against every specification.
///
/// # Errors
/// If they cannot be read as traces. What they tell is no error: it is in the report.
pub fn check(paths: &[PathBuf], beside: &Beside) -> Result<Report, CheckError> {
    let mut began = Instant::now();
    let timeline = timeline(paths)?;
    let mut report = judge(&timeline);
    report.seconds = began.elapsed().as_secs_f64();
    if let Some(data_dir) = &beside.witness {
        report.verdicts.push(witness(data_dir, &timeline)?);
    }
    if beside.replay {
        began = Instant::now();
        report.verdicts.push(replays::replayed(paths)?);
        report.replay_seconds = began.elapsed().as_secs_f64();
    }
    Ok(report)
}

/// Judges a timeline.
pub fn judge(timeline: &Timeline) -> Report {
    let began = Instant::now();
    let mut judges = Judges::new(timeline.from_the_beginning);
    let starts = timeline.moments.iter().filter(|moment| {
        matches!(
            moment.said,
            Said::Kubelet(KubeletAction::ContainerStarted { .. })
        )
    });
    for moment in &timeline.moments {
        judges.see(moment);
    }
    let told = |(place, why): &(Place, Unread)| unread(place, why);
    let unread = timeline.unread.iter().map(told).collect();
    let verdicts = judges.verdicts((timeline.files, timeline.records), unread);
    Report {
        files: timeline.files,
        records: timeline.records,
        actions: timeline.moments.len(),
        seconds: began.elapsed().as_secs_f64(),
        replay_seconds: 0.0,
        container_starts: starts.count() as u64,
        verdicts,
    }
}

/// Every specification that looks at moments.
pub(crate) struct Judges {
    /// Each with how many of its rejections were handed out.
    examiners: Vec<(Box<dyn Examiner>, usize)>,
}

impl Judges {
    /// Before the first moment. `from_the_beginning`: no pod is older than the traces.
    pub(crate) fn new(from_the_beginning: bool) -> Self {
        let examiners: [Box<dyn Examiner>; 4] = [
            Box::new(stores::Stores::default()),
            Box::new(watches::Caches::default()),
            Box::new(watches::Reflectors::default()),
            Box::new(pods::Pods::new(from_the_beginning)),
        ];
        Judges {
            examiners: examiners.into_iter().map(|one| (one, 0)).collect(),
        }
    }

    /// Takes the next moment.
    pub(crate) fn see(&mut self, moment: &Moment) {
        for (examiner, _) in &mut self.examiners {
            examiner.see(moment);
        }
    }

    /// The rejections since the last time, each with its specification.
    pub(crate) fn fresh(&mut self) -> Vec<(&'static str, Rejection)> {
        let mut fresh = Vec::new();
        for (examiner, told) in &mut self.examiners {
            let rejections = examiner.rejections();
            let new = rejections[*told..].iter().cloned();
            *told = rejections.len();
            fresh.extend(new.map(|rejection| (examiner.name(), rejection)));
        }
        fresh
    }

    /// What all say in the end; of so many files and records, in which these were no words.
    pub(crate) fn verdicts(
        self,
        (files, records): (usize, u64),
        unread: Vec<Rejection>,
    ) -> Vec<Verdict> {
        let alphabet = Verdict {
            specification: "alphabet",
            subjects: files,
            actions: records,
            rejections: unread,
        };
        let examiners = self.examiners.into_iter();
        let verdicts = examiners.map(|(examiner, _)| examiner.verdict());
        [alphabet].into_iter().chain(verdicts).collect()
    }
}

/// A record that maps to no action.
pub(crate) fn unread(place: &Place, unread: &Unread) -> Rejection {
    let subject = place.machine.to_string();
    no_word(subject, Some(place.clone()), unread.to_string())
}

/// A trace that cannot be read any further.
pub(crate) fn broken(path: &Path, why: String) -> Rejection {
    no_word(path.display().to_string(), None, why)
}

fn no_word(subject: String, place: Option<Place>, action: String) -> Rejection {
    Rejection {
        subject,
        place,
        action,
        guard: "every record is a word of the specification",
        detail: String::new(),
        before: Vec::new(),
        state: String::new(),
    }
}
