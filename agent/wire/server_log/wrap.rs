//! What stands around a line: what a container's runtime, a logger or the server itself puts before it.

use std::borrow::Cow;
use std::time::Duration;

use jiff::Timestamp;

/// A line without what stands around it.
#[derive(Debug, PartialEq)]
pub(super) struct Bare<'a> {
    pub(super) text: Cow<'a, str>,
    /// Since the server's start, as llama-server marks its lines.
    pub(super) stamp: Option<Duration>,
    /// The port of the child that wrote it, as a llama-server that is a router marks it.
    pub(super) child: Option<u16>,
    /// When a container's runtime got it.
    pub(super) date: Option<Timestamp>,
}

/// Takes off JSON (llama-server's `--log-jsonl`, a container's log file), a container runtime's own words, and
/// llama-server's time and level.
pub(super) fn bare(line: &str) -> Bare<'_> {
    // A file that was cut under its writer begins with zeros.
    let line = line.trim_start_matches('\0').trim_end();
    if line.starts_with('{') {
        return json(line).unwrap_or(Bare { text: line.into(), stamp: None, child: None, date: None });
    }
    let (date, line) = of_runtime(line).map_or((None, line), |(date, text)| (Some(date), text));
    let (child, line) = child(line);
    let (stamp, text) = stamp(line);
    Bare { text: text.into(), stamp, child, date: date.and_then(|date| date.parse().ok()) }
}

/// `[48147] text`.
fn child(line: &str) -> (Option<u16>, &str) {
    let found = line.strip_prefix('[').and_then(|rest| rest.split_once("] "));
    let found = found.and_then(|(port, rest)| Some((port.parse().ok()?, rest)));
    found.map_or((None, line), |(port, rest)| (Some(port), rest))
}

/// `{"type":"log","time":1574887,"msg":"slot …\n"}` of llama-server, `{"log":"…\n","stream":"stderr",…}` of Docker.
fn json(line: &str) -> Option<Bare<'_>> {
    #[derive(serde::Deserialize)]
    struct Entry {
        msg: Option<String>,
        log: Option<String>,
        /// Microseconds, of llama-server; of Docker a date.
        time: Option<serde_json::Value>,
    }
    let entry: Entry = serde_json::from_str(line).ok()?;
    if let Some(log) = entry.log {
        let (stamp, text) = stamp(&log);
        let date = entry.time.and_then(|time| time.as_str()?.parse().ok());
        return Some(Bare { text: text.trim_end().to_owned().into(), stamp, child: None, date });
    }
    let stamp = entry.time.and_then(|time| time.as_u64()).map(Duration::from_micros);
    Some(Bare { text: entry.msg?.trim_end().to_owned().into(), stamp, child: None, date: None })
}

/// `2026-11-22T16:11:25.123456789Z stderr F text`: Kubernetes' runtimes. The date, and the text.
fn of_runtime(line: &str) -> Option<(&str, &str)> {
    let (time, rest) = line.split_once(' ')?;
    let dated = time.len() >= 20 && time.as_bytes()[10] == b'T' && time.as_bytes()[0].is_ascii_digit();
    let (stream, rest) = rest.split_once(' ').filter(|_| dated)?;
    let (_, text) = rest.split_once(' ').filter(|(tag, _)| tag.starts_with(['F', 'P']))?;
    ["stdout", "stderr"].contains(&stream).then_some((time, text))
}

/// `0.19.590.533 I text`: minutes, seconds, milliseconds and microseconds since the start, and the level. Each may
/// be missing.
fn stamp(line: &str) -> (Option<Duration>, &str) {
    let (stamp, rest) = match line.split_once(' ').map(|(first, rest)| (clock(first), rest)) {
        Some((Some(stamp), rest)) => (Some(stamp), rest),
        _ => (None, line),
    };
    let level = rest.split_once(' ').filter(|(level, _)| ["I", "W", "E", "D"].contains(level));
    (stamp, level.map_or(rest, |(_, text)| text))
}

fn clock(text: &str) -> Option<Duration> {
    let mut parts = text.split('.').map(|part| part.parse::<u64>().ok());
    let (minutes, seconds, millis, micros) = (parts.next()??, parts.next()??, parts.next()??, parts.next()??);
    let of_seconds = minutes.checked_mul(60)?.checked_add(seconds)?;
    let of_micros = millis.checked_mul(1000)?.checked_add(micros)?;
    parts
        .next()
        .is_none()
        .then(|| Duration::from_secs(of_seconds).saturating_add(Duration::from_micros(of_micros)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_around_a_line_is_taken_off() {
        let at = |micros| Some(Duration::from_micros(micros));
        for (line, text, stamp) in [
            ("slot x", "slot x", None),
            ("0.19.590.533 I slot x", "slot x", at(19_590_533)),
            ("61.00.000.001 W srv  stop: x", "srv  stop: x", at(3_660_000_001)),
            ("I slot x", "slot x", None),
            (
                "{\"type\":\"log\",\"time\":1574887,\"level\":\"info\",\"msg\":\"slot x\\n\"}",
                "slot x",
                at(1_574_887),
            ),
            (
                "{\"log\":\"0.00.000.007 I slot x\\n\",\"stream\":\"stderr\",\"time\":\"2026-11-22T16:11:25Z\"}",
                "slot x",
                at(7),
            ),
            ("2026-11-22T16:11:25.123456789Z stdout F [GIN] x", "[GIN] x", None),
            ("\0\0\0[GIN] x\r", "[GIN] x", None),
            ("{\"type\":\"other\"}", "{\"type\":\"other\"}", None),
            ("{broken", "{broken", None),
            ("1.2.3 I x", "1.2.3 I x", None),
            ("99999999999999999999.0.0.0 I x", "99999999999999999999.0.0.0 I x", None),
            ("", "", None),
        ] {
            let date = line.contains("2026-").then(|| {
                let nanos = if line.starts_with('{') { 0 } else { 123_456_789 };
                Timestamp::new(1_795_363_885, nanos).unwrap()
            });
            assert_eq!(bare(line), Bare { text: text.into(), stamp, child: None, date }, "{line}");
        }
        let of_child = bare("[48147] 0.00.000.007 I slot x");
        assert_eq!(of_child, Bare { text: "slot x".into(), stamp: at(7), child: Some(48147), date: None });
    }
}
