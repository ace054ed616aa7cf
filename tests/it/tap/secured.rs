//! A server that speaks TLS.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use crate::support::authority::Authority;
use crate::support::wire::{GET, OK, Server, Tapped};

pub(super) fn acceptor(ca: &Authority) -> TlsAcceptor {
    let (cert, key) = ca.server();
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(cert.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config).into()
}

#[tokio::test]
async fn requests_and_answers_pass_over_one_connection_by_http_1_1() {
    let (server, ca) = (Server::bind().await, Authority::new());
    let url = format!("https://localhost:{}/", server.address().port());
    let tap = Tapped::with(&url, |plan| plan.ca_pem = Some(ca.pem().into_bytes()));
    let mut client = tap.connect().await;
    let serving = async {
        let mut stream = acceptor(&ca).accept(server.accept().await.0).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        for _ in 0..2 {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\nhello") {
                request.push(stream.read_u8().await.unwrap());
            }
            assert!(
                String::from_utf8(request)
                    .unwrap()
                    .contains(&format!("Host: localhost:{}\r\n", server.address().port()))
            );
            stream.write_all(OK.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
        }
    };
    let asking = async {
        for _ in 0..2 {
            client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello").await;
            client.expect(OK).await;
        }
    };
    tokio::join!(serving, asking);
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_told() {
    let (server, ca) = (Server::bind().await, Authority::new());
    let tap = Tapped::with(&format!("https://localhost:{}/", server.address().port()), |_| ());
    let mut client = tap.connect().await;
    let serving = async { acceptor(&ca).accept(server.accept().await.0).await.err() };
    let asking = async {
        client.send(GET).await;
        client.rest().await.0
    };
    let (_, text) = tokio::join!(serving, asking);
    assert!(text.starts_with("HTTP/1.1 502 ") && text.contains("no TLS with localhost"), "{text}");
}
