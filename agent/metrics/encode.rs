//! Writes a page: Prometheus' text format 0.0.4 and OpenMetrics 1.0. Ours, since the library's own
//! encoder knows only the first, and copies every label.

use std::fmt::Write as _;

use super::declare::{Kind, Spec};
use super::format::Format;
use super::histogram::{Exemplar, Histogram};

/// A page that is being written.
#[derive(Debug)]
pub(super) struct Page {
    text: String,
    format: Format,
}

/// What a series takes on the page, about: so that the text grows once, not a dozen times.
const BYTES_A_SERIES: usize = 112;

/// What the head of a family takes, about.
const BYTES_A_HEAD: usize = 256;

impl Page {
    /// An empty page with room for so much.
    pub(super) fn new(format: Format, families: usize, series: usize) -> Page {
        let room = families * BYTES_A_HEAD + series * BYTES_A_SERIES;
        Page { text: String::with_capacity(room), format }
    }

    /// The lines that say what the series below them are.
    pub(super) fn head(&mut self, spec: &Spec) {
        let kind = spec.kind.name();
        match self.format {
            Format::Text => {
                self.text.extend(["# HELP ", spec.name, " "]);
                escape(&mut self.text, spec.help, false);
                self.text.extend(["\n# TYPE ", spec.name, " ", kind, "\n"]);
            }
            Format::OpenMetrics => {
                let family = if spec.kind == Kind::Counter { spec.family() } else { spec.name };
                self.text.extend(["# TYPE ", family, " ", kind, "\n"]);
                if let Some(unit) = spec.unit {
                    self.text.extend(["# UNIT ", family, " ", unit, "\n"]);
                }
                self.text.extend(["# HELP ", family, " "]);
                escape(&mut self.text, spec.help, true);
                self.text.push('\n');
            }
        }
    }

    /// One line: name, labels, value.
    pub(super) fn sample<'l>(
        &mut self,
        name: &str,
        labels: impl Iterator<Item = (&'l str, &'l str)>,
        value: f64,
    ) {
        self.line(&[name], labels, value);
    }

    /// The lines of one histogram.
    pub(super) fn histogram<'l>(
        &mut self,
        name: &str,
        labels: &(impl Iterator<Item = (&'l str, &'l str)> + Clone),
        histogram: &Histogram,
    ) {
        let mut count = 0;
        for (bound, within, exemplar) in histogram.buckets() {
            let mut le = String::new();
            number(&mut le, bound);
            if self.format == Format::OpenMetrics && le.bytes().all(|byte| byte.is_ascii_digit()) {
                // OpenMetrics writes bounds as floats, so that they are the same text everywhere.
                le.push_str(".0");
            }
            self.series(&[name, "_bucket"], labels.clone(), Some(&le), within as f64);
            self.exemplar(exemplar);
            self.text.push('\n');
            count = within;
        }
        self.line(&[name, "_sum"], labels.clone(), histogram.sum());
        self.line(&[name, "_count"], labels.clone(), count as f64);
    }

    /// The page, whole.
    pub(super) fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }

    /// One of the requests that a bucket counts: only the newer format has room for it.
    fn exemplar(&mut self, exemplar: Option<&Exemplar>) {
        let Some(exemplar) = exemplar.filter(|_| self.format == Format::OpenMetrics) else { return };
        self.text.push_str(" # {trace_id=\"");
        escape(&mut self.text, &exemplar.trace_id, true);
        self.text.push_str("\"} ");
        number(&mut self.text, exemplar.value);
        self.text.push(' ');
        number(&mut self.text, exemplar.at);
    }

    fn line<'l>(&mut self, name: &[&str], labels: impl Iterator<Item = (&'l str, &'l str)>, value: f64) {
        self.series(name, labels, None, value);
        self.text.push('\n');
    }

    fn series<'l>(
        &mut self,
        name: &[&str],
        labels: impl Iterator<Item = (&'l str, &'l str)>,
        bound: Option<&str>,
        value: f64,
    ) {
        self.text.extend(name.iter().copied());
        let mut before = '{';
        let mut label = |name: &str, value: &str| {
            self.text.push(before);
            self.text.push_str(name);
            self.text.push_str("=\"");
            escape(&mut self.text, value, true);
            self.text.push('"');
            before = ',';
        };
        labels.for_each(|(name, value)| label(name, value));
        if let Some(bound) = bound {
            label("le", bound);
        }
        if before == ',' {
            self.text.push('}');
        }
        self.text.push(' ');
        number(&mut self.text, value);
    }
}

/// Text with what would end it escaped. The quote is not escaped in the help of the older format.
fn escape(out: &mut String, text: &str, quotes: bool) {
    let mut rest = text;
    while let Some(at) = rest.find(|c| matches!(c, '\\' | '\n') || (quotes && c == '"')) {
        out.push_str(&rest[..at]);
        out.push_str(match rest.as_bytes()[at] {
            b'\n' => "\\n",
            b'"' => "\\\"",
            _ => "\\\\",
        });
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
}

/// A number as both formats spell it.
fn number(out: &mut String, value: f64) {
    let size = value.abs();
    // Writing into a String cannot fail.
    if value.is_nan() {
        out.push_str("NaN");
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    } else if value.fract() == 0.0 && size < 1e15 {
        write!(out, "{}", value as i64).ok();
    } else if (1e-6..1e17).contains(&size) {
        write!(out, "{value}").ok();
    } else {
        // Else a very large or small one takes three hundred digits.
        write!(out, "{value:e}").ok();
    }
}
