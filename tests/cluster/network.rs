//! Addresses for pods: clusters on one machine need different ones.

use std::fs::{File, TryLockError};

/// The first of the /16 networks that tests use: 10.100.0.0/16 and those after it.
const FIRST: u8 = 100;
/// How many there are.
const COUNT: u8 = 100;

/// A /16 that no other test on this machine uses while this value lives.
pub(crate) struct PodNetwork {
    second: u8,
    _lock: File,
}

impl PodNetwork {
    /// Takes a free one.
    pub(crate) fn take() -> Self {
        let folder = std::env::temp_dir().join("plimsoll-test-networks");
        std::fs::create_dir_all(&folder).expect("a folder for locks");
        for second in FIRST..FIRST + COUNT {
            let file = File::create(folder.join(second.to_string())).expect("a lock file");
            match file.try_lock() {
                Ok(()) => {
                    return PodNetwork {
                        second,
                        _lock: file,
                    };
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => panic!("a lock: {error}"),
            }
        }
        panic!("{COUNT} clusters of tests already run");
    }

    /// As `up` takes it.
    pub(crate) fn cidr(&self) -> String {
        format!("10.{}.0.0/16", self.second)
    }

    /// What every address in it begins with.
    pub(crate) fn prefix(&self) -> String {
        format!("10.{}.", self.second)
    }
}
