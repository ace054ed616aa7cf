//! The agent's own listener: TLS, clients' certificates, passwords, rotation, and its end.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use futures_util::StreamExt;
use opsagent::jobs::Jobs;
use opsagent::web::tls::serve;
use opsagent::web::toolkit::{SharedWeb, WebConfig};
use reqwest::{Certificate, Client, ClientBuilder, StatusCode};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::support::authority::Authority;
use super::web_config::hash;

/// A listener with a web config in a folder of its own.
struct Site {
    folder: TempDir,
    ca: Authority,
    web: SharedWeb,
    jobs: Jobs,
    address: SocketAddr,
}

impl Site {
    /// With that text as its web config, beside `cert.pem`, `key.pem` and `ca.pem`.
    async fn start(text: &str) -> Site {
        drop(rustls::crypto::ring::default_provider().install_default());
        let folder = tempfile::tempdir().unwrap();
        let ca = Authority::new();
        fs::write(folder.path().join("ca.pem"), ca.pem()).unwrap();
        renew(&folder, &ca);
        let file = folder.path().join("web.yml");
        fs::write(&file, text).unwrap();
        let web = WebConfig::load(&file).unwrap().shared();
        let jobs = Jobs::new(Arc::new(|_| {}));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        jobs.serve(serve(listener, router(), web.clone(), jobs.stopping()));
        Site { folder, ca, web, jobs, address }
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    /// A client that trusts the authority and keeps no connection of before.
    fn client(&self) -> ClientBuilder {
        Client::builder()
            .no_proxy()
            .tls_built_in_root_certs(false)
            .tls_info(true)
            .timeout(Duration::from_secs(20))
            .add_root_certificate(Certificate::from_pem(self.ca.pem().as_bytes()).unwrap())
    }

    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.address.port())
    }

    fn plain_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn get(&self, client: ClientBuilder) -> reqwest::Result<reqwest::Response> {
        client.build().unwrap().get(self.url("/")).send().await
    }

    /// The certificate that a new connection is shown.
    async fn shown(&self) -> Vec<u8> {
        let answer = self.get(self.client()).await.unwrap();
        answer.extensions().get::<reqwest::tls::TlsInfo>().unwrap().peer_certificate().unwrap().to_vec()
    }
}

fn renew(folder: &TempDir, ca: &Authority) {
    let (cert, key) = ca.server();
    fs::write(folder.path().join("cert.pem"), cert).unwrap();
    fs::write(folder.path().join("key.pem"), key).unwrap();
}

fn router() -> Router {
    let slow = || async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        "slow"
    };
    let endless = || async {
        Body::from_stream(futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>("x")).then(
            |x| async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                x
            },
        ))
    };
    Router::new()
        .route("/", get(|| async { "here" }))
        .route("/slow", get(slow))
        .route("/endless", get(endless))
}

const TLS: &str = "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n";

#[tokio::test]
async fn tls_is_spoken_with_the_configured_certificate() {
    let site = Site::start(&format!("{TLS}  min_version: TLS13\n")).await;
    let answer = site.get(site.client()).await.unwrap();
    assert_eq!((answer.status(), answer.version()), (StatusCode::OK, http::Version::HTTP_11));
    assert_eq!(answer.text().await.unwrap(), "here");
    // Of another authority, and of too low a version, nothing is had.
    let stranger = Client::builder().no_proxy().tls_built_in_root_certs(false);
    site.get(stranger).await.unwrap_err();
    site.get(site.client().max_tls_version(reqwest::tls::Version::TLS_1_2)).await.unwrap_err();
}

#[tokio::test]
async fn one_who_speaks_plain_http_to_tls_is_told() {
    let site = Site::start(TLS).await;
    let answer = Client::builder().no_proxy().build().unwrap().get(site.plain_url("/")).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert_eq!(answer.text().await.unwrap(), "this address speaks https, not http\n");
}

#[tokio::test]
async fn a_client_without_the_right_certificate_is_refused() {
    let text = format!("{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n");
    let site = Site::start(&text).await;
    site.get(site.client()).await.unwrap_err();
    site.get(site.client().identity(Authority::new().client())).await.unwrap_err();
    let answer = site.get(site.client().identity(site.ca.client())).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn every_path_wants_the_password() {
    let headers = "http_server_config:\n  headers:\n    X-Frame-Options: deny\n";
    let site = Site::start(&format!("{headers}basic_auth_users:\n  anna: {}\n", hash())).await;
    let client = Client::builder().no_proxy().build().unwrap();
    for path in ["/", "/metrics", "/-/healthy", "/nowhere"] {
        for login in
            [None, Some(("anna", "wrong")), Some(("otto", "secret")), Some(("", "")), Some(("anna", ""))]
        {
            let request = client.get(site.plain_url(path));
            let request = match login {
                Some((user, password)) => request.basic_auth(user, Some(password)),
                None => request,
            };
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path} {login:?}");
            assert_eq!(answer.headers()["www-authenticate"], "Basic realm=\"opsagent\"");
            assert_eq!(answer.headers()["x-frame-options"], "deny");
        }
    }
    for header in ["Bearer secret", "Basic", "Basic !", "Basic YW5uYQ==", "basic"] {
        let answer = client.get(site.plain_url("/")).header("authorization", header).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{header}");
    }
    for (path, status) in [("/", StatusCode::OK), ("/nowhere", StatusCode::NOT_FOUND), ("/", StatusCode::OK)]
    {
        let request = client.get(site.plain_url(path)).basic_auth("anna", Some("secret"));
        let answer = request.send().await.unwrap();
        assert_eq!(
            (answer.status(), &answer.headers()["x-frame-options"]),
            (status, &http::HeaderValue::from_static("deny"))
        );
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_without_a_restart() {
    let site = Site::start(TLS).await;
    let first = site.shown().await;
    assert_eq!(site.shown().await, first);
    renew(&site.folder, &site.ca);
    let second = site.shown().await;
    assert_ne!(second, first);
    // Half a rotation does no harm: the old pair goes on until the new one is whole.
    let (cert, key) = site.ca.server();
    site.write("cert.pem", &cert);
    assert_eq!(site.shown().await, second);
    site.write("key.pem", &key);
    let third = site.shown().await;
    assert!(third != second && third != first);
    fs::remove_file(site.folder.path().join("key.pem")).unwrap();
    assert_eq!(site.shown().await, third);
}

#[tokio::test]
async fn users_and_tls_change_with_the_file_and_with_a_reload() {
    let site = Site::start(&format!("basic_auth_users:\n  anna: {}\n", hash())).await;
    let client = Client::builder().no_proxy().build().unwrap();
    let status = async |user: &str| {
        let request = client.get(site.plain_url("/")).basic_auth(user, Some("secret"));
        request.send().await.unwrap().status()
    };
    assert_eq!((status("anna").await, status("otto").await), (StatusCode::OK, StatusCode::UNAUTHORIZED));
    site.write("web.yml", &format!("basic_auth_users:\n  otto: {}\n", hash()));
    assert_eq!((status("anna").await, status("otto").await), (StatusCode::UNAUTHORIZED, StatusCode::OK));
    // One with a fault changes nothing.
    site.write("web.yml", "basic_auth_users:\n  anna: x\n");
    assert_eq!((status("anna").await, status("otto").await), (StatusCode::UNAUTHORIZED, StatusCode::OK));
    site.write("web.yml", TLS);
    assert_eq!(status("").await, StatusCode::OK, "the old connection goes on");
    assert_eq!(site.get(site.client()).await.unwrap().status(), StatusCode::OK);
    // A reload that names no web config any more.
    site.web.store(Arc::new(WebConfig::default()));
    assert_eq!(client.get(site.plain_url("/")).send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_client_that_never_shakes_hands_delays_nobody_and_holds_no_stop() {
    let site = Site::start(TLS).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(site.address).await.unwrap());
    }
    assert_eq!(site.get(site.client()).await.unwrap().status(), StatusCode::OK);
    assert_eq!(site.jobs.stop(Duration::from_secs(5), std::future::pending()).await, 0);
    for mut stream in silent {
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap_or(0), 0);
    }
}

#[tokio::test]
async fn a_stop_lets_an_answer_under_way_end_and_closes_the_idle() {
    let site = Site::start(TLS).await;
    let client = site.client().build().unwrap();
    // A connection that the client's pool keeps open.
    client.get(site.url("/")).send().await.unwrap().text().await.unwrap();
    let (slow, stopped) = tokio::join!(
        async { client.get(site.url("/slow")).send().await.unwrap().text().await.unwrap() },
        async {
            tokio::time::sleep(Duration::from_millis(150)).await;
            site.jobs.stop(Duration::from_secs(10), std::future::pending()).await
        }
    );
    assert_eq!((slow.as_str(), stopped), ("slow", 0));
    TcpStream::connect(site.address).await.unwrap_err();
}

#[tokio::test]
async fn a_connection_that_never_asked_holds_no_stop() {
    let site = Site::start("").await;
    let mut silent = TcpStream::connect(site.address).await.unwrap();
    let client = Client::builder().no_proxy().build().unwrap();
    assert_eq!(client.get(site.plain_url("/")).send().await.unwrap().text().await.unwrap(), "here");
    assert_eq!(site.jobs.stop(Duration::from_secs(5), std::future::pending()).await, 0);
    assert_eq!(silent.read(&mut [0; 1]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn an_endless_answer_is_cut_when_the_grace_is_over() {
    let site = Site::start("").await;
    let client = Client::builder().no_proxy().build().unwrap();
    let answer = client.get(site.plain_url("/endless")).send().await.unwrap();
    let mut body = answer.bytes_stream();
    body.next().await.unwrap().unwrap();
    assert_eq!(site.jobs.stop(Duration::from_millis(200), std::future::pending()).await, 1);
    let rest =
        tokio::time::timeout(Duration::from_secs(5), async { while let Some(Ok(_)) = body.next().await {} });
    rest.await.expect("the connection is cut");
}

#[tokio::test]
async fn half_a_request_head_is_not_waited_for_without_end() {
    let site = Site::start("").await;
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    tokio::time::pause();
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(80), stream.read_to_end(&mut rest)).await;
    ended.expect("closed within 80 s").ok();
}
