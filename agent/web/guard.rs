//! What stands before every route: the name that was asked for, where a change comes from, and the
//! headers that every answer bears.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Site;

/// What a page of the agent may load: its own style and script, and data from the agent. No inline
/// style or script, so that a hostile name that got through the escaping still could do nothing.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Said by the browser alone: where a request comes from.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Keeps other sites from loading the answers as scripts or images.
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// How long an answer may take to be made. A scrape takes milliseconds; a reload reads some files.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Lets a request through, or says why not; gives up what takes too long.
pub(super) async fn check(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    match fault(&site, request.method(), request.uri(), request.headers()) {
        None => tokio::time::timeout(ANSWER_LIMIT, next.run(request)).await.unwrap_or_else(|_| too_slow()),
        Some(refusal) => refusal.into_response(),
    }
}

/// Sets the headers that every answer bears.
pub(super) async fn headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn too_slow() -> Response {
    let text = format!("no answer within {ANSWER_LIMIT:?}; the agent is overloaded, its log may say more\n");
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

type Refusal = (StatusCode, String);

fn fault(site: &Site, method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Refusal> {
    let mut named = headers.get_all(HOST).iter();
    let host = named.next();
    if named.next().is_some() {
        return Some((StatusCode::BAD_REQUEST, "more than one Host header\n".into()));
    }
    // HTTP/1.0 has no Host, and no browser speaks it.
    let host = host.map(|host| host.to_str().unwrap_or_default());
    let authority = uri.authority().map(axum::http::uri::Authority::as_str);
    for name in [host, authority].into_iter().flatten() {
        if !site.hosts.allows(name) {
            return Some((StatusCode::FORBIDDEN, not_our_name(name)));
        }
    }
    let changes = !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    (changes && is_of_another_site(headers, host)).then(|| {
        let text = "a page of another site may not change this agent; use curl, or SIGHUP\n";
        (StatusCode::FORBIDDEN, text.into())
    })
}

/// Whether a browser sent it on behalf of another site. What no browser sent has neither header.
fn is_of_another_site(headers: &HeaderMap, host: Option<&str>) -> bool {
    if let Some(site) = headers.get(FETCH_SITE) {
        return site != "same-origin" && site != "none";
    }
    let Some(origin) = headers.get(ORIGIN) else { return false };
    let own = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    !matches!((own, host), (Some(own), Some(host)) if own.eq_ignore_ascii_case(host))
}

fn not_our_name(name: &str) -> String {
    let safe = name.chars().all(|c| c.is_ascii_alphanumeric() || ".-_:[]".contains(c));
    let bare = name.split(':').next().filter(|bare| safe && !bare.is_empty() && bare.len() <= 253);
    match bare {
        Some(bare) => format!(
            "this agent does not answer to the name {bare:?}, which any site could have point here.\n\
             If it is a name of this machine, allow it in the config and restart the agent:\n\n    allow_hosts = [{bare:?}]\n"
        ),
        None => "the Host header is no name or address of this machine (config key: allow_hosts)\n".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(k, v)| (HeaderName::from_static(k), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn a_change_comes_from_the_page_itself_or_from_no_browser() {
        let host = Some("localhost:10434");
        let cases: &[(&[(&'static str, &'static str)], bool)] = &[
            (&[], false),
            (&[("sec-fetch-site", "same-origin")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "same-site")], true),
            (&[("sec-fetch-site", "cross-site")], true),
            // A proxy that ends TLS may have changed the Host; the browser's word holds.
            (&[("sec-fetch-site", "same-origin"), ("origin", "https://ops.example")], false),
            (&[("origin", "http://localhost:10434")], false),
            (&[("origin", "http://localhost:3000")], true),
            (&[("origin", "http://evil.example")], true),
            (&[("origin", "null")], true),
        ];
        for (sent, other) in cases {
            assert_eq!(is_of_another_site(&headers(sent), host), *other, "{sent:?}");
        }
        assert!(is_of_another_site(&headers(&[("origin", "http://localhost")]), None));
    }

    #[test]
    fn no_inline_style_or_script_is_allowed() {
        assert!(!POLICY.contains("unsafe"));
        assert!(POLICY.starts_with("default-src 'none'"));
    }
}
