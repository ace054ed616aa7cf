//! What stands before every route: names, sites, limits and panics.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{HOST, ORIGIN};
use axum::http::{Request, StatusCode};

use crate::support::served::{serve, served, text};

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
