//! The pods' network: a bridge per node, a veth pair per pod, addresses from the node's pod CIDR.
//!
//! Nodes of one machine reach each other's pods through the machine's own routing: each bridge has the
//! gateway address of its node's CIDR, and forwarding is switched on.

mod addresses;
mod netns;
mod subnet;

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use futures_util::TryStreamExt;
use rtnetlink::packet_route::address::AddressAttribute;
use rtnetlink::packet_route::link::LinkAttribute;
use rtnetlink::{Handle, LinkBridge, LinkUnspec};
use tokio::task::JoinHandle;

use crate::error::{Error, Result};
use addresses::Addresses;
pub use subnet::Subnet;

const FORWARDING: &str = "/proc/sys/net/ipv4/ip_forward";

/// Not found, as netlink's error code.
const ENODEV: i32 = -nix::libc::ENODEV;

/// A node's network.
#[derive(Debug)]
pub(crate) struct Network {
    bridge: String,
    subnet: Subnet,
    addresses: Addresses,
    handle: Handle,
    connection: JoinHandle<()>,
}

impl Network {
    /// Makes the node's bridge if it is not there. `salt` tells apart nodes of the same name in several
    /// clusters of one machine. Errors if another interface already has an address of the subnet.
    pub(crate) async fn open(
        directory: &Path,
        node: &str,
        salt: &str,
        subnet: Subnet,
    ) -> Result<Self> {
        let addresses = Addresses::open(directory.join("addresses"), subnet)
            .map_err(|e| failed(&format!("addresses in {}", directory.display()), e))?;
        let (connection, handle, _) =
            rtnetlink::new_connection().map_err(|e| failed("netlink", e))?;
        let connection = tokio::spawn(connection);
        let network = Self {
            bridge: bridge_name(node, salt),
            subnet,
            addresses,
            handle,
            connection,
        };
        network.check_free().await?;
        network.make_bridge().await?;
        fs::write(FORWARDING, "1").map_err(|e| failed(FORWARDING, e))?;
        Ok(network)
    }

    /// Two clusters with the same CIDR on one machine would answer each other's pods.
    async fn check_free(&self) -> Result<()> {
        let mut addresses = self.handle.address().get().execute();
        while let Some(found) = addresses
            .try_next()
            .await
            .map_err(|e| failed("list addresses", e))?
        {
            let index = found.header.index;
            for attribute in found.attributes {
                let AddressAttribute::Address(IpAddr::V4(address)) = attribute else {
                    continue;
                };
                if !self.subnet.contains(address) {
                    continue;
                }
                let name = self.link_name(index).await?;
                if name.as_deref() != Some(self.bridge.as_str()) {
                    return Err(Error::Runtime(format!(
                        "the pod network {} is taken: interface {} has the address {address}; is another cluster running here? choose another pod CIDR",
                        self.subnet,
                        name.unwrap_or_default()
                    )));
                }
            }
        }
        Ok(())
    }

    async fn make_bridge(&self) -> Result<()> {
        let about = format!("bridge {}", self.bridge);
        if self.link_index(&self.bridge).await?.is_none() {
            // A bridge without an address of its own takes its lowest port's, and loses it with the port.
            let bridge = LinkBridge::new(&self.bridge)
                .address(hardware_address(self.subnet.gateway()))
                .up()
                .build();
            self.handle
                .link()
                .add(bridge)
                .execute()
                .await
                .map_err(|e| failed(&about, e))?;
        }
        let index = self
            .link_index(&self.bridge)
            .await?
            .ok_or_else(|| failed(&about, "vanished"))?;
        let added = self.handle.address().add(
            index,
            IpAddr::V4(self.subnet.gateway()),
            self.subnet.prefix_length(),
        );
        added
            .replace()
            .execute()
            .await
            .map_err(|e| failed(&about, e))?;
        let up = LinkUnspec::new_with_index(index).up().build();
        self.handle
            .link()
            .set(up)
            .execute()
            .await
            .map_err(|e| failed(&about, e))
    }

    /// Connects the pod whose network namespace the process `pid` holds, and tells its address.
    pub(crate) async fn attach(&self, sandbox: &str, pid: u32) -> Result<Ipv4Addr> {
        let address = self
            .addresses
            .take(sandbox)
            .map_err(|e| failed("address", e))?;
        let connected = self.connect(sandbox, pid, address).await;
        if connected.is_err() {
            self.detach(sandbox).await?;
        }
        connected.map(|()| address)
    }

    async fn connect(&self, sandbox: &str, pid: u32, address: Ipv4Addr) -> Result<()> {
        let link = veth_name(sandbox);
        let bridge = self.link_index(&self.bridge).await?;
        let bridge =
            bridge.ok_or_else(|| failed(&format!("bridge {}", self.bridge), "it is gone"))?;
        // What a crash left behind would have the same name.
        self.delete_link(&link).await?;
        netns::configure(pid, link.clone(), self.subnet, address).await?;
        let index = self
            .link_index(&link)
            .await?
            .ok_or_else(|| failed(&link, "vanished"))?;
        let port = LinkUnspec::new_with_index(index)
            .controller(bridge)
            .up()
            .build();
        self.handle
            .link()
            .set(port)
            .execute()
            .await
            .map_err(|e| failed(&link, e))
    }

    /// Takes a pod off the network and gives its address back. Harmless if that was done.
    pub(crate) async fn detach(&self, sandbox: &str) -> Result<()> {
        self.delete_link(&veth_name(sandbox)).await?;
        self.addresses
            .release(sandbox)
            .map_err(|e| failed("address", e))
    }

    /// Gives back the addresses of every sandbox that is not in `known`.
    pub(crate) async fn retain(&self, known: &[String]) -> Result<()> {
        for sandbox in self
            .addresses
            .holders()
            .map_err(|e| failed("addresses", e))?
        {
            if !known.contains(&sandbox) {
                self.detach(&sandbox).await?;
            }
        }
        Ok(())
    }

    /// Removes the bridge.
    pub(crate) async fn remove(&self) -> Result<()> {
        self.delete_link(&self.bridge).await
    }

    async fn delete_link(&self, name: &str) -> Result<()> {
        let Some(index) = self.link_index(name).await? else {
            return Ok(());
        };
        match self.handle.link().del(index).execute().await {
            Err(e) if !is_absent(&e) => Err(failed(name, e)),
            _ => Ok(()),
        }
    }

    async fn link_index(&self, name: &str) -> Result<Option<u32>> {
        link_index(&self.handle, name)
            .await
            .map_err(|e| failed(name, e))
    }

    async fn link_name(&self, index: u32) -> Result<Option<String>> {
        let mut links = self.handle.link().get().match_index(index).execute();
        let found = match links.try_next().await {
            Err(e) if is_absent(&e) => None,
            found => found.map_err(|e| failed("list interfaces", e))?,
        };
        let name = |attribute| match attribute {
            LinkAttribute::IfName(name) => Some(name),
            _ => None,
        };
        Ok(found.and_then(|link| link.attributes.into_iter().find_map(name)))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

async fn link_index(
    handle: &Handle,
    name: &str,
) -> std::result::Result<Option<u32>, rtnetlink::Error> {
    let mut links = handle.link().get().match_name(name).execute();
    match links.try_next().await {
        Ok(found) => Ok(found.map(|link| link.header.index)),
        Err(e) if is_absent(&e) => Ok(None),
        Err(e) => Err(e),
    }
}

fn is_absent(error: &rtnetlink::Error) -> bool {
    matches!(error, rtnetlink::Error::NetlinkError(message) if message.raw_code() == ENODEV)
}

fn failed(what: &str, error: impl std::fmt::Display) -> Error {
    Error::Runtime(format!("pod network: {what}: {error}"))
}

/// `pl-`, the beginning of the node's name, and a digest: 15 bytes, which is all an interface's name has.
fn bridge_name(node: &str, salt: &str) -> String {
    let begins: String = node
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(6)
        .collect();
    format!(
        "pl-{begins}-{}",
        &short_digest(&format!("{salt}/{node}"))[..15 - 4 - begins.len()]
    )
}

fn veth_name(sandbox: &str) -> String {
    format!("pl{}", &short_digest(sandbox)[..13])
}

fn short_digest(text: &str) -> String {
    crate::image::digest(text.as_bytes()).split_off("sha256:".len())
}

/// Locally administered, and the same for the same address, as CNI's bridge plugin has it: a neighbour
/// that remembers an address's former owner is not misled.
fn hardware_address(address: Ipv4Addr) -> Vec<u8> {
    let mut hardware = vec![0x0a, 0x58];
    hardware.extend(address.octets());
    hardware
}
