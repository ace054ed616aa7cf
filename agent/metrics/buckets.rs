//! The upper bounds of the histograms' buckets, in seconds, in one place. Where OpenTelemetry's GenAI conventions
//! have such a histogram (first token, token, request), all its bounds are here, so that series can be laid side by
//! side; where a machine at home or a model that must be loaded is slower, or a card faster, they go on. The bounds
//! of engines are others (vLLM's first token has 20, 40 and 80 s): against those compare shares, not buckets.
//! Stalls, loads and what a tap adds are measured by nobody else, and the bounds are our own.

use crate::sample::GAP_BOUNDS;

/// To a first token: OpenTelemetry's, and on to five minutes, which a large model takes to load from a disk.
pub(super) const FIRST_TOKEN: [f64; 21] = [
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 15.0, 30.0,
    60.0, 120.0, 300.0,
];

/// Per token, and between pieces: OpenTelemetry's, with two more for fast cards.
pub(super) const PER_TOKEN: [f64; 15] = GAP_BOUNDS;

/// The longest gap of an answer: from what a reader may notice to what makes him leave.
pub(super) const STALL: [f64; 11] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0];

/// A whole request: doubling as OpenTelemetry's, and on to ten minutes.
pub(super) const REQUEST: [f64; 17] = [
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 160.0, 320.0,
    640.0,
];

/// A load of a model: from a small one out of the page cache to a large one off a network's disk.
pub(super) const LOAD: [f64; 12] = [0.25, 0.5, 1.0, 2.5, 5.0, 7.5, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0];

/// What a proxy adds: microseconds, or something is wrong.
pub(super) const ADDED: [f64; 13] =
    [0.00001, 0.000_025, 0.00005, 0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 1.0];
