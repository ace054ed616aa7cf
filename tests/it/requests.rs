//! What becomes of requests that ended: counted, judged, told in the view; and that nothing a client sends makes
//! a series.

use std::time::Duration;

use opsagent::fleet::{Fleet, Live, MAX_SLOS, Slo, TrafficPlan};
use opsagent::metrics::{Format, render};
use opsagent::sample::{
    Dialect, End, Failure, Finish, Generation, MeterFault, ModelSample, Phase, Refusal, ServerSample, Source,
    Tokens,
};
use opsagent::servers::Target;
use opsagent::view::TrafficView;
use opsagent::wire::exposition::{Sample, parse};
use tokio::time::{Instant, advance};

use crate::support::counted_traffic::stream;
use crate::support::eye;

mod judged;
mod named;
mod once;

const MAX_MODELS: usize = 5;

fn fleet() -> Fleet {
    let fleet = Fleet::new(eye::agent(), MAX_MODELS);
    fleet.add(&Target::new("box", "http://127.0.0.1:11434".parse().unwrap()), false);
    fleet
}

/// A poll of a server of that kind that has these models, in memory or not.
fn poll(fleet: &Fleet, kind: &'static str, models: &[(&str, bool)]) {
    let model = |(name, loaded): &(&str, bool)| ModelSample {
        name: (*name).to_owned(),
        loaded: Some(*loaded),
        context_tokens: loaded.then_some(4096),
        ..ModelSample::default()
    };
    let models = models.iter().map(model).collect();
    let sample = ServerSample {
        kind,
        models,
        models_installed: (kind == "ollama").then_some(1),
        ..ServerSample::default()
    };
    fleet.record_poll("box", Ok(sample), Duration::ZERO);
}

fn tap(fleet: &Fleet) -> std::sync::Arc<Live> {
    fleet.record_tap("box", &[([127, 0, 0, 1], 11435).into()], None);
    fleet.live("box", Source::Tap).unwrap()
}

fn of(model: &str) -> Generation {
    // The server tells no load: what looks saw says whether it was cold.
    let mut one = stream();
    one.told.load = None;
    Generation { model: Some(model.into()), ..one }
}

fn page(fleet: &Fleet) -> Vec<Sample> {
    let view = fleet.view();
    parse(&render(&view, fleet.counted(), None, Format::Text))
}

/// The series of that name that have all these labels: the sum, or `None` where there is none.
fn sum(page: &[Sample], name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let has = |sample: &&Sample| {
        sample.name == format!("opsagent_{name}")
            && labels.iter().all(|(name, value)| sample.labels.contains(&((*name).into(), (*value).into())))
    };
    let mut values = page.iter().filter(has).map(|sample| sample.value).peekable();
    values.peek()?;
    Some(values.sum())
}

fn traffic(fleet: &Fleet) -> TrafficView {
    fleet.view().targets.remove(0).traffic.unwrap()
}
