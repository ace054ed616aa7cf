//! Each rule at both sides of what it looks for.

use super::*;
use crate::sample::{EccErrors, Fan, Mig, NvLinks, PcieLink};

const NOW: i64 = 1_000_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// As after reads that all showed the same.
fn notes(facts: &Facts<'_>) -> Vec<Note> {
    super::notes(facts, momentary(facts.told, 16))
}

/// Codes of what is told, with their level.
fn told_of(facts: Facts<'_>) -> Vec<(String, NoteLevel)> {
    notes(&facts).into_iter().map(|note| (note.code, note.level)).collect()
}

fn facts(told: &GpuSample) -> Facts<'_> {
    Facts { told, xids: &[], sw_thermal: None, most_links: 0, at: at(NOW) }
}

fn told(card: &GpuSample) -> Vec<(String, NoteLevel)> {
    told_of(facts(card))
}

fn warning(code: &str) -> Vec<(String, NoteLevel)> {
    vec![(code.to_owned(), NoteLevel::Warning)]
}

fn info(code: &str) -> Vec<(String, NoteLevel)> {
    vec![(code.to_owned(), NoteLevel::Info)]
}

fn throttled(reasons: &[&str]) -> GpuSample {
    let all = crate::sample::THROTTLE_REASONS.iter();
    let throttled = all.map(|reason| ((*reason).to_owned(), reasons.contains(reason))).collect();
    GpuSample { throttled, ..GpuSample::default() }
}

#[test]
fn a_card_that_works_hard_is_well() {
    let busy = GpuSample {
        utilization_ratio: Some(1.0),
        memory_total_bytes: Some(100),
        memory_used_bytes: Some(100),
        memory_free_bytes: Some(0),
        temperatures_celsius: [("die".to_owned(), 88.0), ("memory".to_owned(), 104.0)].into(),
        temperature_margin_celsius: Some(0.0),
        power_watts: Some(700.0),
        power_limit_watts: Some(700.0),
        power_limit_default_watts: Some(700.0),
        recovery_action: Some("none".into()),
        row_remap_pending: Some(false),
        row_remap_failed: Some(false),
        retired_pages_pending: Some(false),
        ecc_enabled: Some(true),
        persistence: Some(true),
        remapped_rows: [("correctable".to_owned(), 3.0)].into(),
        pcie: PcieLink {
            generation: Some(4),
            generation_max: Some(4),
            width: Some(16),
            width_max: Some(16),
            ..PcieLink::default()
        },
        ..throttled(&["sw_power_cap", "idle", "applications_clocks", "sync_boost", "display_clocks"])
    };
    assert_eq!(told(&busy), []);
    assert_eq!(told(&GpuSample::default()), [], "and so is one that tells nothing");
}

#[test]
fn what_holds_the_clocks_down_is_told_by_its_cause() {
    assert_eq!(told(&throttled(&["hw_thermal", "hw_slowdown"])), warning("throttled_hw_thermal"));
    assert_eq!(told(&throttled(&["hw_power_brake", "hw_slowdown"])), warning("throttled_hw_power_brake"));
    assert_eq!(told(&throttled(&["hw_slowdown"])), warning("throttled_hw_slowdown"));
}

#[test]
fn heat_that_the_driver_keeps_in_check_is_a_warning_only_if_it_lasts() {
    let hot = throttled(&["sw_thermal"]);
    let held = |minutes: u64| Facts { sw_thermal: Some(Duration::from_secs(minutes * 60)), ..facts(&hot) };
    assert_eq!(told_of(held(29)), info("throttled_sw_thermal"));
    assert_eq!(told_of(held(30)), warning("throttled_sw_thermal"));
}

#[test]
fn a_critical_xid_is_told_for_ten_minutes_with_its_meaning() {
    let xid = |number: u32, before| XidCount {
        xid: number.to_string(),
        count: 1,
        before_start: 0,
        last_at: Some(at(NOW - before)),
        severity: None,
        meaning: None,
        told: None,
    };
    let card = GpuSample::default();
    let lost = [xid(79, 600)];
    let note = notes(&Facts { xids: &lost, ..facts(&card) }).remove(0);
    assert!(note.text.starts_with("XID 79 (") && note.remedy.is_some(), "{note:?}");
    assert_eq!(note.level, NoteLevel::Warning);
    assert_eq!(told_of(Facts { xids: &[xid(79, 601)], ..facts(&card) }), [], "it is in the counters");
    assert_eq!(told_of(Facts { xids: &[xid(31, 5)], ..facts(&card) }), info("xid"), "a program's own fault");
    assert_eq!(told_of(Facts { xids: &[xid(9999, 5)], ..facts(&card) }), info("xid"));
    let many = XidCount { xid: "other".into(), ..xid(0, 5) };
    assert_eq!(told_of(Facts { xids: &[many], ..facts(&card) }), info("xid"));
    let never = XidCount { last_at: None, count: 0, ..xid(79, 0) };
    assert_eq!(told_of(Facts { xids: &[never], ..facts(&card) }), []);
}

#[test]
fn what_asks_for_a_person_stands_first() {
    let card = throttled(&["sw_thermal", "hw_power_brake"]);
    let levels: Vec<_> = told(&card).into_iter().map(|(_, level)| level).collect();
    assert_eq!(levels, [NoteLevel::Warning, NoteLevel::Info]);
}

#[test]
fn each_recovery_action_says_what_to_do() {
    for action in crate::sample::RECOVERY_ACTIONS.into_iter().filter(|action| *action != "none") {
        let card = GpuSample { recovery_action: Some(action.into()), ..GpuSample::default() };
        assert_eq!(told(&card), warning("recovery_action"), "{action}");
        let note = notes(&facts(&card)).remove(0);
        assert!(note.remedy.is_some_and(|remedy| !remedy.contains("manual")), "{action} has its own words");
    }
    let newer = GpuSample { recovery_action: Some("dance".into()), ..GpuSample::default() };
    assert_eq!(told(&newer), warning("recovery_action"), "also one that is not known here");
}

#[test]
fn the_command_for_a_reset_names_the_card_so_that_no_other_is_meant() {
    let card = |pci: Option<&str>, action: Option<&str>| GpuSample {
        uuid: "GPU-1".into(),
        index: Some(3),
        pci: pci.map(Into::into),
        recovery_action: action.map(Into::into),
        row_remap_pending: Some(action.is_none()),
        ..GpuSample::default()
    };
    let remedy = |card: &GpuSample| notes(&facts(card)).remove(0).remedy.unwrap();
    for action in [Some("reset"), Some("drain_and_reset"), None] {
        let by_place = remedy(&card(Some("0000:2a:00.0"), action));
        assert!(by_place.ends_with(": nvidia-smi --gpu-reset -i 0000:2a:00.0"), "{by_place}");
        assert!(remedy(&card(None, action)).ends_with(" -i GPU-1"));
    }
}

#[test]
fn broken_memory_is_told() {
    let pending = GpuSample { row_remap_pending: Some(true), ..GpuSample::default() };
    assert_eq!(told(&pending), warning("row_remap_pending"));
    let failed = GpuSample { row_remap_failed: Some(true), ..GpuSample::default() };
    assert_eq!(told(&failed), warning("row_remap_failed"));
    let pages = GpuSample { retired_pages_pending: Some(true), ..GpuSample::default() };
    assert_eq!(told(&pages), warning("retired_pages_pending"));
    let ecc = |kind: &str, count| GpuSample {
        ecc_errors: vec![EccErrors { kind: kind.into(), memory: "dram".into(), count }],
        ..GpuSample::default()
    };
    assert_eq!(told(&ecc("uncorrected", 1)), warning("ecc_uncorrected"));
    assert_eq!(told(&ecc("uncorrected", 0)), []);
    assert_eq!(told(&ecc("corrected", 4000)), [], "that is what correction is for");
}

#[test]
fn a_die_above_its_own_limit_is_told() {
    let margin = |celsius| GpuSample { temperature_margin_celsius: Some(celsius), ..GpuSample::default() };
    assert_eq!(told(&margin(-1.0)), warning("too_hot"));
    assert_eq!(told(&margin(0.0)), []);
    assert_eq!(told(&margin(f64::NAN)), []);
}

#[test]
fn a_link_is_judged_only_under_load() {
    let link = |busy, generation, width| GpuSample {
        utilization_ratio: busy,
        pcie: PcieLink {
            generation: Some(generation),
            generation_max: Some(4),
            width: Some(width),
            width_max: Some(16),
            ..PcieLink::default()
        },
        ..GpuSample::default()
    };
    assert_eq!(told(&link(Some(0.51), 4, 8)), warning("pcie_narrow"));
    assert_eq!(told(&link(Some(0.51), 1, 16)), warning("pcie_slow"));
    assert_eq!(told(&link(Some(0.51), 4, 16)), []);
    let in_state = |state| GpuSample { performance_state: Some(state), ..link(Some(0.9), 1, 16) };
    assert_eq!(told(&in_state(2)), warning("pcie_slow"));
    assert_eq!(
        told(&in_state(8)),
        [],
        "a desktop that draws a little at low clocks is busy, and its link rests"
    );
    let never_had_more = momentary(&link(Some(0.51), 4, 8), 8);
    assert_eq!(never_had_more.iter().map(|note| note.level).collect::<Vec<_>>(), [NoteLevel::Info]);
    assert_eq!(told(&link(Some(0.5), 1, 1)), []);
    assert_eq!(told(&link(None, 1, 1)), []);
    assert_eq!(told(&link(Some(1.0), 0, 0)), [], "zero is no link");
    let chip = GpuSample { shared_memory: Some(true), ..link(Some(1.0), 1, 1) };
    assert_eq!(told(&chip), []);
}

#[test]
fn links_that_were_up_and_are_down_are_told() {
    let card = |active, inactive| GpuSample {
        nvlinks: Some(NvLinks { active, inactive, ..NvLinks::default() }),
        ..GpuSample::default()
    };
    let of = |active, inactive, most_links| {
        let card = card(active, inactive);
        told_of(Facts { most_links, ..facts(&card) })
    };
    assert_eq!(of(17, 1, 18), warning("nvlinks_down"));
    assert_eq!(of(0, 18, 18), warning("nvlinks_down"));
    assert_eq!(of(18, 0, 18), []);
    assert_eq!(of(4, 8, 4), info("nvlinks_unused"));
    assert_eq!(of(0, 4, 0), [], "no bridge is fitted");
}

#[test]
fn what_was_set_and_may_be_forgotten_is_told() {
    let limit = |limit| GpuSample {
        power_limit_watts: Some(limit),
        power_limit_default_watts: Some(350.0),
        ..GpuSample::default()
    };
    assert_eq!(told(&limit(280.0)), info("power_limit_lowered"));
    assert_eq!(told(&limit(349.5)), []);
    assert_eq!(told(&limit(400.0)), []);
    let unloads = GpuSample { persistence: Some(false), ecc_enabled: Some(true), ..GpuSample::default() };
    assert_eq!(told(&unloads), info("persistence_off"));
    let desktop = GpuSample { fans: vec![Fan::default()], ..unloads.clone() };
    assert_eq!(told(&desktop), []);
    assert_eq!(told(&GpuSample { ecc_enabled: None, ..unloads.clone() }), [], "a laptop's");
    let mig = |enabled, pending| GpuSample {
        mig: Some(Mig { enabled, pending, instances: Vec::new() }),
        ..GpuSample::default()
    };
    assert_eq!(told(&mig(false, Some(true))), info("mig_pending"));
    assert_eq!(told(&mig(true, Some(false))), info("mig_pending"));
    assert_eq!(told(&mig(true, Some(true))), []);
    assert_eq!(told(&mig(true, None)), []);
}
