//! Traces that are followed while they grow.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use conformance::check::{Beside, check};
use conformance::follow::Follower;
use conformance::simulation::{Faults, Options, run};
use conformance::trace::read;
use model::actions::reflector::ReflectorAction;
use model::machine::Now;
use model::trace::Header;
use shell::{TraceLimits, TraceWriter};

/// Reads and judges once, and gives what was rejected.
fn pass(follower: &mut Follower) -> Vec<String> {
    follower.read().unwrap();
    while follower.judge() {}
    let rejections = follower.rejections();
    let told = rejections
        .iter()
        .map(|(specification, rejection)| format!("{specification}: {}", rejection.action));
    told.collect()
}

fn header(incarnation: u64) -> Header {
    Header {
        machine: "reflector".into(),
        component: "test.pods".into(),
        incarnation,
    }
}

fn listing(writer: &mut TraceWriter, revision: u64) {
    let actions = [ReflectorAction::Listing];
    let now = Now(1_000 + revision);
    writer.record(None, revision, now, &actions).unwrap();
}

#[test]
fn parts_and_starts_are_followed() {
    let folder = tempfile::tempdir().unwrap();
    let limits = TraceLimits {
        part_bytes: 150,
        ..TraceLimits::default()
    };
    let mut follower = Follower::new(folder.path());
    assert!(pass(&mut follower).is_empty(), "nothing is there yet");
    let mut written = 0;
    for incarnation in 1..=2 {
        let mut writer = TraceWriter::within(limits, folder.path(), &header(incarnation)).unwrap();
        // Several parts pass between two looks.
        for number in 1..=40 {
            listing(&mut writer, number);
            written += 1;
            if number % 17 == 0 {
                follower.read().unwrap();
            }
        }
    }
    follower.read().unwrap();
    let figures = follower.figures();
    assert_eq!((figures.files, figures.records), (2, written));
    let parts = std::fs::read_dir(folder.path()).unwrap().count();
    assert!(parts > 8, "{parts} files");
    assert!(
        follower
            .rejections()
            .iter()
            .all(|(of, _)| *of != "alphabet")
    );
}

#[test]
fn half_a_record_waits_for_its_other_half() {
    let (folder, growing) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut writer = TraceWriter::create(folder.path(), &header(1)).unwrap();
    for number in 1..=3 {
        listing(&mut writer, number);
    }
    let name = "test.pods.reflector.1.trace";
    let bytes = std::fs::read(folder.path().join(name)).unwrap();
    let mut follower = Follower::new(growing.path());
    let mut file = File::create(growing.path().join(name)).unwrap();
    let mut records = Vec::new();
    for byte in &bytes {
        file.write_all(std::slice::from_ref(byte)).unwrap();
        assert!(
            pass(&mut follower)
                .iter()
                .all(|told| !told.starts_with("alphabet"))
        );
        records.push(follower.figures().records);
    }
    assert!(records.is_sorted());
    assert_eq!(records.last(), Some(&3));
}

#[test]
fn a_record_out_of_its_turn_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = TraceWriter::create(folder.path(), &header(1)).unwrap();
    listing(&mut writer, 1);
    let path = folder.path().join("test.pods.reflector.1.trace");
    let before = std::fs::read(&path).unwrap().len();
    listing(&mut writer, 2);
    let again = std::fs::read(&path).unwrap().split_off(before);
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(&again).unwrap();
    let mut follower = Follower::new(folder.path());
    let told: Vec<String> = (0..5)
        .flat_map(|_| pass(&mut follower))
        .filter(|told| told.contains("was due"))
        .collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("record 2 where 3 was due"), "{told:?}");
    assert!(!follower.finish(0.0).unwrap().accepted());
}

/// The frames of a trace behind its head, each with the time of its record.
fn frames(path: &Path) -> (Vec<u8>, Vec<(u64, Vec<u8>)>) {
    let bytes = std::fs::read(path).unwrap();
    let mut cuts = Vec::new();
    let mut at = 10;
    while let Some(length) = bytes.get(at..at + 4) {
        at += 4 + u32::from_le_bytes(length.try_into().unwrap()) as usize;
        cuts.push(at.min(bytes.len()));
    }
    let records = read(path).unwrap().records;
    let of = records.iter().zip(cuts[1..].windows(2));
    let frames = of.map(|(record, cut)| (record.at_ms, bytes[cut[0]..cut[1]].to_vec()));
    (bytes[..cuts[1]].to_vec(), frames.collect())
}

/// A run with every fault, followed as if its traces grew now: each record appears in the pass of its time.
#[test]
fn a_run_with_faults_is_accepted_while_it_grows() {
    let (home, growing) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let options = Options {
        seed: 12,
        nodes: 2,
        acting: Duration::from_secs(20),
        faults: Faults::all(),
    };
    let outcome = run(&options, home.path()).expect("a simulation");
    assert!(outcome.failures.is_empty(), "{:?}", outcome.failures);
    let whole = home.path().join("trace");
    let mut grows: BTreeMap<u64, Vec<(PathBuf, Vec<u8>)>> = BTreeMap::new();
    for entry in std::fs::read_dir(&whole).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|end| end != "trace") {
            continue;
        }
        let target = growing.path().join(path.file_name().unwrap());
        let (head, frames) = frames(&path);
        let first = frames.first().map_or(0, |(at_ms, _)| *at_ms);
        for (at_ms, frame) in [(first, head)].into_iter().chain(frames) {
            let slot = grows.entry(at_ms / 200).or_default();
            slot.push((target.clone(), frame));
        }
    }
    let mut follower = Follower::new(growing.path());
    for appended in grows.into_values() {
        for (path, frame) in appended {
            let opened = OpenOptions::new().append(true).create(true).open(path);
            opened.unwrap().write_all(&frame).unwrap();
        }
        assert_eq!(pass(&mut follower), [""; 0]);
    }
    let followed = follower.finish(0.0).unwrap();
    assert!(followed.accepted());
    let offline = check(&[whole], &Beside::default()).unwrap();
    assert_eq!(followed.records, offline.records);
    assert_eq!(followed.container_starts, offline.container_starts);
    assert!(followed.actions > 1_000, "{}", followed.actions);
}
