//! `[buckets]`: other bounds for the histograms.

use super::check::Check;
use super::read::{At, Section};
use crate::metrics::{Bounds, Buckets, MOST_BOUNDS};
use crate::sample::GAP_BOUNDS;

/// `[buckets]`, as typed.
#[derive(Default)]
pub(super) struct RawBuckets {
    first_token: Option<At<Vec<f64>>>,
    per_token: Option<At<Vec<f64>>>,
    chunk_gap: Option<At<Vec<f64>>>,
    stall: Option<At<Vec<f64>>>,
    request: Option<At<Vec<f64>>>,
    load: Option<At<Vec<f64>>>,
    tap_added: Option<At<Vec<f64>>>,
}

impl RawBuckets {
    pub(super) fn read(section: &mut Section<'_>) -> RawBuckets {
        RawBuckets {
            first_token: section.numbers("first_token"),
            per_token: section.numbers("per_token"),
            chunk_gap: section.numbers("chunk_gap"),
            stall: section.numbers("stall"),
            request: section.numbers("request"),
            load: section.numbers("load"),
            tap_added: section.numbers("tap_added"),
        }
    }
}

/// The bounds given, the others from `default`.
pub(super) fn of(raw: &RawBuckets, default: Buckets, check: &mut Check<'_>) -> Buckets {
    let all = Buckets {
        first_token: bounds(raw.first_token.as_ref(), default.first_token, check),
        per_token: bounds(raw.per_token.as_ref(), default.per_token, check),
        chunk_gap: bounds(raw.chunk_gap.as_ref(), default.chunk_gap, check),
        stall: bounds(raw.stall.as_ref(), default.stall, check),
        request: bounds(raw.request.as_ref(), default.request, check),
        load: bounds(raw.load.as_ref(), default.load, check),
        tap_added: bounds(raw.tap_added.as_ref(), default.tap_added, check),
    };
    let other = |bound: &&f64| !GAP_BOUNDS.contains(bound);
    if let (Some(at), Some(bound)) = (&raw.chunk_gap, all.chunk_gap.iter().find(other)) {
        let known = GAP_BOUNDS.map(|bound| bound.to_string()).join(", ");
        check.fault(at, format!("{bound} is none of those that gaps are counted by: choose among {known}"));
    }
    all
}

fn bounds(at: Option<&At<Vec<f64>>>, default: Bounds, check: &mut Check<'_>) -> Bounds {
    let Some(at) = at else { return default };
    if at.value.is_empty() || at.value.len() > MOST_BOUNDS {
        check.fault(at, format!("expected 1 to {MOST_BOUNDS} bounds, found {}", at.value.len()));
    } else if let Some(odd) = at.value.iter().find(|bound| !bound.is_finite() || **bound <= 0.0) {
        check.fault(
            at,
            format!("{odd} is no bound, expected seconds above 0 (what is above all is counted too)"),
        );
    } else if let Some((one, next)) = at.value.iter().zip(&at.value[1..]).find(|(one, next)| one >= next) {
        check.fault(at, format!("{one} stands before {next}, expected ascending seconds"));
    } else {
        return at.value.as_slice().into();
    }
    default
}
