//! The metrics page, made of a view that has something of everything.

use std::collections::{BTreeSet, HashSet};

use opsagent::drift::{CategoryResult, Probe, Proportion, Report, Stream, StreamState};
use opsagent::gpus::xid::critical;
use opsagent::http::HttpError;
use opsagent::metrics::{self, Counted, Format, Kind, REVISION, SPECS, Whose};
use opsagent::sample::{Source, THROTTLE_REASONS};
use opsagent::suite::CATEGORIES;
use opsagent::usage::ProcessStats;
use opsagent::view::{CardView, GpuSample, GpusView, ModelView, Skip, TargetView, View};
use opsagent::wire::exposition::{Sample, parse};

use crate::support::counted_traffic as traffic;
use crate::support::golden::assert_golden;
use crate::support::promtool;
use crate::support::rich_gpus;
use crate::support::rich_view::rich_view;

const NONE: [f64; 0] = [];

/// What a process that has polled the rich view's targets has counted.
fn counted(view: &View) -> Counted {
    let counted = polled(view);
    traffic::count(&counted);
    counted
}

/// The same without any real traffic.
fn polled(view: &View) -> Counted {
    let counted = Counted::new();
    for target in &view.targets {
        counted.touch_target(&target.name);
        let reason = HttpError::REASONS.into_iter().find(|reason| target.reason.as_deref() == Some(reason));
        counted.count_poll(&target.name, reason, target.models.len() as u64 / 6);
    }
    counted.count_gpu_read("nvml", None);
    counted.count_gpu_read("amdgpu", Some("no_driver"));
    counted.count_panic("poll stuck");
    counted
}

fn process() -> ProcessStats {
    ProcessStats {
        cpu_seconds: Some(1.27),
        resident_bytes: Some(9_437_184),
        virtual_bytes: Some(212_336_640),
        virtual_max_bytes: Some(1 << 40),
        open_fds: Some(17),
        max_fds: Some(1024),
        threads: Some(3),
        started_at: Some(1_789_913_600.12),
    }
}

fn rich_page(format: Format) -> String {
    let view = rich_view();
    let page = metrics::render(&view, &counted(&view), Some(&process()), format);
    page.replace(&format!("revision=\"{REVISION}\""), "revision=\"unknown\"")
}

fn samples_of(view: &View) -> Vec<Sample> {
    parse(&metrics::render(view, &Counted::new(), None, Format::Text))
}

/// The values of a metric's series that have that label.
fn values(samples: &[Sample], name: &str, label: (&str, &str)) -> Vec<f64> {
    let has = |sample: &&Sample| sample.labels.iter().any(|(k, v)| (k.as_str(), v.as_str()) == label);
    samples.iter().filter(|sample| sample.name == name).filter(has).map(|sample| sample.value).collect()
}

#[test]
fn the_pages_are_as_they_were_found_good() {
    assert_golden("metrics.txt", &rich_page(Format::Text));
    assert_golden("metrics.om.txt", &rich_page(Format::OpenMetrics));
}

#[test]
fn every_metric_declared_is_on_the_page_and_every_series_is_there_once() {
    for format in [Format::Text, Format::OpenMetrics] {
        let page = rich_page(format);
        let samples = parse(&page);
        assert_eq!(samples.len(), page.lines().filter(|line| !line.starts_with('#')).count());
        let names: BTreeSet<&str> = samples.iter().map(|sample| sample.name.as_str()).collect();
        let names = names.iter().filter_map(|name| metrics::spec(name)).map(|spec| spec.name);
        assert_eq!(names.collect::<BTreeSet<_>>(), SPECS.iter().map(|spec| spec.name).collect());
        let mut seen = HashSet::new();
        for sample in &samples {
            let mut labels = sample.labels.clone();
            labels.sort();
            assert!(seen.insert((&sample.name, labels)), "twice: {sample:?}");
        }
        let told: Vec<f64> =
            samples.iter().filter(|s| s.name == "opsagent_series").map(|s| s.value).collect();
        assert_eq!(told, [samples.len() as f64]);
    }
}

#[test]
fn families_and_series_stand_in_order() {
    let page = rich_page(Format::Text);
    let heads: Vec<&str> = page.lines().filter(|line| line.starts_with("# HELP ")).collect();
    assert!(heads.is_sorted(), "{heads:?}");
    // Buckets stand in the order of their bounds.
    let plain: Vec<Sample> =
        parse(&page).into_iter().filter(|sample| !sample.name.ends_with("_bucket")).collect();
    for samples in plain.chunk_by(|a, b| a.name == b.name) {
        assert!(samples.is_sorted_by_key(|sample| &sample.labels), "{}", samples[0].name);
    }
}

#[test]
fn what_is_not_known_has_no_series() {
    let samples = samples_of(&rich_view());
    let of = |name, target| values(&samples, name, ("target", target));
    assert_eq!(of("opsagent_target_up", "box"), [1.0]);
    assert_eq!(of("opsagent_target_up", "studio"), [0.0]);
    for name in ["opsagent_target_up", "opsagent_target_state", "opsagent_poll_duration_seconds"] {
        assert_eq!(of(name, "new"), NONE, "{name}");
    }
    assert_eq!(of("opsagent_target_info", "new"), [1.0]);
    let expires = "opsagent_model_expires_timestamp_seconds";
    assert_eq!(values(&samples, expires, ("model", "llama3.1:8b")).len(), 1);
    assert_eq!(values(&samples, expires, ("model", "größe-模型:1b")), NONE, "it stays");

    // Of a model that says nothing but its name there is only that it is there.
    let mut view = rich_view();
    view.targets.truncate(1);
    view.targets[0].models = vec![ModelView { name: "mute".into(), ..ModelView::default() }];
    view.gpus = GpusView::default();
    let samples = samples_of(&view);
    let mute: Vec<&str> = samples
        .iter()
        .filter(|sample| sample.labels.contains(&("model".into(), "mute".into())))
        .map(|sample| sample.name.as_str())
        .collect();
    assert_eq!(mute, ["opsagent_model_info"]);
    assert!(!samples.iter().any(|sample| sample.name.contains("_gpu")), "no GPU was read");
}

#[test]
fn one_state_holds_of_a_target_whose_state_is_known() {
    let samples = samples_of(&rich_view());
    for target in rich_view().targets {
        let states = values(&samples, "opsagent_target_state", ("target", &target.name));
        let (series, sum) = if target.state.is_some() { (6, 1.0) } else { (0, 0.0) };
        assert_eq!(states.len(), series, "{}", target.name);
        assert!((states.iter().sum::<f64>() - sum).abs() < 0.1, "{}", target.name);
    }
}

#[test]
fn a_simulated_server_is_told_from_a_real_one() {
    let samples = samples_of(&rich_view());
    for sample in samples.iter().filter(|sample| sample.labels.contains(&("target".into(), "demo".into()))) {
        let kind = sample.labels.iter().find(|(name, _)| name == "kind");
        assert!(kind.is_none_or(|(_, kind)| kind == "demo"), "{sample:?}");
    }
    assert_eq!(values(&samples, "opsagent_target_up", ("kind", "demo")), [1.0]);
    for (demo, wanted) in [(false, "opsagent_demo 0\n"), (true, "opsagent_demo 1\n")] {
        let mut view = rich_view();
        view.agent.demo = demo;
        assert!(metrics::render(&view, &Counted::new(), None, Format::Text).contains(wanted));
    }
}

#[test]
fn a_busy_machine_stays_within_two_thousand_series() {
    let mut view = rich_view();
    // What canaries add is told below: they are asked only of whom the config says so.
    let full = TargetView { canaries: Vec::new(), ..view.targets[0].clone() };
    let model = full.models.iter().find(|model| model.loads > 0).unwrap().clone();
    let named = |number| ModelView { name: format!("model-{number}"), ..model.clone() };
    let models: Vec<ModelView> = (0..8).map(named).collect();
    let target = |number| TargetView { name: format!("t{number}"), models: models.clone(), ..full.clone() };
    view.targets = (0..4).map(target).collect();
    let mut card = view.gpus.cards[1].clone();
    card.xids = critical().iter().map(|row| rich_gpus::xid(row.label(), 0, None)).collect();
    let numbered = |number: u32| {
        let told = GpuSample { uuid: number.to_string(), ..card.told.clone() };
        CardView { told, ..card.clone() }
    };
    view.gpus.cards = (0..8).map(numbered).collect();
    let page = metrics::render(&view, &polled(&view), Some(&process()), Format::Text);
    let series = parse(&page).len();
    assert!((500..2000).contains(&series), "{series}");
}

#[test]
fn a_model_whose_requests_are_seen_stays_within_its_share_of_series() {
    let samples = parse(&rich_page(Format::Text));
    let used = values(&samples, "opsagent_requests_total", ("model", "llama3.1:8b"));
    assert_eq!(used, [3.0]);
    let of = |model: &str, source: &str| {
        let has = |sample: &&Sample, label: &str, value: &str| {
            sample.labels.contains(&(label.into(), value.into()))
        };
        samples.iter().filter(|one| has(one, "model", model) && has(one, "source", source)).count()
    };
    // Warm and cold, complete and cancelled.
    let full = of("llama3.1:8b", "tap");
    assert!((150..=250).contains(&full), "{full}");
    let fresh = Counted::new();
    fresh.traffic.touch(&Whose { target: "box", model: "m", source: Source::Tap });
    let touched = parse(&metrics::render(&rich_view(), &fresh, None, Format::Text));
    let touched =
        touched.iter().filter(|sample| sample.labels.contains(&("model".into(), "m".into()))).count();
    assert!(touched <= 25, "{touched} of a model that nobody used yet");
}

/// Tells of each stream, probe and category.
fn all_is_known(report: &mut Report) {
    let streams = Stream::ALL.iter().filter(|stream| **stream != Stream::Identity);
    report.streams =
        streams.map(|stream| StreamState { stream: *stream, evidence: 1.0, threshold: 15.0 }).collect();
    report.distances = Probe::ALL.iter().map(|probe| (*probe, 0.1)).collect();
    let of = |category: &&str| CategoryResult {
        category: (*category).to_owned(),
        passed: Proportion::new(2, 3),
        baseline: None,
    };
    report.categories = CATEGORIES.iter().map(of).collect();
    let refused = Some(Proportion::new(1, 1));
    (report.refused_harmful, report.refused_harmless) = (refused, refused);
}

#[test]
fn a_model_that_is_asked_stays_within_its_share_of_series() {
    let mut view = rich_view();
    let asked = view.targets.iter_mut().flat_map(|target| &mut target.canaries);
    for canary in asked.filter(|canary| canary.model == "llama3.1:8b") {
        all_is_known(&mut canary.report);
    }
    let samples = samples_of(&view);
    let of = |model: &str| {
        let canary = |name: &str| {
            ["opsagent_canary_", "opsagent_drift_", "opsagent_baseline_", "opsagent_identity_"]
                .iter()
                .any(|begin| name.starts_with(begin))
        };
        let is = |sample: &&Sample| {
            canary(&sample.name) && sample.labels.contains(&("model".into(), model.into()))
        };
        samples.iter().filter(is).count()
    };
    let (all, learning) = (of("llama3.1:8b"), of("qwen3:32b"));
    // Each label has a closed list, so that this is all there can be. What the contract of metrics names: evidence and
    // thresholds, severities, causes, alarms; distances, KLD, texts and flips, categories, refusals, runs, tokens, speed;
    // the baseline; facts. Beside it why nothing was asked, what holds, when it was last asked, and what its budget leaves out.
    let drift = 5 + 5 + 3 + 8 + 13;
    let asked = 5 + 3 + 10 + 2 + 4 + 2 + 2;
    assert_eq!(
        all,
        drift + asked + 4 + 7 + (Skip::ALL.len() + 5 + 1 + 1),
        "of a model of which all is known"
    );
    assert_eq!(all, 89, "README says so");
    assert!((30..=55).contains(&learning), "{learning} of one that is being learned");
}

#[test]
fn a_card_that_tells_all_stays_within_its_share_of_series() {
    let mut view = rich_view();
    view.targets.clear();
    view.gpus.strays.clear();
    view.gpus.kernel_log = None;
    let mut full = view.gpus.cards[1].clone();
    full.throttled_total_seconds = THROTTLE_REASONS.map(|reason| (reason.to_owned(), 1.0)).into();
    // As while somebody listens for them.
    full.xids = critical().iter().map(|row| rich_gpus::xid(row.label(), 0, None)).collect();
    let series = |view: &View| {
        let samples = samples_of(view);
        samples.iter().filter(|sample| sample.labels.iter().any(|(label, _)| label == "gpu")).count()
    };
    view.gpus.cards = vec![full.clone()];
    let one = series(&view);
    assert!((80..=120).contains(&one), "{one} series of one card");
    let numbered = |number: u32| {
        let told = GpuSample { uuid: format!("GPU-{number}"), index: Some(number), ..full.told.clone() };
        CardView { told, ..full.clone() }
    };
    view.gpus.cards = (0..8).map(numbered).collect();
    assert_eq!(series(&view), 8 * one);
}

#[test]
fn a_card_that_tells_nothing_says_what_it_is_and_why() {
    let samples = samples_of(&rich_view());
    let of = |gpu: &str| -> Vec<&str> {
        let of_it = samples.iter().filter(|sample| sample.labels.contains(&("gpu".into(), gpu.into())));
        of_it.map(|sample| sample.name.as_str()).collect()
    };
    let missing = rich_view().gpus.cards.pop().unwrap().told.uuid;
    assert_eq!(of(&missing), ["opsagent_gpu_fault_info", "opsagent_gpu_info", "opsagent_gpu_up"]);
    assert_eq!(values(&samples, "opsagent_gpu_fault_info", ("reason", "lost")), [1.0]);
    assert_eq!(values(&samples, "opsagent_gpu_up", ("gpu", &missing)), [0.0]);
    let value = |name: &str| samples.iter().find(|sample| sample.name == name).map(|sample| sample.value);
    assert_eq!(value("opsagent_gpus_found"), Some(5.0), "the driver lists the lost one still");
    assert_eq!((value("opsagent_gpus_expected"), value("opsagent_gpus_missing")), (Some(6.0), Some(2.0)));
}

#[test]
fn of_a_closed_set_one_holds() {
    let samples = samples_of(&rich_view());
    let h100 = rich_gpus::H100;
    for (name, series) in [("opsagent_gpu_recovery_action", 8), ("opsagent_gpu_fabric_state", 3)] {
        let values = values(&samples, name, ("gpu", h100));
        assert_eq!((values.len(), values.iter().sum::<f64>()), (series, 1.0), "{name}");
    }
    let throttled = values(&samples, "opsagent_gpu_throttled", ("gpu", h100));
    assert_eq!((throttled.len(), throttled.iter().sum::<f64>()), (9, 3.0), "several may hold");
}

#[test]
fn a_targets_counters_are_there_from_the_start_and_end_with_it() {
    let (view, counted) = (rich_view(), Counted::new());
    let of = |counted: &Counted, name: &str| {
        values(&parse(&metrics::render(&view, counted, None, Format::Text)), name, ("target", "box"))
    };
    counted.touch_target("box");
    assert_eq!(of(&counted, "opsagent_polls_total"), [0.0]);
    assert_eq!(of(&counted, "opsagent_poll_errors_total"), [0.0; HttpError::REASONS.len()]);
    counted.count_poll("box", Some("timeout"), 7);
    counted.touch_target("box");
    assert_eq!(of(&counted, "opsagent_polls_total"), [1.0]);
    assert_eq!(of(&counted, "opsagent_series_dropped_total"), [7.0]);
    assert!((of(&counted, "opsagent_poll_errors_total").iter().sum::<f64>() - 1.0).abs() < 0.1);
    counted.forget_target("box");
    for spec in SPECS.iter().filter(|spec| spec.name.contains("_poll") || spec.name.contains("_series")) {
        let left = if spec.kind == Kind::Counter { of(&counted, spec.name) } else { Vec::new() };
        assert_eq!(left, NONE, "{}", spec.name);
    }
}

#[test]
#[ignore = "real parts: run tests/run"]
fn promtool_finds_nothing_to_say() {
    promtool::lint(&rich_page(Format::Text));
}
