//! Traces that are followed while they grow.

use std::fs::{File, OpenOptions};
use std::io::Write;

use conformance::follow::Follower;
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
