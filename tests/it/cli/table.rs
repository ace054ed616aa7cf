//! The table: golden, on every screen, and with names that are out to break it.

use opsagent::cli::table::{Lost, render};
use opsagent::cli::text::width;
use opsagent::http::HttpError;
use opsagent::sample::Note;
use opsagent::view::{BackendView, GpusView, SloView, TrafficView};
use serde_json::{Value, json};

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
        for traffic in view.targets.iter_mut().filter_map(|target| target.traffic.as_mut()) {
            if let Some(tap) = &mut traffic.tap {
                (tap.listen, tap.error) = (name.clone(), tap.error.as_ref().map(|_| name.clone()));
            }
            traffic.log.iter_mut().for_each(|log| log.place.clone_from(&name));
            traffic.slos.iter_mut().for_each(|slo| slo.name.clone_from(&name));
            traffic.failures.iter_mut().for_each(|failure| failure.0.clone_from(&name));
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
            assert!(columns < 60 || lines < 180, "{lines} lines in {columns}");
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
fn traffic_takes_one_line_where_nobody_asks_two_where_all_is_well_and_more_only_for_what_is_odd() {
    let lines = |change: &dyn Fn(&mut TrafficView)| {
        let mut view = rich_view();
        view.targets.retain(|target| target.name == "ollama");
        let target = &mut view.targets[0];
        target.notes.clear();
        change(target.traffic.as_mut().unwrap());
        let table = plain(&render(&view, &[], 80));
        let own = table.lines().skip_while(|line| !line.starts_with("  traffic"));
        own.take_while(|line| !line.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    let well = |traffic: &mut TrafficView| {
        (traffic.failures, traffic.slos) = (Vec::new(), Vec::new());
        (traffic.cold, traffic.cancelled, traffic.truncated) = (0, 0, 0);
        traffic.longest_gap_seconds = Some(0.2);
    };
    assert_eq!(
        lines(&well),
        [
            "  traffic  3 in flight, 2 decoding; 71.3 tokens/s in all (tap 127.0.0.1:11435)",
            "  5 min    48 requests; TTFT p50 424 ms, p95 1.83 s; 38.3 tokens/s per reader",
        ]
    );
    let idle = |traffic: &mut TrafficView| {
        well(traffic);
        (traffic.in_flight, traffic.requests, traffic.last_end_at) = (Some(0), 0, None);
    };
    let told_nothing = |traffic: &mut TrafficView| {
        idle(traffic);
        traffic.slos = vec![SloView { name: "chat".into(), requests: 0, missed: 0 }];
    };
    assert_eq!(lines(&told_nothing), lines(&idle), "an objective that judged nobody");
    let many = lines(&|traffic| {
        well(traffic);
        let slo = |nth| SloView { name: format!("slo-{nth}"), requests: 9, missed: u64::from(nth == 3) };
        traffic.slos = (0..20).map(slo).collect();
    });
    assert_eq!(many.last().unwrap(), "  SLOs met slo-3 8 of 9, 19 of 20 by every request");
    assert_eq!(lines(&idle), ["  traffic  no requests in 5 min (tap 127.0.0.1:11435)"]);
    assert_eq!(lines(&|_| ()).len(), 5);
}

#[test]
fn a_wide_screen_tells_more_of_the_last_minutes_and_a_note_that_says_why_is_not_said_twice() {
    let wide = plain(&render(&rich_view(), &[], 160));
    assert!(wide.contains("; duration p50 5.41 s, p95 19.7 s; TPOT p50 26.1 ms, p95 40.2 ms"), "{wide}");
    let mut view = rich_view();
    let vllm = view.targets.iter_mut().find(|target| target.name == "vllm").unwrap();
    let why = "the tap cannot listen at 0.0.0.0:8001: the address is in use";
    vllm.notes.push(Note::warning("tap_not_listening", why, None::<&str>));
    let table = plain(&render(&view, &[], 80));
    assert_eq!(table.matches("the address is in use").count(), 1, "{table}");
}

#[test]
fn the_head_of_a_table_that_is_well_says_how_much_is_under_way() {
    let mut view = view_of(&["ollama"]);
    view["targets"][0]["notes"] = json!([]);
    let head =
        |view: &Value| run(&["status", &Agent::with_view(view).url()]).1.lines().next().unwrap().to_owned();
    assert!(head(&view).ends_with(", 3 requests in flight at 71.3 tokens/s"), "{}", head(&view));
    view["targets"][0]["traffic"]["in_flight"] = 0.into();
    assert!(head(&view).ends_with(", 0 requests in flight"), "{}", head(&view));
    view["targets"][0]["traffic"] = Value::Null;
    assert!(!head(&view).contains("in flight"));
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
