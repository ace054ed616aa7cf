//! The files that a config names: read whole, within a limit, with the fault in words.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use secrecy::SecretString;

/// The largest config: a thousand targets are 200 KB.
pub(super) const CONFIG_BYTES: u64 = 8 << 20;

/// The largest token file: tokens are a few hundred bytes.
const TOKEN_BYTES: u64 = 64 << 10;

/// The largest file of certificates: the system's whole bundle is 250 KB.
const CA_BYTES: u64 = 4 << 20;

/// Reads a file of at most that many bytes; it may be an endless one.
pub(super) fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other(format!("larger than {most} bytes")));
    }
    Ok(bytes)
}

/// The token in a file; one newline at its end is not part of it.
pub(super) fn token(path: &Path) -> Result<SecretString, String> {
    let shown = path.display();
    let bytes = read(path, TOKEN_BYTES).map_err(|error| format!("{shown}: {error}"))?;
    let text = String::from_utf8(bytes).map_err(|_| format!("{shown}: not text"))?;
    let token = text.strip_suffix('\n').unwrap_or(&text);
    let token = token.strip_suffix('\r').unwrap_or(token);
    if token.is_empty() {
        return Err(format!("{shown}: empty, expected the token on one line"));
    }
    if token.contains(['\n', '\r']) {
        return Err(format!("{shown}: more than one line, expected the token alone"));
    }
    check_token(token).map_err(|problem| format!("{shown}: {problem}"))?;
    Ok(token.to_owned().into())
}

/// Whether a token can stand in a header.
pub(super) fn check_token(token: &str) -> Result<(), String> {
    if token.is_empty() {
        return Err("empty".into());
    }
    if token.trim() != token {
        return Err("begins or ends with a space".into());
    }
    match http::HeaderValue::from_str(token) {
        Ok(_) if token.is_ascii() => Ok(()),
        _ => Err("has characters that no header may have".into()),
    }
}

/// The certificates in a file, each one sound.
pub(super) fn certificates(path: &Path) -> Result<Vec<u8>, String> {
    let shown = path.display();
    let pem = read(path, CA_BYTES).map_err(|error| format!("{shown}: {error}"))?;
    let mut roots = RootCertStore::empty();
    for (i, certificate) in CertificateDer::pem_slice_iter(&pem).enumerate() {
        let sound = certificate.map_err(|error| error.to_string());
        let sound = sound.and_then(|der| roots.add(der).map_err(|error| error.to_string()));
        sound.map_err(|error| format!("{shown}: certificate {} is damaged: {error}", i + 1))?;
    }
    if roots.is_empty() {
        return Err(format!("{shown}: no certificate in it, expected PEM (-----BEGIN CERTIFICATE-----)"));
    }
    Ok(pem)
}
