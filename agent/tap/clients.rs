//! Which client of the config a request is from.

use std::net::IpAddr;
use std::sync::Arc;

use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;

use super::network::Network;
use super::plan::Client;

/// Headers with a key; that of `Authorization` stands behind the word `Bearer`.
pub(super) const KEY_HEADERS: [&str; 3] = ["authorization", "x-api-key", "api-key"];

/// The clients that have a name, ready to be compared.
#[derive(Debug, Default)]
pub(super) struct Clients(Vec<(Arc<str>, Client)>);

impl Clients {
    /// Those of the config, in its order.
    pub(super) fn new(clients: &[Client]) -> Clients {
        Clients(clients.iter().map(|client| (Arc::from(client.name.as_str()), client.clone())).collect())
    }

    /// Whether there are none: then nothing need be looked up.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Who shows one of these keys; else whose network the caller comes from, the narrowest first. Of several
    /// alike, the first in the config.
    pub(super) fn name(&self, keys: &[&[u8]], peer: IpAddr) -> Option<Arc<str>> {
        let by_key = self.0.iter().find(|(_, client)| shows(client, keys));
        let found = by_key.or_else(|| {
            let near = self.0.iter().filter_map(|one| Some((one, narrowest(&one.1, peer)?)));
            near.reduce(|best, one| if one.1 > best.1 { one } else { best }).map(|(one, _)| one)
        });
        found.map(|(name, _)| Arc::clone(name))
    }
}

/// The key in a header of [`KEY_HEADERS`].
pub(super) fn key<'a>(name: &str, value: &'a [u8]) -> Option<&'a [u8]> {
    if !name.eq_ignore_ascii_case(KEY_HEADERS[0]) {
        return Some(value);
    }
    let (scheme, key) = value.split_at_checked("bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| key.trim_ascii())
}

/// Compared in a time that does not tell how much of it is right.
fn shows(client: &Client, keys: &[&[u8]]) -> bool {
    let Some(token) = &client.token else { return false };
    keys.iter().any(|key| bool::from(key.ct_eq(token.expose_secret().as_bytes())))
}

/// How narrow the narrowest of its networks is that hold the address.
fn narrowest(client: &Client, peer: IpAddr) -> Option<u8> {
    client.networks.iter().filter(|network| network.contains(peer)).map(Network::bits).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(name: &str, token: Option<&str>, networks: &[&str]) -> Client {
        Client {
            name: name.into(),
            token: token.map(Into::into),
            networks: networks.iter().map(|network| network.parse().unwrap()).collect(),
        }
    }

    #[test]
    fn a_key_goes_before_a_network_and_a_narrow_network_before_a_wide_one() {
        let clients = Clients::new(&[
            client("all", None, &["0.0.0.0/0"]),
            client("lan", None, &["10.1.0.0/16", "fd00::/8"]),
            client("one", Some("other"), &["192.0.2.7"]),
            client("bot", Some("s3cret"), &[]),
        ]);
        let cases: &[(&[&str], &str, Option<&str>)] = &[
            (&["s3cret"], "10.1.2.3", Some("bot")),
            (&["s3cre"], "10.1.2.3", Some("lan")),
            (&["nope", "s3cret"], "198.51.100.1", Some("bot")),
            (&[], "fdff::1", Some("lan")),
            (&[], "::ffff:10.1.9.9", Some("lan")),
            (&[], "192.0.2.7", Some("one")),
            (&["other"], "::1", Some("one")),
            (&[], "192.0.2.8", Some("all")),
            (&[], "2001:db8::1", None),
        ];
        for (keys, peer, name) in cases {
            let keys: Vec<&[u8]> = keys.iter().map(|key| key.as_bytes()).collect();
            assert_eq!(clients.name(&keys, peer.parse().unwrap()).as_deref(), *name, "{keys:?} {peer}");
        }
    }

    #[test]
    fn a_key_stands_behind_bearer_or_alone() {
        assert_eq!(key("Authorization", b"bearer  k"), Some(&b"k"[..]));
        assert_eq!(key("authorization", b"Basic k"), None);
        assert_eq!(key("authorization", b"x"), None);
        assert_eq!(key("X-Api-Key", b"k"), Some(&b"k"[..]));
    }
}
