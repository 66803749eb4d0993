//! The whole cluster simulated.

use std::process::Command;
use std::time::Duration;

use conformance::simulation::{Fault, Faults, Options, Outcome, Report, run};

/// Seeds that CI runs, with all faults.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=40;
/// Actions that only some faults and clients bring about.
const RARE: [&str; 13] = [
    "kubelet NodeReported",
    "kubelet PodRejected",
    "replicaset Expired",
    "store Compacted",
    "store Failed",
    "store LeaseEnded",
    "store LeaseKeptAlive",
    "store PersistFailed",
    "store Resumed",
    "store Waiting",
    "transaction Unknown",
    "watch_cache Filled",
    "watch_cache Trimmed",
];
/// Seeds of runs in which nothing but collections of pods goes wrong, as many of them as it takes for the pod GC to do
/// all that only this brings about.
const COLLECTIONS: std::ops::RangeInclusive<u64> = 1..=16;
const COLLECTING: [&str; 2] = ["pod_gc Failed", "pod_gc Waits"];
/// Seeds that once found something, and what. The run behind a seed changes with the code, so each is kept as a check
/// of a machine or an acceptor too; here it is run again as it was.
const FOUND: [(u64, &str); 5] = [
    (13, "a drive that was closed forgot what was begun"),
    (
        40,
        "a pod was said to be removed without being deleted: the deletion was one of which nobody had been told",
    ),
    (
        1007,
        "a kubelet was said to believe too much: a refusal did not tell how far its server had heard",
    ),
    (
        90053,
        "an event was written, went with its lease, and was sent again: that was said to be another attempt",
    ),
    (
        111009,
        "a deletion was said to have written what had gone with its lease before it was asked for",
    ),
];
/// How many seeds the long run takes.
const MANY: &str = "PLIMSOLL_SIMULATIONS";
/// The seed of the run that is repeated.
const REPEATED: u64 = 7;

fn simulate(seed: u64, nodes: u8, seconds: u64, faults: Faults) -> Outcome {
    let options = Options {
        seed,
        nodes,
        acting: Duration::from_secs(seconds),
        faults,
    };
    let directory = tempfile::tempdir().expect("a directory");
    run(&options, directory.path()).expect("a simulation")
}

fn hold(outcome: &Outcome) {
    let failures = outcome.failures.join("\n");
    assert!(
        outcome.failures.is_empty(),
        "seed {}:\n{failures}",
        outcome.seed
    );
}

#[test]
fn without_faults_everything_is_done() {
    let outcome = simulate(1, 1, 30, Faults::none());
    hold(&outcome);
    assert!(outcome.containers > 0, "no container was started");
    assert!(
        outcome.acts.values().all(|ends| ends.unknown == 0),
        "nothing went wrong, and yet: {:?}",
        outcome.acts
    );
    assert!(
        outcome.quiet_after < Duration::from_secs(60),
        "it took {:?}",
        outcome.quiet_after
    );
}

fn repeated() -> Outcome {
    simulate(REPEATED, 2, 40, Faults::all())
}

#[test]
fn one_seed_is_one_run() {
    let (one, other) = (repeated(), repeated());
    assert_eq!(one.fingerprint, other.fingerprint, "in one process");
    let program = std::env::current_exe().expect("this program");
    let output = Command::new(program)
        .args([
            "simulation::tells_its_fingerprint",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .output()
        .expect("another process");
    let said = String::from_utf8_lossy(&output.stdout);
    let expected = format!("fingerprint {:016x}", one.fingerprint);
    assert!(said.contains(&expected), "{expected}, and it said {said}");
}

#[test]
#[ignore = "is started by one_seed_is_one_run"]
fn tells_its_fingerprint() {
    println!("fingerprint {:016x}", repeated().fingerprint);
}

#[test]
fn another_seed_is_another_run() {
    let runs = [3, 4].map(|seed| simulate(seed, 1, 10, Faults::none()).fingerprint);
    assert_ne!(runs[0], runs[1]);
}

#[test]
fn seeds_with_all_faults() {
    let mut report = Report::default();
    for seed in SEEDS {
        let outcome = simulate(seed, 2, 60, Faults::all());
        hold(&outcome);
        report.add(outcome);
    }
    println!("{report}");
    for fault in Fault::ALL {
        let count = report.sum.faults.get(&fault).copied().unwrap_or_default();
        assert!(count.times > 0, "{} never happened", fault.name());
    }
    for action in RARE {
        let taken = report.sum.actions.contains_key(action);
        assert!(taken, "{action} was never taken");
    }
}

#[test]
fn a_collection_that_goes_wrong_is_begun_again() {
    let mut report = Report::default();
    let missing = |report: &Report| {
        let taken = |action: &&str| report.sum.actions.contains_key(*action);
        COLLECTING.into_iter().find(|action| !taken(action))
    };
    for seed in COLLECTIONS {
        let outcome = simulate(seed, 1, 50, "collection".parse().expect("a fault"));
        hold(&outcome);
        report.add(outcome);
        if missing(&report).is_none() {
            break;
        }
    }
    println!("{report}");
    assert_eq!(missing(&report), None, "was never taken");
}

#[test]
fn seeds_that_found_something_stay_found() {
    for (seed, what) in FOUND {
        let outcome = simulate(seed, 3, 120, Faults::all());
        let failures = outcome.failures.join("\n");
        assert!(failures.is_empty(), "seed {seed} ({what}):\n{failures}");
    }
}

#[test]
#[ignore = "long: PLIMSOLL_SIMULATIONS says how many seeds (100)"]
fn many_seeds_with_all_faults() {
    let count = std::env::var(MANY)
        .ok()
        .and_then(|count| count.parse().ok());
    let mut report = Report::default();
    for seed in 1..=count.unwrap_or(100) {
        report.add(simulate(seed, 3, 120, Faults::all()));
    }
    println!("{report}");
    for outcome in &report.failed {
        println!("seed {}: {}", outcome.seed, outcome.failures.join("\n  "));
    }
    assert!(report.failed.is_empty());
}
