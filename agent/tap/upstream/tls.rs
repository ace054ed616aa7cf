//! TLS to the server: the system's certificates and those of the config.

use std::io;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

/// Reads the certificates: milliseconds and files, so not on the thread that streams run on.
pub(super) async fn connector(ca_pem: Option<Vec<u8>>) -> io::Result<TlsConnector> {
    tokio::task::spawn_blocking(move || build(ca_pem.as_deref())).await.map_err(io::Error::other)?
}

fn build(ca_pem: Option<&[u8]>) -> io::Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    // One that cannot be read is left out: a server that needs it says so in its handshake.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for certificate in CertificateDer::pem_slice_iter(ca_pem.unwrap_or_default()) {
        roots.add(certificate.map_err(io::Error::other)?).map_err(io::Error::other)?;
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config).into())
}
