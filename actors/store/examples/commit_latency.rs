//! What a durable commit costs: redb under the store's layout against a plain fsynced append.
//!
//! `cargo run --release -p plimsoll-store --example commit_latency [DIRECTORY]`

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use model::machines::store::{Change, Record, Version};
use model::objects::bytes::Bytes;
use plimsoll_store::disk::StoreFile;

const VALUE_BYTES: usize = 2048;
const COMMITS: u64 = 400;

fn main() -> anyhow::Result<()> {
    let parent = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let directory = tempfile::tempdir_in(parent)?;
    for writes in [1, 16, 64] {
        append(directory.path(), writes)?;
        redb(&directory.path().join(format!("redb-{writes}")), writes)?;
    }
    Ok(())
}

fn append(directory: &Path, writes: u64) -> anyhow::Result<()> {
    let mut file = File::create(directory.join(format!("append-{writes}")))?;
    let bytes = vec![b'x'; VALUE_BYTES * writes as usize];
    let mut times = Vec::new();
    for _ in 0..COMMITS {
        let begun = Instant::now();
        file.write_all(&bytes)?;
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    report("append + fdatasync", writes, times);
    Ok(())
}

fn redb(directory: &Path, writes: u64) -> anyhow::Result<()> {
    let mut disk = StoreFile::open(directory)?;
    disk.load()?;
    let (mut revision, mut compacted) = (1, 0);
    let mut times = Vec::new();
    let mut folds = Vec::new();
    for _ in 0..COMMITS {
        let mut records: Vec<Record<Bytes>> = (0..writes)
            .map(|_| {
                revision += 1;
                write(revision)
            })
            .collect();
        let fold = revision - compacted > 4 * 512;
        if fold {
            compacted += 512;
            let base = (compacted - 511..=compacted)
                .filter(|revision| *revision > 1)
                .map(|revision| {
                    let (key, version) = state(revision);
                    (key.into(), Some(version))
                })
                .collect();
            records.push(Record::Compacted {
                through: compacted,
                base,
            });
        }
        let begun = Instant::now();
        disk.commit(&records)?;
        if fold { &mut folds } else { &mut times }.push(begun.elapsed());
    }
    report("redb", writes, times);
    if !folds.is_empty() {
        report("redb, with a fold of 512", writes, folds);
    }
    Ok(())
}

fn state(revision: u64) -> (String, Version<Bytes>) {
    let version = Version {
        mod_revision: revision,
        create_revision: revision,
        version: 1,
        lease: 0,
        value: Some(Bytes::from(vec![b'x'; VALUE_BYTES])),
    };
    (
        format!(
            "/registry/core/pods/default/pod-{:016x}",
            revision.wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ),
        version,
    )
}

fn write(revision: u64) -> Record<Bytes> {
    let (key, now) = state(revision);
    Record::Revision {
        revision,
        changes: vec![Change {
            key: key.into(),
            now,
        }],
    }
}

fn report(what: &str, writes: u64, mut times: Vec<Duration>) {
    times.sort();
    let at = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64() * 1e3;
    println!(
        "{what:26} {writes:3} writes of {VALUE_BYTES} bytes: p50 {:6.2} ms  p90 {:6.2} ms  p99 {:6.2} ms  ({} commits)",
        at(50),
        at(90),
        at(99),
        times.len()
    );
}
