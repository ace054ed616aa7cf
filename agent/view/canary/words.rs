//! Canaries in words, the same on the status page and in a terminal. Pure: "now" is given.

use jiff::Timestamp;

use super::CanaryView;
use crate::drift::{
    BaselineInfo, Capability, CategoryResult, Cause, Change, Proportion, Report, Severity, Verdict,
};
use crate::view::Health;
use crate::view::traffic::words::{age, grouped, number};

/// As much of a digest or another long fact as tells two apart.
const FACT: usize = 28;

/// What a cause is, as it goes after "most likely".
pub const fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::Weights => "other weights, an adapter, or kernels that compute otherwise",
        Cause::AttentionPath => "the attention path: the cache's type, RoPE, or the attention kernel",
        Cause::Template => "the chat template or the system prompt",
        Cause::Sampling => "the defaults by which tokens are chosen",
        Cause::Context => "a smaller context, or prompts that are cut",
        Cause::Corruption => "corrupt memory or weights: numbers that are none",
        Cause::Chunking => "long prompts are cut into other pieces",
        Cause::Unknown => "no known cause alone explains it",
    }
}

/// A distance or an amount of evidence in nats, with as many digits as it is worth: `0.0042`, `0.83`, `13.97`.
pub fn nats(value: f64) -> String {
    match value {
        v if v.is_nan() => "?".into(),
        v if v.is_infinite() => "infinite".into(),
        0.0 => "0".into(),
        v if v.abs() < 0.0001 => "<0.0001".into(),
        v if v.abs() < 0.0995 => format!("{v:.4}"),
        v => format!("{v:.2}"),
    }
}

impl Proportion {
    /// `2 of 3`.
    pub fn said(&self) -> String {
        format!("{} of {}", grouped(self.of), grouped(self.all))
    }

    /// The part, 0..1. `None`: of nothing.
    pub fn ratio(&self) -> Option<f64> {
        (self.all > 0).then(|| self.of as f64 / self.all as f64)
    }

    /// Its interval at 95 % in percent: `21 to 94 %`.
    pub fn interval(&self) -> String {
        let percent = |end: f64| (end * 100.0).clamp(0.0, 100.0);
        format!("{:.0} to {:.0} %", percent(self.low), percent(self.high))
    }
}

impl CategoryResult {
    /// Whether less passes than in the baseline, so much that the intervals do not touch.
    pub fn is_worse(&self) -> bool {
        self.baseline.is_some_and(|baseline| self.passed.high < baseline.low)
    }
}

impl Change {
    /// `digest: 1d3f2a -> 9b0c11`.
    pub fn said(&self) -> String {
        let told = |value: &Option<String>| value.as_deref().map_or_else(|| "not told".to_owned(), short);
        format!("{}: {} -> {}", self.fact.name(), told(&self.from), told(&self.to))
    }
}

impl Capability {
    /// `other weights: within 4 runs`.
    pub fn said(&self) -> String {
        let runs = match self.runs {
            Some(1) => "within 1 run".to_owned(),
            Some(runs) => format!("within {} runs", grouped(runs)),
            None => "not found".to_owned(),
        };
        let note = self.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
        format!("{}: {runs}{note}", self.change)
    }
}

impl BaselineInfo {
    /// `3, of 300 runs, 12 d old`; `now`: to tell its age.
    pub fn said(&self, now: Timestamp) -> String {
        let old = age(now.duration_since(self.at).as_secs());
        let said = format!("{}, of {} {}, {old} old", self.number, grouped(self.runs), runs(self.runs));
        let mut about = Vec::new();
        about.extend(self.text_mode.then_some("texts alone"));
        about.extend((!self.deterministic).then_some("the numbers vary"));
        about.extend((!self.under_load).then_some("without load"));
        if about.is_empty() { said } else { format!("{said} ({})", about.join(", ")) }
    }
}

impl Report {
    /// The verdict in a clause, with since when and how bad it is: `drifting for 12 min, critical`.
    pub fn verdict_said(&self, now: Timestamp) -> String {
        let since = self.since.filter(|_| self.verdict != Verdict::Learning);
        let since = since.map(|since| format!(" for {}", age(now.duration_since(since).as_secs())));
        let severity = self.severity.filter(|_| self.is_moved());
        let severity = severity.map(|severity| format!(", {}", severity.name()));
        format!("{}{}{}", self.verdict.name(), since.unwrap_or_default(), severity.unwrap_or_default())
    }

    /// What is behind the verdict, in a clause: how far the baseline is, what was compared, what caused it.
    pub fn because(&self) -> Option<String> {
        match self.verdict {
            Verdict::Learning => self.learning.map(|learning| {
                let what = match self.baseline {
                    Some(_) => "a baseline of the canaries that are asked now",
                    None => "a first baseline",
                };
                format!("{} of {} runs to {what}", grouped(learning.runs), grouped(learning.next))
            }),
            Verdict::Steady => {
                let dated = ", without what its chat template makes, which prints today's date";
                let dated = if self.dated { dated } else { "" };
                Some(format!("{} {} compared{dated}", grouped(self.runs), runs(self.runs)))
            }
            Verdict::Suspect => {
                let nearest = self.streams.iter().filter(|stream| stream.threshold > 0.0);
                let nearest = nearest
                    .max_by(|a, b| (a.evidence / a.threshold).total_cmp(&(b.evidence / b.threshold)))?;
                Some(format!(
                    "evidence {} of {} ({})",
                    nats(nearest.evidence.max(0.0)),
                    nats(nearest.threshold),
                    nearest.stream.name()
                ))
            }
            Verdict::Drifting | Verdict::Failing => {
                self.cause.map(|likely| format!("most likely {}", cause(likely)))
            }
        }
    }

    /// Something moved: there is more to say than the verdict.
    pub fn is_moved(&self) -> bool {
        matches!(self.verdict, Verdict::Suspect | Verdict::Drifting | Verdict::Failing)
    }

    /// There are words that tell what moved and why.
    pub fn is_explained(&self) -> bool {
        self.is_moved() && !self.words.is_empty()
    }

    /// How a model fares by it. Only what is sure asks for a person; numbers that moved without a change of
    /// behaviour do not.
    pub fn health(&self) -> Health {
        match (self.verdict, self.severity) {
            (Verdict::Learning | Verdict::Steady | Verdict::Suspect, _)
            | (Verdict::Drifting, Some(Severity::Info)) => Health::Ok,
            (Verdict::Drifting | Verdict::Failing, Some(Severity::Critical)) => Health::Critical,
            (Verdict::Drifting | Verdict::Failing, _) => Health::Warning,
        }
    }

    /// All canaries that passed of all asked, over the categories. `None`: none was asked.
    pub fn passed(&self) -> Option<(u64, u64)> {
        let sum = |of: fn(&Proportion) -> u64| {
            self.categories.iter().fold(0_u64, |sum, category| sum.saturating_add(of(&category.passed)))
        };
        let (of, all) = (sum(|passed| passed.of), sum(|passed| passed.all));
        (all > 0).then_some((of, all))
    }
}

impl CanaryView {
    /// In a line: verdict, what is behind it, speed, when it is asked next.
    pub fn said(&self, now: Timestamp) -> String {
        let verdict = self.report.verdict_said(now);
        // Where it is explained, the cause stands there with its grounds.
        let because = self.report.because().filter(|_| !self.report.is_explained());
        let because = because.map(|because| format!(": {because}")).unwrap_or_default();
        let next = self.next_said(now).map(|next| format!("; {next}")).unwrap_or_default();
        format!("{verdict}{because}{next}")
    }

    /// `next in 4 min`, or why the last beat asked nothing.
    pub fn next_said(&self, now: Timestamp) -> Option<String> {
        if let Some(why) = self.skipped_words.as_ref().or(self.skipped.as_ref()) {
            return Some(format!("not asked: {why}"));
        }
        let seconds = self.next_run_at?.duration_since(now).as_secs();
        Some(if seconds < 1 { "next now".into() } else { format!("next in {}", age(seconds)) })
    }

    /// `TTFT 84.2 ms, 51.3 tokens/s`. `None`: neither is known.
    pub fn speed_said(&self) -> Option<String> {
        let first = self
            .time_to_first_token_seconds
            .map(|seconds| format!("TTFT {}", crate::view::traffic::words::seconds(seconds)));
        let rate = self.tokens_per_second.map(|rate| format!("{} tokens/s", number(rate)));
        let parts: Vec<String> = first.into_iter().chain(rate).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// What is worst first, then by name.
    pub fn rank(&self) -> (std::cmp::Reverse<(Health, u8)>, &str) {
        let verdict = match self.report.verdict {
            Verdict::Steady => 0,
            Verdict::Learning => 1,
            Verdict::Suspect => 2,
            Verdict::Drifting => 3,
            Verdict::Failing => 4,
        };
        (std::cmp::Reverse((self.report.health(), verdict)), &self.model)
    }
}

fn runs(count: u64) -> &'static str {
    if count == 1 { "run" } else { "runs" }
}

fn short(fact: &str) -> String {
    let fact = fact.strip_prefix("sha256:").map_or(fact, |digest| digest.get(..12).unwrap_or(digest));
    let mut short: String = fact.chars().take(FACT).collect();
    if fact.chars().nth(FACT).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift::{Learning, Stream, StreamState};
    use crate::sample::Fact;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    #[test]
    fn a_verdict_is_said_with_what_is_behind_it() {
        let mut canary = CanaryView { next_run_at: Some(at(245)), ..CanaryView::default() };
        canary.report.learning = Some(Learning { runs: 12, next: 20, full: 300 });
        assert_eq!(canary.said(at(0)), "learning: 12 of 20 runs to a first baseline; next in 4 min");
        canary.report =
            Report { verdict: Verdict::Steady, since: Some(at(-3 * 86_400)), runs: 864, ..Report::default() };
        assert_eq!(canary.said(at(0)), "steady for 3 d: 864 runs compared; next in 4 min");
        canary.report.dated = true;
        assert!(
            canary
                .said(at(0))
                .contains("864 runs compared, without what its chat template makes, which prints")
        );
        canary.report.verdict = Verdict::Suspect;
        let stream = |stream, evidence| StreamState { stream, evidence, threshold: 15.2 };
        canary.report.streams = vec![stream(Stream::FingerprintFast, 5.125), stream(Stream::Quality, -1.0)];
        assert!(canary.said(at(0)).contains("evidence 5.12 of 15.20 (fingerprint_fast)"));
        canary.report = Report {
            verdict: Verdict::Drifting,
            severity: Some(Severity::Critical),
            cause: Some(Cause::Template),
            since: Some(at(-720)),
            ..Report::default()
        };
        canary.skipped_words = Some("the server is busy".into());
        assert_eq!(
            canary.said(at(0)),
            "drifting for 12 min, critical: most likely the chat template or the system prompt; \
             not asked: the server is busy"
        );
    }

    #[test]
    fn only_what_is_sure_asks_for_a_person() {
        let health = |verdict, severity| Report { verdict, severity, ..Report::default() }.health();
        assert_eq!(health(Verdict::Suspect, Some(Severity::Critical)), Health::Ok);
        assert_eq!(health(Verdict::Drifting, Some(Severity::Info)), Health::Ok);
        assert_eq!(health(Verdict::Drifting, Some(Severity::Warning)), Health::Warning);
        assert_eq!(health(Verdict::Failing, None), Health::Warning);
        assert_eq!(health(Verdict::Drifting, Some(Severity::Critical)), Health::Critical);
    }

    #[test]
    fn small_distances_are_not_rounded_to_nothing() {
        let cases = [
            (0.0, "0"),
            (0.00001, "<0.0001"),
            (0.00421, "0.0042"),
            (0.8312, "0.83"),
            (13.97, "13.97"),
            (f64::INFINITY, "infinite"),
            (f64::NAN, "?"),
        ];
        for (value, said) in cases {
            assert_eq!(nats(value), said);
        }
    }

    #[test]
    fn a_change_tells_both_sides_shortly() {
        let digest = |digit: &str| Some(format!("sha256:{}", digit.repeat(64)));
        let change = Change { fact: Fact::Digest, from: digest("a"), to: None, at: at(0) };
        assert_eq!(change.said(), "digest: aaaaaaaaaaaa -> not told");
    }

    #[test]
    fn a_part_has_its_interval_and_worse_is_beyond_chance() {
        let passed = |of, all, low, high| Proportion { of, all, low, high };
        let mut category = CategoryResult {
            category: "code".into(),
            passed: passed(2, 3, 0.208, 0.939),
            baseline: Some(passed(90, 90, 0.959, 1.0)),
        };
        assert_eq!(
            (category.passed.said().as_str(), category.passed.interval().as_str()),
            ("2 of 3", "21 to 94 %")
        );
        assert!(category.is_worse());
        category.passed.high = 0.97;
        assert!(!category.is_worse());
    }
}
