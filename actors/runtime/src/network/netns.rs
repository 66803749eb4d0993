//! Work inside a pod's network namespace.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsRawFd;

use nix::sched::{CloneFlags, setns};
use rtnetlink::packet_route::link::{InfoData, InfoVeth};
use rtnetlink::{LinkMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder};
use tokio::sync::oneshot;

use super::{Subnet, failed, hardware_address, link_index};
use crate::error::Result;

/// Name of the pod's interface.
const INTERFACE: &str = "eth0";

/// Makes the pod's end of a veth pair, its address and default route, and puts the other end, named
/// `peer`, into this process's own network. A thread of its own does it: it enters the namespace and
/// never comes back.
pub(super) async fn configure(
    pid: u32,
    peer: String,
    subnet: Subnet,
    address: Ipv4Addr,
) -> Result<()> {
    let (sender, receiver) = oneshot::channel();
    let spawned = std::thread::Builder::new()
        .name("netns".to_owned())
        .spawn(move || {
            let configured = enter(pid).and_then(|host| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_io()
                    .build();
                let runtime = runtime.map_err(|e| failed("thread", e))?;
                runtime.block_on(configure_inside(&host, &peer, subnet, address))
            });
            // The receiver is gone only if the whole call was given up.
            let _ = sender.send(configured);
        });
    spawned.map_err(|e| failed("thread", e))?;
    receiver.await.map_err(|e| failed("thread", e))?
}

/// Enters the network namespace that `pid` holds; returns the one left.
fn enter(pid: u32) -> Result<File> {
    let open = |path: String| File::open(&path).map_err(|e| failed(&path, e));
    let host = open("/proc/thread-self/ns/net".to_owned())?;
    let pod = open(format!("/proc/{pid}/ns/net"))?;
    setns(pod, CloneFlags::CLONE_NEWNET).map_err(|e| failed("enter the pod's network", e))?;
    Ok(host)
}

async fn configure_inside(
    host: &File,
    peer: &str,
    subnet: Subnet,
    address: Ipv4Addr,
) -> Result<()> {
    let (connection, handle, _) = rtnetlink::new_connection().map_err(|e| failed("netlink", e))?;
    let connection = tokio::spawn(connection);
    let here = async {
        let outside = LinkMessageBuilder::<LinkUnspec>::new()
            .name(peer)
            .setns_by_fd(host.as_raw_fd())
            .build();
        let pair = LinkMessageBuilder::<LinkVeth>::new(INTERFACE, peer)
            .set_info_data(InfoData::Veth(InfoVeth::Peer(outside)))
            .address(hardware_address(address))
            .build();
        handle.link().add(pair).execute().await?;
        for name in ["lo", INTERFACE] {
            let index = link_index(&handle, name).await?.unwrap_or_default();
            if name == INTERFACE {
                handle
                    .address()
                    .add(index, IpAddr::V4(address), subnet.prefix_length())
                    .execute()
                    .await?;
            }
            handle
                .link()
                .set(LinkUnspec::new_with_index(index).up().build())
                .execute()
                .await?;
        }
        let route = RouteMessageBuilder::<Ipv4Addr>::new()
            .gateway(subnet.gateway())
            .build();
        handle.route().add(route).execute().await
    };
    let done = here
        .await
        .map_err(|e: rtnetlink::Error| failed("configure the pod's network", e));
    connection.abort();
    done
}
