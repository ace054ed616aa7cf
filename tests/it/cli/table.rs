//! The table: golden, on every screen, and with names that are out to break it.

use opsagent::cli::table::{Lost, render};
use opsagent::cli::text::width;
use opsagent::http::HttpError;
use opsagent::view::{BackendView, GpusView};
use serde_json::json;

use super::fake::Agent;
use super::{golden, plain, rich, rich_view, run, view_of};

#[test]
fn the_status_table_is_as_a_person_reads_it() {
    let agent = Agent::with_view(&rich());
    let (code, out, err) = run(&["status", &agent.url()]);
    assert_eq!(code, 2);
    assert_eq!(err, format!("asked {} (opsagent 0.1.0, up 3 d)\n", agent.url()));
    golden("status.txt", &out);
}

#[test]
fn the_table_fits_every_screen() {
    for columns in [20, 40, 60, 80, 120, 200] {
        let table = plain(&render(&rich_view(), &[], columns));
        for line in table.lines() {
            assert!(width(line) <= columns, "{columns}: {line}");
        }
        for whole in ["100 % VRAM", "unloads in 4 min", "qwen3:32b", "0 H200", "46.6/139.8 GiB"] {
            assert!(columns < 60 || table.contains(whole), "{whole} in {columns}:\n{table}");
        }
    }
}

#[test]
fn an_agent_that_just_started_claims_nothing_of_the_time_before() {
    let mut view = rich_view();
    view.agent.started_at = view.at;
    let table = plain(&render(&view, &[], 80));
    assert!(!table.contains("SINCE") && !table.contains("since the agent started"), "{table}");
}

#[test]
fn a_server_that_answers_but_wants_a_key_is_not_said_to_give_no_answer() {
    let mut view = rich_view();
    view.targets.retain(|target| target.name == "box");
    let error = HttpError::Unauthorized(401);
    view.targets[0].error = Some(error.to_string());
    view.targets[0].last_success_at = None;
    let table = plain(&render(&view, &[], 200));
    assert!(table.contains("status 401") && table.contains("[[target]] in the config"), "{table}");
    assert!(table.contains("; no good answer since the agent started"), "{table}");
}

#[test]
fn hostile_names_break_no_screen() {
    let nasty = [
        "x".repeat(4096),
        "\u{1b}[2J\u{1b}]0;owned\u{7}".into(),
        "two\nlines\r\tand \"quotes\"".into(),
        "right\u{202e}to\u{2066}left".into(),
        "模型".repeat(60),
        format!("z{}", "\u{0301}".repeat(500)),
        "👩‍👩‍👧‍👦".repeat(30),
        String::new(),
    ];
    for name in nasty {
        let mut view = rich_view();
        for target in &mut view.targets {
            (target.name, target.kind, target.url) = (name.clone(), name.clone(), name.clone());
            (target.version, target.error) = (Some(name.clone()), Some(name.clone()));
            for note in &mut target.notes {
                (note.text, note.remedy) = (name.clone(), Some(name.clone()));
            }
            for model in &mut target.models {
                model.name.clone_from(&name);
            }
        }
        view.gpus.cards[0].told.name = Some(name.clone());
        let host = &mut view.hosts[0];
        (host.name, host.folders[0].folder) = (Some(name.clone()), name.clone());
        (host.cgroups[0].cgroup, host.notes[0].text) = (name.clone(), name.clone());
        view.agent.config_errors = vec![name.clone()];
        let lost = [Lost { agent: name.clone(), why: name.clone() }];
        for columns in [30, 60, 80, 120] {
            let table = plain(&render(&view, &lost, columns));
            let lines = table.lines().count();
            assert!(columns < 60 || lines < 150, "{lines} lines in {columns}");
            for line in table.lines() {
                assert!(width(line) <= columns, "{columns}: {line:?}");
                let bad = |c: char| {
                    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
                };
                assert!(!line.contains(bad), "{line:?}");
            }
        }
    }
}

#[test]
fn a_demo_says_so_first() {
    let mut view = view_of(&["coder"]);
    view["agent"]["demo"] = true.into();
    view["targets"][0]["demo"] = true.into();
    let agent = Agent::with_view(&view);
    let (_, out, _) = run(&["status", &agent.url()]);
    assert!(out.lines().nth(1).unwrap().starts_with("DEMO: nothing below is real"), "{out}");
    assert!(out.contains("(demo)"), "{out}");
}

#[test]
fn with_no_target_it_says_what_was_tried_and_how_to_go_on() {
    let mut view = view_of(&[]);
    view["discovery"]["tried"] = json!([
        { "address": "127.0.0.1:11434", "why": "default port of ollama", "outcome": "connection refused" }
    ]);
    let agent = Agent::with_view(&view);
    let (code, out, _) = run(&["status", &agent.url()]);
    assert_eq!(code, 3);
    for part in ["127.0.0.1:11434  connection refused  default port of ollama", "opsagent run --demo"] {
        assert!(out.contains(part), "{out}");
    }
}

#[test]
fn a_machine_without_gpus_is_told_in_one_calm_line_and_a_broken_driver_with_its_remedy() {
    let last_lines = |reason: &str, error: &str, columns| {
        let mut view = rich_view();
        let backend = BackendView { name: "nvml".into(), up: false, ..BackendView::default() };
        let backend = BackendView { reason: Some(reason.into()), error: Some(error.into()), ..backend };
        view.gpus = GpusView { backends: vec![backend], ..GpusView::default() };
        view.hosts.clear();
        plain(&render(&view, &[], columns)).rsplit("\n\n").next().unwrap().to_owned()
    };
    let none = "no NVIDIA driver on this machine";
    assert_eq!(last_lines("no_driver", none, 80), "no GPU: no NVIDIA driver on this machine\n");
    let broken = "the driver's library and kernel module differ in version: restart the machine";
    let told = last_lines("driver_mismatch", broken, 60);
    assert!(told.trim_end().ends_with("restart the machine"), "{told}");
}

#[test]
fn a_driver_that_is_there_and_cannot_be_asked_is_a_warning_and_no_target_beside_cards_that_are_well_is_not_known()
 {
    let mut view = view_of(&["coder"]);
    let error = "the driver's library and kernel module differ in version: restart the machine";
    view["gpus"]["backends"] = json!([{ "name": "nvml", "reason": "driver_mismatch", "error": error }]);
    let (code, out, _) = run(&["status", &Agent::with_view(&view).url()]);
    assert_eq!(code, 1);
    let head = "WARNING: the GPUs cannot be read by nvml (the driver's library and kernel module";
    assert!(out.starts_with(head), "{out}");
    view["gpus"]["backends"] = json!([{ "name": "nvml", "reason": "driver_not_loaded", "error": "…" }]);
    assert_eq!(run(&["status", &Agent::with_view(&view).url()]).0, 0, "a library without a card");
    let mut view = view_of(&[]);
    view["gpus"]["cards"] = json!([{ "uuid": "GPU-1", "index": 0, "vendor": "nvidia" }]);
    let (code, out, _) = run(&["status", &Agent::with_view(&view).url()]);
    assert_eq!(code, 3);
    assert!(out.starts_with("UNKNOWN: no target (1 GPU reads well)"), "{out}");
}

#[test]
fn a_host_in_need_makes_a_warning_of_a_table_that_is_well_and_one_target_alone_is_not_its_host() {
    let mut view = view_of(&["coder"]);
    let warning =
        json!({ "code": "disk_nearly_full", "level": "warning", "text": "the disk below /m is nearly full" });
    view["hosts"] = json!([{ "name": "gpu-box", "cpus": 8, "notes": [warning] }]);
    let agent = Agent::with_view(&view);
    let (code, out, _) = run(&["status", &agent.url()]);
    assert_eq!(code, 1);
    assert!(out.starts_with("WARNING: the host needs a look (the disk below /m is nearly full)"), "{out}");
    assert!(out.contains("host  gpu-box  8 CPUs") && out.contains("  warning: the disk below /m"), "{out}");
    let (code, out, _) = run(&["status", "--target", "coder", &agent.url()]);
    assert!(code == 0 && !out.contains("gpu-box"), "{code}: {out}");
}

#[test]
fn a_host_that_cannot_be_read_is_told_in_one_calm_line() {
    let mut view = view_of(&["coder"]);
    view["hosts"] = json!([{ "error": "the host cannot be read: no answer for 3 s" }]);
    let agent = Agent::with_view(&view);
    let (code, out, _) = run(&["status", &agent.url()]);
    assert_eq!(code, 0);
    assert!(out.contains("host: the host cannot be read: no answer for 3 s"), "{out}");
}
