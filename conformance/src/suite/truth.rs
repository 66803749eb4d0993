//! What must have happened on the server, as far as answers and events tell.

use std::collections::{BTreeMap, BTreeSet};

use super::observed::{Answer, Content, EventKind, Observed, Start, Write, WriteKind};

/// Every write that is known, by revision.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    facts: BTreeMap<u64, Fact>,
    /// Each object's own facts.
    of: BTreeMap<String, BTreeMap<u64, Fact>>,
    /// Objects of which something may have happened that nobody saw: nothing is claimed of them.
    doubtful: BTreeSet<String>,
    /// Between which revisions an object was deleted, nobody knows at which: nothing is claimed of it meanwhile.
    uncertain: BTreeMap<String, Vec<(u64, u64)>>,
    /// Deletions that were acknowledged and of which nothing was told.
    pub untold: Vec<Untold>,
    /// Revisions of which two different things were told.
    pub contradictions: Vec<Contradiction>,
}

/// A deletion that was acknowledged, and of which no watch of everything told. Its revision is not known, but between
/// which two it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untold {
    /// Of which object.
    pub name: String,
    /// The revision at which the object was written that was deleted.
    pub after: u64,
    /// The revision of a write that began after the deletion was acknowledged.
    pub before: u64,
}

/// Two different things that were told of one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// The revision.
    pub revision: u64,
    /// Whether both are about the same object: then one of them is only part of its change.
    pub same_object: bool,
    /// Both, for people.
    pub what: String,
}

/// One write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Of which object.
    pub name: String,
    /// What it holds afterwards; `None` if it is gone.
    pub content: Option<Content>,
    /// When somebody first knew that it was done; `None` if nobody who wrote was told.
    pub acknowledged_us: Option<u64>,
    /// Whether a writer was told that it made the object.
    pub creates: bool,
}

/// A change as a watcher of one selection sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// At which revision.
    pub revision: u64,
    /// Of which object.
    pub name: String,
    /// As what.
    pub kind: EventKind,
    /// What the event carries: the new state, or the last visible one of what went.
    pub content: Option<Content>,
    /// Whether the object stayed and only its selection changed.
    pub crossed: bool,
}

impl Truth {
    /// Puts together what a session tells.
    pub fn of(observed: &Observed) -> Self {
        let mut truth = Truth::default();
        for write in &observed.writes {
            if let Answer::Done(Some(revision)) = write.answer {
                let content = write.content.filter(|_| write.kind != WriteKind::Delete);
                truth.tell(
                    revision,
                    Fact {
                        name: write.name.clone(),
                        content,
                        acknowledged_us: Some(write.ended_us),
                        creates: write.kind == WriteKind::Create,
                    },
                );
            }
        }
        // Only watches of everything: a deletion that a selector's watch tells of may be a change.
        for watch in observed.watches.iter().filter(|watch| !watch.selected) {
            let mut initial = watch.start == Start::InitialEvents;
            for event in &watch.events {
                match event.kind {
                    EventKind::InitialEventsEnd => initial = false,
                    EventKind::Bookmark => {}
                    // An initial event tells of a state, not of a write.
                    _ if initial => {}
                    kind => truth.tell(
                        event.revision,
                        Fact {
                            name: event.name.clone(),
                            content: event.content.filter(|_| kind != EventKind::Deleted),
                            acknowledged_us: None,
                            creates: false,
                        },
                    ),
                }
            }
        }
        truth.acknowledge_deletions(observed);
        truth.doubt(observed);
        truth
    }

    fn tell(&mut self, revision: u64, fact: Fact) {
        if let Some(known) = self.facts.get(&revision) {
            if (&known.name, known.content) != (&fact.name, fact.content) {
                self.contradictions.push(Contradiction {
                    revision,
                    same_object: known.name == fact.name,
                    what: format!("{known:?} and {fact:?}"),
                });
            }
            return;
        }
        let own = self.of.entry(fact.name.clone()).or_default();
        own.insert(revision, fact.clone());
        self.facts.insert(revision, fact);
    }

    /// The answer to a deletion does not tell its revision: it is the object's first deletion after what was deleted
    /// was written.
    fn acknowledge_deletions(&mut self, observed: &Observed) {
        for write in &observed.writes {
            let (WriteKind::Delete, Answer::Done(None), Some(deleted)) =
                (write.kind, write.answer, write.content)
            else {
                continue;
            };
            let Some(own) = self.of.get_mut(&write.name) else {
                continue;
            };
            let last = own.iter().find(|(_, fact)| fact.content == Some(deleted));
            let Some(last) = last.map(|(revision, _)| *revision) else {
                self.doubtful.insert(write.name.clone());
                continue;
            };
            let next = own.range_mut(last + 1..).next();
            let (revision, fact) = match next {
                Some((revision, fact)) if fact.content.is_none() => (revision, fact),
                // It was deleted before it was made again, or nothing more is known of it.
                next if next.as_ref().is_none_or(|(_, fact)| fact.creates) => {
                    let until = next.map_or(u64::MAX, |(revision, _)| *revision);
                    let name = write.name.clone();
                    self.uncertain.entry(name).or_default().push((last, until));
                    self.untold.extend(untold(observed, write, last));
                    continue;
                }
                _ => {
                    self.doubtful.insert(write.name.clone());
                    continue;
                }
            };
            fact.acknowledged_us = Some(write.ended_us);
            let revision = *revision;
            if let Some(fact) = self.facts.get_mut(&revision) {
                fact.acknowledged_us = Some(write.ended_us);
            }
        }
    }

    /// A write without an answer, of which no watch told either, may have been done.
    fn doubt(&mut self, observed: &Observed) {
        let seen: BTreeSet<Option<Content>> =
            self.facts.values().map(|fact| fact.content).collect();
        for write in &observed.writes {
            let unseen = write.kind == WriteKind::Delete || !seen.contains(&write.content);
            if write.answer == Answer::Unknown && unseen {
                self.doubtful.insert(write.name.clone());
            }
        }
    }

    /// Whether what an object holds at a revision is known.
    pub fn is_sure_of(&self, name: &str, revision: u64) -> bool {
        let between = |(after, until): &(u64, u64)| *after < revision && revision < *until;
        !self.doubtful.contains(name) && !self.is_uncertain(name, between)
    }

    /// Whether what an object held before a write of it, and holds after it, is known.
    fn is_sure_of_change(&self, name: &str, revision: u64) -> bool {
        let between = |(after, until): &(u64, u64)| *after < revision && revision <= *until;
        !self.doubtful.contains(name) && !self.is_uncertain(name, between)
    }

    fn is_uncertain(&self, name: &str, between: impl Fn(&(u64, u64)) -> bool) -> bool {
        let uncertain = self.uncertain.get(name);
        uncertain.is_some_and(|spans| spans.iter().any(between))
    }

    /// Every write after one revision and up to another, as a watcher sees it.
    pub fn due(&self, after: u64, through: u64, selected: bool) -> Vec<Due> {
        let facts = self.facts.range(after + 1..through.max(after) + 1);
        facts
            .filter(|(revision, fact)| self.is_sure_of_change(&fact.name, **revision))
            .filter_map(|(revision, fact)| self.seen(*revision, fact, selected))
            .collect()
    }

    fn seen(&self, revision: u64, fact: &Fact, selected: bool) -> Option<Due> {
        let shows = |content: &Content| !selected || content.selected;
        let was = self.before(&fact.name, revision);
        let (before, now) = (was.filter(shows), fact.content.filter(shows));
        let (kind, content) = match (before, now) {
            (None, None) => return None,
            (None, Some(now)) => (EventKind::Added, Some(now)),
            (Some(_), Some(now)) => (EventKind::Modified, Some(now)),
            // As Kubernetes sends it: the last state that was visible, under the new revision.
            (Some(before), None) => (EventKind::Deleted, Some(before)),
        };
        Some(Due {
            revision,
            name: fact.name.clone(),
            kind,
            content,
            crossed: was.is_some() && fact.content.is_some() && before.is_some() != now.is_some(),
        })
    }

    /// What an object held before a revision.
    fn before(&self, name: &str, revision: u64) -> Option<Content> {
        let earlier = self.of.get(name)?.range(..revision);
        earlier.last().and_then(|(_, fact)| fact.content)
    }

    /// Every object as of a revision: the revision of its last write and what it holds.
    pub fn state(&self, revision: u64, selected: bool) -> BTreeMap<String, (u64, Content)> {
        let last = |own: &BTreeMap<u64, Fact>| {
            let (at, fact) = own.range(..=revision).last()?;
            let content = fact
                .content
                .filter(|content| !selected || content.selected)?;
            Some((*at, content))
        };
        self.of
            .iter()
            .filter(|(name, _)| self.is_sure_of(name, revision))
            .filter_map(|(name, own)| Some((name.clone(), last(own)?)))
            .collect()
    }

    /// The newest revision of which a writer had been told before a time.
    pub fn acknowledged_before(&self, time_us: u64) -> u64 {
        self.facts
            .iter()
            .rev()
            .find(|(_, fact)| fact.acknowledged_us.is_some_and(|at| at < time_us))
            .map_or(0, |(revision, _)| *revision)
    }

    /// What is known to have been written at a revision.
    pub fn fact(&self, revision: u64) -> Option<&Fact> {
        self.facts.get(&revision)
    }
}

/// What is known of a deletion of what was written at a revision, if anything was written after it.
fn untold(observed: &Observed, deletion: &Write, after: u64) -> Option<Untold> {
    let later = observed
        .writes
        .iter()
        .filter(|write| write.began_us > deletion.ended_us);
    let revisions = later.filter_map(|write| match write.answer {
        Answer::Done(revision) => revision,
        Answer::Refused(_) | Answer::Unknown => None,
    });
    Some(Untold {
        name: deletion.name.clone(),
        after,
        before: revisions.min()?,
    })
}
