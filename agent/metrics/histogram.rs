//! Histograms that are counted here: many observations at once, and with each bucket an exemplar, the trace of
//! the latest observation in it. The library's histograms have neither.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::buckets::Bounds;
use super::declare::Spec;
use super::encode::Page;
use super::family::Family;

/// One request among those that a bucket counts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Exemplar {
    /// Its trace: 32 hex digits.
    pub(super) trace_id: Arc<str>,
    /// What was observed of it.
    pub(super) value: f64,
    /// When, in seconds since the Unix epoch.
    pub(super) at: f64,
}

/// Observations by size.
#[derive(Debug, Clone)]
pub(super) struct Histogram {
    bounds: Bounds,
    /// How many were within each bound and above the one before; last, those above all.
    counts: Box<[u64]>,
    sum: f64,
    /// One place for each of `counts`; empty until the first exemplar, since few clients send a trace.
    exemplars: Vec<Option<Exemplar>>,
}

impl Histogram {
    fn new(bounds: Bounds) -> Histogram {
        Histogram { counts: vec![0; bounds.len() + 1].into(), bounds, sum: 0.0, exemplars: Vec::new() }
    }

    /// Upper bound, how many were within it, and one of them, for each bucket; last the one without a bound.
    pub(super) fn buckets(&self) -> impl Iterator<Item = (f64, u64, Option<&Exemplar>)> {
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        let within = self.counts.iter().scan(0, |all, count| {
            *all += count;
            Some(*all)
        });
        bounds
            .zip(within)
            .enumerate()
            .map(|(at, (bound, within))| (bound, within, self.exemplars.get(at).and_then(Option::as_ref)))
    }

    /// All observations together.
    pub(super) fn sum(&self) -> f64 {
        self.sum
    }

    fn bucket_of(&self, value: f64) -> usize {
        self.bounds.partition_point(|bound| *bound < value)
    }

    fn remember(&mut self, exemplar: Option<Exemplar>) {
        let Some(exemplar) = exemplar else { return };
        let at = self.bucket_of(exemplar.value);
        self.exemplars.resize(self.counts.len(), None);
        self.exemplars[at] = Some(exemplar);
    }
}

/// A histogram for each set of labels.
#[derive(Debug)]
pub(super) struct Histograms<const N: usize> {
    spec: &'static Spec,
    bounds: Bounds,
    /// Sorted by labels.
    series: Mutex<Vec<([Box<str>; N], Histogram)>>,
}

impl<const N: usize> Histograms<N> {
    /// No series yet.
    pub(super) const fn new(spec: &'static Spec, bounds: Bounds) -> Self {
        Histograms { spec, bounds, series: Mutex::new(Vec::new()) }
    }

    /// One observation. What is no number is none.
    pub(super) fn observe(&self, labels: [&str; N], value: f64, exemplar: Option<Exemplar>) {
        if !value.is_finite() {
            return;
        }
        self.of(labels, |histogram| {
            histogram.counts[histogram.bucket_of(value)] += 1;
            histogram.sum += value;
            histogram.remember(exemplar);
        });
    }

    /// Many observations, counted already by `bounds`, of which this histogram's own are some. Of no observation
    /// nothing is made.
    pub(super) fn add(
        &self,
        labels: [&str; N],
        (bounds, counts): (&[f64], &[u32]),
        sum: f64,
        exemplar: Option<Exemplar>,
    ) {
        debug_assert_eq!(counts.len(), bounds.len() + 1, "{} is counted by other bounds", self.spec.name);
        if counts.iter().all(|count| *count == 0) || !sum.is_finite() {
            return;
        }
        self.of(labels, |histogram| {
            for (bound, more) in bounds.iter().copied().chain([f64::INFINITY]).zip(counts) {
                let at = histogram.bucket_of(bound);
                histogram.counts[at] += u64::from(*more);
            }
            histogram.sum += sum;
            histogram.remember(exemplar);
        });
    }

    /// Ends all series whose label at this place has this value.
    pub(super) fn end_all(&self, at: usize, value: &str) {
        self.lock().retain(|(labels, _)| labels.get(at).is_none_or(|label| **label != *value));
    }

    /// The series as they are now.
    pub(super) fn gather(&self) -> impl Family + use<N> {
        GatheredHistograms { spec: self.spec, buckets: self.bounds.len() + 1, series: self.lock().clone() }
    }

    fn of(&self, labels: [&str; N], change: impl FnOnce(&mut Histogram)) {
        let mut series = self.lock();
        let found = series.binary_search_by(|(known, _)| known.iter().map(AsRef::as_ref).cmp(labels));
        let at = found.unwrap_or_else(|at| {
            series.insert(at, (labels.map(Into::into), Histogram::new(self.bounds.clone())));
            at
        });
        change(&mut series[at].1);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<([Box<str>; N], Histogram)>> {
        // Sums that were being changed are off by one observation at most.
        self.series.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The series of [`Histograms`] at one moment.
struct GatheredHistograms<const N: usize> {
    spec: &'static Spec,
    buckets: usize,
    series: Vec<([Box<str>; N], Histogram)>,
}

impl<const N: usize> Family for GatheredHistograms<N> {
    fn spec(&self) -> &'static Spec {
        self.spec
    }

    fn series(&self) -> usize {
        // The buckets, the sum and the count.
        self.series.len() * (self.buckets + 2)
    }

    fn write(&self, page: &mut Page) {
        for (labels, histogram) in &self.series {
            let labels = self.spec.labels.iter().copied().zip(labels.iter().map(AsRef::as_ref));
            page.histogram(self.spec.name, &labels, histogram);
        }
    }
}
