//! The network that a client's address belongs to: what is counted, since one host of IPv6 has
//! many addresses.

use std::net::{IpAddr, Ipv6Addr};

/// A client's address and the network it is counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(Option<IpAddr>);

impl ClientAddress {
    /// The address of a request.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        Self(Some(address.to_canonical()))
    }

    /// For what no client asked, such as a command of the operator.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    /// The address as text; empty where there is none.
    #[must_use]
    pub fn text(self) -> String {
        self.0.map(|address| address.to_string()).unwrap_or_default()
    }

    /// The network counted by: an IPv4 address alone, an IPv6 address by its first 64 bits.
    #[must_use]
    pub fn network(self) -> String {
        match self.0 {
            None => String::new(),
            Some(IpAddr::V4(address)) => address.to_string(),
            Some(IpAddr::V6(address)) => {
                let first = address.to_bits() & (u128::MAX << 64);
                format!("{}/64", Ipv6Addr::from_bits(first))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ClientAddress;

    fn network(text: &str) -> String {
        ClientAddress::of(text.parse().unwrap()).network()
    }

    #[test]
    fn an_ipv6_host_is_counted_by_its_64_bit_network() {
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(network("2001:db8:1:2:ffff::1"), network("2001:db8:1:2::7"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
    }

    #[test]
    fn an_ipv4_address_in_ipv6_clothes_is_the_ipv4_address() {
        assert_eq!(network("::ffff:192.0.2.7"), "192.0.2.7");
    }
}
