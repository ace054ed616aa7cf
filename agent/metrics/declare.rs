//! How a metric is declared: once, with its help (the doc comment), name, type, labels and buckets
//! together. Everything else (the page, README's table, `opsagent explain`) is made from that.

/// What sort of metric it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, until what counts starts anew.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations by size.
    Histogram,
}

impl Kind {
    /// Its name in both text formats.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One metric as it was declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spec {
    /// Its whole name, with the prefix and, if it is a counter, `_total`.
    pub name: &'static str,
    /// What it is, with its source.
    pub help: &'static str,
    /// What sort it is.
    pub kind: Kind,
    /// The names of its labels, in the page's order.
    pub labels: &'static [&'static str],
    /// Its unit, as the name says it. `None`: a number, a state or an identity.
    pub unit: Option<&'static str>,
}

/// The units that names end in.
const UNITS: &[&str] = &["seconds", "bytes", "tokens", "joules", "watts", "celsius", "hertz", "ratio"];

impl Spec {
    /// A spec; the unit is read off the name, and the help loses the space that a doc comment has.
    pub const fn new(
        name: &'static str,
        help: &'static str,
        kind: Kind,
        labels: &'static [&'static str],
    ) -> Spec {
        Spec { name, help: help.trim_ascii(), kind, labels, unit: unit(family(name)) }
    }

    /// The name without a counter's `_total`: what OpenMetrics calls the family.
    pub const fn family(&self) -> &'static str {
        family(self.name)
    }
}

const fn family(name: &'static str) -> &'static str {
    if ends_with(name, "_total") { name.split_at(name.len() - "_total".len()).0 } else { name }
}

const fn unit(family: &str) -> Option<&'static str> {
    let mut i = 0;
    while i < UNITS.len() {
        if ends_with(family, UNITS[i]) {
            return Some(UNITS[i]);
        }
        i += 1;
    }
    None
}

/// `str::ends_with`, which a `const fn` may not call.
const fn ends_with(text: &str, end: &str) -> bool {
    let (text, end) = (text.as_bytes(), end.as_bytes());
    if text.len() < end.len() {
        return false;
    }
    let mut i = 0;
    while i < end.len() {
        if text[text.len() - end.len() + i] != end[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// Declares metrics as the fields of a struct.
///
/// With a lifetime they are read from elsewhere: the struct is filled afresh for every page, and a
/// series ends with the thing that it measured. Without one they are counted here, in vectors that
/// live as long as the process; there `Seconds` is a counter that takes fractions, and a `Histogram` is
/// declared with its `buckets`, a field of [`Buckets`](super::Buckets).
macro_rules! metrics {
    (
        $(#[$doc:meta])*
        $vis:vis struct $name:ident<$life:lifetime> in $prefix:literal {
            $( $(#[doc = $help:literal])+ $field:ident: $kind:ident [$($label:literal),*], )+
        }
    ) => {
        $(#[$doc])*
        $vis struct $name<$life> {
            $(
                $(#[doc = $help])+
                $vis $field: $crate::metrics::family::Series<$life, {
                    const LABELS: &[&str] = &[$($label),*];
                    LABELS.len()
                }>,
            )+
        }

        impl<$life> $name<$life> {
            /// What is declared here.
            $vis const SPECS: &'static [$crate::metrics::Spec] =
                &[$( metrics!(@spec $prefix $field $kind [$($label),*] $($help)+) ),+];

            fn new() -> Self {
                Self {
                    $( $field: $crate::metrics::family::Series::new(
                        const { &metrics!(@spec $prefix $field $kind [$($label),*] $($help)+) },
                    ), )+
                }
            }

            /// The families, each sorted.
            $vis fn families(self) -> Vec<Box<dyn $crate::metrics::family::Family + $life>> {
                vec![$( Box::new(self.$field.sorted()) ),+]
            }
        }
    };
    (
        $(#[$doc:meta])*
        $vis:vis struct $name:ident in $prefix:literal {
            $(
                $(#[doc = $help:literal])+
                $field:ident: $kind:ident [$($label:literal),*] $(buckets $buckets:ident)?,
            )+
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug)]
        #[allow(clippy::struct_field_names, reason = "the fields are named as the metrics")]
        $vis struct $name {
            $(
                $(#[doc = $help])+
                $field: metrics!(@vector $kind {
                    const LABELS: &[&str] = &[$($label),*];
                    LABELS.len()
                }),
            )+
        }

        impl $name {
            /// What is declared here.
            pub(super) const SPECS: &'static [$crate::metrics::Spec] =
                &[$( metrics!(@spec $prefix $field $kind [$($label),*] $($help)+) ),+];

            /// No series yet; histograms have these bounds.
            #[allow(unused_variables, reason = "not all have histograms")]
            $vis fn with(buckets: &$crate::metrics::Buckets) -> Self {
                Self {
                    $( $field: {
                        const SPEC: &$crate::metrics::Spec =
                            &metrics!(@spec $prefix $field $kind [$($label),*] $($help)+);
                        metrics!(@build $kind SPEC $(buckets.$buckets.clone())?)
                    }, )+
                }
            }

            /// The families as they are now, each sorted.
            pub(super) fn families(&self) -> Vec<Box<dyn $crate::metrics::family::Family>> {
                vec![$( Box::new(self.$field.gather()) ),+]
            }

            /// Ends the series of a target: of each metric whose first label is one.
            pub(super) fn end_target(&self, target: &str) {
                $(
                    if [$($label),*].first() == Some(&"target") {
                        self.$field.end_all(0, target);
                    }
                )+
            }
        }
    };
    (@spec $prefix:literal $field:ident $kind:ident [$($label:literal),*] $($help:literal)+) => {
        $crate::metrics::Spec::new(
            concat!($prefix, stringify!($field)),
            concat!($($help),+),
            metrics!(@kind $kind),
            &[$($label),*],
        )
    };
    (@kind Seconds) => { $crate::metrics::Kind::Counter };
    (@kind $kind:ident) => { $crate::metrics::Kind::$kind };
    (@vector Counter $labels:tt) => { $crate::metrics::family::Vector<prometheus::IntCounterVec, $labels> };
    (@vector Seconds $labels:tt) => { $crate::metrics::family::Vector<prometheus::CounterVec, $labels> };
    (@vector Histogram $labels:tt) => { $crate::metrics::histogram::Histograms<$labels> };
    (@build Counter $spec:ident) => { metrics!(@made IntCounterVec $spec) };
    (@build Seconds $spec:ident) => { metrics!(@made CounterVec $spec) };
    (@build Histogram $spec:ident $buckets:expr) => {
        $crate::metrics::histogram::Histograms::new($spec, $buckets)
    };
    (@made $vector:ident $spec:ident) => {{
        let vector = prometheus::$vector::new(prometheus::Opts::new($spec.name, $spec.help), $spec.labels);
        let vector = vector.expect("the tests of the catalogue make every vector");
        $crate::metrics::family::Vector::new($spec, vector)
    }};
}
pub(super) use metrics;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_and_families_are_read_off_the_name() {
        let spec = |name| Spec::new(name, " Help.", Kind::Counter, &[]);
        assert_eq!(spec("a_seconds_total").unit, Some("seconds"));
        assert_eq!(spec("a_seconds_total").family(), "a_seconds");
        assert_eq!(spec("a_timestamp_seconds").unit, Some("seconds"));
        assert_eq!(spec("a_info").unit, None);
        assert_eq!(spec("a").help, "Help.");
    }
}
