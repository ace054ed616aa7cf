//! Which names the agent answers to.
//!
//! A page of somebody else can have its own name point to this machine and then read all that is
//! served here, as if it were its own (DNS rebinding). The name stands in the `Host` header, so only
//! names that nobody else can have point here are let in.

use std::net::IpAddr;

use http::uri::Authority;

/// Where Linux tells the machine's name.
const MACHINE_NAME: &str = "/proc/sys/kernel/hostname";

/// The names that are let in.
#[derive(Debug, Default)]
pub struct Hosts {
    exact: Vec<String>,
    /// Each with its leading dot.
    below: Vec<String>,
}

impl Hosts {
    /// The names of the config, exact or as `*.suffix`, and the machine's own.
    pub fn new(allowed: &[String], machine: Option<&str>) -> Hosts {
        let mut hosts = Hosts::default();
        for entry in allowed.iter().map(String::as_str).chain(machine) {
            match entry.strip_prefix("*.") {
                Some(suffix) => hosts.below.push(format!(".{}", plain(suffix))),
                None => hosts.exact.push(plain(host_of(entry).unwrap_or(entry))),
            }
        }
        hosts
    }

    /// Whether a request may name the agent so: a `Host` header, with or without a port.
    ///
    /// An address is safe: a browser that was led here by a name sends the name.
    pub fn allows(&self, header: &str) -> bool {
        let Some(host) = host_of(header) else { return false };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if bare.parse::<IpAddr>().is_ok() {
            return true;
        }
        let host = plain(host);
        host == "localhost"
            || host.ends_with(".localhost")
            || self.exact.contains(&host)
            || self.below.iter().any(|suffix| host.len() > suffix.len() && host.ends_with(suffix.as_str()))
    }
}

/// The machine's own name, where the system tells it.
pub fn machine_name() -> Option<String> {
    let name = std::fs::read_to_string(MACHINE_NAME).ok()?;
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// The host of `host`, `host:port` or `[address]:port`. `None`: it is none of these.
fn host_of(header: &str) -> Option<&str> {
    usual_host_of(header).or_else(|| any_host_of(header))
}

fn any_host_of(header: &str) -> Option<&str> {
    let authority: Authority = header.parse().ok()?;
    let host = authority.host();
    // `user@host` is no Host header.
    header.starts_with(host).then(|| &header[..host.len()])
}

/// The same of nearly every header, at a tenth of the cost: letters, digits, dots and dashes, maybe a port.
fn usual_host_of(header: &str) -> Option<&str> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let length = header.bytes().take_while(plain).count();
    let (host, rest) = header.split_at_checked(length)?;
    let port = || {
        rest.strip_prefix(':').is_some_and(|port| {
            !port.is_empty() && port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    (!host.is_empty() && (rest.is_empty() || port())).then_some(host)
}

/// As names are compared: without case, without the dot that ends a full name.
fn plain(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_quick_way_to_a_host_finds_the_same(header in "[a-zA-Z0-9.:@/_ \\[\\]%é-]{0,12}|[a-z.]{1,9}:[0-9]{0,7}") {
            let quick = usual_host_of(&header);
            prop_assert!(quick.is_none() || quick == any_host_of(&header), "{header:?}");
        }
    }

    #[test]
    fn names_that_only_this_machine_can_have_are_let_in_and_others_are_not() {
        let allowed = ["Ops.Example.org".into(), "*.lab.example".into(), "gpu-box:10434".into()];
        let hosts = Hosts::new(&allowed, Some("node7"));
        let cases = [
            ("localhost", true),
            ("LocalHost:10434", true),
            ("localhost.:10434", true),
            ("agent.localhost:10434", true),
            ("127.0.0.1:10434", true),
            ("127.9.9.9", true),
            ("10.0.0.7:10434", true),
            ("[::1]:10434", true),
            ("[fe80::1]", true),
            ("node7:10434", true),
            ("ops.example.org", true),
            ("ops.example.org:443", true),
            ("a.lab.example", true),
            ("a.b.lab.example:80", true),
            ("gpu-box", true),
            ("evil.example", false),
            ("lab.example", false),
            ("notlab.example", false),
            ("evil.lab.example.org", false),
            ("localhost.evil.example", false),
            ("notlocalhost", false),
            ("127.0.0.1.evil.example", false),
            ("127.0.0.1@evil.example", false),
            ("evil@localhost", false),
            ("node7.evil.example", false),
            ("", false),
            (":10434", false),
            ("a b", false),
            ("localhost/x", false),
            ("[::1", false),
        ];
        for (host, good) in cases {
            assert_eq!(hosts.allows(host), good, "{host:?}");
        }
    }

    #[test]
    fn nothing_allowed_still_lets_this_machine_in() {
        let hosts = Hosts::new(&[], None);
        assert!(hosts.allows("localhost:10434") && hosts.allows("127.0.0.1"));
        assert!(!hosts.allows("node7"));
    }
}
