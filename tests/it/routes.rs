//! What is served: every path, every refusal, and the headers.

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{
    ACCEPT, ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HOST, ORIGIN, VARY,
};
use axum::http::{Request, Response, StatusCode};
use flate2::read::GzDecoder;
use opsagent::fleet::Fleet;
use opsagent::http::HttpError;
use opsagent::sample::ServerSample;
use opsagent::servers::Target;
use opsagent::view::View;
use opsagent::web::{Reload, Web, router};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::support::page_view::empty_view;

/// An agent's routes without an agent, and what is behind them.
struct Served {
    fleet: Fleet,
    stopping: CancellationToken,
    router: Router,
}

fn serve(reload: Reload) -> Served {
    let fleet = Fleet::new(empty_view().agent, 200);
    let stopping = CancellationToken::new();
    let web = Web {
        fleet: fleet.clone(),
        reload,
        allow_hosts: vec!["ops.example".into()],
        listen: vec![([127, 0, 0, 1], 10434).into()],
        stopping: stopping.clone(),
    };
    Served { fleet, stopping, router: router(web) }
}

fn served() -> Served {
    serve(Arc::new(|| Box::pin(async { Ok(()) })))
}

impl Served {
    async fn ask(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn get(&self, path: &str) -> Response<Body> {
        self.ask(Request::get(path).body(Body::empty()).unwrap()).await
    }

    async fn post(&self, path: &str) -> Response<Body> {
        self.ask(Request::post(path).body(Body::empty()).unwrap()).await
    }
}

async fn bytes(response: Response<Body>) -> Vec<u8> {
    to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec()
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(bytes(response).await).unwrap()
}

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
async fn a_page_of_another_site_cannot_reload() {
    let served = served();
    let cases = [
        ("sec-fetch-site", "cross-site", 403),
        ("sec-fetch-site", "same-site", 403),
        ("sec-fetch-site", "same-origin", 200),
        (ORIGIN.as_str(), "http://evil.example", 403),
        (ORIGIN.as_str(), "null", 403),
        (ORIGIN.as_str(), "http://localhost:10434", 200),
    ];
    for (name, value, status) in cases {
        let request = Request::post("/-/reload").header(HOST, "localhost:10434").header(name, value);
        let response = served.ask(request.body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), status, "{name}: {value}");
    }
    let request = Request::get("/").header(HOST, "localhost").header("sec-fetch-site", "cross-site");
    let response = served.ask(request.body(Body::empty()).unwrap()).await;
    assert_eq!(response.status(), StatusCode::OK, "a link from a wiki leads to the page");
}

#[tokio::test]
async fn a_name_that_is_not_ours_is_refused_with_the_key_that_allows_it() {
    let served = served();
    for path in ["/", "/metrics", "/-/healthy", "/nothing"] {
        let request = Request::get(path).header(HOST, "rebound.example:10434").body(Body::empty()).unwrap();
        let response = served.ask(request).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{path}");
        let text = text(response).await;
        assert!(text.contains("allow_hosts = [\"rebound.example\"]"), "{text}");
    }
    for host in
        ["ops.example", "ops.example:10434", "localhost:10434", "127.0.0.1:10434", "[::1]:10434", "10.1.2.3"]
    {
        let request = Request::get("/").header(HOST, host).body(Body::empty()).unwrap();
        assert_eq!(served.ask(request).await.status(), StatusCode::OK, "{host}");
    }
    // The whole address in the first line, as for a proxy, counts as well.
    let request =
        Request::get("http://rebound.example/").header(HOST, "localhost").body(Body::empty()).unwrap();
    assert_eq!(served.ask(request).await.status(), StatusCode::FORBIDDEN);
    let two = Request::get("/").header(HOST, "localhost").header(HOST, "rebound.example");
    assert_eq!(served.ask(two.body(Body::empty()).unwrap()).await.status(), StatusCode::BAD_REQUEST);
    let odd = Request::get("/").header(HOST, &b"\xff<b>"[..]).body(Body::empty()).unwrap();
    let response = served.ask(odd).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert!(!text(response).await.contains("<b>"));
}

#[tokio::test]
async fn a_panic_is_answered_counted_and_no_end() {
    let served = serve(Arc::new(|| Box::pin(async { panic!("planted by a test") })));
    let response = served.post("/-/reload").await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!text(response).await.contains("planted"));
    let page = text(served.get("/metrics").await).await;
    assert!(page.contains("opsagent_job_panics_total{job=\"web\"} 1"), "{page}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_is_given_up() {
    let served = serve(Arc::new(|| Box::pin(std::future::pending())));
    assert_eq!(served.post("/-/reload").await.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_large_body_is_refused() {
    let request = Request::post("/-/reload").header("content-length", (2 << 20).to_string());
    let response = served().ask(request.body(Body::empty()).unwrap()).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
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
