//! Where a request comes from: the peer, or, behind proxies that the operator trusts, the address
//! that the outermost of them saw. A header that anybody may set is never believed.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{ConnectInfo, Request},
    http::{Extensions, HeaderMap},
};
use ipnet::IpNet;

use crate::{config::Config, domain::network::ClientAddress};

/// At most this many hops of `X-Forwarded-For` are looked at.
const MAX_HOPS: usize = 32;

/// The client's address: from the right, the first hop that is no trusted proxy.
#[must_use]
pub fn client(extensions: &Extensions, headers: &HeaderMap, trusted: &[IpNet]) -> ClientAddress {
    let Some(ConnectInfo(peer)) = extensions.get::<ConnectInfo<SocketAddr>>() else {
        return ClientAddress::none();
    };
    ClientAddress::of(behind(peer.ip().to_canonical(), headers, trusted))
}

/// Takes off what only a trusted proxy may say of whoever asks, if somebody else has said it: the
/// certificate that an application has shown.
pub fn take_off_claims(config: &Config, request: &mut Request) {
    let Some(name) = &config.oauth.client_certificate_header else { return };
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let is_trusted = peer.is_some_and(|ConnectInfo(peer)| {
        let address = peer.ip().to_canonical();
        config.trusted_proxies.iter().any(|net| net.contains(&address))
    });
    if !is_trusted {
        request.headers_mut().remove(name.as_str());
    }
}

fn behind(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    if !is_trusted(&peer) {
        return peer;
    }
    let lines: Vec<&str> =
        headers.get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok()).collect();
    let mut nearest = peer;
    for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')).take(MAX_HOPS) {
        // What is no literal address was not written by a proxy of ours: stop at what we know.
        let Some(address) = literal(hop.trim()) else { return nearest };
        nearest = address;
        if !is_trusted(&address) {
            return address;
        }
    }
    nearest
}

/// `192.0.2.1`, `192.0.2.1:443`, `2001:db8::1` or `[2001:db8::1]:443`. Names are never resolved.
fn literal(hop: &str) -> Option<IpAddr> {
    let bare = hop.trim_start_matches('[').trim_end_matches(']');
    bare.parse()
        .ok()
        .or_else(|| hop.parse::<SocketAddr>().ok().map(|it| it.ip()))
        .map(|it: IpAddr| it.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue};

    use super::behind;

    fn seen(peer: &str, forwarded: &[&'static str]) -> String {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_static(line));
        }
        behind(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn a_stranger_cannot_choose_his_address() {
        assert_eq!(seen("192.0.2.9", &["198.51.100.1"]), "192.0.2.9");
    }

    #[test]
    fn the_rightmost_untrusted_hop_counts() {
        assert_eq!(seen("10.0.0.1", &["203.0.113.7, 198.51.100.1, 10.1.1.1"]), "198.51.100.1");
        assert_eq!(seen("10.0.0.1", &["203.0.113.7", "198.51.100.1"]), "198.51.100.1");
        assert_eq!(seen("::1", &["[2001:db8::5]:4711"]), "2001:db8::5");
        assert_eq!(seen("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn a_name_is_never_looked_up() {
        assert_eq!(seen("10.0.0.1", &["203.0.113.7, slow.example.com, 10.1.1.1"]), "10.1.1.1");
    }
}
