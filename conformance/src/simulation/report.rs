//! What a simulation was and what came of it, and of many together.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use store::disk::Losses;
use transport::sim::Tally;

use super::deeds::{Act, Ends};
use super::faults::Fault;
use super::mishaps::Count;

/// How often each action is to be taken in as many runs or more, so that what follows it has been tried.
const OFTEN: u64 = 100;

/// What came of one simulation.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// What did not hold; empty if all did.
    pub failures: Vec<String>,
    /// Two runs that did the same have the same: over all traces and all datagrams.
    pub fingerprint: u64,
    /// How long it lasted in its own time.
    pub virtual_time: Duration,
    /// How long it took.
    pub real_time: Duration,
    /// How often each fault happened.
    pub faults: BTreeMap<Fault, Count>,
    /// How what clients did ended.
    pub acts: BTreeMap<Act, Ends>,
    /// How often each machine took each action, by `MACHINE ACTION`.
    pub actions: BTreeMap<String, u64>,
    /// What became of datagrams.
    pub datagrams: Tally,
    /// Datagrams that were sent.
    pub sent: u64,
    /// What ends of the store's process did to its disk.
    pub losses: Losses,
    /// Containers that were started.
    pub containers: u64,
    /// Processes that were started.
    pub processes: u64,
    /// Events that watchers were sent.
    pub events: u64,
    /// How long it took after the last fault until the cluster was as it should be.
    pub quiet_after: Duration,
}

/// What came of many simulations.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many there were.
    pub runs: u64,
    /// Those that failed.
    pub failed: Vec<Outcome>,
    /// The sums of all of them.
    pub sum: Outcome,
}

impl Report {
    /// Takes an outcome in.
    pub fn add(&mut self, outcome: Outcome) {
        self.runs += 1;
        let sum = &mut self.sum;
        sum.virtual_time += outcome.virtual_time;
        sum.real_time += outcome.real_time;
        sum.sent += outcome.sent;
        sum.containers += outcome.containers;
        sum.processes += outcome.processes;
        sum.events += outcome.events;
        sum.quiet_after = sum.quiet_after.max(outcome.quiet_after);
        sum.datagrams.lost += outcome.datagrams.lost;
        sum.datagrams.doubled += outcome.datagrams.doubled;
        sum.datagrams.overtaking += outcome.datagrams.overtaking;
        sum.datagrams.severed += outcome.datagrams.severed;
        sum.losses.idle += outcome.losses.idle;
        sum.losses.before_a_commit += outcome.losses.before_a_commit;
        sum.losses.within_a_commit += outcome.losses.within_a_commit;
        sum.losses.after_a_commit += outcome.losses.after_a_commit;
        sum.losses.writes_lost += outcome.losses.writes_lost;
        sum.losses.writes_torn += outcome.losses.writes_torn;
        sum.losses.commits_failed += outcome.losses.commits_failed;
        for (fault, count) in &outcome.faults {
            let all = sum.faults.entry(*fault).or_default();
            all.times += count.times;
            all.in_transition += count.in_transition;
        }
        for (act, ends) in &outcome.acts {
            let all = sum.acts.entry(*act).or_default();
            all.done += ends.done;
            all.refused += ends.refused;
            all.unknown += ends.unknown;
        }
        for (action, times) in &outcome.actions {
            *sum.actions.entry(action.clone()).or_default() += times;
        }
        if !outcome.failures.is_empty() {
            self.failed.push(outcome);
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = &self.sum;
        writeln!(
            f,
            "{} runs, {} failed; {:.0} virtual seconds in {:.1} real ones; quiet at the latest {:.0} s after the last fault",
            self.runs,
            self.failed.len(),
            sum.virtual_time.as_secs_f64(),
            sum.real_time.as_secs_f64(),
            sum.quiet_after.as_secs_f64(),
        )?;
        writeln!(
            f,
            "{} processes, {} containers, {} events to watchers",
            sum.processes, sum.containers, sum.events
        )?;
        let Tally {
            lost,
            doubled,
            overtaking,
            severed,
        } = sum.datagrams;
        writeln!(
            f,
            "{} datagrams: {lost} lost, {doubled} doubled, {overtaking} overtaking, {severed} on severed ways",
            sum.sent
        )?;
        writeln!(f, "{}", Ended(&sum.losses))?;
        writeln!(f, "\n{:<20}{:>10}{:>16}", "fault", "times", "in transition")?;
        for (fault, count) in &sum.faults {
            let (name, in_transition) = (fault.name(), count.in_transition);
            writeln!(f, "{name:<20}{:>10}{in_transition:>16}", count.times)?;
        }
        writeln!(
            f,
            "\n{:<20}{:>10}{:>10}{:>10}",
            "client", "done", "refused", "unknown"
        )?;
        for (act, ends) in &sum.acts {
            let name = format!("{act:?}");
            writeln!(
                f,
                "{name:<20}{:>10}{:>10}{:>10}",
                ends.done, ends.refused, ends.unknown
            )?;
        }
        writeln!(f, "\n{:<44}{:>10}", "action", "times")?;
        for (action, times) in &sum.actions {
            writeln!(f, "{action:<44}{times:>10}")?;
        }
        let rare = sum.actions.iter().filter(|(_, times)| **times < OFTEN);
        let rare: Vec<&str> = rare.map(|(action, _)| action.as_str()).collect();
        if self.runs >= OFTEN && !rare.is_empty() {
            writeln!(f, "\ntaken fewer than {OFTEN} times: {}", rare.join(", "))?;
        }
        Ok(())
    }
}

/// How the store's process ended, in words.
struct Ended<'a>(&'a Losses);

impl fmt::Display for Ended<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let losses = self.0;
        write!(
            f,
            "the store ended {} times idle, {} before, {} within, {} after a commit; {} unsynced writes lost, {} torn; {} commits failed",
            losses.idle,
            losses.before_a_commit,
            losses.within_a_commit,
            losses.after_a_commit,
            losses.writes_lost,
            losses.writes_torn,
            losses.commits_failed
        )
    }
}
