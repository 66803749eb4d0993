//! Traces with one record dropped, doubled, swapped with its neighbour or altered: hardly any may be accepted.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use conformance::check::replays::replayed;
use conformance::check::{Beside, check};
use conformance::simulation::{Faults, Options, run};
use conformance::trace::{Trace, read};
use model::trace::{MAGIC, Record, VERSION};

/// How many corruptions are tried.
const TRIED: u64 = 400;
/// Of so many of them it is also asked whether the specifications alone see them, which takes longer.
const TRIED_ALONE: u64 = 160;

/// A small random source (splitmix64), the same for a seed everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end as u64) as usize
    }
}

/// What is done to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Corruption {
    Dropped,
    Doubled,
    Swapped,
    Altered,
}

const CORRUPTIONS: [Corruption; 4] = [
    Corruption::Dropped,
    Corruption::Doubled,
    Corruption::Swapped,
    Corruption::Altered,
];

/// Corrupts a record and tells what was done.
fn corrupt(trace: &mut Trace, at: usize, corruption: Corruption, random: &mut Random) -> String {
    let records = &mut trace.records;
    match corruption {
        Corruption::Dropped => {
            records.remove(at);
            "dropped".to_owned()
        }
        Corruption::Doubled => {
            records.insert(at, records[at].clone());
            "doubled".to_owned()
        }
        Corruption::Swapped => {
            let other = if at + 1 < records.len() {
                at + 1
            } else {
                at - 1
            };
            records.swap(at, other);
            "swapped with its neighbour".to_owned()
        }
        Corruption::Altered => alter(&mut records[at], random),
    }
}

fn alter(record: &mut Record, random: &mut Random) -> String {
    match random.below(6) {
        0 => {
            record.cause = match record.cause {
                Some((origin, sequence)) => Some((origin, sequence + 1)),
                None => Some((1, 1)),
            };
            "another cause".to_owned()
        }
        1 => {
            record.revision += 1 + random.below(3) as u64;
            "a later revision".to_owned()
        }
        _ if record.actions.is_empty() => {
            record.actions.push(Vec::new());
            "an action of no bytes".to_owned()
        }
        2 => {
            record.at_ms += 1 + random.below(1000) as u64;
            "a later time".to_owned()
        }
        _ => {
            let which = random.below(record.actions.len());
            let action = &mut record.actions[which];
            let byte = random.below(action.len());
            action[byte] ^= 1 << random.below(8);
            format!("a bit of byte {byte} of action {which}")
        }
    }
}

/// Gives the records numbers without a gap, as a forger would.
fn renumber(trace: &mut Trace) {
    for (sequence, record) in (trace.part.first_sequence..).zip(&mut trace.records) {
        record.sequence = sequence;
    }
}

fn write(trace: &Trace, path: &Path) {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    let config = bincode::config::standard();
    let mut frame = |encoded: Vec<u8>| {
        bytes.extend_from_slice(&(encoded.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&encoded);
    };
    frame(bincode::encode_to_vec(&trace.header, config).unwrap());
    frame(bincode::encode_to_vec(trace.part, config).unwrap());
    for record in &trace.records {
        frame(bincode::encode_to_vec(record, config).unwrap());
    }
    std::fs::write(path, bytes).unwrap();
}

/// The traces of a run with faults, each with its path.
fn recorded(directory: &Path) -> Vec<(PathBuf, Trace)> {
    let options = Options {
        seed: 11,
        nodes: 2,
        acting: Duration::from_secs(20),
        faults: Faults::all(),
    };
    let outcome = run(&options, directory).expect("a simulation");
    assert!(outcome.failures.is_empty(), "{:?}", outcome.failures);
    let mut traces = Vec::new();
    for entry in std::fs::read_dir(directory.join("trace")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "trace") {
            let trace = read(&path).unwrap();
            if trace.records.len() > 1 {
                traces.push((path, trace));
            }
        }
    }
    traces.sort_by(|one, other| one.0.cmp(&other.0));
    traces
}

/// How many of how many were rejected.
type Counts = BTreeMap<Corruption, (u64, u64)>;

fn share(counts: &Counts) -> f64 {
    let (rejected, tried) = counts
        .values()
        .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    rejected as f64 / tried as f64
}

#[test]
fn corrupted_traces_are_rejected() {
    let directory = tempfile::tempdir().unwrap();
    let traces = recorded(directory.path());
    let whole = directory.path().join("trace");
    let total: usize = traces.iter().map(|(_, trace)| trace.records.len()).sum();
    let mut random = Random(1);
    let (mut counts, mut alone) = (Counts::new(), Counts::new());
    let (mut survivors, mut unseen) = (String::new(), String::new());
    for number in 0..TRIED {
        // Each record is as likely as any other.
        let mut at = random.below(total);
        let (path, trace) = traces
            .iter()
            .find(|(_, trace)| {
                let here = at < trace.records.len();
                at -= if here { 0 } else { trace.records.len() };
                here
            })
            .unwrap();
        let corruption = CORRUPTIONS[random.below(CORRUPTIONS.len())];
        let good = std::fs::read(path).unwrap();
        let mut corrupted = read(path).unwrap();
        let done = corrupt(&mut corrupted, at, corruption, &mut random);
        let forged = number % 2 == 0;
        if forged {
            renumber(&mut corrupted);
        }
        write(&corrupted, path);
        // Two records that say the same in the same millisecond were swapped and numbered anew: nothing is corrupt.
        if std::fs::read(path).unwrap() == good {
            continue;
        }
        let saw = |rejected: Result<bool, String>| rejected.unwrap_or(true);
        // Numbers and replay first: they look at one file.
        let rejected = read(path).is_err()
            || saw(replayed(std::slice::from_ref(path))
                .map(|verdict| !verdict.rejections.is_empty())
                .map_err(|error| error.to_string()));
        let judged = || {
            saw(check(std::slice::from_ref(&whole), &Beside::default())
                .map(|report| !report.accepted())
                .map_err(|error| error.to_string()))
        };
        let told = || {
            let (header, record) = (&trace.header, &trace.records[at]);
            let said: Vec<_> = record
                .actions
                .iter()
                .map(|bytes| format!("{:?}", conformance::said::decode(&header.machine, bytes)))
                .collect();
            let (component, machine) = (&header.component, &header.machine);
            format!(
                "{component}.{machine} record {}: {done}: {said:?}\n",
                at + 1
            )
        };
        let judged_alone = (forged && number < 2 * TRIED_ALONE).then(judged);
        if let Some(rejected) = judged_alone {
            let count = alone.entry(corruption).or_default();
            *count = (count.0 + u64::from(rejected), count.1 + 1);
            if !rejected {
                unseen.push_str(&told());
            }
        }
        let rejected = rejected || judged_alone.unwrap_or_else(judged);
        let count = counts.entry(corruption).or_default();
        *count = (count.0 + u64::from(rejected), count.1 + 1);
        if !rejected {
            survivors.push_str(&told());
        }
        std::fs::write(path, good).unwrap();
    }
    let mut table = String::new();
    for (corruption, (rejected, tried)) in &counts {
        let (alone, forged) = alone.get(corruption).copied().unwrap_or_default();
        let _ = writeln!(
            table,
            "{corruption:?}: {rejected} of {tried} rejected; forged, by the specifications alone: {alone} of {forged}"
        );
    }
    println!("{table}\nsurvivors:\n{survivors}\nnot seen by the specifications alone:\n{unseen}");
    assert!(share(&counts) >= 0.99, "{table}\n{survivors}");
    insta::assert_snapshot!("corrupted_survivors", survivors);
}
