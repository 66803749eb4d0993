//! Ports: whether those that the user chose are free, and free ones for the rest.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use anyhow::{Context, anyhow};

/// Checks that `address` can be listened at; `option` is the way to choose another.
///
/// # Errors
/// If it is busy or not an address of this machine.
pub(super) fn check_free(address: SocketAddr, option: &str) -> anyhow::Result<()> {
    listen(address, option).map(drop)
}

/// Listens at `address`; `option` is the way to choose another.
///
/// # Errors
/// If it is busy or not an address of this machine.
pub(super) fn listen(address: SocketAddr, option: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => {
            anyhow!(
                "{address} is in use by another program; stop that one, or choose another port with {option}"
            )
        }
        ErrorKind::AddrNotAvailable => {
            anyhow!("{address} is not an address of this machine; choose another with {option}")
        }
        _ => anyhow!(error).context(format!(
            "{address} cannot be listened at; choose another with {option}"
        )),
    })
}

/// `count` different free UDP ports on loopback. They are held open until all are chosen.
///
/// # Errors
/// If there are none.
pub fn free_udp(count: usize) -> anyhow::Result<Vec<SocketAddr>> {
    let choose = || -> std::io::Result<Vec<SocketAddr>> {
        let sockets: Vec<_> = (0..count)
            .map(|_| UdpSocket::bind(("127.0.0.1", 0)))
            .collect::<Result<_, _>>()?;
        sockets.iter().map(UdpSocket::local_addr).collect()
    };
    choose().context("no free UDP port on 127.0.0.1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_port_is_named_with_its_mend() {
        let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = taken.local_addr().expect("an address");
        let error = check_free(address, "--api-address")
            .expect_err("taken")
            .to_string();
        assert!(
            error.contains(&address.to_string()) && error.contains("--api-address"),
            "{error}"
        );
        drop(taken);
        check_free(address, "--api-address").expect("free again");
    }

    #[test]
    fn free_ports_differ() {
        let mut ports = free_udp(6).expect("ports");
        ports.sort();
        ports.dedup();
        assert_eq!(ports.len(), 6);
    }
}
