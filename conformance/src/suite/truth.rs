//! What must have happened on the server, as far as answers and events tell.

use std::collections::{BTreeMap, BTreeSet};

use super::observed::{Answer, Content, EventKind, Observed, Start, WriteKind};

/// Every write that is known, by revision.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    facts: BTreeMap<u64, Fact>,
    /// Each object's own facts.
    of: BTreeMap<String, BTreeMap<u64, Fact>>,
    /// Objects of which something may have happened that nobody saw: nothing is claimed of them.
    doubtful: BTreeSet<String>,
    /// Revisions of which two different things were told.
    pub contradictions: Vec<(u64, String)>,
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
                let what = format!("{known:?} and {fact:?}");
                self.contradictions.push((revision, what));
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
            let gone = own
                .range_mut(last + 1..)
                .next()
                .filter(|(_, fact)| fact.content.is_none());
            let Some((revision, fact)) = gone else {
                self.doubtful.insert(write.name.clone());
                continue;
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

    /// Whether everything that happened to an object is known.
    pub fn is_sure_of(&self, name: &str) -> bool {
        !self.doubtful.contains(name)
    }

    /// Every write after one revision and up to another, as a watcher sees it.
    pub fn due(&self, after: u64, through: u64, selected: bool) -> Vec<Due> {
        let facts = self.facts.range(after + 1..through.max(after) + 1);
        facts
            .filter(|(_, fact)| self.is_sure_of(&fact.name))
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
            .filter(|(name, _)| self.is_sure_of(name))
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
