//! Addresses for pods: clusters on one machine need different ones.

use std::fs::{File, TryLockError};

/// The first of the /16 networks that tests use: 10.100.0.0/16 and those after it.
const FIRST: u8 = 100;
/// How many there are.
const COUNT: u8 = 100;

/// A /16 that no other test on this machine uses while this value lives, and that a test which failed did not leave in
/// use.
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
                    let network = PodNetwork {
                        second,
                        _lock: file,
                    };
                    if !network.in_use() {
                        return network;
                    }
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => panic!("a lock: {error}"),
            }
        }
        panic!("{COUNT} clusters of tests already run");
    }

    /// Whether this machine has an address in it.
    fn in_use(&self) -> bool {
        let addresses = nix::ifaddrs::getifaddrs().expect("a machine knows its addresses");
        let mut addresses = addresses.filter_map(|one| Some(one.address?.as_sockaddr_in()?.ip()));
        addresses.any(|address| address.octets()[..2] == [10, self.second])
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
