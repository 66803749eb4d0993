//! How long a store takes to open and load, after a clean end and after a kill.
//!
//! `cargo run --release -p plimsoll-store --example start_up [DIRECTORY] [OBJECTS]`

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use model::machine::{Machine, Now, Out};
use model::machines::store::{Change, Limits, Record, Store, Version};
use model::objects::bytes::Bytes;
use plimsoll_store::disk::StoreFile;

const VALUE_BYTES: usize = 2048;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let parent = arguments.next().unwrap_or_else(|| ".".to_owned());
    let objects: u64 = arguments.next().map_or(Ok(10_000), |text| text.parse())?;
    if let Some(directory) = arguments.next() {
        return fill_and_die(Path::new(&directory), objects);
    }
    for clean in [true, false] {
        let directory = tempfile::tempdir_in(&parent)?;
        if clean {
            fill(directory.path(), objects)?;
        } else {
            Command::new(std::env::current_exe()?)
                .args([&parent, &objects.to_string()])
                .arg(directory.path())
                .status()?;
        }
        let begun = Instant::now();
        let mut file = StoreFile::open(directory.path())?;
        let opened = begun.elapsed();
        let durable = file.load()?;
        let loaded = begun.elapsed();
        let state =
            Store::<Bytes>::new(Limits::default()).start(Some(durable), Now(0), &mut Out::new());
        println!(
            "{objects} objects of {VALUE_BYTES} bytes, {}: opened after {:.1} ms, loaded after {:.1} ms, started after {:.1} ms at revision {}; file of {} KiB",
            if clean { "closed" } else { "killed" },
            opened.as_secs_f64() * 1e3,
            loaded.as_secs_f64() * 1e3,
            begun.elapsed().as_secs_f64() * 1e3,
            state.durable(),
            std::fs::metadata(directory.path().join("store.redb"))?.len() >> 10,
        );
    }
    Ok(())
}

fn fill(directory: &Path, objects: u64) -> anyhow::Result<StoreFile> {
    let mut file = StoreFile::open(directory)?;
    let mut records = Vec::new();
    // Half of the objects are in the base, the others in the history.
    let folded = objects / 2;
    let mut base = Vec::new();
    for revision in 2..objects + 2 {
        let (key, now) = state(revision);
        if revision <= folded {
            base.push((key.as_str().into(), Some(now.clone())));
        }
        records.push(Record::Revision {
            revision,
            changes: vec![Change {
                key: key.as_str().into(),
                now,
            }],
        });
        if records.len() == 64 {
            file.commit(&std::mem::take(&mut records))?;
        }
    }
    records.push(Record::Compacted {
        through: folded,
        base,
    });
    file.commit(&records)?;
    Ok(file)
}

fn fill_and_die(directory: &Path, objects: u64) -> anyhow::Result<()> {
    let _file = fill(directory, objects)?;
    // As a kill does: no destructor runs.
    std::process::abort()
}

fn state(revision: u64) -> (String, Version<Bytes>) {
    let version = Version {
        mod_revision: revision,
        create_revision: revision,
        version: 1,
        lease: 0,
        value: Some(Bytes::from(vec![b'x'; VALUE_BYTES])),
    };
    let scattered = revision.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (
        format!("/registry/core/pods/default/pod-{scattered:016x}"),
        version,
    )
}
