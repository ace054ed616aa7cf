//! Ollama's access line: `[GIN] 2026/11/22 - 16:11:48 | 200 |  303.506972ms |  127.0.0.1 | POST  "/api/generate"`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::sample::{Dialect, End, Failure, Phase};
use crate::wire::dialect_of;

/// A minute and more is written in whole seconds.
const ROUNDED_FROM: Duration = Duration::from_secs(60);

/// One answer to a request for a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Access {
    pub(super) dialect: Dialect,
    pub(super) status: u16,
    /// From the request's head to the last byte of the answer.
    pub(super) latency: Duration,
}

impl Access {
    /// The longest that it can have taken: long ones are rounded down to a second.
    pub(super) fn at_most(&self) -> Duration {
        if self.latency >= ROUNDED_FROM { self.latency + Duration::from_secs(1) } else { self.latency }
    }

    /// What the status alone says of the end. The status is sent with the first byte: what breaks later is not in it.
    pub(super) fn end(&self) -> End {
        match self.status {
            ..400 => End::Complete,
            // Ollama's own: the client left while its model was being scheduled.
            499 => End::Cancelled(Phase::Queued),
            401 | 403 => End::Failed(Failure::Unauthorized),
            404 => End::Failed(Failure::NotFound),
            429 | 503 => End::Failed(Failure::Overloaded),
            400..500 => End::Failed(Failure::ClientError),
            _ => End::Failed(Failure::ServerError),
        }
    }

    /// Whether a model may have worked on it, so that lines of its own may tell of it.
    pub(super) fn may_have_run(&self) -> bool {
        let told = matches!(self.status, 401 | 403 | 404 | 405 | 429 | 499 | 501 | 503);
        !told && !self.dialect.embeds()
    }
}

/// Reads such a line. `None`: it is none, or tells of nothing that a model answers, such as the agent's own polls.
pub(super) fn access(text: &str) -> Option<Access> {
    let mut parts = text.strip_prefix("[GIN] ")?.splitn(5, '|');
    let (_date, status, latency) = (parts.next()?, parts.next()?, parts.next()?);
    let (_client, asked) = (parts.next()?, parts.next()?);
    let (method, path) = asked.trim().split_once(' ')?;
    let path = path.trim().strip_prefix('"')?;
    let path = &path[..path.rfind('"')?];
    Some(Access {
        dialect: dialect_of(method, path)?,
        status: status.trim().parse().ok()?,
        latency: duration(latency.trim())?,
    })
}

/// A duration as Go writes it: `65.337µs`, `1.5s`, `1h2m3s`.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let unit = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let worth = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "µs" | "μs" | "us" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * worth;
        rest = after;
    }
    if text.is_empty() { None } else { Duration::try_from_secs_f64(seconds).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(status: &str, latency: &str, asked: &str) -> String {
        format!("[GIN] 2026/11/22 - 16:11:25 | {status} |   {latency} |       127.0.0.1 | {asked}")
    }

    #[test]
    fn requests_for_a_generation_are_read_and_others_are_not() {
        let read = access(&line("200", "303.506972ms", "POST     \"/api/generate\"")).unwrap();
        assert_eq!((read.dialect, read.status), (Dialect::OllamaGenerate, 200));
        assert_eq!(read.latency.as_micros(), 303_506);
        let ipv6 =
            "[GIN] 2026/11/22 - 16:11:25 | 503 | 1.2s | 2001:db8::1 | POST     \"/v1/chat/completions?a=1\"";
        assert_eq!(access(ipv6).unwrap().dialect, Dialect::OpenaiChat);
        for asked in
            ["GET      \"/api/ps\"", "HEAD     \"/\"", "POST     \"/api/pull\"", "POST", "POST \"", ""]
        {
            assert_eq!(access(&line("200", "1ms", asked)), None, "{asked}");
        }
        for bad in ["", "[GIN] ", "[GIN] x | 200 | 1ms", "[GIN]-debug] POST /api/chat", "time=x msg=y"] {
            assert_eq!(access(bad), None, "{bad}");
        }
        assert_eq!(access(&line("2x0", "1ms", "POST \"/api/chat\"")), None);
        assert_eq!(access(&line("200", "soon", "POST \"/api/chat\"")), None);
    }

    #[test]
    fn durations_are_read_as_go_writes_them() {
        for (text, nanos) in [
            ("61.912µs", 61_912),
            ("61.912μs", 61_912),
            ("0s", 0),
            ("753.2861ms", 753_286_100),
            ("12.562530003s", 12_562_530_003),
            ("1m0s", 60_000_000_000),
            ("1h2m3s", 3_723_000_000_000),
            ("7ns", 7),
        ] {
            let read = duration(text).unwrap();
            assert!(read.as_nanos().abs_diff(nanos) <= 1, "{text}: {read:?}");
        }
        for bad in ["", "s", "1", "1.2.3s", "-1s", "1y", "9999999999999999999999h"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_status_is_an_end() {
        for (status, end) in [
            ("200", End::Complete),
            ("400", End::Failed(Failure::ClientError)),
            ("403", End::Failed(Failure::Unauthorized)),
            ("404", End::Failed(Failure::NotFound)),
            ("499", End::Cancelled(Phase::Queued)),
            ("500", End::Failed(Failure::ServerError)),
            ("503", End::Failed(Failure::Overloaded)),
        ] {
            assert_eq!(access(&line(status, "1s", "POST \"/api/chat\"")).unwrap().end(), end);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_gives_an_answer(text in "\\PC{0,200}", number in "[0-9.µmsh]{0,30}") {
            access(&text);
            access(&format!("[GIN] {text}"));
            duration(&number);
        }
    }
}
