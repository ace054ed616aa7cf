//! `tls_server_config`: names of files in, a rustls config out.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use serde_saphyr::Spanned;

use super::raw::{self, RawTls};
use super::{Faults, Stamp, ciphers, stamp};

/// The files read, and how each looked before.
type Sources = Vec<(PathBuf, Option<Stamp>)>;

/// The config for the listeners. `None` when a fault was added.
pub(super) fn build(
    tls: &RawTls,
    line: usize,
    faults: &mut Faults<'_>,
    sources: &mut Sources,
) -> Option<Arc<ServerConfig>> {
    let before = faults.lines.len();
    let cert = pem(tls.cert.as_ref(), tls.cert_file.as_ref(), ["cert", "cert_file"], faults, sources);
    let key = pem(tls.key.as_ref(), tls.key_file.as_ref(), ["key", "key_file"], faults, sources);
    if tls.cert.is_none() && tls.cert_file.is_none() {
        faults.add(line, "tls_server_config", "needs cert_file or cert");
    }
    if tls.key.is_none() && tls.key_file.is_none() {
        faults.add(line, "tls_server_config", "needs key_file or key");
    }
    let chain = cert.and_then(|(pem, place)| certificates(&pem, &place, faults));
    let key = key.and_then(|(pem, place)| {
        let key = PrivateKeyDer::from_pem_slice(&pem);
        key.map_err(|_| faults.add(place.line, &place.path, format!("{}no private key in it", place.file)))
            .ok()
    });
    let provider = Arc::new(ciphers::provider(tls, faults));
    let versions = ciphers::versions(tls, faults);
    let verifier = client_verifier(tls, &provider, faults, sources);
    if faults.lines.len() > before {
        return None;
    }
    let mut bad = |error: &rustls::Error| match error {
        rustls::Error::InconsistentKeys(_) => {
            faults.add(line, "tls_server_config", "the key is not the certificate's");
        }
        rustls::Error::General(problem) => faults.add(line, "tls_server_config", problem),
        error => faults.add(line, "tls_server_config", error),
    };
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)
        .map_err(|error| bad(&error))
        .ok()?;
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain?, key?).map_err(|error| bad(&error)).ok()?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.ignore_client_order = tls.prefer_server_cipher_suites.unwrap_or(true);
    Some(Arc::new(config))
}

/// Where a PEM text was given, for faults in it.
struct Place {
    line: usize,
    path: String,
    /// `FILE: `, or nothing when it stands in the config itself.
    file: String,
}

/// The PEM text given in place or by a file.
fn pem(
    inline: Option<&Spanned<String>>,
    file: Option<&Spanned<String>>,
    [inline_key, file_key]: [&str; 2],
    faults: &mut Faults<'_>,
    sources: &mut Sources,
) -> Option<(Vec<u8>, Place)> {
    let path = |key: &str| format!("tls_server_config.{key}");
    match (inline, file) {
        (Some(_), Some(file)) => {
            let problem = format!("{inline_key} is given too: leave one out");
            faults.add(raw::line(file), &path(file_key), problem);
            None
        }
        (Some(text), None) => {
            let place = Place { line: raw::line(text), path: path(inline_key), file: String::new() };
            Some((text.value.clone().into_bytes(), place))
        }
        (None, Some(name)) => {
            let resolved = faults.resolve(&name.value);
            sources.push((resolved.clone(), stamp(&resolved)));
            match fs::read(&resolved) {
                Ok(pem) => {
                    let file = format!("{}: ", resolved.display());
                    Some((pem, Place { line: raw::line(name), path: path(file_key), file }))
                }
                Err(error) => {
                    let problem = format!("{}: {error}", resolved.display());
                    faults.add(raw::line(name), &path(file_key), problem);
                    None
                }
            }
        }
        (None, None) => None,
    }
}

fn certificates(pem: &[u8], place: &Place, faults: &mut Faults<'_>) -> Option<Vec<CertificateDer<'static>>> {
    match CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>() {
        Ok(chain) if !chain.is_empty() => Some(chain),
        _ => {
            faults.add(place.line, &place.path, format!("{}no certificate in it", place.file));
            None
        }
    }
}

/// Who checks the clients' certificates. `None`: nobody, as asked, or a fault was added.
fn client_verifier(
    tls: &RawTls,
    provider: &Arc<rustls::crypto::CryptoProvider>,
    faults: &mut Faults<'_>,
    sources: &mut Sources,
) -> Option<Arc<dyn ClientCertVerifier>> {
    if let Some(sans) = tls.client_allowed_sans.as_ref().filter(|sans| !sans.value.is_empty()) {
        let problem = "not supported: sign the clients' certificates with a CA of their own and name it in client_ca_file";
        faults.add(raw::line(sans), "tls_server_config.client_allowed_sans", problem);
    }
    let ca = pem(
        tls.client_ca.as_ref(),
        tls.client_ca_file.as_ref(),
        ["client_ca", "client_ca_file"],
        faults,
        sources,
    );
    let kind = tls.client_auth_type.as_ref();
    let (line, path) = (kind.map_or(1, raw::line), "tls_server_config.client_auth_type");
    match kind.map_or("NoClientCert", |kind| kind.value.as_str()) {
        "NoClientCert" | "" => {
            if let Some((_, place)) = ca {
                let problem =
                    "is of no use with NoClientCert: set client_auth_type: RequireAndVerifyClientCert";
                faults.add(place.line, &place.path, problem);
            }
            None
        }
        "RequireAndVerifyClientCert" => {
            let Some((pem, place)) = ca else {
                if tls.client_ca.is_none() && tls.client_ca_file.is_none() {
                    faults.add(line, path, "needs client_ca_file or client_ca");
                }
                return None;
            };
            let mut roots = RootCertStore::empty();
            for certificate in certificates(&pem, &place, faults)? {
                if let Err(error) = roots.add(certificate) {
                    faults.add(place.line, &place.path, format!("{}{error}", place.file));
                }
            }
            let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
            builder.build().map_err(|error| faults.add(place.line, &place.path, &error)).ok()
        }
        other => {
            let problem =
                format!("{other:?} is not supported, expected NoClientCert or RequireAndVerifyClientCert");
            faults.add(line, path, problem);
            None
        }
    }
}
