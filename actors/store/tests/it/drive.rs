//! A simulated drive that fails: what was acknowledged is there, and of what failed all or nothing.

use model::machines::store::{Change, Record, Version};
use model::objects::bytes::Bytes;
use plimsoll_store::disk::{Disk, Drive};

/// How many drives are tried: they fail at different places of a commit.
const SEEDS: u64 = 60;
/// More commits than a drive carries out that is about to fail.
const COMMITS_MAX: u64 = 30;

fn revision(revision: u64) -> Vec<Record<Bytes>> {
    let now = Version {
        mod_revision: revision,
        create_revision: revision,
        version: 1,
        lease: 0,
        value: Some(Bytes::from(vec![7; 100])),
    };
    let key = format!("key-{revision}").as_str().into();
    vec![Record::Revision {
        revision,
        changes: vec![Change { key, now }],
    }]
}

/// The newest revision of which a commit was acknowledged before one failed, and the newest that is there afterwards,
/// when the drive has lost power too or not.
async fn failed(seed: u64, power: bool) -> (u64, u64) {
    let drive = Drive::new(seed);
    let mut disk = drive.disk();
    disk.load().await.expect("an empty drive");
    disk.commit(revision(2)).await.expect("it is in order yet");
    drive.fail();
    let mut acknowledged = 2;
    for next in 3..COMMITS_MAX {
        match disk.commit(revision(next)).await {
            Ok(()) => acknowledged = next,
            Err(_) => break,
        }
    }
    assert_eq!(drive.losses().commits_failed, 1, "seed {seed}");
    let again = disk.commit(revision(acknowledged + 1)).await;
    assert!(again.is_err(), "seed {seed}: it goes on after a failure");
    // What is begun at a close fails like everything else.
    let _ = disk.close().await;
    match power {
        true => drive.lose_power(),
        false => drive.lose_process(),
    }
    let found = drive.disk().load().await.expect("what is left is whole");
    (acknowledged, found.revision())
}

#[test]
fn a_drive_that_fails_keeps_what_it_acknowledged() {
    let mut whole = 0;
    for seed in 1..=SEEDS {
        for power in [false, true] {
            let (acknowledged, found) = shell::simulate(failed(seed, power)).expect("a runtime");
            assert!(
                found == acknowledged || found == acknowledged + 1,
                "seed {seed}: {found} is there, {acknowledged} was acknowledged"
            );
            whole += u64::from(found > acknowledged);
        }
    }
    let tried = 2 * SEEDS;
    assert!(0 < whole && whole < tried, "{whole} of {tried} were whole");
}
