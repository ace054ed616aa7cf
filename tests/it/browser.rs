//! The status page in a real browser.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use opsagent::fleet::Fleet;
use opsagent::jobs::Jobs;
use opsagent::sample::{ModelSample, ServerSample};
use opsagent::servers::Target;
use opsagent::web::toolkit::WebConfig;
use opsagent::web::{Web, router, tls};
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::support::page_view::empty_view;

/// What the headless browser may not do: ask anybody but the agent.
const FLAGS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    // Time as the page sees it: two refreshes, in as long as they take to answer.
    "--virtual-time-budget=11000",
];

#[tokio::test]
#[ignore = "real parts: run tests/run"]
async fn an_open_page_follows_what_happens_without_a_fault_in_the_console() {
    let fleet = Fleet::new(empty_view().agent, 200);
    fleet.add(&Target::new("box7", "http://127.0.0.1:1".parse().unwrap()), false);
    let jobs = Jobs::new(Arc::new(|_| {}));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let web = Web {
        fleet: fleet.clone(),
        reload: Arc::new(|| Box::pin(async { Ok(()) })),
        allow_hosts: Vec::new(),
        listen: vec![address],
        stopping: jobs.stopping(),
    };
    // The first page says that nothing was polled; what a poll sees comes after it.
    let polled = from_fn(move |request: Request, next: Next| {
        let (fleet, first) = (fleet.clone(), request.uri().path() == "/");
        async move {
            let response = next.run(request).await;
            if first {
                fleet.record_poll("box7", Ok(sample()), Duration::from_millis(4));
            }
            response
        }
    });
    let router = router(web).layer(polled);
    jobs.serve(tls::serve(listener, router, WebConfig::default().shared(), jobs.stopping()));

    let (page, log) = browse(&format!("http://localhost:{}/", address.port())).await;
    assert!(page.contains("<h1 id=\"headline\">box7 is up</h1>"), "refreshed in place:\n{page}\n{log}");
    assert!(page.contains("role=\"status\">box7 is up</p>"), "and said to whoever listens:\n{page}");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "a model's name stayed text:\n{page}");
    assert!(page.contains("hidden=\"\""), "the agent was there all the time:\n{page}");
    assert!(!log.contains("CONSOLE"), "{log}");
    jobs.stop(Duration::from_secs(5), std::future::pending()).await;
}

fn sample() -> ServerSample {
    let hostile = ModelSample { name: "<script>alert(1)</script>".into(), ..ModelSample::default() };
    ServerSample { kind: "ollama", models: vec![hostile], ..ServerSample::default() }
}

/// The page as it stands in the browser after its script ran, and what the browser logged.
async fn browse(url: &str) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut browser = Command::new("chromium");
    browser
        .args(FLAGS)
        .arg(format!("--user-data-dir={}", folder.path().display()))
        .arg("--dump-dom")
        .arg(url);
    browser.stdin(Stdio::null()).kill_on_drop(true);
    let done = tokio::time::timeout(Duration::from_secs(60), browser.output());
    let output = done.await.expect("the browser ends within a minute").expect("chromium is installed");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (text(output.stdout), text(output.stderr))
}
