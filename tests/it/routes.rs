//! What is served: every path, its formats and its headers.

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{
    ACCEPT, ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY,
};
use axum::http::{Request, StatusCode};
use flate2::read::GzDecoder;
use opsagent::http::HttpError;
use opsagent::sample::ServerSample;
use opsagent::servers::Target;
use opsagent::view::View;

use crate::support::served::{bytes, serve, served, text};

fn box7() -> Target {
    Target::new("box7", "http://127.0.0.1:1".parse().unwrap())
}

#[tokio::test]
async fn every_path_answers_with_its_type_and_the_safe_headers() {
    let served = served();
    let paths = [
        ("/", 200, "text/html; charset=utf-8"),
        ("/page.css?v=1", 200, "text/css; charset=utf-8"),
        ("/page.js?v=1", 200, "text/javascript; charset=utf-8"),
        ("/metrics", 200, "text/plain; version=0.0.4; charset=utf-8"),
        ("/api/v1/view", 200, "application/json"),
        ("/-/healthy", 200, "text/plain; charset=utf-8"),
        ("/-/ready", 200, "text/plain; charset=utf-8"),
        ("/nothing", 404, "text/plain; charset=utf-8"),
        ("/-/reload", 405, "text/plain; charset=utf-8"),
    ];
    for (path, status, kind) in paths {
        let response = served.get(path).await;
        assert_eq!(response.status(), status, "{path}");
        let headers = response.headers().clone();
        assert_eq!(headers[CONTENT_TYPE], kind, "{path}");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{path}: {policy}");
        assert!(
            policy.contains("frame-ancestors 'none'") && policy.contains("form-action 'none'"),
            "{policy}"
        );
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["referrer-policy"], "no-referrer", "{path}");
        let kept = path.starts_with("/page.");
        assert_eq!(headers[CACHE_CONTROL] != "no-store", kept, "{path}");
        assert!(!bytes(response).await.is_empty(), "{path}");
    }
}

#[tokio::test]
async fn head_tells_the_same_without_the_body() {
    let served = served();
    for path in ["/", "/metrics", "/api/v1/view", "/-/healthy", "/-/ready"] {
        let kind = served.get(path).await.headers()[CONTENT_TYPE].clone();
        for encoding in ["identity", "gzip"] {
            let request = Request::head(path).header(ACCEPT_ENCODING, encoding).body(Body::empty()).unwrap();
            let response = served.ask(request).await;
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            assert_eq!(response.headers()[CONTENT_TYPE], kind, "{path}");
            assert!(bytes(response).await.is_empty(), "{path} {encoding}");
        }
    }
}

#[tokio::test]
async fn an_unknown_path_names_the_known_ones() {
    let response = served().get("/metric").await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    let text = text(response).await;
    for path in ["/metrics", "/api/v1/view", "/-/healthy", "/-/ready", "/-/reload"] {
        assert!(text.contains(path), "{text}");
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_which_are_right() {
    let served = served();
    let response = served.get("/-/reload").await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    let allow = response.headers()[ALLOW].to_str().unwrap();
    assert!(allow.contains("POST") && allow.contains("PUT"), "{allow}");
    assert!(text(response).await.contains("does not take GET"));
    let response = served.post("/metrics").await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(response.headers()[ALLOW].to_str().unwrap().contains("GET"));
    let options = Request::options("/api/v1/view").body(Body::empty()).unwrap();
    assert_eq!(served.ask(options).await.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn the_view_is_json_that_reads_back_and_pretty_on_demand() {
    let served = served();
    served.fleet.add(&box7(), false);
    let plain = text(served.get("/api/v1/view").await).await;
    assert_eq!(plain.lines().count(), 1);
    let view: View = serde_json::from_str(&plain).unwrap();
    assert_eq!(view.targets[0].name, "box7");
    for (query, pretty) in
        [("?pretty", true), ("?pretty=1", true), ("?pretty=false", false), ("?x=pretty", false)]
    {
        let text = text(served.get(&format!("/api/v1/view{query}")).await).await;
        assert_eq!(text.lines().count() > 1, pretty, "{query}");
        serde_json::from_str::<View>(&text).unwrap();
    }
}

#[tokio::test]
async fn metrics_come_in_the_format_that_is_accepted() {
    let served = served();
    let accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
    let request = Request::get("/metrics").header(ACCEPT, accept).body(Body::empty()).unwrap();
    let response = served.ask(request).await;
    assert_eq!(
        response.headers()[CONTENT_TYPE],
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    assert!(response.headers().get_all(VARY).iter().any(|vary| vary == "accept"));
    assert!(text(response).await.ends_with("# EOF\n"));
    let page = text(served.get("/metrics").await).await;
    assert!(
        page.contains("\nopsagent_build_info{") && page.contains("\nprocess_resident_memory_bytes "),
        "{page}"
    );
    assert!(!page.contains("# EOF"));
}

#[tokio::test]
async fn answers_are_compressed_for_those_who_can_read_it() {
    let served = served();
    for path in ["/", "/metrics", "/api/v1/view", "/page.css"] {
        for accept in ["text/plain", "application/openmetrics-text"] {
            let request = Request::get(path).header(ACCEPT, accept).header(ACCEPT_ENCODING, "gzip, br");
            let response = served.ask(request.body(Body::empty()).unwrap()).await;
            assert_eq!(response.headers()[CONTENT_ENCODING], "gzip", "{path} {accept}");
            assert!(response.headers().get_all(VARY).iter().any(|vary| vary == "accept-encoding"), "{path}");
            let packed = bytes(response).await;
            let mut text = String::new();
            GzDecoder::new(&*packed).read_to_string(&mut text).unwrap();
            assert!(text.len() > packed.len(), "{path}");
            let request = Request::get(path).header(ACCEPT_ENCODING, "gzip;q=0").body(Body::empty()).unwrap();
            assert!(served.ask(request).await.headers().get(CONTENT_ENCODING).is_none(), "{path}");
        }
    }
}

#[tokio::test]
async fn it_is_ready_once_what_was_configured_was_polled() {
    let served = served();
    served.fleet.add(&box7(), false);
    served.fleet.add(&Target { discovered: true, ..Target::new("found", box7().url) }, false);
    let response = served.get("/-/ready").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(text(response).await, "not ready: 1 of 1 targets not polled yet: box7\n");
    served.fleet.record_poll("box7", Err(HttpError::Refused), Duration::from_millis(1));
    assert_eq!(served.get("/-/ready").await.status(), StatusCode::OK, "polled, though down");
    served.fleet.add(&Target::new("later", box7().url), false);
    assert_eq!(served.get("/-/ready").await.status(), StatusCode::OK, "once ready, a reload changes nothing");
    served.stopping.cancel();
    let response = served.get("/-/ready").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(text(response).await, "stopping\n");
    assert_eq!(served.get("/-/healthy").await.status(), StatusCode::OK, "it lives until it is gone");
}

#[tokio::test]
async fn a_reload_answers_with_every_fault() {
    let good = served();
    let put = Request::put("/-/reload").body(Body::empty()).unwrap();
    assert_eq!(good.ask(put).await.status(), StatusCode::OK);
    assert_eq!(good.post("/-/reload").await.status(), StatusCode::OK);
    let faults = || vec!["a.toml:1: listen: bad".to_owned(), "a.toml:2: every: bad".to_owned()];
    let bad = serve(Arc::new(move || Box::pin(async move { Err(faults()) })));
    let response = bad.post("/-/reload").await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(text(response).await, "a.toml:1: listen: bad\na.toml:2: every: bad\n");
}

#[tokio::test]
async fn what_a_poll_saw_stands_on_all_three_pages() {
    let served = served();
    served.fleet.add(&box7(), false);
    let sample = ServerSample { kind: "ollama", version: Some("0.34.0".into()), ..ServerSample::default() };
    served.fleet.record_poll("box7", Ok(sample), Duration::from_millis(4));
    assert!(text(served.get("/").await).await.contains("<h1 id=\"headline\">box7 is up</h1>"));
    let metrics = text(served.get("/metrics").await).await;
    assert!(metrics.contains("opsagent_target_up{target=\"box7\",kind=\"ollama\"} 1"), "{metrics}");
    let view: View = serde_json::from_str(&text(served.get("/api/v1/view").await).await).unwrap();
    assert_eq!(view.targets[0].version.as_deref(), Some("0.34.0"));
}
