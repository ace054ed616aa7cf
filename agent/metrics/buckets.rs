//! The upper bounds of the histograms' buckets, in seconds, in one place; the config can give others. Where
//! OpenTelemetry's GenAI conventions have such a histogram (first token, token, request), all its bounds are here, so
//! that series can be laid side by side; where a machine at home or a model that must be loaded is slower, or a card
//! faster, they go on. The bounds of engines are others (vLLM's first token has 20, 40 and 80 s): against those
//! compare shares, not buckets. Stalls, loads and what a tap adds are measured by nobody else, and the bounds are our
//! own.

use std::sync::Arc;

use crate::sample::GAP_BOUNDS;

/// The most bounds that a histogram may have: each is a series for every set of its labels.
pub const MOST_BOUNDS: usize = 50;

/// Upper bounds of one histogram, ascending, in seconds; what is above all of them is counted too.
pub type Bounds = Arc<[f64]>;

/// The bounds of every histogram, by what is measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Buckets {
    /// To a first token: OpenTelemetry's, and on to five minutes, which a large model takes to load from a disk.
    pub first_token: Bounds,
    /// Time per output token of one answer: OpenTelemetry's, with two more for fast cards.
    pub per_token: Bounds,
    /// Between pieces of an answer: the same. Always some of [`GAP_BOUNDS`], by which they are counted as they pass.
    pub chunk_gap: Bounds,
    /// The longest gap of an answer: from what a reader may notice to what makes him leave.
    pub stall: Bounds,
    /// A whole request: doubling as OpenTelemetry's, and on to ten minutes.
    pub request: Bounds,
    /// A load of a model: from a small one out of the page cache to a large one off a network's disk.
    pub load: Bounds,
    /// What a proxy adds: microseconds, or something is wrong.
    pub tap_added: Bounds,
}

impl Default for Buckets {
    fn default() -> Buckets {
        let first_token = [
            0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 15.0,
            30.0, 60.0, 120.0, 300.0,
        ];
        let request = [
            0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 160.0,
            320.0, 640.0,
        ];
        let tap_added = [
            0.00001, 0.000_025, 0.00005, 0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1,
            1.0,
        ];
        Buckets {
            first_token: first_token.into(),
            per_token: GAP_BOUNDS.into(),
            chunk_gap: GAP_BOUNDS.into(),
            stall: [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0].into(),
            request: request.into(),
            load: [0.25, 0.5, 1.0, 2.5, 5.0, 7.5, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0].into(),
            tap_added: tap_added.into(),
        }
    }
}
