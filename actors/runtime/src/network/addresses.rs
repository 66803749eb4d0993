//! Which pod has which address: a file an address, as CNI's host-local plugin keeps them.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::net::Ipv4Addr;
use std::path::PathBuf;

use super::Subnet;

/// The addresses that are taken. Files are named by address and hold the sandbox's id.
#[derive(Debug)]
pub(super) struct Addresses {
    directory: PathBuf,
    subnet: Subnet,
}

impl Addresses {
    pub(super) fn open(directory: PathBuf, subnet: Subnet) -> io::Result<Self> {
        fs::create_dir_all(&directory)?;
        Ok(Self { directory, subnet })
    }

    /// Takes an address for a sandbox: the one it has, else the first free one after the last taken,
    /// so that an address given back is not used again at once. Errors if none is free.
    pub(super) fn take(&self, sandbox: &str) -> io::Result<Ipv4Addr> {
        let taken = self.taken()?;
        if let Some((address, _)) = taken.iter().find(|(_, holder)| holder == sandbox) {
            return Ok(*address);
        }
        let last = fs::read_to_string(self.directory.join("last")).ok();
        let last: Option<Ipv4Addr> = last.and_then(|text| text.trim().parse().ok());
        let after = self.subnet.pod_addresses().filter(|a| Some(*a) > last);
        for address in after.chain(self.subnet.pod_addresses()) {
            let path = self.directory.join(address.to_string());
            match OpenOptions::new().write(true).create_new(true).open(path) {
                Ok(mut file) => {
                    file.write_all(sandbox.as_bytes())?;
                    fs::write(self.directory.join("last"), address.to_string())?;
                    return Ok(address);
                }
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
            }
        }
        Err(io::Error::other(format!(
            "every address of {} is taken",
            self.subnet
        )))
    }

    /// Gives a sandbox's address back.
    pub(super) fn release(&self, sandbox: &str) -> io::Result<()> {
        for (address, holder) in self.taken()? {
            if holder == sandbox {
                match fs::remove_file(self.directory.join(address.to_string())) {
                    Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// The sandboxes that have addresses.
    pub(super) fn holders(&self) -> io::Result<Vec<String>> {
        Ok(self
            .taken()?
            .into_iter()
            .map(|(_, holder)| holder)
            .collect())
    }

    fn taken(&self) -> io::Result<Vec<(Ipv4Addr, String)>> {
        let mut taken = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let Some(address) = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok())
            else {
                continue;
            };
            taken.push((address, fs::read_to_string(entry.path())?));
        }
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_kept_given_back_and_run_out() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let subnet: Subnet = "10.1.0.0/29".parse().expect("a subnet");
        let open = || Addresses::open(directory.path().to_owned(), subnet).expect("open");
        let addresses = open();
        let take = |name: &str| open().take(name).map(|a| a.octets()[3]).ok();
        assert_eq!(take("a"), Some(2));
        assert_eq!(take("b"), Some(3));
        assert_eq!(take("a"), Some(2));
        addresses.release("a").expect("release");
        assert_eq!(take("c"), Some(4), "a's address rests");
        assert_eq!(
            [take("d"), take("e"), take("f")],
            [Some(5), Some(6), Some(2)]
        );
        assert_eq!(take("g"), None);
        addresses.release("nobody").expect("release");
        let mut holders = addresses.holders().expect("holders");
        holders.sort();
        assert_eq!(holders, ["b", "c", "d", "e", "f"]);
    }
}
