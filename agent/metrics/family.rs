//! One metric with its series, on its way to a page.

use std::cmp::Ordering;

use prometheus::core::{Collector, MetricVec, MetricVecBuilder};
use prometheus::proto::Metric;

use super::declare::Spec;
use super::encode::Page;

/// A metric and its series, whatever they are kept in.
pub(super) trait Family {
    /// How it was declared.
    fn spec(&self) -> &'static Spec;

    /// How many series it has: lines of the page.
    fn series(&self) -> usize;

    /// Writes it, without its head.
    fn write(&self, page: &mut Page);
}

/// Series that are read from elsewhere, for one page. The label values are borrowed: a page of ten
/// thousand series copies none of them.
#[derive(Debug)]
pub(super) struct Series<'a, const N: usize> {
    spec: &'static Spec,
    samples: Vec<([&'a str; N], f64)>,
}

impl<'a, const N: usize> Series<'a, N> {
    /// No series yet.
    pub(super) fn new(spec: &'static Spec) -> Series<'a, N> {
        Series { spec, samples: Vec::new() }
    }

    /// One more series, if there is a reading. What is no number is no reading.
    pub(super) fn set(&mut self, labels: [&'a str; N], value: impl Into<Option<f64>>) {
        if let Some(value) = value.into()
            && value.is_finite()
        {
            self.samples.push((labels, value));
        }
    }

    /// Sorted by labels, each set of them once: a second line of the same labels would make
    /// Prometheus refuse the whole page.
    pub(super) fn sorted(mut self) -> Series<'a, N> {
        self.samples.sort_by_key(|sample| sample.0);
        self.samples.dedup_by_key(|sample| sample.0);
        self
    }
}

impl<const N: usize> Family for Series<'_, N> {
    fn spec(&self) -> &'static Spec {
        self.spec
    }

    fn series(&self) -> usize {
        self.samples.len()
    }

    fn write(&self, page: &mut Page) {
        for (labels, value) in &self.samples {
            let labels = self.spec.labels.iter().copied().zip(labels.iter().copied());
            page.sample(self.spec.name, labels, *value);
        }
    }
}

/// Counters that are kept here, for as long as the process lives.
#[derive(Debug)]
pub(super) struct Vector<V, const N: usize> {
    spec: &'static Spec,
    vector: V,
}

impl<B: MetricVecBuilder, const N: usize> Vector<MetricVec<B>, N> {
    /// No series yet.
    pub(super) fn new(spec: &'static Spec, vector: MetricVec<B>) -> Self {
        Vector { spec, vector }
    }

    /// The series of these labels, made if it is new.
    pub(super) fn of(&self, labels: [&str; N]) -> B::M {
        // Its panic is a wrong number of labels, and their number is in the type.
        self.vector.with_label_values(&labels)
    }

    /// Ends all series whose label at this place has this value.
    pub(super) fn end_all(&self, at: usize, value: &str) {
        let all = self.gather();
        for metric in &all.metrics {
            let labels: Vec<&str> = all.order.iter().map(|at| value_at(metric, *at)).collect();
            if labels.get(at) == Some(&value) {
                // Err: there is none, which is what is wanted.
                self.vector.remove_label_values(&labels).ok();
            }
        }
    }

    /// The series as they are now, sorted by labels in the declared order.
    pub(super) fn gather(&self) -> Gathered {
        // The library sorts the labels of each series by name.
        let mut names = self.spec.labels.to_vec();
        names.sort_unstable();
        let order: Vec<usize> =
            self.spec.labels.iter().filter_map(|label| names.iter().position(|name| name == label)).collect();
        let mut metrics: Vec<Metric> =
            self.vector.collect().into_iter().flat_map(|mut family| family.take_metric()).collect();
        metrics.sort_by(|a, b| by_labels(a, b, &order));
        Gathered { spec: self.spec, order, metrics }
    }
}

fn by_labels(a: &Metric, b: &Metric, order: &[usize]) -> Ordering {
    let values = |metric| order.iter().map(move |at| value_at(metric, *at));
    values(a).cmp(values(b))
}

fn value_at(metric: &Metric, at: usize) -> &str {
    metric.get_label().get(at).map_or("", |pair| pair.value())
}

/// The series of a [`Vector`] at one moment.
#[derive(Debug)]
pub(super) struct Gathered {
    spec: &'static Spec,
    order: Vec<usize>,
    metrics: Vec<Metric>,
}

impl Gathered {
    /// The labels in the declared order, and the value, of each series of a counter.
    pub(super) fn values(&self) -> impl Iterator<Item = (Vec<&str>, f64)> {
        self.metrics.iter().map(|metric| {
            let labels = self.order.iter().map(|at| value_at(metric, *at)).collect();
            (labels, metric.get_counter().get_value())
        })
    }
}

impl Family for Gathered {
    fn spec(&self) -> &'static Spec {
        self.spec
    }

    fn series(&self) -> usize {
        self.metrics.len()
    }

    fn write(&self, page: &mut Page) {
        for metric in &self.metrics {
            let labels = self.spec.labels.iter().copied();
            let labels = labels.zip(self.order.iter().map(|at| value_at(metric, *at)));
            page.sample(self.spec.name, labels, metric.get_counter().get_value());
        }
    }
}
