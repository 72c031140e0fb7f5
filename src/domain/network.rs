//! The network that a client's address belongs to: what is counted, since one host of IPv6 has
//! many addresses. And which addresses are of the public internet.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

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

    /// The network counted by, as text; empty where there is none.
    #[must_use]
    pub fn network(self) -> String {
        self.near().map(|network| network.to_string()).unwrap_or_default()
    }

    /// The network counted by: an IPv4 address alone, an IPv6 address by its first 64 bits, which
    /// one host has for itself.
    #[must_use]
    pub fn near(self) -> Option<Network> {
        self.0.map(|address| match address {
            IpAddr::V4(address) => Network::V4(address),
            IpAddr::V6(address) => Network::V6(address.to_bits() & (u128::MAX << 64), 64),
        })
    }

    /// The first 48 bits of an IPv6 address, which one customer of a provider may have for himself;
    /// IPv4 addresses are too few for anything of that kind.
    #[must_use]
    pub fn wide(self) -> Option<Network> {
        match self.0 {
            Some(IpAddr::V6(address)) => {
                Some(Network::V6(address.to_bits() & (u128::MAX << 80), 48))
            }
            _ => None,
        }
    }
}

/// A block of addresses that is counted as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Network {
    /// One address.
    V4(Ipv4Addr),
    /// The addresses that begin like this one, in so many bits.
    V6(u128, u8),
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => address.fmt(f),
            Self::V6(first, bits) => write!(f, "{}/{bits}", Ipv6Addr::from_bits(*first)),
        }
    }
}

impl ClientAddress {
    /// The part of the internet that somebody moves about in without being elsewhere: an IPv4
    /// address by its first 24 bits, an IPv6 address by its first 48.
    #[must_use]
    pub fn neighbourhood(self) -> String {
        match self.0 {
            None => String::new(),
            Some(IpAddr::V4(address)) => {
                let first = address.to_bits() & (u32::MAX << 8);
                format!("{}/24", Ipv4Addr::from_bits(first))
            }
            Some(IpAddr::V6(address)) => {
                let first = address.to_bits() & (u128::MAX << 80);
                format!("{}/48", Ipv6Addr::from_bits(first))
            }
        }
    }
}

/// Whether an address is one of a host on the public internet: not of this machine, a network of
/// its own, a link, a group, a carrier's inside, a document's example, or another family's address
/// in disguise (the registries of RFC 6890).
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_inside = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || (a == 100 && (64..128).contains(&b));
    let is_example = address.is_documentation() || (a == 198 && (18..20).contains(&b));
    let is_special = a == 0 || a >= 224 || (a == 192 && b == 0 && c == 0);
    let is_relay = a == 192 && b == 88 && c == 99;
    !(is_inside || is_example || is_special || is_relay)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    // All of the public internet is in 2000::/3 so far.
    let is_global = a & 0xe000 == 0x2000;
    let is_example = (a == 0x2001 && b == 0x0db8) || (a == 0x3fff && b < 0x1000);
    // Protocols' own, Teredo among them, and 6to4: an address of IPv4 is inside.
    let is_disguise = (a == 0x2001 && b < 0x0200) || a == 0x2002;
    is_global && !is_example && !is_disguise
}

#[cfg(test)]
mod tests {
    use super::{ClientAddress, is_public};

    #[test]
    fn a_neighbourhood_is_what_a_provider_moves_somebody_about_in() {
        let of = |text: &str| ClientAddress::of(text.parse().unwrap()).neighbourhood();
        assert_eq!(of("192.0.2.77"), "192.0.2.0/24");
        assert_eq!(of("::ffff:192.0.2.1"), "192.0.2.0/24");
        assert_eq!(of("2001:db8:1:2:3::4"), "2001:db8:1::/48");
        assert_eq!(ClientAddress::none().neighbourhood(), "");
    }

    #[test]
    fn oau_14_what_is_not_on_the_public_internet_is_known() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:10::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn what_lies_beside_a_reserved_range_is_public() {
        for text in [
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "::ffff:1.1.1.1",
            "2001:200::1",
            "2606:4700::1111",
            "2a00::1",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

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
    fn a_customer_of_a_provider_is_counted_by_48_bits() {
        let wide = |text: &str| {
            ClientAddress::of(text.parse().unwrap()).wide().map(|network| network.to_string())
        };
        assert_eq!(wide("2001:db8:1:2:3:4:5:6").as_deref(), Some("2001:db8:1::/48"));
        assert_eq!(wide("2001:db8:1:ffff::1"), wide("2001:db8:1::7"));
        assert_ne!(wide("2001:db8:1::1"), wide("2001:db8:2::1"));
        assert_eq!(wide("192.0.2.1"), None);
        assert_eq!(ClientAddress::none().wide(), None);
    }

    #[test]
    fn an_ipv4_address_in_ipv6_clothes_is_the_ipv4_address() {
        assert_eq!(network("::ffff:192.0.2.7"), "192.0.2.7");
    }
}
