//! The values of flags that need more than their type's own parser.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::SignedDuration;
use url::Url;

/// Where an agent listens when nobody says otherwise.
pub(super) const DEFAULT_PORT: u16 = 10434;

/// A time such as `10s`, `500ms` or `2m`; a bare number is seconds, as with monitoring plugins.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    let wrong = || "expected a time above zero, such as 500ms, 10s or 2m".to_owned();
    let seconds = text.parse::<u32>().map(|seconds| Duration::from_secs(seconds.into())).ok();
    let told = || Duration::try_from(text.parse::<SignedDuration>().ok()?).ok();
    seconds.or_else(told).filter(|time| !time.is_zero()).ok_or_else(wrong)
}

/// An address to listen on.
pub(super) fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "expected IP:PORT, such as 127.0.0.1:10434, 0.0.0.0:10434 (all of IPv4) or [::]:10434 (all)"
            .to_owned()
    })
}

/// An agent's address: `host`, `host:port`, or a URL, of the agent or of its view.
pub(super) fn agent(text: &str) -> Result<Url, String> {
    let wrong =
        |what: &str| format!("{what}; expected HOST, HOST:PORT or a URL such as http://box:{DEFAULT_PORT}");
    let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let mut url = Url::parse(&whole).map_err(|error| wrong(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("only http and https are spoken"));
    }
    // A URL without a port means the scheme's own; a bare host means an agent's.
    if !text.contains("://") && url.port().is_none() && !text.trim_end_matches('/').ends_with(":80") {
        url.set_port(Some(DEFAULT_PORT)).map_err(|()| wrong("it can have no port"))?;
    }
    let path = url.path().trim_end_matches('/').trim_end_matches("/api/v1/view").to_owned();
    url.set_path(&path);
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

/// A server's address: `host:port` or a URL.
pub(super) fn server(text: &str) -> Result<Url, String> {
    let wrong = |what: &str| format!("{what}; expected HOST:PORT or a URL such as http://box:8080");
    let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = Url::parse(&whole).map_err(|error| wrong(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("only http and https are spoken"));
    }
    Ok(url)
}

/// The log's filter: a level, or directives such as `info,opsagent::poll=debug`.
pub(super) fn log_filter(text: &str) -> Result<String, String> {
    let levels = ["error", "warn", "info", "debug", "trace", "off"];
    if levels.contains(&text) {
        // What libraries say at these levels is for those who work on them.
        let theirs = if matches!(text, "error" | "off") { text } else { "warn" };
        return Ok(format!("{theirs},opsagent={text}"));
    }
    let wrong =
        || format!("expected one of {}, or directives such as opsagent=debug,hyper=info", levels.join(", "));
    // A bare word would be taken for a module that does not exist, and everything be silent.
    if !text.contains('=') {
        return Err(wrong());
    }
    tracing_subscriber::EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit_or_is_seconds() {
        assert_eq!(time("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(time("10"), Ok(Duration::from_secs(10)));
        assert_eq!(time("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(time("500ms"), Ok(Duration::from_millis(500)));
        for bad in ["", "0", "0s", "-1s", "soon", "1e99s", "10 elephants"] {
            assert!(time(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_agent_is_named_by_host_port_or_url() {
        let cases = [
            ("box", "http://box:10434/"),
            ("10.0.0.7", "http://10.0.0.7:10434/"),
            ("box:9000", "http://box:9000/"),
            ("box:80", "http://box/"),
            ("[::1]", "http://[::1]:10434/"),
            ("[::1]:9000", "http://[::1]:9000/"),
            ("http://box", "http://box/"),
            ("https://box/agent/", "https://box/agent"),
            ("http://box:10434/api/v1/view?x=1", "http://box:10434/"),
            ("https://me:secret@box", "https://me:secret@box/"),
        ];
        for (typed, url) in cases {
            assert_eq!(agent(typed).unwrap().as_str(), url, "{typed}");
        }
        for bad in ["", "http://", "ftp://box", "box:port", "a b"] {
            assert!(agent(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_to_listen_on_is_an_ip_and_a_port() {
        assert!(listen("127.0.0.1:0").is_ok() && listen("[::]:10434").is_ok());
        assert!(listen("localhost").unwrap_err().contains("127.0.0.1:10434"));
    }

    #[test]
    fn a_level_leaves_the_libraries_at_their_warnings() {
        assert_eq!(log_filter("debug").unwrap(), "warn,opsagent=debug");
        assert_eq!(log_filter("error").unwrap(), "error,opsagent=error");
        assert_eq!(log_filter("info,hyper=debug").unwrap(), "info,hyper=debug");
        assert!(log_filter("loud").is_err() && log_filter("opsagent=loud").is_err());
    }
}
