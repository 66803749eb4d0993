//! Traces as the shells write them, read back; and traces that are not as they should be.

mod corrupted;
mod follow;
mod pods;
mod replay;
mod simulation;
mod store_suite;
mod suite;

use std::path::PathBuf;

use bincode::{Decode, Encode};
use conformance::trace::{ReadError, read};
use model::machine::Now;
use model::trace::Header;
use shell::{TraceLimits, TraceWriter};
use tempfile::TempDir;
use transport::MessageId;

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
struct Written(u64);

fn written(records: u64) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let header = Header {
        machine: "store".into(),
        component: "store".into(),
        incarnation: 3,
    };
    let mut writer = TraceWriter::create(folder.path(), &header).unwrap();
    for number in 1..=records {
        let cause = (number % 2 == 0).then_some(MessageId {
            origin: 7,
            sequence: number,
        });
        writer
            .record(
                cause,
                number,
                Now(1_000 + number),
                &[Written(number), Written(0)],
            )
            .unwrap();
    }
    let path = folder.path().join("store.store.3.trace");
    (folder, path)
}

#[test]
fn what_a_shell_writes_is_read_back() {
    let (_folder, path) = written(5);
    let trace = read(&path).unwrap();
    assert_eq!(
        (
            trace.header.incarnation,
            trace.records.len(),
            trace.torn_bytes
        ),
        (3, 5, 0)
    );
    assert_eq!(trace.records[1].cause, Some((7, 2)));
    let config = bincode::config::standard();
    let (action, _): (Written, _) =
        bincode::decode_from_slice(&trace.records[4].actions[0], config).unwrap();
    assert_eq!(action, Written(5));
}

#[test]
fn an_incarnation_writes_its_trace_once() {
    let (folder, _) = written(1);
    let header = Header {
        machine: "store".into(),
        component: "store".into(),
        incarnation: 3,
    };
    assert!(TraceWriter::create(folder.path(), &header).is_err());
}

/// Three parts and more, of which `kept` bytes may stay.
fn in_parts(kept_bytes: u64) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let header = Header {
        machine: "store".into(),
        component: "store".into(),
        incarnation: 3,
    };
    let limits = TraceLimits {
        part_bytes: 200,
        kept_bytes,
        ..TraceLimits::default()
    };
    let mut writer = TraceWriter::within(limits, folder.path(), &header).unwrap();
    for number in 1..=40 {
        let actions = [Written(number), Written(0)];
        writer.record(None, number, Now(number), &actions).unwrap();
    }
    let path = folder.path().join("store.store.3.trace");
    (folder, path)
}

#[test]
fn a_trace_that_grows_goes_on_in_parts_without_a_gap() {
    let (folder, path) = in_parts(u64::MAX);
    let trace = read(&path).unwrap();
    assert_eq!((trace.part.number, trace.part.first_sequence), (1, 1));
    let numbers: Vec<u64> = trace.records.iter().map(|record| record.sequence).collect();
    assert_eq!(numbers, (1..=40).collect::<Vec<_>>());
    let files = std::fs::read_dir(folder.path()).unwrap().count();
    assert!(files >= 3, "{files} files");
}

#[test]
fn only_the_oldest_parts_are_dropped_and_whole() {
    let (folder, path) = in_parts(500);
    let bytes: u64 = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    assert!(
        bytes <= 500 + 300,
        "{bytes} bytes, with the part that is written"
    );
    let trace = read(&path).unwrap();
    assert!(trace.part.number > 1, "the oldest part is gone");
    assert_eq!(trace.records[0].sequence, trace.part.first_sequence);
    assert_eq!(trace.records.last().unwrap().sequence, 40);

    // A later incarnation's files push out those of the earlier.
    let header = Header {
        machine: "store".into(),
        component: "store".into(),
        incarnation: 4,
    };
    let limits = TraceLimits {
        part_bytes: 200,
        kept_bytes: 0,
        ..TraceLimits::default()
    };
    let _writer = TraceWriter::within(limits, folder.path(), &header).unwrap();
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["store.store.4.trace"]);
}

#[test]
fn a_part_that_is_missing_changed_or_cut_off_is_told() {
    let (folder, path) = in_parts(u64::MAX);
    let earlier = |number: u32| folder.path().join(format!("store.store.3.{number}.part"));
    let newest = (1..)
        .take_while(|number| earlier(*number).exists())
        .last()
        .unwrap();
    let good = std::fs::read(earlier(newest)).unwrap();
    std::fs::write(earlier(newest), &good[..good.len() - 1]).unwrap();
    let error = read(&path).unwrap_err().to_string();
    assert!(error.contains("cut off"), "{error}");
    std::fs::copy(earlier(newest - 1), earlier(newest)).unwrap();
    let error = read(&path).unwrap_err().to_string();
    assert!(error.contains("not the part"), "{error}");
    std::fs::remove_file(earlier(newest)).unwrap();
    // What is before a part that is gone cannot be told from what was dropped.
    assert_eq!(read(&path).unwrap().part.number, newest + 1);
}

#[test]
fn a_torn_end_is_told_apart_from_a_whole_one() {
    let (_folder, path) = written(3);
    let bytes = std::fs::read(&path).unwrap();
    let whole = read(&path).unwrap().records.len();
    std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let trace = read(&path).unwrap();
    assert_eq!(trace.records.len(), whole - 1);
    assert!(trace.torn_bytes > 0);
}

#[test]
fn foreign_files_other_versions_and_gaps_are_refused() {
    let (_folder, path) = written(3);
    let good = std::fs::read(&path).unwrap();

    std::fs::write(&path, b"something else").unwrap();
    assert!(matches!(read(&path), Err(ReadError::Foreign { .. })));

    let mut newer = good.clone();
    newer[8] = 0xff;
    std::fs::write(&path, &newer).unwrap();
    assert!(matches!(
        read(&path),
        Err(ReadError::OtherVersion { found: 0xff, .. })
    ));

    // The first record cut out: the second stands where the first was due.
    let frame = |at: usize| 4 + u32::from_le_bytes(good[at..at + 4].try_into().unwrap()) as usize;
    let part = 10 + frame(10);
    let first = part + frame(part);
    let second = first + frame(first);
    let gap = [&good[..first], &good[second..]].concat();
    std::fs::write(&path, gap).unwrap();
    let error = read(&path).unwrap_err().to_string();
    assert!(error.contains("record 2 where 1 was due"), "{error}");
}

#[test]
fn no_byte_string_makes_the_reader_panic_or_allocate_without_bound() {
    let (_folder, path) = written(4);
    let good = std::fs::read(&path).unwrap();
    for at in 10..good.len() {
        for value in [0, 0x7f, 0xff] {
            let mut bent = good.clone();
            bent[at] = value;
            std::fs::write(&path, &bent).unwrap();
            drop(read(&path));
        }
    }
}
