//! One function a promise: what of a session could have shown it broken, and what did.

use std::collections::{BTreeMap, BTreeSet};

use super::Promise;
use super::observed::{NodeSeen, PodSeen, Session};
use crate::suite::observed::{Answer, EventKind};
use crate::suite::{Found, Verdict};

/// What breaks a promise is told in words: what is seen of a pod has no one revision.
type Said = Found<String>;

/// Judges a session: what was found of each promise, in their order.
pub fn judge(session: &Session) -> Vec<Verdict<Promise, String>> {
    let mut lives: BTreeMap<&str, Vec<&PodSeen>> = BTreeMap::new();
    for seen in session
        .pods
        .iter()
        .filter(|seen| seen.namespace == session.namespace)
    {
        lives.entry(&seen.uid).or_default().push(seen);
    }
    let judged = Judged { session, lives };
    let each = Promise::ALL.into_iter();
    let verdict = |promise| Verdict {
        promise,
        found: judged.found(promise),
    };
    each.map(verdict).collect()
}

struct Judged<'a> {
    session: &'a Session,
    /// The session's own pods by uid, each as its events showed it.
    lives: BTreeMap<&'a str, Vec<&'a PodSeen>>,
}

impl Judged<'_> {
    fn found(&self, promise: Promise) -> Said {
        let mut found = Said::default();
        match promise {
            Promise::OneAnswer => self.one_answer(&mut found),
            Promise::BoundOnce => self.bound_once(&mut found),
            Promise::Forward => self.forward(&mut found),
            Promise::OneOfAName => self.one_of_a_name(&mut found),
            Promise::NodeExists => self.placed(&mut found, node_exists),
            Promise::NotOvercommitted => self.placed(&mut found, not_overcommitted),
            Promise::ReadyOrWhy => self.ready_or_why(&mut found),
            Promise::WaitsAndSaysWhy => self.waits(&mut found),
            Promise::EndsFirst => self.ends_first(&mut found),
            Promise::GoneInTime => self.gone_in_time(&mut found),
            Promise::Replaced => self.replaced(&mut found),
        }
        found
    }

    /// Consecutive looks at one pod.
    fn steps(&self) -> impl Iterator<Item = (&PodSeen, &PodSeen)> {
        let lives = self.lives.values();
        lives.flat_map(|life| {
            life.iter()
                .zip(life.iter().skip(1))
                .map(|(one, next)| (*one, *next))
        })
    }

    fn one_answer(&self, found: &mut Said) {
        let mut races: BTreeMap<u64, Vec<_>> = BTreeMap::new();
        for create in &self.session.creates {
            races.entry(create.race).or_default().push(create);
        }
        for race in races.values() {
            let done = race
                .iter()
                .filter(|create| matches!(create.answer, Answer::Done(_)));
            let done: Vec<_> = done.collect();
            found.look(done.len() <= 1, || {
                let uids: Vec<_> = done.iter().map(|create| &create.uid).collect();
                format!(
                    "{} creates of {} at once were done: {uids:?}",
                    done.len(),
                    race[0].name
                )
            });
            // A short life may lie in a gap.
            let whole = self.session.gaps == 0;
            for create in done.into_iter().filter(|_| whole) {
                let seen = self.lives.get(create.uid.as_str());
                let seen = seen.is_some_and(|life| life[0].name == create.name);
                found.look(seen, || {
                    format!(
                        "{} was created as {}, and never seen",
                        create.name, create.uid
                    )
                });
            }
        }
    }

    fn bound_once(&self, found: &mut Said) {
        for (one, next) in self.steps().filter(|(one, _)| !one.node.is_empty()) {
            found.look(one.node == next.node, || {
                format!(
                    "{} was on {}, then on {:?} at {}",
                    called(next),
                    one.node,
                    next.node,
                    next.revision
                )
            });
        }
    }

    fn forward(&self, found: &mut Said) {
        // Unknown says that nobody can tell, not where the pod is.
        let known = |seen: &PodSeen| rank(&seen.phase).is_some();
        for life in self.lives.values() {
            let known: Vec<_> = life.iter().filter(|seen| known(seen)).collect();
            for (one, next) in known.iter().zip(known.iter().skip(1)) {
                let over = one.is_over() && next.phase != one.phase;
                let back = rank(&next.phase) < rank(&one.phase);
                found.look(!over && !back, || {
                    format!(
                        "{} was {}, then {} at {}",
                        called(next),
                        one.phase,
                        next.phase,
                        next.revision
                    )
                });
            }
        }
    }

    fn one_of_a_name(&self, found: &mut Said) {
        let mut there: BTreeMap<(&str, &str), &str> = BTreeMap::new();
        for seen in &self.session.pods {
            let name = (seen.namespace.as_str(), seen.name.as_str());
            let before = match seen.kind {
                EventKind::Deleted => there.remove(&name),
                _ => there.insert(name, &seen.uid),
            };
            if let Some(before) = before {
                found.look(before == seen.uid, || {
                    format!(
                        "{} at {}, and {before} is not gone",
                        called(seen),
                        seen.revision
                    )
                });
            }
        }
    }

    /// Looks at each moment at which a pod of the session was first seen on a node.
    fn placed(&self, found: &mut Said, keeps: fn(&NodeSeen, &[&PodSeen]) -> Result<(), String>) {
        let mut now: BTreeMap<&str, &PodSeen> = BTreeMap::new();
        for seen in &self.session.pods {
            let was_placed = now
                .get(seen.uid.as_str())
                .is_some_and(|was| !was.node.is_empty());
            match seen.kind {
                EventKind::Deleted => now.remove(seen.uid.as_str()),
                _ => now.insert(&seen.uid, seen),
            };
            let own = seen.namespace == self.session.namespace;
            if !own || was_placed || seen.node.is_empty() || seen.kind == EventKind::Deleted {
                continue;
            }
            let there: Vec<_> = now
                .values()
                .copied()
                .filter(|pod| pod.node == seen.node)
                .collect();
            let kept = self.some_node(&seen.node, |node| keeps(node, &there));
            found.look(kept.is_ok(), || {
                format!(
                    "{} bound at {}: {}",
                    called(seen),
                    seen.revision,
                    kept.err().unwrap_or_default()
                )
            });
        }
    }

    /// Whether something holds of a node as any event showed it: who placed a pod may have seen the node as it was a
    /// moment ago, and the two watches are not one.
    fn some_node(
        &self,
        name: &str,
        holds: impl Fn(&NodeSeen) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut why = Err(format!("no node {name} was ever there"));
        for node in self.session.nodes.iter().filter(|seen| seen.name == name) {
            if node.kind != EventKind::Deleted {
                why = holds(node);
            }
            if why.is_ok() {
                break;
            }
        }
        why
    }

    fn ready_or_why(&self, found: &mut Said) {
        for life in self.lives.values() {
            if !self.fits(life[0]) {
                continue;
            }
            let settled = |seen: &&&PodSeen| seen.ready || seen.is_over() || seen.ending;
            let first = life.iter().find(settled);
            let until_us = first.map_or(self.session.ended_us, |seen| seen.at_us);
            let waited_us = until_us.saturating_sub(life[0].at_us);
            let says = life.last().is_some_and(|seen| !seen.why.is_empty());
            let in_time = waited_us <= self.session.patience_us;
            if first.is_none() && !says && in_time {
                // There was not time enough to tell.
                continue;
            }
            found.look(first.is_some() || says, || {
                format!(
                    "{} was not Ready after {} s, and does not say why",
                    called(life[0]),
                    waited_us / 1_000_000
                )
            });
        }
    }

    fn fits(&self, pod: &PodSeen) -> bool {
        let mut creates = self.session.creates.iter();
        !creates.any(|create| create.uid == pod.uid && !create.fits)
    }

    fn waits(&self, found: &mut Said) {
        for life in self.lives.values().filter(|life| !self.fits(life[0])) {
            let bound = life.iter().find(|seen| !seen.node.is_empty());
            found.look(bound.is_none(), || {
                format!(
                    "{} fits no node and is on {}",
                    called(life[0]),
                    bound.map_or("", |seen| &seen.node)
                )
            });
            let says = life.iter().any(|seen| seen.why.contains("Unschedulable"));
            let waited_us = self.session.ended_us.saturating_sub(life[0].at_us);
            if says || waited_us > self.session.patience_us {
                found.look(says, || {
                    format!("{} does not say why it waits", called(life[0]))
                });
            }
        }
    }

    fn ends_first(&self, found: &mut Said) {
        for life in self.lives.values() {
            let gone = life
                .iter()
                .position(|seen| seen.kind == EventKind::Deleted && !seen.listed);
            let Some(before) = gone.map(|at| &life[..at]) else {
                continue;
            };
            let told = before.iter().any(|seen| seen.ending);
            let bound = before.iter().any(|seen| !seen.node.is_empty());
            // What has ended by itself may go at once.
            let over = before.iter().any(|seen| seen.is_over());
            if bound && (told || !over) {
                found.look(told, || {
                    format!("{} is gone, and was not told to end", called(life[0]))
                });
            }
        }
    }

    fn gone_in_time(&self, found: &mut Said) {
        let deletes = self.session.deletes.iter();
        for delete in deletes.filter(|delete| matches!(delete.answer, Answer::Done(_))) {
            let life = self.lives.get(delete.uid.as_str());
            let gone =
                life.and_then(|life| life.iter().find(|seen| seen.kind == EventKind::Deleted));
            let until_us = gone.map_or(self.session.ended_us, |seen| seen.at_us);
            let took_us = until_us.saturating_sub(delete.ended_us);
            let most_us = delete.grace_seconds * 1_000_000 + self.session.patience_us;
            if gone.is_none() && took_us <= most_us {
                continue;
            }
            found.look(took_us <= most_us, || {
                format!(
                    "{} ({}) was there {} s after its deletion",
                    delete.name,
                    delete.uid,
                    took_us / 1_000_000
                )
            });
        }
    }

    fn replaced(&self, found: &mut Said) {
        for replacement in &self.session.replaced {
            let ready: BTreeSet<_> = replacement.ready.iter().collect();
            found.look(!ready.contains(&replacement.uid), || {
                format!("{} was deleted and is ready", replacement.uid)
            });
            let count = u64::try_from(ready.len()).unwrap_or(u64::MAX);
            found.look(count == replacement.replicas, || {
                format!(
                    "{count} of {} are ready after {} was deleted",
                    replacement.replicas, replacement.uid
                )
            });
        }
    }
}

fn called(seen: &PodSeen) -> String {
    format!("pod {} ({})", seen.name, seen.uid)
}

fn rank(phase: &str) -> Option<u8> {
    match phase {
        "Pending" => Some(0),
        "Running" => Some(1),
        "Succeeded" | "Failed" => Some(2),
        _ => None,
    }
}

fn node_exists(_: &NodeSeen, _: &[&PodSeen]) -> Result<(), String> {
    Ok(())
}

/// A lower bound of what is requested: containers that run together, of pods that have not ended.
fn not_overcommitted(node: &NodeSeen, there: &[&PodSeen]) -> Result<(), String> {
    let there: Vec<_> = there.iter().filter(|pod| !pod.is_over()).collect();
    let cpu = there
        .iter()
        .map(|pod| pod.cpu_milli)
        .fold(0, i64::saturating_add);
    let memory = there
        .iter()
        .map(|pod| pod.memory_bytes)
        .fold(0, i64::saturating_add);
    let pods = i64::try_from(there.len()).unwrap_or(i64::MAX);
    let fits = cpu <= node.cpu_milli && memory <= node.memory_bytes && pods <= node.pods;
    fits.then_some(()).ok_or_else(|| {
        format!(
            "{} has {cpu}m cpu, {memory} bytes, {pods} pods, and allocates {}m, {}, {}",
            node.name, node.cpu_milli, node.memory_bytes, node.pods
        )
    })
}
