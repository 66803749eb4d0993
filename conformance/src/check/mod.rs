//! Does what was recorded follow the specifications: every record is given to the acceptors that it concerns.

mod cases;
mod pods;
mod stores;
mod watches;

use std::path::PathBuf;
use std::time::Instant;

use crate::timeline::{Moment, Place, Timeline, TimelineError, timeline};

/// What became of traces.
#[derive(Debug)]
pub struct Report {
    /// How many files were read.
    pub files: usize,
    /// How many records.
    pub records: u64,
    /// How many actions, in all records.
    pub actions: usize,
    /// How long it took to read and to judge them.
    pub seconds: f64,
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
    /// Takes the next moment.
    fn see(&mut self, moment: &Moment);

    /// What it says in the end.
    fn verdict(self: Box<Self>) -> Verdict;
}

/// Checks trace files and the traces of directories against every specification.
///
/// # Errors
/// If they cannot be read as traces. What they tell is no error: it is in the report.
pub fn check(paths: &[PathBuf]) -> Result<Report, TimelineError> {
    let began = Instant::now();
    let timeline = timeline(paths)?;
    let mut report = judge(&timeline);
    report.seconds = began.elapsed().as_secs_f64();
    Ok(report)
}

/// Judges a timeline.
pub fn judge(timeline: &Timeline) -> Report {
    let began = Instant::now();
    let mut examiners: Vec<Box<dyn Examiner>> = vec![
        Box::new(stores::Stores::default()),
        Box::new(watches::Caches::default()),
        Box::new(watches::Reflectors::default()),
        Box::new(pods::Pods::new(timeline.from_the_beginning)),
    ];
    for moment in &timeline.moments {
        for examiner in &mut examiners {
            examiner.see(moment);
        }
    }
    let mut verdicts = vec![alphabet(timeline)];
    verdicts.extend(examiners.into_iter().map(Examiner::verdict));
    Report {
        files: timeline.files,
        records: timeline.records,
        actions: timeline.moments.len(),
        seconds: began.elapsed().as_secs_f64(),
        verdicts,
    }
}

/// Every record maps to actions.
fn alphabet(timeline: &Timeline) -> Verdict {
    let rejections = timeline.unread.iter().map(|(place, unread)| Rejection {
        subject: place.machine.to_string(),
        place: Some(place.clone()),
        action: unread.to_string(),
        guard: "every record is a word of the specification",
        detail: String::new(),
        before: Vec::new(),
        state: String::new(),
    });
    Verdict {
        specification: "alphabet",
        subjects: timeline.files,
        actions: timeline.records,
        rejections: rejections.collect(),
    }
}
