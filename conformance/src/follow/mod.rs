//! Checking the traces of a running cluster as they grow.
//!
//! A [`Follower`] reads what was appended in passes, judges it in an order in which it can have happened ([`order`]
//! tells how that is known), and hands out each rejection once. New starts of components, next parts of traces and
//! records that are half written are met as they come. Inputs are not replayed: that needs whole records of them.

mod open;
mod order;
mod tail;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use model::actions::kubelet::KubeletAction;

use crate::check::{Judges, Rejection, Report, broken};
use crate::said::Said;
use crate::timeline::{Moment, Placing, TimelineError, traces_in};

use order::Order;
use tail::Tail;

/// So many moments are judged between two looks at the clock.
const JUDGED_AT_ONCE: usize = 2_000;

/// Follows the traces of a directory.
pub struct Follower {
    directory: PathBuf,
    known: BTreeSet<PathBuf>,
    followed: Vec<Followed>,
    clocks: BTreeMap<(Rc<str>, Rc<str>), u64>,
    order: Order,
    judges: Option<Judges>,
    /// Traces that cannot be followed, and records that are no words: found while reading.
    found: Vec<(&'static str, Rejection)>,
    unread: Vec<Rejection>,
    figures: Figures,
}

/// One trace that is followed.
struct Followed {
    tail: Tail,
    placing: Option<Placing>,
}

/// How far a follower is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Traces that were found.
    pub files: usize,
    /// Records that were read.
    pub records: u64,
    /// Containers that kubelets have said they started.
    pub container_starts: u64,
    /// Actions that were judged.
    pub actions: u64,
    /// Actions that were read and wait to be judged.
    pub waiting: usize,
    /// When the first of those was recorded, in wall-clock milliseconds since the Unix epoch.
    pub oldest_ms: Option<u64>,
}

impl Follower {
    /// Follows a directory, which may be made later.
    pub fn new(directory: &Path) -> Self {
        Follower {
            directory: directory.to_owned(),
            known: BTreeSet::new(),
            followed: Vec::new(),
            clocks: BTreeMap::new(),
            order: Order::default(),
            judges: None,
            found: Vec::new(),
            unread: Vec::new(),
            figures: Figures::default(),
        }
    }

    /// How far it is.
    pub fn figures(&self) -> Figures {
        Figures {
            waiting: self.order.waiting(),
            oldest_ms: self.order.oldest_ms(),
            ..self.figures
        }
    }

    /// Reads everything that was appended since the last pass.
    ///
    /// # Errors
    /// If the directory cannot be listed. What is wrong with a trace is a rejection.
    pub fn read(&mut self) -> Result<(), TimelineError> {
        self.order.begin_pass();
        self.discover()?;
        let mut followed = std::mem::take(&mut self.followed);
        followed.retain_mut(|one| self.read_one(one));
        self.followed = followed;
        Ok(())
    }

    /// Judges a bounded number of what may be judged; `true` if there is more.
    pub fn judge(&mut self) -> bool {
        for _ in 0..JUDGED_AT_ONCE {
            let Some(moment) = self.order.next() else {
                return false;
            };
            self.see(&moment);
        }
        true
    }

    /// The rejections that have not been handed out yet, each with the specification it is of.
    pub fn rejections(&mut self) -> Vec<(&'static str, Rejection)> {
        let mut fresh = std::mem::take(&mut self.found);
        if let Some(judges) = &mut self.judges {
            fresh.extend(judges.fresh());
        }
        fresh
    }

    /// Nothing more is written: reads and judges the rest, and says what the specifications say of all of it.
    ///
    /// # Errors
    /// As [`Follower::read`].
    pub fn finish(mut self, seconds: f64) -> Result<Report, TimelineError> {
        self.read()?;
        self.order.end();
        while let Some(moment) = self.order.rest() {
            self.see(&moment);
        }
        let (files, records) = (self.figures.files, self.figures.records);
        let actions = self.figures.actions;
        let unread = std::mem::take(&mut self.unread);
        self.judges();
        let judges = self.judges.take();
        Ok(Report {
            files,
            records,
            actions: usize::try_from(actions).unwrap_or(usize::MAX),
            seconds,
            replay_seconds: 0.0,
            container_starts: self.figures.container_starts,
            verdicts: judges
                .map_or_else(Vec::new, |judges| judges.verdicts((files, records), unread)),
        })
    }

    fn see(&mut self, moment: &Moment) {
        self.figures.actions += 1;
        self.judges().see(moment);
    }

    fn judges(&mut self) -> &mut Judges {
        let known = &self.known;
        self.judges.get_or_insert_with(|| {
            let first = |path: &PathBuf| path.ends_with("apiserver.transaction.1.trace");
            Judges::new(known.iter().any(first))
        })
    }

    /// Looks for traces that were not there in the last pass, those of earlier starts first.
    fn discover(&mut self) -> Result<(), TimelineError> {
        if !self.directory.exists() {
            return Ok(());
        }
        let mut fresh: Vec<PathBuf> = traces_in(&self.directory)?;
        fresh.retain(|path| !self.known.contains(path));
        fresh.sort_by_key(|path| incarnation(path));
        for path in fresh {
            self.known.insert(path.clone());
            self.figures.files += 1;
            match Tail::open(path.clone()) {
                Ok(tail) => self.followed.push(Followed {
                    tail,
                    placing: None,
                }),
                Err(error) => self.broken(&path, error.to_string()),
            }
        }
        Ok(())
    }

    /// Reads a trace; `false` if it cannot be followed any further.
    fn read_one(&mut self, one: &mut Followed) -> bool {
        let records = match one.tail.read() {
            Ok(records) => records,
            Err(error) => {
                let path = one.tail.path().to_owned();
                self.broken(&path, error.to_string());
                return false;
            }
        };
        if one.placing.is_none()
            && let Some(header) = one.tail.header()
        {
            if header.machine == "transaction" {
                let server = header.component.as_str().into();
                self.order.server_started(&server, header.incarnation);
            }
            one.placing = Some(Placing::new(header));
        }
        let Some(placing) = &mut one.placing else {
            return true;
        };
        let clock = self.clocks.entry(placing.machine()).or_default();
        for record in records {
            self.figures.records += 1;
            for (index, placed) in placing.place(clock, &record).enumerate() {
                match placed {
                    Ok(moment) => {
                        self.figures.container_starts += u64::from(matches!(
                            moment.said,
                            Said::Kubelet(KubeletAction::ContainerStarted { .. })
                        ));
                        self.order.add(index, moment);
                    }
                    Err((place, unread)) => {
                        let rejection = crate::check::unread(&place, &unread);
                        self.found.push(("alphabet", rejection.clone()));
                        self.unread.push(rejection);
                    }
                }
            }
        }
        true
    }

    fn broken(&mut self, path: &Path, why: String) {
        let rejection = broken(path, why);
        self.found.push(("alphabet", rejection.clone()));
        self.unread.push(rejection);
    }
}

/// The number of the start in the name of a trace.
fn incarnation(path: &Path) -> u64 {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    stem.and_then(|stem| stem.rsplit('.').next()?.parse().ok())
        .unwrap_or(0)
}
