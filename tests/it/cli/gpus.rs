//! The GPUs in the table: which card is ill and why, at a glance, on any screen.

use opsagent::cli::table::render;
use opsagent::cli::text::width;
use opsagent::sample::Note;
use opsagent::view::{BackendView, CardView, GpuSample, GpusView, Health, View};

use super::{golden, plain};
use crate::support::page_view::target;
use crate::support::rich_gpus;
use crate::support::rich_view;

/// One server that is well, beside GPUs of every sort.
fn view() -> View {
    let mut view = rich_view::rich_view();
    view.agent.config_ok = true;
    view.agent.config_errors.clear();
    view.targets = vec![target("box", "ollama")];
    view.hosts.clear();
    view
}

fn told(view: &View, columns: usize) -> String {
    plain(&render(view, &[], columns))
}

fn first_line(view: &View) -> String {
    told(view, 400).lines().next().unwrap().to_owned()
}

/// Many cards that are well, each with a share of one big model.
fn full_machine(cards: u32) -> View {
    let mut view = view();
    let one = view.gpus.cards[0].clone();
    let numbered = |number| {
        let name = Some("NVIDIA H100 80GB HBM3".into());
        let told =
            GpuSample { uuid: format!("GPU-{number:02}"), index: Some(number), name, ..one.told.clone() };
        CardView { told, ..one.clone() }
    };
    view.gpus = GpusView {
        backends: vec![BackendView { name: "nvml".into(), up: true, ..BackendView::default() }],
        cards: (0..cards).map(numbered).collect(),
        ..GpusView::default()
    };
    view
}

#[test]
fn a_person_sees_which_card_is_ill_and_why() {
    golden("status_gpus.txt", &told(&view(), 80));
    golden("status_gpus_narrow.txt", &told(&view(), 40));
}

#[test]
fn the_head_names_the_ill_cards() {
    let mut view = view();
    assert_eq!(view.health(), Health::Critical);
    let head = first_line(&view);
    assert!(head.starts_with("CRITICAL: GPU 3 (H100 80GB HBM3) fell off the bus; "), "{head}");
    view.gpus.missing = None;
    view.gpus.cards.retain(|card| card.told.fault.is_none());
    let head = first_line(&view);
    assert!(head.starts_with("WARNING: GPU 1 (H100 80GB HBM3) needs a look (a faulty row"), "{head}");
    view.gpus.cards.retain(|card| card.health() == Health::Ok);
    assert_eq!(first_line(&view), "OK: 1 target up, 3 GPUs");
    (view.gpus.expected, view.gpus.missing) = (Some(8), Some(5));
    assert_eq!(first_line(&view), "CRITICAL: 5 GPUs of those expected are missing");
}

#[test]
fn a_machine_full_of_cards_fits_a_screen_and_the_ill_one_stands_first() {
    let mut view = full_machine(16);
    let table = told(&view, 80);
    assert_eq!(first_line(&view), "OK: 1 target up, 16 GPUs");
    assert!(table.lines().count() < 25, "{table}");
    assert!(table.contains("used by box 80.0 GiB on 16 GPUs"), "{table}");
    let mut partly = view.clone();
    let user = &mut partly.gpus.cards[0].users[0];
    (user.memory_bytes, user.memory_at_least_bytes) = (None, Some(1 << 30));
    assert!(told(&partly, 80).contains("used by box at least 76.0 GiB on 16 GPUs"), "{}", told(&partly, 80));
    partly.gpus.cards.iter_mut().for_each(|card| card.users[0].memory_bytes = None);
    partly.gpus.cards[0].users[0].memory_at_least_bytes = None;
    assert!(told(&partly, 80).contains(", box (memory not told) on 16 GPUs"), "{}", told(&partly, 80));
    view.gpus.cards[13].notes = vec![Note::warning("too_hot", "it is too hot", Some("look at the fans"))];
    let table = told(&view, 80);
    let row = table.lines().skip_while(|line| !line.starts_with("STATE    GPU")).nth(1).unwrap();
    assert!(row.starts_with("warning  13 H100 80GB HBM3"), "{table}");
    golden("status_gpus_16.txt", &table);
}

#[test]
fn cards_fit_every_screen() {
    for view in [view(), full_machine(2), full_machine(16)] {
        for columns in [20, 30, 40, 60, 80, 100, 200] {
            for line in told(&view, columns).lines() {
                assert!(width(line) <= columns, "{columns}: {line}");
            }
        }
        assert!(told(&view, 40).contains(" GiB"), "how full they are is told also there");
    }
}

#[test]
fn three_drivers_that_are_not_there_are_one_calm_line() {
    let absent = |name: &str| BackendView {
        name: name.into(),
        reason: Some("no_driver".into()),
        error: Some(format!("no {name} driver on this machine")),
        ..BackendView::default()
    };
    let mut view = view();
    let last = |view: &View| told(view, 80).rsplit("\n\n").next().unwrap().to_owned();
    let backends = ["nvml", "amdgpu", "intel"].map(absent);
    view.gpus = GpusView { backends: backends.into(), ..GpusView::default() };
    assert_eq!(last(&view), "no GPU: no driver for one on this machine (looked for nvml, amdgpu, intel)\n");
    view.gpus.backends.iter_mut().for_each(|backend| backend.up = true);
    assert_eq!(last(&view), "no GPU on this machine\n");
    view.gpus.backends.clear();
    assert!(!told(&view, 80).contains("GPU"), "nobody looked for one");
    view.gpus = full_machine(1).gpus;
    view.gpus.backends.push(absent("amdgpu"));
    assert!(
        !told(&view, 80).contains("amdgpu"),
        "where a card is read it is no news that another's driver is not there"
    );
}

#[test]
fn hostile_names_of_cards_and_programs_break_no_screen() {
    let nasty = "\u{1b}[2J\u{202e}two\nlines 模型".repeat(30);
    let mut view = view();
    for card in &mut view.gpus.cards {
        card.told.name = Some(nasty.clone());
        card.told.uuid.clone_from(&nasty);
        card.told.fault.iter_mut().for_each(|fault| fault.error.clone_from(&nasty));
        for user in &mut card.users {
            user.target.clone_from(&nasty);
            user.programs = vec![nasty.clone()];
        }
        for part in card.told.mig.iter_mut().flat_map(|mig| &mut mig.instances) {
            part.profile = Some(nasty.clone());
        }
        for xid in &mut card.xids {
            xid.meaning = Some(nasty.clone());
        }
    }
    view.gpus.strays[0].card.clone_from(&nasty);
    for columns in [40, 80] {
        for line in told(&view, columns).lines() {
            assert!(width(line) <= columns && !line.contains(char::is_control), "{line:?}");
            assert!(!line.contains('\u{202e}'), "{line:?}");
        }
    }
    assert!(rich_gpus::H100.len() == 40, "a UUID as cards have it");
}
