//! An IPv4 network.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// A node's pod CIDR, such as `10.244.1.0/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet {
    network: u32,
    prefix_length: u8,
}

/// A subnet has its own address, a gateway, at least one pod, and a broadcast address.
const PREFIX_LENGTH_MAX: u8 = 30;
const PREFIX_LENGTH_MIN: u8 = 8;

impl Subnet {
    /// Number of leading bits that are the network's.
    pub fn prefix_length(self) -> u8 {
        self.prefix_length
    }

    /// The first address, which the node's bridge has.
    pub fn gateway(self) -> Ipv4Addr {
        Ipv4Addr::from(self.network + 1)
    }

    /// Addresses for pods, from the second to the last but one.
    pub fn pod_addresses(self) -> impl Iterator<Item = Ipv4Addr> {
        let last = self.network | (u32::MAX >> self.prefix_length);
        (self.network + 2..last).map(Ipv4Addr::from)
    }

    /// Whether an address lies in it.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        address.to_bits() & !(u32::MAX >> self.prefix_length) == self.network
    }
}

impl FromStr for Subnet {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || format!("{text:?} is not an IPv4 CIDR such as 10.244.0.0/24");
        let (address, length) = text.split_once('/').ok_or_else(refused)?;
        let address: Ipv4Addr = address.parse().map_err(|_| refused())?;
        let prefix_length: u8 = length.parse().map_err(|_| refused())?;
        if !(PREFIX_LENGTH_MIN..=PREFIX_LENGTH_MAX).contains(&prefix_length) {
            return Err(format!(
                "{text:?}: the prefix length must be {PREFIX_LENGTH_MIN} to {PREFIX_LENGTH_MAX}"
            ));
        }
        let network = address.to_bits() & !(u32::MAX >> prefix_length);
        Ok(Self {
            network,
            prefix_length,
        })
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from(self.network), self.prefix_length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_a_subnet() {
        let subnet: Subnet = "10.244.1.7/29".parse().expect("a subnet");
        assert_eq!(subnet.to_string(), "10.244.1.0/29");
        assert_eq!(subnet.gateway(), Ipv4Addr::new(10, 244, 1, 1));
        let last: Vec<u8> = subnet.pod_addresses().map(|a| a.octets()[3]).collect();
        assert_eq!(last, [2, 3, 4, 5, 6]);
        assert!(subnet.contains(Ipv4Addr::new(10, 244, 1, 7)));
        assert!(!subnet.contains(Ipv4Addr::new(10, 244, 1, 8)));
        for text in [
            "",
            "10.0.0.0",
            "10.0.0.0/31",
            "10.0.0.0/7",
            "::/64",
            "10.0.0/24",
            "10.0.0.0/+4x",
        ] {
            assert!(text.parse::<Subnet>().is_err(), "{text}");
        }
    }
}
