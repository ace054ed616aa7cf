//! `--web.config.file`: what it may hold, and how its faults are told.

use std::fs;

use opsagent::web::toolkit::WebConfig;
use tempfile::TempDir;

use super::support::authority::Authority;

/// A bcrypt hash of `secret`, as cheap as bcrypt allows.
pub fn hash() -> String {
    bcrypt::hash("secret", 4).unwrap()
}

/// A folder with a certificate, its key, another key and files that are no such things.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let ca = Authority::new();
    let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let (cert, key) = ca.server();
    put("cert.pem", &cert);
    put("key.pem", &key);
    put("other-key.pem", &ca.server().1);
    put("ca.pem", &ca.pem());
    put("text.pem", "nothing of the kind\n");
    folder
}

fn load(folder: &TempDir, text: &str) -> Result<WebConfig, Vec<String>> {
    let file = folder.path().join("web.yml");
    fs::write(&file, text).unwrap();
    let prefix = format!("{}/", folder.path().display());
    WebConfig::load(&file).map_err(|faults| faults.iter().map(|fault| fault.replace(&prefix, "")).collect())
}

const TLS: &str = "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n";

#[test]
fn good_files_are_taken() {
    let folder = folder();
    for text in ["", "# nothing\n", "{}", "tls_server_config:\nbasic_auth_users:\n", "rate_limit:\n"] {
        let web = load(&folder, text).unwrap();
        assert!(web.tls.is_none() && web.users.is_empty() && web.headers.is_empty(), "{text:?}");
    }
    let (cert, key) = Authority::new().server();
    let indent = |pem: &str| format!("    {}\n", pem.trim_end().replace('\n', "\n    "));
    let in_place = format!("tls_server_config:\n  cert: |\n{}  key: |\n{}", indent(&cert), indent(&key));
    let client = format!("{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n");
    let suites = format!(
        "{TLS}  min_version: TLS12\n  max_version: TLS12\n  prefer_server_cipher_suites: false\n  \
         cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305, \
         TLS_AES_128_GCM_SHA256]\n  curve_preferences: [CurveP256, X25519, CurveP384]\n"
    );
    for text in [TLS, &in_place, &client, &suites, &format!("{TLS}  client_auth_type: NoClientCert\n")] {
        assert!(load(&folder, text).unwrap().tls.is_some(), "{text}");
    }
    let users = format!("basic_auth_users:\n  a: {}\n  b: {}\n", hash(), hash().replace("$2b$", "$2y$"));
    assert!(!load(&folder, &users).unwrap().users.is_empty());
    let headers = "http_server_config:\n  http2: false\n  headers:\n    X-Frame-Options: deny\n    \
                   Content-Security-Policy: default-src 'self'\n    X-XSS-Protection: \"\"\n";
    let headers = load(&folder, headers).unwrap().headers;
    assert_eq!(headers.len(), 2, "{headers:?}");
    assert_eq!(headers["x-frame-options"], "deny");
}

/// Each text against the faults that it must give, all of them.
fn check<T: AsRef<str>>(cases: &[(T, &[&str])]) {
    let folder = folder();
    for (text, expected) in cases {
        let found = load(&folder, text.as_ref()).err().unwrap_or_default();
        assert_eq!(found, *expected, "{}", text.as_ref());
        assert!(!found.concat().contains("plain-secret"));
    }
}

#[test]
fn faults_of_certificates_are_told_with_line_and_path() {
    let own = |cert: &str, key: &str| format!("tls_server_config:\n  cert_file: {cert}\n  key_file: {key}\n");
    let tls = |more: &str| format!("{TLS}  {more}\n");
    check(&[
        (
            "tls_server_config: {}".into(),
            &[
                "web.yml:1: tls_server_config: needs cert_file or cert",
                "web.yml:1: tls_server_config: needs key_file or key",
            ],
        ),
        (
            own("none.pem", "text.pem"),
            &[
                "web.yml:2: tls_server_config.cert_file: none.pem: No such file or directory (os error 2)",
                "web.yml:3: tls_server_config.key_file: text.pem: no private key in it",
            ],
        ),
        (
            own("text.pem", "key.pem"),
            &["web.yml:2: tls_server_config.cert_file: text.pem: no certificate in it"],
        ),
        (
            own("cert.pem", "other-key.pem"),
            &["web.yml:2: tls_server_config: the key is not the certificate's"],
        ),
        (tls("cert: x"), &["web.yml:2: tls_server_config.cert_file: cert is given too: leave one out"]),
        (
            tls("client_auth_type: RequireAndVerifyClientCert"),
            &["web.yml:4: tls_server_config.client_auth_type: needs client_ca_file or client_ca"],
        ),
        (
            tls("client_auth_type: RequestClientCert"),
            &["web.yml:4: tls_server_config.client_auth_type: \"RequestClientCert\" is not supported, \
               expected NoClientCert or RequireAndVerifyClientCert"],
        ),
        (
            tls("client_ca_file: ca.pem"),
            &["web.yml:4: tls_server_config.client_ca_file: is of no use with NoClientCert: set \
               client_auth_type: RequireAndVerifyClientCert"],
        ),
        (
            tls("client_allowed_sans: [box]"),
            &["web.yml:4: tls_server_config.client_allowed_sans: not supported: sign the clients' \
               certificates with a CA of their own and name it in client_ca_file"],
        ),
    ]);
}

#[test]
fn faults_of_versions_suites_and_curves_are_told_with_line_and_path() {
    let tls = |more: &str| format!("{TLS}  {more}\n");
    check(&[
        (
            tls("min_version: TLS10"),
            &[
                "web.yml:4: tls_server_config.min_version: unknown TLS version \"TLS10\", expected TLS12 or TLS13",
            ],
        ),
        (
            tls("min_version: TLS13\n  max_version: TLS12"),
            &["web.yml:5: tls_server_config.max_version: is lower than min_version"],
        ),
        (
            tls("cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]"),
            &[
                "web.yml:4: tls_server_config.cipher_suites[0]: unknown cipher suite \"TLS_RSA_WITH_RC4_128_SHA\", \
               expected one of TLS_AES_256_GCM_SHA384, TLS_AES_128_GCM_SHA256, TLS_CHACHA20_POLY1305_SHA256, \
               TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, \
               TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, \
               TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
            ],
        ),
        (
            tls("curve_preferences: [X25519, CurveP521]"),
            &[
                "web.yml:4: tls_server_config.curve_preferences[1]: unknown curve \"CurveP521\", expected one of \
               X25519, CurveP256, CurveP384",
            ],
        ),
        (
            tls("max_version: TLS12\n  cipher_suites: [TLS_AES_128_GCM_SHA256]"),
            &["web.yml:2: tls_server_config: no usable cipher suites configured"],
        ),
    ]);
}

#[test]
fn faults_of_users_and_headers_are_told_with_line_and_path() {
    let (dear, odd) = (hash().replace("$2b$04", "$2b$31"), hash().replace("$2b$", "$2x$"));
    check(&[
        (
            "http_server_config:\n  headers:\n    Server: x\n    X-Frame-Options: allow\n".into(),
            &[
                "web.yml:3: http_server_config.headers.Server: unknown header, expected one of \
                 Content-Security-Policy, Strict-Transport-Security, X-Content-Type-Options, X-Frame-Options, \
                 X-XSS-Protection",
                "web.yml:4: http_server_config.headers.X-Frame-Options: \"allow\" is not allowed, expected deny \
                 or sameorigin",
            ],
        ),
        (
            format!("basic_auth_users:\n  a: plain-secret\n  b: {dear}\n  c: {odd}\n"),
            &[
                "web.yml:2: basic_auth_users.a: not a bcrypt hash ($2a$, $2b$ or $2y$): make one with \
                 `htpasswd -nBC 10 NAME`",
                "web.yml:3: basic_auth_users.b: bcrypt cost 31 is not taken, expected 4 to 18",
                "web.yml:4: basic_auth_users.c: not a bcrypt hash ($2a$, $2b$ or $2y$): make one with \
                 `htpasswd -nBC 10 NAME`",
            ],
        ),
        (
            "rate_limit:\n  interval: 1s\n  burst: 2\n".into(),
            &["web.yml:2: rate_limit: not supported: remove it"],
        ),
    ]);
}

#[test]
fn a_file_of_another_shape_is_refused_with_line_and_path() {
    check(&[
        (
            "basic_auth_user:\n  a: b\n",
            &["web.yml:1: basic_auth_user: unknown field `basic_auth_user`, expected one of \
               tls_server_config, http_server_config, basic_auth_users, rate_limit"],
        ),
        (
            "tls_server_config:\n  cert_file: a\n  key-file: a\n",
            &["web.yml:3: tls_server_config.key-file: unknown field `key-file`, expected one of cert, key, \
               client_ca, cert_file, key_file, client_ca_file, client_auth_type, client_allowed_sans, \
               min_version, max_version, cipher_suites, prefer_server_cipher_suites, curve_preferences"],
        ),
        ("tls_server_config: yes\n", &["web.yml:1: tls_server_config: expected a mapping (key: value)"]),
        (
            "http_server_config:\n  http2: 7\n",
            &["web.yml:2: http_server_config.http2: expected true or false"],
        ),
        ("basic_auth_users: [a]\n", &["web.yml:1: basic_auth_users: expected a mapping (key: value)"]),
        (
            "tls_server_config:\n  cipher_suites: all\n",
            &["web.yml:2: tls_server_config.cipher_suites: expected a list"],
        ),
        (
            "basic_auth_users:\n  a: plain-secret\n  a: plain-secret\n",
            &["web.yml:3: basic_auth_users: duplicate mapping key: a"],
        ),
        ("tls_server_config: {\n", &["web.yml:1: tls_server_config: unclosed bracket '{'"]),
        ("- a\n", &["web.yml:1: expected a mapping (key: value)"]),
    ]);
}

#[test]
fn a_file_that_cannot_be_read_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("web.yml");
    let none = WebConfig::load(&file).unwrap_err();
    assert_eq!(none, [format!("{}: No such file or directory (os error 2)", file.display())]);
    fs::write(&file, b"a: b\nc: \xff\n").unwrap();
    assert_eq!(WebConfig::load(&file).unwrap_err(), [format!("{}:2: not UTF-8 text", file.display())]);
}

#[test]
fn it_does_not_print_what_it_holds() {
    let folder = folder();
    let web = load(&folder, &format!("{TLS}basic_auth_users:\n  anna: {}\n", hash())).unwrap();
    let shown = format!("{web:?}");
    assert!(shown.contains("Users(1)") && !shown.contains("$2b$") && !shown.contains("KEY"), "{shown}");
}
