//! Where a model goes: on one card, on several, after others, nowhere.

use jiff::Timestamp;

use super::*;
use crate::sample::{ChildSample, GpuProcess, GpuSample, Mig, Note, ProcessKind};
use crate::view::{
    AgentView, BackendView, CardView, DiscoveryView, GpusView, HostView, ModelView, PROCESS_BYTES,
    SCHEMA_VERSION, TargetGpus, TargetView,
};

const GIB: u64 = 1 << 30;

fn view(cards: Vec<GpuSample>, targets: Vec<TargetView>) -> View {
    let at = Timestamp::UNIX_EPOCH;
    View {
        schema_version: SCHEMA_VERSION,
        at,
        agent: AgentView {
            version: "0".into(),
            started_at: at,
            demo: false,
            config_file: None,
            config_ok: true,
            config_at: at,
            config_errors: Vec::new(),
        },
        discovery: DiscoveryView::default(),
        targets,
        gpus: GpusView {
            cards: cards.into_iter().map(|told| CardView { told, ..CardView::default() }).collect(),
            ..GpusView::default()
        },
        hosts: Vec::new(),
        store: None,
    }
}

/// A card with so much room beside what a process costs.
fn card(index: u32, room: u64) -> GpuSample {
    GpuSample {
        uuid: format!("GPU-{index}"),
        index: Some(index),
        name: Some("Card".into()),
        vendor: "nvidia".into(),
        memory_free_bytes: Some(room * GIB + PROCESS_BYTES),
        ..GpuSample::default()
    }
}

/// A process that holds so much of a card.
fn holding(card: GpuSample, pid: u32, gib: u64) -> GpuSample {
    let mut processes = card.processes.clone().unwrap_or_default();
    processes.push(GpuProcess {
        pid,
        kind: ProcessKind::Compute,
        memory_bytes: Some(gib * GIB),
        utilization_ratio: None,
        gpu_instance: None,
        name: None,
        target: Some("box".into()),
    });
    GpuSample { processes: Some(processes), ..card }
}

/// An Ollama with these models, each with its process and when it expires.
fn ollama(models: &[(&str, Option<u32>, Option<i64>)]) -> TargetView {
    let model = |(name, pid, expires): &(&str, Option<u32>, Option<i64>)| ModelView {
        name: (*name).into(),
        loaded: Some(true),
        stays: Some(expires.is_none()),
        expires_at: expires.and_then(|at| Timestamp::from_second(at).ok()),
        vram_bytes: Some(6 * GIB),
        child: pid.map(|pid| ChildSample { pid: Some(pid), up: true, metrics: None }),
        ..ModelView::default()
    };
    TargetView {
        name: "box".into(),
        kind: "ollama".into(),
        url: String::new(),
        discovered: false,
        demo: false,
        up: Some(true),
        state: None,
        state_since: None,
        reason: None,
        error: None,
        version: None,
        build: None,
        every_seconds: 15.0,
        last_poll_at: None,
        last_success_at: None,
        poll_duration_seconds: None,
        models_installed: None,
        orphans: None,
        models: models.iter().map(model).collect(),
        models_left_out: 0,
        gpus: None,
        traffic: None,
        canaries: Vec::new(),
        kept: None,
        notes: Vec::new(),
    }
}

fn verdict(view: &View, gib: u64) -> (Verdict, Vec<String>) {
    let fit = fits(view, gib * GIB);
    assert!(!fit.text.is_empty() && fit.bytes == gib * GIB, "{fit:?}");
    (fit.verdict, fit.cards)
}

fn on(indices: &[u32]) -> Vec<String> {
    indices.iter().map(|index| format!("GPU-{index}")).collect()
}

#[test]
fn it_goes_on_the_card_with_the_most_room() {
    let view = view(vec![card(0, 10), card(1, 20)], Vec::new());
    assert_eq!(verdict(&view, 5), (Verdict::OneCard, on(&[1])));
    assert_eq!(verdict(&view, 20), (Verdict::OneCard, on(&[1])));
    assert_eq!(fits(&view, 20 * GIB + 1).verdict, Verdict::Split, "to the byte");
}

#[test]
fn a_card_that_needs_a_look_is_the_last_to_be_taken_and_says_so() {
    let mut view = view(vec![card(0, 10), card(1, 20)], Vec::new());
    view.gpus.cards[1].notes = vec![Note::warning("recovery_action", "the driver asks for a reset", None)];
    assert_eq!(verdict(&view, 10), (Verdict::OneCard, on(&[0])));
    let fit = fits(&view, 11 * GIB);
    assert_eq!((fit.verdict, fit.cards), (Verdict::OneCard, on(&[1])));
    assert_eq!(fit.text, "fits on GPU 1 (Card), which needs a look: room for 20.0 GiB");
}

#[test]
fn it_is_split_over_as_few_cards_as_take_it() {
    let view = view(vec![card(0, 10), card(1, 20), card(2, 5)], Vec::new());
    assert_eq!(verdict(&view, 30), (Verdict::Split, on(&[1, 0])));
    assert_eq!(verdict(&view, 35), (Verdict::Split, on(&[1, 0, 2])));
    let fit = fits(&view, 36 * GIB);
    assert_eq!((fit.verdict, fit.missing_bytes), (Verdict::No, Some(GIB)));
}

#[test]
fn no_split_goes_over_vendors_instances_or_the_hosts_memory() {
    let amd = GpuSample { vendor: "amd".into(), ..card(1, 10) };
    assert_eq!(verdict(&view(vec![card(0, 10), amd], Vec::new()), 15).0, Verdict::No);
    let divided = GpuSample { mig: Some(Mig { enabled: true, ..Mig::default() }), ..card(1, 10) };
    assert_eq!(verdict(&view(vec![card(0, 10), divided], Vec::new()), 15).0, Verdict::No);
    let shared = |index| GpuSample { shared_memory: Some(true), ..card(index, 0) };
    let mut chips = view(vec![shared(0), shared(1)], Vec::new());
    assert_eq!(verdict(&chips, 1).0, Verdict::Unknown, "nothing tells of the memory");
    let mut host = HostView::default();
    host.memory.available_bytes = Some(10 * GIB + PROCESS_BYTES);
    chips.hosts = vec![host];
    assert_eq!(verdict(&chips, 10), (Verdict::OneCard, on(&[0])));
    assert_eq!(verdict(&chips, 15).0, Verdict::No, "it is the same memory");
}

#[test]
fn ollama_makes_room_as_it_may_the_first_to_expire_first() {
    let cards = vec![holding(holding(holding(card(0, 2), 11, 6), 12, 7), 13, 8)];
    let models = [("stays", Some(11), None), ("late", Some(12), Some(900)), ("soon", Some(13), Some(100))];
    let view = view(cards, vec![ollama(&models)]);
    let unloaded = |gib: u64| {
        let fit = fits(&view, gib * GIB);
        let names: Vec<String> = fit.unload.iter().map(|model| model.model.clone()).collect();
        (fit.verdict, names)
    };
    assert_eq!(unloaded(2), (Verdict::OneCard, Vec::new()));
    assert_eq!(unloaded(10), (Verdict::AfterUnload, vec!["soon".to_owned()]));
    assert_eq!(unloaded(11), (Verdict::AfterUnload, vec!["soon".to_owned(), "late".to_owned()]));
    assert_eq!(unloaded(17).0, Verdict::AfterUnload);
    let fit = fits(&view, 18 * GIB);
    assert_eq!((fit.verdict, fit.missing_bytes), (Verdict::No, Some(GIB)), "one that stays, stays");
}

#[test]
fn it_is_split_over_what_others_leave_where_nothing_less_will_do() {
    let cards = vec![holding(card(0, 4), 11, 6), holding(card(1, 0), 12, 10)];
    let view = view(cards, vec![ollama(&[("a", Some(11), Some(1)), ("b", Some(12), Some(2))])]);
    let fit = fits(&view, 20 * GIB);
    assert_eq!((fit.verdict, fit.cards), (Verdict::AfterUnload, on(&[0, 1])));
    let unload: Vec<_> = fit.unload.iter().map(|model| (model.model.as_str(), model.bytes)).collect();
    assert_eq!(unload, [("a", 6 * GIB), ("b", 10 * GIB)]);
    assert_eq!(fits(&view, 21 * GIB).missing_bytes, Some(GIB));
}

#[test]
fn the_least_is_unloaded() {
    let cards = vec![holding(card(0, 4), 11, 20), holding(card(1, 3), 12, 10)];
    let view = view(cards, vec![ollama(&[("big", Some(11), Some(1)), ("small", Some(12), Some(2))])]);
    let fit = fits(&view, 12 * GIB);
    assert_eq!((fit.cards, fit.unload[0].model.as_str()), (on(&[1]), "small"));
}

#[test]
fn a_model_whose_process_is_not_known_lies_where_its_server_holds_memory() {
    let gpus = |cards: &[u32]| {
        let memory_bytes = cards.iter().map(|index| (format!("GPU-{index}"), 9 * GIB)).collect();
        Some(TargetGpus { memory_bytes, energy_joules: None })
    };
    let view_of = |target: TargetView| view(vec![card(0, 2), card(1, 0)], vec![target]);
    let model = [("m", None, Some(1))];
    let one = TargetView { gpus: gpus(&[0]), ..ollama(&model) };
    assert_eq!(verdict(&view_of(one.clone()), 8), (Verdict::AfterUnload, on(&[0])));
    assert_eq!(
        verdict(&view_of(one), 9).0,
        Verdict::No,
        "it gives back what it holds, not what its server does"
    );
    let two = TargetView { gpus: gpus(&[0, 1]), ..ollama(&model) };
    assert_eq!(verdict(&view_of(two), 8).0, Verdict::No, "where, nobody knows");
    assert_eq!(verdict(&view_of(ollama(&model)), 8).0, Verdict::No, "it may be on another machine");
    let other = TargetView { kind: "llama_cpp".into(), gpus: gpus(&[0]), ..ollama(&model) };
    assert_eq!(verdict(&view_of(other), 8).0, Verdict::No, "only Ollama unloads by itself");
}

#[test]
fn without_a_gpu_it_is_the_hosts_memory_that_counts() {
    let mut view = view(Vec::new(), Vec::new());
    assert_eq!(verdict(&view, 1).0, Verdict::Unknown);
    let mut host = HostView::default();
    host.memory.available_bytes = Some(8 * GIB);
    view.hosts = vec![host];
    assert_eq!(verdict(&view, 8).0, Verdict::Host);
    assert_eq!(fits(&view, 9 * GIB).missing_bytes, Some(GIB));
    let backend = |reason: &str| BackendView { reason: Some(reason.into()), ..BackendView::default() };
    view.gpus.backends = vec![backend("no_driver")];
    assert_eq!(verdict(&view, 8).0, Verdict::Host);
    view.gpus.backends = vec![backend("no_driver"), backend("driver_mismatch")];
    assert_eq!(verdict(&view, 8).0, Verdict::Unknown, "there may be one");
}

#[test]
fn where_no_card_tells_nothing_is_known() {
    let silent = GpuSample { memory_free_bytes: None, ..card(0, 0) };
    assert_eq!(verdict(&view(vec![silent], Vec::new()), 1).0, Verdict::Unknown);
}

#[test]
fn huge_numbers_are_no_trouble() {
    let full = GpuSample { memory_free_bytes: Some(u64::MAX), ..card(0, 0) };
    let all = view(vec![holding(full.clone(), 11, 1 << 33), full], vec![ollama(&[("m", Some(11), Some(1))])]);
    assert_eq!(fits(&all, u64::MAX).verdict, Verdict::Split);
    assert_eq!(fits(&all, 0).verdict, Verdict::OneCard);
}

#[test]
fn a_verdict_is_called_the_same_in_json_as_in_labels() {
    for verdict in Verdict::ALL {
        assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.name());
    }
}

#[test]
fn the_graphics_inside_a_processor_are_no_place_beside_a_card() {
    let inside = |vendor: &str, free| GpuSample {
        uuid: "pci-0000:00:02.0".into(),
        vendor: vendor.into(),
        shared_memory: Some(true),
        memory_free_bytes: free,
        ..GpuSample::default()
    };
    let host = |cards| {
        let mut host = HostView::default();
        host.memory.available_bytes = Some(100 * GIB);
        View { hosts: vec![host], ..view(cards, Vec::new()) }
    };
    let beside = fits(&host(vec![inside("amd", Some(60 * GIB)), card(0, 20)]), 40 * GIB);
    assert_eq!(beside.verdict, Verdict::No, "{}", beside.text);
    let apu = fits(&host(vec![inside("amd", Some(60 * GIB))]), 40 * GIB);
    assert_eq!(apu.verdict, Verdict::OneCard, "{}", apu.text);
    assert_eq!(
        fits(&host(vec![inside("amd", Some(60 * GIB))]), 80 * GIB).verdict,
        Verdict::No,
        "what it may map"
    );
    let desktop = fits(&host(vec![inside("intel", None)]), 40 * GIB);
    assert_eq!(desktop.text, fits(&host(Vec::new()), 40 * GIB).text, "the processor works");
}
