//! Which targets are on this machine, and at which of its addresses.

use std::net::SocketAddr;

use url::Url;

use crate::http::Resolver;
use crate::procs::is_own;

/// The addresses of these targets that are this machine's own, each with the target's name.
pub(super) async fn here(resolver: &mut Resolver, targets: &[(String, Url)]) -> Vec<(String, SocketAddr)> {
    let mut here = Vec::new();
    for (name, url) in targets {
        let Some(port) = url.port_or_known_default() else { continue };
        let ips = resolver.ips(url).await.into_iter().filter(|ip| is_own(*ip));
        here.extend(ips.map(|ip| (name.clone(), SocketAddr::new(ip, port))));
    }
    resolver.keep(targets.iter().map(|(_, url)| url));
    here
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_of_this_machine_are_known_however_they_are_written() {
        let of = |url: &str| (url.to_owned(), Url::parse(url).unwrap());
        let urls = [
            "http://localhost:1/",
            "http://127.0.0.1:2/",
            "http://[::1]:3/",
            "http://0.0.0.0:4/",
            "https://localhost/",
            "http://192.0.2.1:5/",
            "http://no-such-name.invalid:6/",
        ];
        let here = here(&mut Resolver::default(), &urls.map(of)).await;
        let seen: Vec<String> = here.iter().map(|(_, address)| address.to_string()).collect();
        assert_eq!(
            seen,
            ["127.0.0.1:1", "[::1]:1", "127.0.0.1:2", "[::1]:3", "127.0.0.1:4", "127.0.0.1:443", "[::1]:443"]
        );
    }
}
