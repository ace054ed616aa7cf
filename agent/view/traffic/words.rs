//! Real traffic in words, the same on the status page and in a terminal. Pure: "now" is given.

use jiff::Timestamp;

use super::{LogTailView, SloView, TrafficView};

/// A gap within an answer that a reader takes for a stall, in seconds: longer than it takes to read a line.
const STALL: f64 = 1.0;

/// A time with three digits, so that rounding never hides a hundredth: `26.1 ms`, `1.83 s`, `4 min 5 s`.
pub fn seconds(seconds: f64) -> String {
    let pair = |large: u64, name: &str, small: u64, small_name: &str| {
        let rest = (seconds as u64) % large / small;
        let head = format!("{} {name}", seconds as u64 / large);
        if rest == 0 { head } else { format!("{head} {rest} {small_name}") }
    };
    match seconds {
        s if s < 0.999_5 => format!("{} ms", number(s * 1000.0)),
        s if s < 60.0 => format!("{} s", number(s)),
        s if s < 3600.0 => pair(60, "min", 1, "s"),
        _ => pair(3600, "h", 60, "min"),
    }
}

/// A number with three digits that matter: `0.52`, `38.4`, `1,234`.
pub fn number(value: f64) -> String {
    match value {
        v if v <= 0.0 => "0".into(),
        v if v < 0.005 => "<0.01".into(),
        v if v < 9.995 => format!("{v:.2}"),
        v if v < 99.95 => format!("{v:.1}"),
        v if v.is_finite() => grouped(v.round() as u64),
        _ => "?".into(),
    }
}

/// A whole number with separators: `12,345`.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How long ago, in the largest unit.
pub(in crate::view) fn age(seconds: i64) -> String {
    match seconds.max(1) {
        s if s < 60 => format!("{s} s"),
        s if s < 3600 => format!("{} min", s / 60),
        s if s < 48 * 3600 => format!("{} h", s / 3600),
        s => format!("{} d", s / 86_400),
    }
}

impl TrafficView {
    /// Nothing is under way and nothing ended lately.
    pub fn is_idle(&self) -> bool {
        self.in_flight.unwrap_or(0) == 0 && self.requests == 0
    }

    /// Nobody tells anything just now: the tap does not listen, the log is not read.
    pub fn is_blind(&self) -> bool {
        let tap = self.tap.as_ref().is_some_and(|tap| tap.error.is_none());
        let log = self.log.as_ref().is_some_and(|log| log.error.is_none());
        !tap && !log
    }

    /// What the window is called: `5 min`.
    pub fn window(&self) -> String {
        match self.window_seconds.max(1.0).round() {
            s if s < 120.0 => format!("{s:.0} s"),
            s => format!("{:.0} min", (s / 60.0).floor()),
        }
    }

    /// What is under way: `3 in flight, 2 decoding; 71.3 tokens/s in all`.
    pub fn now(&self, at: Timestamp) -> String {
        let in_flight = self.in_flight.unwrap_or(0);
        let rate = self.output_tokens_per_second.filter(|rate| *rate > 0.0);
        let rate = rate.map(|rate| format!("; {} tokens/s in all", number(rate))).unwrap_or_default();
        let before = self.last_end_at.map(|last| age(at.duration_since(last).as_secs()));
        match (in_flight, before) {
            (1.., _) => format!("{} in flight{}{rate}", grouped(in_flight), self.decoding_of(in_flight)),
            // A log tells only of what ended.
            (0, Some(before)) if self.requests > 0 && self.in_flight.is_none() => {
                format!("the last request ended {before} ago{rate}")
            }
            (0, Some(before)) if self.requests > 0 => {
                format!("nothing in flight, the last ended {before} ago{rate}")
            }
            (0, None) if self.requests > 0 => format!("nothing in flight{rate}"),
            (0, Some(before)) => {
                format!("no requests in {}, the last ended {before} ago", self.window())
            }
            (0, None) => format!("no requests in {}", self.window()),
        }
    }

    fn decoding_of(&self, in_flight: u64) -> String {
        match (self.decoding, in_flight) {
            (None, _) => String::new(),
            (Some(0), 1) => ", not decoding yet".into(),
            (Some(0), _) => ", none decoding yet".into(),
            (Some(_), 1) => ", decoding".into(),
            (Some(decoding), all) if decoding >= all => ", all decoding".into(),
            (Some(decoding), _) => format!(", {} decoding", grouped(decoding)),
        }
    }

    /// Who sees it: `tap 127.0.0.1:11435`, `log /var/log/ollama.log`.
    pub fn seen_by(&self) -> Vec<String> {
        let tap = self.tap.iter().filter(|tap| tap.error.is_none());
        // The demo's listens nowhere.
        let tap = tap.map(|tap| format!("tap {}", tap.listen).trim_end().to_owned());
        let log = self.log.iter().filter(|log| log.error.is_none()).map(LogTailView::said);
        tap.chain(log).collect()
    }

    /// Who should and does not, and why.
    pub fn not_seen_by(&self) -> Vec<String> {
        let tap = self.tap.as_ref().and_then(|tap| Some((&tap.listen, tap.error.as_ref()?)));
        let log = self.log.as_ref().and_then(|log| Some((log.said(), log.error.as_ref()?)));
        let tap = tap.map(|(listen, error)| format!("the tap does not listen at {listen}: {error}"));
        let log = log.map(|(place, error)| format!("{place} is not read: {error}"));
        tap.into_iter().chain(log).collect()
    }

    /// How many failed.
    pub fn failed(&self) -> u64 {
        self.failures.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// Why they failed, the most frequent reasons: `10 refused, 2 reset, 1 other`.
    pub fn failure_reasons(&self, most: usize) -> String {
        let told = self.failures.iter().take(most);
        let mut parts: Vec<String> =
            told.map(|(reason, count)| format!("{} {reason}", grouped(*count))).collect();
        let rest = self.failures.iter().skip(most).fold(0, |sum: u64, (_, count)| sum.saturating_add(*count));
        if rest > 0 {
            parts.push(format!("{} for other reasons", grouped(rest)));
        }
        parts.join(", ")
    }

    /// What went otherwise than a reader would wish, and was no failure.
    pub fn oddities(&self) -> Vec<String> {
        let some = |count: u64, what: String| (count > 0).then(|| format!("{} {what}", grouped(count)));
        let stall = self.longest_gap_seconds.filter(|gap| *gap >= STALL);
        let starts = if self.cold == 1 { "cold start" } else { "cold starts" };
        [
            some(self.cold, starts.into()),
            some(self.cancelled, "cancelled".into()),
            some(self.truncated, "truncated".into()),
            stall.map(|gap| format!("longest stall {}", seconds(gap))),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

impl LogTailView {
    /// `log /var/log/ollama.log`, `journal of ollama.service`.
    fn said(&self) -> String {
        if self.place.starts_with('/') { format!("log {}", self.place) } else { self.place.clone() }
    }
}

impl SloView {
    /// Requests that met it.
    pub fn met(&self) -> u64 {
        self.requests.saturating_sub(self.missed)
    }

    /// `chat 46 of 48`.
    pub fn said(&self) -> String {
        match self.requests {
            0 => format!("{}: no request", self.name),
            all => format!("{} {} of {}", self.name, grouped(self.met()), grouped(all)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::TapView;

    #[test]
    fn times_and_numbers_are_rounded_by_less_than_a_hundredth() {
        let cases = [
            (0.0, "0 ms"),
            (0.000_42, "0.42 ms"),
            (0.0261, "26.1 ms"),
            (0.4237, "424 ms"),
            (0.9996, "1.00 s"),
            (1.8349, "1.83 s"),
            (59.96, "60.0 s"),
            (75.4, "1 min 15 s"),
            (300.0, "5 min"),
            (7500.0, "2 h 5 min"),
        ];
        for (value, text) in cases {
            assert_eq!(seconds(value), text);
        }
        let cases = [
            (0.0, "0"),
            (0.001, "<0.01"),
            (0.524, "0.52"),
            (38.44, "38.4"),
            (1234.4, "1,234"),
            (f64::NAN, "?"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
        for exact in [1.004_9, 9.994, 12.34, 99.94, 123.4, 54_321.0] {
            let said: f64 = number(exact).replace(',', "").parse().unwrap();
            assert!((said / exact - 1.0).abs() < 0.006, "{exact}: {said}");
        }
    }

    #[test]
    fn what_is_under_way_is_said_as_a_person_would() {
        let at = Timestamp::from_second(10_000).unwrap();
        let traffic = |in_flight, decoding, rate, requests, last: Option<i64>| TrafficView {
            window_seconds: 300.0,
            in_flight: Some(in_flight),
            decoding: Some(decoding),
            output_tokens_per_second: Some(rate),
            requests,
            last_end_at: last.map(|ago| Timestamp::from_second(10_000 - ago).unwrap()),
            ..TrafficView::default()
        };
        let cases = [
            (traffic(3, 2, 71.34, 48, Some(1)), "3 in flight, 2 decoding; 71.3 tokens/s in all"),
            (traffic(1, 0, 0.0, 0, None), "1 in flight, not decoding yet"),
            (traffic(1, 1, 38.0, 0, None), "1 in flight, decoding; 38.0 tokens/s in all"),
            (traffic(4, 0, 0.0, 0, None), "4 in flight, none decoding yet"),
            (traffic(4, 4, 0.0, 0, None), "4 in flight, all decoding"),
            (traffic(0, 0, 0.0, 9, Some(12)), "nothing in flight, the last ended 12 s ago"),
            (traffic(0, 0, 0.0, 0, Some(7200)), "no requests in 5 min, the last ended 2 h ago"),
            (traffic(0, 0, 0.0, 0, None), "no requests in 5 min"),
        ];
        for (traffic, text) in cases {
            assert_eq!(traffic.now(at), text);
        }
        for (window_seconds, text) in [(0.0, "1 s"), (73.4, "73 s"), (299.4, "4 min"), (299.6, "5 min")] {
            assert_eq!(TrafficView { window_seconds, ..TrafficView::default() }.window(), text);
        }
        let log = TrafficView { in_flight: None, ..traffic(0, 0, 0.0, 9, Some(12)) };
        assert_eq!(log.now(at), "the last request ended 12 s ago");
        assert!(traffic(0, 0, 0.0, 0, None).is_idle() && !traffic(1, 0, 0.0, 0, None).is_idle());
    }

    #[test]
    fn who_sees_it_and_who_does_not_is_told() {
        let tap = TapView { listen: "127.0.0.1:11435".into(), ..TapView::default() };
        let log = LogTailView { place: "/var/log/ollama.log".into(), ..LogTailView::default() };
        let mut traffic = TrafficView { tap: Some(tap), log: Some(log), ..TrafficView::default() };
        assert_eq!(traffic.seen_by(), ["tap 127.0.0.1:11435", "log /var/log/ollama.log"]);
        assert!(traffic.not_seen_by().is_empty() && !traffic.is_blind());
        assert_eq!(
            TrafficView { tap: Some(TapView::default()), ..TrafficView::default() }.seen_by(),
            ["tap"]
        );
        traffic.tap.as_mut().unwrap().error = Some("the address is in use".into());
        assert_eq!(traffic.seen_by(), ["log /var/log/ollama.log"]);
        assert_eq!(
            traffic.not_seen_by(),
            ["the tap does not listen at 127.0.0.1:11435: the address is in use"]
        );
        traffic.log.as_mut().unwrap().error = Some("permission denied".into());
        assert!(traffic.is_blind() && traffic.seen_by().is_empty());
        assert_eq!(traffic.not_seen_by()[1], "log /var/log/ollama.log is not read: permission denied");
        traffic.log =
            Some(LogTailView { place: "journal of ollama.service".into(), ..LogTailView::default() });
        assert_eq!(traffic.seen_by(), ["journal of ollama.service"]);
    }

    #[test]
    fn what_went_wrong_is_counted_in_words_and_what_did_not_is_not_told() {
        let failures = [("refused", 10), ("reset", 2), ("not_found", 1), ("malformed", 1)];
        let mut traffic = TrafficView {
            failures: failures.map(|(reason, count)| (reason.to_owned(), count)).into(),
            cancelled: 2,
            cold: 1,
            longest_gap_seconds: Some(4.2),
            ..TrafficView::default()
        };
        assert_eq!(traffic.failed(), 14);
        assert_eq!(traffic.failure_reasons(2), "10 refused, 2 reset, 2 for other reasons");
        assert_eq!(traffic.oddities(), ["1 cold start", "2 cancelled", "longest stall 4.20 s"]);
        (traffic.cold, traffic.cancelled, traffic.longest_gap_seconds) = (0, 0, Some(0.3));
        assert!(traffic.oddities().is_empty());
        let slo = |requests, missed| SloView { name: "chat".into(), requests, missed }.said();
        assert_eq!((slo(48, 2).as_str(), slo(0, 0).as_str()), ("chat 46 of 48", "chat: no request"));
    }
}
