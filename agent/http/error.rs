//! Why a question to a server came to nothing: a closed set of reasons, fit for a label.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use super::clients::CONNECT_TIMEOUT;

/// Why a question to a server came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// Nothing listens at that address.
    #[error("connection refused")]
    Refused,
    /// No route, or the network is down.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// The name does not resolve.
    #[error("name does not resolve")]
    Dns,
    /// No agreement on TLS, or a certificate that is not trusted.
    #[error("TLS: {0}")]
    Tls(String),
    /// Nobody accepted the connection in time.
    #[error("no connection within {0:?}")]
    ConnectTimeout(Duration),
    /// The connection was accepted, and the answer did not come (or not whole) in time.
    #[error("connected, but no whole answer within {0:?}")]
    Timeout(Duration),
    /// The connection broke before the answer was whole.
    #[error("connection broken in mid-answer")]
    Reset,
    /// The server wants a key, or another one.
    #[error("unauthorized (status {0}): its [[target]] in the config needs a token, or another one")]
    Unauthorized(u16),
    /// It points elsewhere; the agent does not follow.
    #[error("redirected to {0}, not followed: give that url if it is the server")]
    Redirect(String),
    /// Another status than success.
    #[error("status {status}{}", .text.as_deref().map(|t| format!(": {t}")).unwrap_or_default())]
    Status {
        /// The status code.
        status: u16,
        /// The server's own words, shortened.
        text: Option<String>,
    },
    /// It answered with success, but not as this kind of server answers.
    #[error("not the expected answer: {0}")]
    Malformed(String),
    /// The body is larger than [`BODY_CAP`](super::BODY_CAP).
    #[error("answer larger than {0} bytes")]
    TooLarge(usize),
}

impl HttpError {
    /// Every reason, for labels that are initialised.
    pub const REASONS: [&'static str; 11] = [
        "refused",
        "unreachable",
        "dns",
        "tls",
        "timeout",
        "reset",
        "unauthorized",
        "redirect",
        "status",
        "malformed",
        "too_large",
    ];

    /// The reason as a label: one of [`HttpError::REASONS`].
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Unreachable(_) => "unreachable",
            Self::Dns => "dns",
            Self::Tls(_) => "tls",
            Self::ConnectTimeout(_) | Self::Timeout(_) => "timeout",
            Self::Reset => "reset",
            Self::Unauthorized(_) => "unauthorized",
            Self::Redirect(_) => "redirect",
            Self::Status { .. } => "status",
            Self::Malformed(_) => "malformed",
            Self::TooLarge(_) => "too_large",
        }
    }

    /// Whether somebody accepted the connection: the sign of a process that hangs, not one that is gone.
    pub fn connected(&self) -> bool {
        !matches!(
            self,
            Self::Refused | Self::Unreachable(_) | Self::Dns | Self::Tls(_) | Self::ConnectTimeout(_)
        )
    }
}

/// What a failed request means.
pub(super) fn classify(error: &reqwest::Error) -> HttpError {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return HttpError::Tls(tls.to_string());
        }
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            if let Some(tls) = tls_within(io) {
                return HttpError::Tls(tls.to_string());
            }
            match io.kind() {
                io::ErrorKind::ConnectionRefused => return HttpError::Refused,
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::ConnectionAborted => {
                    return HttpError::Reset;
                }
                _ => {}
            }
        }
        if cause.to_string().contains("dns error") {
            return HttpError::Dns;
        }
        source = cause.source();
    }
    if error.is_timeout() {
        return HttpError::ConnectTimeout(CONNECT_TIMEOUT);
    }
    if error.is_connect() {
        return HttpError::Unreachable(chain(error));
    }
    let text = chain(error);
    if text.contains("incomplete") || text.contains("closed before") || text.contains("unexpected end") {
        return HttpError::Reset;
    }
    HttpError::Malformed(text)
}

/// The TLS error that an I/O error wraps, maybe in another one of its like. A chain of `source()`
/// does not come by it: that of an I/O error begins behind what it wraps.
fn tls_within(error: &io::Error) -> Option<&rustls::Error> {
    let inner = error.get_ref()?;
    inner.downcast_ref().or_else(|| tls_within(inner.downcast_ref()?))
}

/// An error and its causes in one clause, without the url (it may hold a secret).
pub(super) fn chain(error: &reqwest::Error) -> String {
    let mut parts = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        parts.push(cause.to_string());
        source = cause.source();
    }
    match parts.pop() {
        Some(last) => last,
        None => "no cause told".into(),
    }
}
