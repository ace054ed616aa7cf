//! Networks as people write them: `10.0.0.0/8`, `fd00::/8`, or one address. Pure.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Addresses that share their first bits, such as `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    /// Its first address: all bits behind the shared ones are zero.
    address: IpAddr,
    /// How many bits are shared.
    bits: u8,
}

impl Network {
    /// Whether the address is in it. A caller by IPv4 at a socket for both is one by IPv4.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        ip.is_ipv4() == self.address.is_ipv4() && first(ip, self.bits) == self.address
    }

    /// How many bits its addresses share: of two networks that hold an address, the one with more is the narrower.
    pub fn bits(&self) -> u8 {
        self.bits
    }
}

impl FromStr for Network {
    type Err = String;

    /// Strict: what could be meant in two ways is refused, with both.
    fn from_str(text: &str) -> Result<Network, String> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let expected = "expected one such as 10.0.0.0/8, fd00::/8 or 192.168.1.7";
        let Ok(address) = address.parse::<IpAddr>() else {
            return Err(format!("is no network, {expected}"));
        };
        if address.to_canonical() != address {
            return Err(format!("is IPv4 written as IPv6: write {}", address.to_canonical()));
        }
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(bits) => {
                number(bits).ok_or_else(|| format!("has no number of bits behind its /, {expected}"))?
            }
        };
        if bits > most {
            return Err(format!("has more bits than an address has, expected at most /{most}"));
        }
        let first = first(address, bits);
        if first != address {
            return Err(format!(
                "has bits of one address behind the first {bits}: write {first}/{bits} for the network, {address} \
                 for the address alone"
            ));
        }
        Ok(Network { address, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// A number without a sign and without zeros before it; one that is too large is the largest.
fn number(text: &str) -> Option<u8> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = digits && (text == "0" || !text.starts_with('0'));
    plain.then(|| text.parse().unwrap_or(u8::MAX))
}

/// The address with all but its first bits zero.
fn first(ip: IpAddr, bits: u8) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0);
            Ipv4Addr::from(u32::from(ip) & mask).into()
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0);
            Ipv6Addr::from(u128::from(ip) & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_in_its_networks_and_in_no_other() {
        for (net, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("192.168.1.7", "192.168.1.7", "192.168.1.6"),
            ("192.168.1.128/25", "192.168.1.255", "192.168.1.127"),
            ("0.0.0.0/0", "203.0.113.9", "::1"),
            ("fd00::/8", "fdff::1", "fe80::1"),
            ("::/0", "2001:db8::1", "127.0.0.1"),
            ("::1", "::1", "::2"),
        ] {
            assert!(network(net).contains(ip(inside)) && !network(net).contains(ip(outside)), "{net}");
        }
        assert!(
            network("10.0.0.0/8").contains(ip("::ffff:10.1.2.3")),
            "a socket for both kinds of addresses"
        );
        assert_eq!(network("192.168.1.7").to_string(), "192.168.1.7/32");
        assert_eq!(network("fd00::/8").to_string(), "fd00::/8");
    }

    #[test]
    fn what_could_be_meant_in_two_ways_is_refused_with_both() {
        let fault = "10.0.0.7/8".parse::<Network>().unwrap_err();
        assert_eq!(
            fault,
            "has bits of one address behind the first 8: write 10.0.0.0/8 for the network, 10.0.0.7 for the \
             address alone"
        );
        assert_eq!(
            "::ffff:10.0.0.0/104".parse::<Network>().unwrap_err(),
            "is IPv4 written as IPv6: write 10.0.0.0"
        );
        for text in ["10.0.0.0/33", "::/129", "10.0.0.0/999999999999999999999"] {
            assert!(text.parse::<Network>().unwrap_err().contains("more bits"), "{text}");
        }
        for text in
            ["", "/", "/8", "10.0.0.0/", "10.0.0.0/08", "10.0.0.0/+8", "10/8", "10.0.0.0/8/8", "lan", "::/x"]
        {
            assert!(text.parse::<Network>().unwrap_err().contains("expected one such as"), "{text}");
        }
    }
}
