//! Views for the status page: the one with something of everything, and small ones to build on.

use std::time::Duration;

use jiff::Timestamp;
use opsagent::sample::{Note, ServerState};
use opsagent::view::{ChildSample, DiscoveryView, GpusView, ModelView, TargetView, Tried, View};

use super::rich_view::rich_view;

/// The rich view, with what only the page shows: since when, many models at rest, notes of both
/// sorts, more places that were tried.
pub fn page_view() -> View {
    let mut view = rich_view();
    let now = view.at;
    let ago = |seconds| now - Duration::from_secs(seconds);
    for (nth, target) in view.targets.iter_mut().enumerate() {
        let held = 13 * 7_u64.pow(nth as u32 % 5);
        target.state_since = target.state.map(|_| ago(held));
    }
    let ollama = view.targets.iter_mut().find(|target| target.name == "box").unwrap();
    ollama.models.extend((1..=6).map(|nth| ModelView {
        name: format!("mistral-{nth}:7b"),
        loaded: Some(false),
        quantization: Some("Q4_0".into()),
        parameters: Some("7.2B".into()),
        size_bytes: Some(4_109_865_159),
        ..ModelView::default()
    }));
    ollama.models.push(ModelView {
        name: "phi4:14b".into(),
        loaded: Some(true),
        child: Some(ChildSample { pid: Some(4711), up: false, metrics: Some(false) }),
        ..ModelView::default()
    });
    ollama.models_left_out = 3;
    ollama.notes.insert(
        0,
        Note::info(
            "child_metrics_off",
            "no token counters: Ollama's model processes do not export metrics",
            Some("set LLAMA_ARG_ENDPOINT_METRICS=1 in Ollama's environment and restart it"),
        ),
    );
    view.discovery = discovery(ago(4));
    view
}

/// A view of an agent that found nothing, on a machine without GPUs.
pub fn empty_view() -> View {
    let mut view = rich_view();
    view.agent.config_file = None;
    view.agent.config_ok = true;
    view.agent.config_errors.clear();
    view.targets.clear();
    let mut backend = view.gpus.backends.pop().unwrap();
    backend.name = "nvml".into();
    view.gpus = GpusView { backends: vec![backend], ..GpusView::default() };
    view.hosts[0].oom_killed_at = None;
    view.hosts[0].notes = vec![Note::info("energy_absent", "no energy meter of the processor (RAPL)", None)];
    view.hosts[0].energy.clear();
    view.discovery = discovery(view.at);
    view
}

/// A target that is ready and tells nothing more.
pub fn target(name: &str, kind: &str) -> TargetView {
    let plain = rich_view().targets.into_iter().find(|target| target.demo).unwrap();
    TargetView {
        name: name.into(),
        kind: kind.into(),
        demo: false,
        up: Some(true),
        state: Some(ServerState::Ready),
        last_success_at: plain.last_poll_at,
        ..plain
    }
}

fn discovery(at: Timestamp) -> DiscoveryView {
    let tried = [
        ("127.0.0.1:11434", "default port of ollama", "connection refused"),
        ("127.0.0.1:8080", "default port of llama_cpp", "answers, but as no kind that is known"),
        ("127.0.0.1:1234", "default port of lm_studio", "connection refused"),
    ];
    let tried = tried.map(|(address, why, outcome)| Tried {
        address: address.into(),
        why: why.into(),
        outcome: outcome.into(),
    });
    DiscoveryView { enabled: true, last_scan_at: Some(at), tried: tried.into() }
}
