//! Names of cipher suites, curves and versions: as Go calls them, which is what the format means,
//! and as rustls does.

use rustls::crypto::CryptoProvider;
use rustls::{ProtocolVersion, SupportedProtocolVersion};

use super::Faults;
use super::raw::{self, RawTls};

/// What rustls calls a curve that Go calls otherwise.
const CURVES: &[(&str, &str)] = &[("CurveP256", "secp256r1"), ("CurveP384", "secp384r1")];

/// The cryptography asked for: suites and curves in the order given.
pub(super) fn provider(tls: &RawTls, faults: &mut Faults<'_>) -> CryptoProvider {
    let mut provider = rustls::crypto::ring::default_provider();
    if !tls.cipher_suites.is_empty() {
        let all = provider.cipher_suites.clone();
        // As in Go, the list is of TLS 1.2's suites; those of 1.3 are all good and always there.
        let mut chosen: Vec<_> =
            all.iter().copied().filter(|s| s.version().version == ProtocolVersion::TLSv1_3).collect();
        for (i, name) in tls.cipher_suites.iter().enumerate() {
            match all.iter().find(|suite| same_suite(&suite_name(suite), &name.value)) {
                Some(suite) if chosen.contains(suite) => {}
                Some(suite) => chosen.push(*suite),
                None => {
                    let known: Vec<_> = all.iter().map(suite_name).collect();
                    let problem = format!(
                        "unknown cipher suite {:?}, expected one of {}",
                        name.value,
                        known.join(", ")
                    );
                    faults.add(raw::line(name), &format!("tls_server_config.cipher_suites[{i}]"), problem);
                }
            }
        }
        provider.cipher_suites = chosen;
    }
    if !tls.curve_preferences.is_empty() {
        let all = provider.kx_groups.clone();
        let mut chosen = Vec::new();
        for (i, name) in tls.curve_preferences.iter().enumerate() {
            let wanted = CURVES.iter().find(|(go, _)| *go == name.value).map_or(name.value.as_str(), |c| c.1);
            let same = |name: String| name.eq_ignore_ascii_case(wanted);
            if let Some(group) = all.iter().find(|group| same(format!("{:?}", group.name()))) {
                chosen.push(*group);
                continue;
            }
            let problem =
                format!("unknown curve {:?}, expected one of X25519, CurveP256, CurveP384", name.value);
            faults.add(raw::line(name), &format!("tls_server_config.curve_preferences[{i}]"), problem);
        }
        provider.kx_groups = chosen;
    }
    provider
}

/// The protocol versions from the lowest to the highest asked for.
pub(super) fn versions(tls: &RawTls, faults: &mut Faults<'_>) -> Vec<&'static SupportedProtocolVersion> {
    const KNOWN: [(&str, &SupportedProtocolVersion); 2] =
        [("TLS12", &rustls::version::TLS12), ("TLS13", &rustls::version::TLS13)];
    let mut bound = |value: &Option<serde_saphyr::Spanned<String>>, key: &str, default: usize| {
        let Some(value) = value else { return default };
        KNOWN.iter().position(|(name, _)| *name == value.value).unwrap_or_else(|| {
            let problem = format!("unknown TLS version {:?}, expected TLS12 or TLS13", value.value);
            faults.add(raw::line(value), &format!("tls_server_config.{key}"), problem);
            default
        })
    };
    let (low, high) = (bound(&tls.min_version, "min_version", 0), bound(&tls.max_version, "max_version", 1));
    if low > high {
        let line = tls.max_version.as_ref().map_or(1, raw::line);
        faults.add(line, "tls_server_config.max_version", "is lower than min_version");
        return Vec::new();
    }
    KNOWN[low..=high].iter().map(|(_, version)| *version).collect()
}

fn suite_name(suite: &rustls::SupportedCipherSuite) -> String {
    format!("{:?}", suite.suite()).replace("TLS13_", "TLS_")
}

/// Go knows the ChaCha suites by a shorter name too.
fn same_suite(known: &str, asked: &str) -> bool {
    known == asked
        || known.replace("TLS_", "TLS13_") == asked
        || known.strip_suffix("_SHA256").is_some_and(|short| short == asked && short.ends_with("POLY1305"))
}
