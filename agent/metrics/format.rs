//! Which of the two text formats a client is given.

/// A text format of a metrics page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format 0.0.4: for whoever says nothing else.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

/// How well an offer fits what a client accepts: how much it is wanted (in thousandths), and how
/// exactly it was named.
type Fit = (u16, Exactness);

/// How exactly a range of an `Accept` header names a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Exactness {
    Anything,
    Family,
    Name,
    Version,
}

impl Format {
    /// The format for an `Accept` header: the one wanted most; of two wanted the same, the one named
    /// more exactly; OpenMetrics for those who name both. A header that is missing, cannot be read
    /// or wants neither gets text: a page in the wrong format tells more than an error.
    pub fn negotiate(accept: Option<&str>) -> Format {
        let accept = accept.unwrap_or("");
        let fit = |format: Format| {
            // The most exact range speaks for an offer (RFC 9110, 12.5.1).
            let best = accept.split(',').filter_map(|range| format.fit(range)).max_by_key(|fit| fit.1);
            best.filter(|(wanted, _)| *wanted > 0)
        };
        match (fit(Format::OpenMetrics), fit(Format::Text)) {
            (Some(open), Some(text)) if open >= text && open.1 > Exactness::Anything => Format::OpenMetrics,
            (Some(_), None) => Format::OpenMetrics,
            _ => Format::Text,
        }
    }

    /// The value of the `Content-Type` header.
    pub const fn content_type(self) -> &'static str {
        match self {
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    fn fit(self, range: &str) -> Option<Fit> {
        let (family, name, ours) = match self {
            Format::Text => ("text/*", "text/plain", "0.0.4"),
            Format::OpenMetrics => ("application/*", "application/openmetrics-text", "1.0.0"),
        };
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next()?;
        let mut exact = match media {
            "*/*" | "*" => Exactness::Anything,
            _ if media.eq_ignore_ascii_case(family) => Exactness::Family,
            _ if media.eq_ignore_ascii_case(name) => Exactness::Name,
            _ => return None,
        };
        let mut wanted = 1000;
        for part in parts {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let value = value.trim().trim_matches('"');
            match key.trim() {
                "q" | "Q" => wanted = thousandths(value)?,
                // Another version is another format. 0.0.1 of OpenMetrics is not what is written here.
                "version" if value != ours => return None,
                "version" => exact = exact.max(Exactness::Version),
                _ => {}
            }
        }
        Some((wanted, exact))
    }
}

/// A q-value in thousandths. `None`: it is none.
fn thousandths(q: &str) -> Option<u16> {
    let value: f32 = q.parse().ok()?;
    (0.0..=1.0).contains(&value).then(|| (value * 1000.0).round() as u16)
}

#[cfg(test)]
mod tests {
    use super::Format::{self, OpenMetrics, Text};

    #[test]
    fn a_client_gets_the_format_that_it_wants_most() {
        let cases = [
            // Prometheus 2.x, with and without its protobuf, and 3.x.
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                 text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                OpenMetrics,
            ),
            (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,\
                 application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;\
                 q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                OpenMetrics,
            ),
            ("application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", Text),
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                 application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;\
                 escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                OpenMetrics,
            ),
            // Who wants text more, or OpenMetrics not at all.
            ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4", Text),
            ("application/openmetrics-text;q=0.2,text/plain;q=0.3", Text),
            ("application/openmetrics-text;q=0,*/*", Text),
            ("text/plain;version=0.0.4;q=0.3, */*;q=0.1", Text),
            ("text/plain;q=0, */*", OpenMetrics),
            // Both the same.
            ("application/openmetrics-text;version=1.0.0, text/plain;version=0.0.4", OpenMetrics),
            ("text/plain, application/openmetrics-text", OpenMetrics),
            ("*/*, application/openmetrics-text;q=0.9", Text),
            // Spellings.
            ("Application/OpenMetrics-Text ; version=\"1.0.0\" ; charset=utf-8", OpenMetrics),
            ("application/openmetrics-text", OpenMetrics),
            ("application/openmetrics-text;version=2.0.0", Text),
            ("application/openmetrics-text;version=2.0.0,*/*;q=0.1", Text),
            // Browsers, curl, tools.
            ("text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8", Text),
            ("*/*", Text),
            ("*", Text),
            ("text/*", Text),
            ("application/json", Text),
            // Garbage.
            ("", Text),
            (",,;;=,q=1", Text),
            ("application/openmetrics-text;q=much", Text),
            ("application/openmetrics-text;q=NaN", Text),
            ("application/openmetrics-text;q=7", Text),
            ("\u{fffd}/\"", Text),
        ];
        for (accept, wanted) in cases {
            assert_eq!(Format::negotiate(Some(accept)), wanted, "{accept}");
        }
        assert_eq!(Format::negotiate(None), Text);
    }

    proptest::proptest! {
        #[test]
        fn any_header_gets_a_page_and_openmetrics_only_who_asks_for_it(accept in ".{0,200}") {
            let format = Format::negotiate(Some(&accept));
            proptest::prop_assert!(format == Text || accept.to_lowercase().contains("openmetrics"));
        }
    }
}
