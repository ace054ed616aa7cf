//! Whether two addresses are the same place, however they are written. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Whether they are: this machine by any of its names, the scheme's own port written or not, a slash at the end or not.
/// Users, passwords and queries are not looked at.
pub(super) fn is_same(one: &Url, other: &Url) -> bool {
    let path = |url: &Url| url.path().trim_end_matches('/').to_owned();
    one.scheme() == other.scheme()
        && one.port_or_known_default() == other.port_or_known_default()
        && host(one) == host(other)
        && path(one) == path(other)
}

/// The host, the same for all names of this machine's own loopback.
fn host(url: &Url) -> Option<String> {
    let here = "localhost";
    Some(match url.host()? {
        Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            if name.eq_ignore_ascii_case(here) { here.to_owned() } else { name.to_ascii_lowercase() }
        }
        Host::Ipv4(Ipv4Addr::LOCALHOST) | Host::Ipv6(Ipv6Addr::LOCALHOST) => here.to_owned(),
        Host::Ipv4(ip) => ip.to_string(),
        Host::Ipv6(ip) => match IpAddr::V6(ip).to_canonical() {
            IpAddr::V4(Ipv4Addr::LOCALHOST) => here.to_owned(),
            ip => ip.to_string(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(one: &str, other: &str) -> bool {
        is_same(&one.parse().unwrap(), &other.parse().unwrap())
    }

    #[test]
    fn this_machine_has_many_names_and_a_port_that_is_the_schemes_own_need_not_be_written() {
        let all = [
            "http://localhost:8080",
            "http://127.0.0.1:8080/",
            "http://[::1]:8080",
            "http://[::ffff:127.0.0.1]:8080/",
            "http://LOCALHOST.:8080",
        ];
        for one in all {
            for other in all {
                assert!(same(one, other), "{one} {other}");
            }
        }
        assert!(same("http://box", "http://box:80/") && same("https://Box:443", "https://box"));
        assert!(same("http://box/ollama/", "http://box/ollama"));
        assert!(same("http://[::1]:11434/x/", "http://localhost:11434/x"));
    }

    #[test]
    fn another_port_scheme_path_or_machine_is_another_place() {
        let base = "http://localhost:8080";
        for other in [
            "http://localhost:8081",
            "https://localhost:8080",
            "http://localhost:8080/v2",
            "http://127.0.0.2:8080",
            "http://box:8080",
            "http://localhost.example:8080",
        ] {
            assert!(!same(base, other), "{other}");
        }
    }
}
