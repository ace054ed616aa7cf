//! The config: every file of `tests/config` against what it says of itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use opsagent::canary;
use opsagent::checks;
use opsagent::config::{Config, EXAMPLE};
use opsagent::fleet::Slo;
use opsagent::sample::Prompt;
use opsagent::store::Retention;
use opsagent::suite::{Canary, Own};
use opsagent::tap::{Client, Limits};
use proptest::collection::vec;
use proptest::prelude::*;
use secrecy::ExposeSecret;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config")
}

/// The faults of a file, a line each, without the folder.
fn faults(file: &Path) -> Vec<String> {
    let prefix = format!("{}/", file.parent().unwrap().display());
    match Config::load(Some(file)) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.iter().map(|fault| fault.to_string().replace(&prefix, "")).collect(),
    }
}

#[test]
fn each_bad_file_gives_exactly_the_faults_it_names() {
    let (mut files, mut wrong, mut several) = (0, Vec::new(), 0);
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.starts_with("bad-") {
            continue;
        }
        files += 1;
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        let expected: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("# expect: ")).collect();
        assert!(!expected.is_empty(), "{name} names no fault");
        several += usize::from(expected.len() > 1);
        let found = faults(&path);
        if found != expected {
            let (expected, found) = (expected.join("\n    "), found.join("\n    "));
            wrong.push(format!("{name}\n  expected:\n    {expected}\n  found:\n    {found}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(files >= 28 && several >= 3, "{files} files, {several} with several faults");
}

#[test]
fn no_fault_shows_a_secret() {
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let all = faults(&path).join("\n");
            assert!(!all.contains("secret"), "{all}");
        }
    }
}

#[test]
fn a_good_file_means_what_it_says() {
    let config = Config::load(Some(&folder().join("good.toml"))).unwrap();
    let seconds = Duration::from_secs;
    assert_eq!(config.file, Some(folder().join("good.toml")));
    let listen: Vec<String> = config.listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["127.0.0.1:0", "[::1]:10435", "0.0.0.0:9100"]);
    assert_eq!(config.allow_hosts, ["ops.example.org", "*.lab.example"]);
    assert_eq!(config.web_config_file, Some(folder().join("files/web.yml")));
    assert!(config.discover);
    assert_eq!((config.discover_every, config.forget_after), (seconds(30), seconds(36 * 3600)));
    assert_eq!((config.grace, config.max_models), (Duration::ZERO, 1000));
    assert_eq!((config.every, config.hung_after), (seconds(5), seconds(5400)));
    assert_eq!(config.timeout, Duration::from_millis(1500));
    assert_eq!(
        (config.gpu_every, config.nvml_library),
        (seconds(1), Some(folder().join("lib/libnvidia-ml.so.1")))
    );
    let folders = [folder().join("models"), "/srv/models".into()];
    assert_eq!((config.host_every, &config.model_folders[..]), (seconds(60), &folders[..]));

    let [box_, in_place, unknown] = &config.targets[..] else { panic!("{:?}", config.targets) };
    assert_eq!((box_.name.as_str(), box_.kind.unwrap().name), ("box ✓", "ollama"));
    assert_eq!(box_.url.as_str(), "https://gpu-box.example/ollama/");
    assert_eq!(box_.token.as_ref().unwrap().expose_secret(), "sk-secret-of-the-file");
    let headers: Vec<_> =
        box_.headers.iter().map(|(name, value)| (name.as_str(), value.expose_secret())).collect();
    assert_eq!(headers, [("X-Key", "header-secret"), ("X-Team", "research")]);
    assert_eq!(box_.ca_pem, Some(fs::read(folder().join("files/ca.pem")).unwrap()));
    assert_eq!((box_.every, box_.timeout, box_.hung_after), (seconds(60), seconds(300), seconds(1)));
    assert_eq!((box_.sleeps, box_.discovered), (Some(false), false));

    // What it does not say is the file's default, or the kind's.
    assert_eq!(in_place.url.as_str(), "http://127.0.0.1:8080/");
    assert_eq!(in_place.token.as_ref().unwrap().expose_secret(), "sk-secret-in-place");
    assert_eq!((in_place.every, in_place.timeout), (config.every, config.timeout));
    assert_eq!(in_place.hung_after, config.hung_after);
    assert_eq!((unknown.kind, unknown.url.as_str()), (None, "http://[::1]:9999/"));
    assert_eq!((unknown.headers[0].0.as_str(), unknown.sleeps), ("Authorization", None));
}

#[test]
fn taps_their_clients_and_what_is_promised_mean_what_they_say() {
    let config = Config::load(Some(&folder().join("good.toml"))).unwrap();
    let seconds = Duration::from_secs;
    let taps: Vec<String> =
        config.taps.iter().map(|tap| format!("{}: {:?}", tap.target, tap.listen)).collect();
    assert_eq!(taps, ["box ✓: [127.0.0.1:11435]", "in place: [127.0.0.1:8081, 0.0.0.0:8082]"]);
    let limits = Limits {
        connections: 2000,
        head_bytes: 16 << 10,
        body_bytes: Some(100 << 20),
        connect: seconds(2),
        first_byte: seconds(1800),
        idle: seconds(60),
        forwarded: true,
    };
    assert_eq!(config.tap_limits, limits);
    let logs: Vec<String> = config.logs.iter().map(|log| format!("{}: {}", log.target, log.place)).collect();
    let file = folder().join("logs/server.log");
    let expected = [format!("box ✓: {}", file.display()), "in place: journal of llama@7b.service".into()];
    assert_eq!(logs, expected);

    let [office, build, notebook] = &config.clients[..] else { panic!("{:?}", config.clients) };
    let networks: Vec<String> = office.networks.iter().map(ToString::to_string).collect();
    assert_eq!((office.name.as_str(), office.token.is_none()), ("office", true));
    assert_eq!(networks, ["10.0.0.0/8", "fd00::/8"]);
    let token = |client: &Client| client.token.as_ref().map(|token| token.expose_secret().to_owned());
    assert_eq!(token(build).as_deref(), Some("sk-secret-of-the-file"));
    assert_eq!((build.networks.len(), build.networks[0].to_string().as_str()), (1, "10.1.2.3/32"));
    assert_eq!((token(notebook).as_deref(), notebook.networks.len()), (Some("sk-secret-of-a-client"), 0));

    let chat = Slo {
        name: "chat".into(),
        targets: vec!["box ✓".into(), "in place".into()],
        models: vec!["llama3.2:3b".into()],
        time_to_first_token: Some(seconds(2)),
        time_per_output_token: Some(Duration::from_millis(50)),
        duration: Some(seconds(60)),
    };
    let all = Slo { name: "all".into(), duration: Some(seconds(600)), ..Slo::default() };
    assert_eq!(config.slos, [chat, all]);
}

#[test]
fn the_store_lies_where_the_file_says_and_keeps_what_it_says() {
    let plan = Config::load(Some(&folder().join("good.toml"))).unwrap().store;
    let days = |days: u64| Duration::from_secs(days * 86_400);
    assert_eq!(plan.path, Some(folder().join("state/opsagent.db")), "relative to the file");
    let default = Retention::default();
    assert_eq!((plan.retention.runs, plan.retention.events), (days(90), default.events));
    let answers = |text: &str| Config::parse(Path::new("x.toml"), text).unwrap().store.retention.answers;
    assert_eq!(answers("[canaries]\nstore_answers = \"3d\"\n"), days(3));
    assert_eq!(answers(""), default.answers);
}

#[test]
fn canaries_are_asked_only_of_those_who_say_so() {
    let config = Config::load(Some(&folder().join("good.toml"))).unwrap();
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let expected = canary::Plan {
        enabled: true,
        every: Duration::from_secs(600),
        quiet: ["22:00-06:30", "12:00-13:00"].map(|text| canary::Quiet::parse(text).unwrap()).into(),
        targets: names(&["box ✓"]),
        models: names(&["llama3.2:3b", "qwen3:8b"]),
        may_load: names(&["llama3.2:3b"]),
        options: [(
            "qwen3:8b".to_owned(),
            serde_json::json!({ "num_ctx": 8192, "use_mmap": false }).as_object().unwrap().clone(),
        )]
        .into(),
        budget: canary::Budget {
            completion_tokens_per_run: 60,
            completion_tokens_per_hour: 1000,
            prompt_tokens_per_hour: 9000,
        },
        false_alarms_per_year: 1.0,
        store_answers: Some(Duration::from_secs(7 * 86_400)),
        builtin: false,
    };
    assert_eq!(config.canaries, expected);
    let parsed = |text: &str| Config::parse(Path::new("x.toml"), text).unwrap().canaries;
    assert!(!parsed("").enabled);
    assert_eq!(parsed("[canaries]\n"), canary::Plan { enabled: true, ..canary::Plan::default() });
    assert_eq!(parsed("[canaries]\nenabled = false\n"), canary::Plan::default());
    let often = parsed("[canaries]\nevery = \"1m\"\n");
    assert_eq!(often.budget, canary::Budget::of(Duration::from_secs(60)), "what a faster beat needs");
    assert_eq!(parsed("[canaries]\ntargets = \"found later\"\n").targets, ["found later"]);
}

#[test]
fn canaries_of_ones_own_mean_what_they_say() {
    let config = Config::load(Some(&folder().join("good.toml"))).unwrap();
    let [capital, order] = &config.own_canaries[..] else { panic!("{:?}", config.own_canaries) };
    let told = |own: &Own| own.canary.checks.iter().map(ToString::to_string).collect::<Vec<_>>();
    let said = |own: &Own| match &own.canary.prompt {
        Prompt::Raw(text) => vec![text.clone()],
        Prompt::Chat(all) => all.iter().map(|one| format!("{:?}: {}", one.role, one.text)).collect(),
    };
    assert_eq!(said(capital), ["System: One word.", "User: What is the capital of France?"]);
    assert_eq!(told(capital), ["contains \"paris\" in any case", "max_words 3", "not_refusal"]);
    let Canary { id, category, max_tokens, fingerprint, long, .. } = &capital.canary;
    assert_eq!((id.as_str(), *category, *max_tokens), ("capital", "instruction", 8));
    assert_eq!((*fingerprint, *long, capital.decided), (true, false, true));
    assert!(capital.applies("box ✓", "llama3.2:3b"));
    assert!(!capital.applies("in place", "llama3.2:3b") && !capital.applies("box ✓", "qwen3:8b"));
    assert_eq!(said(order), ["User: Three apples.", "Assistant: Yes?", "User: As JSON."]);
    assert_eq!(told(order), ["json that fits its schema", "numeric -3 ± 0.5"]);
    assert_eq!((order.canary.category, order.canary.max_tokens), ("own", 32));
    assert_eq!((order.canary.fingerprint, order.canary.long, order.decided), (false, true, false));
    assert!(order.applies("any", "model"));
    let outcomes = checks::all(&order.canary.checks, r#"-3 {"count": 3.0}"#);
    assert!(outcomes.iter().all(|outcome| outcome.failed.is_none()), "{outcomes:?}");
    assert!(order.canary.checks[0].failed(r#"{"count": "3"}"#).is_some());
}

#[test]
fn one_named_target_is_enough_and_ends_the_looking_around() {
    let config = Config::load(Some(&folder().join("minimal.toml"))).unwrap();
    assert_eq!(config.targets[0].url.as_str(), "http://127.0.0.1:11434/");
    assert!(!config.discover);
    let defaults = Config {
        file: config.file.clone(),
        discover: false,
        targets: config.targets.clone(),
        ..Config::default()
    };
    assert_eq!(config, defaults);
}

#[test]
fn an_empty_file_is_the_defaults() {
    let file = Path::new("x.toml");
    for text in ["", "\n# nothing\n", "\u{feff}", "\r\n"] {
        let config = Config::parse(file, text).unwrap();
        assert_eq!(config, Config { file: Some(file.to_owned()), ..Config::default() }, "{text:?}");
    }
    assert!(Config::default().discover);
}

#[test]
fn without_a_file_where_one_was_named_it_says_where_it_looked() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("none.toml");
    let faults = Config::load(Some(&file)).unwrap_err();
    let shown = file.display();
    assert_eq!(
        faults[0].to_string(),
        format!("{shown}: no such file (looked for {shown}): see --config and OPSAGENT_CONFIG")
    );
    // A relative one is told in full.
    let faults = Config::load(Some(Path::new("none.toml"))).unwrap_err();
    let here = std::env::current_dir().unwrap().join("none.toml");
    assert!(faults[0].to_string().contains(&format!("(looked for {})", here.display())), "{}", faults[0]);

    let faults = Config::load(Some(folder.path())).unwrap_err();
    let shown = folder.path().display();
    assert_eq!(faults[0].to_string(), format!("{shown}: is a directory, expected a file in it"));
    let faults = Config::load(Some(Path::new("/dev/zero"))).unwrap_err();
    assert_eq!(faults[0].to_string(), "/dev/zero: cannot be read: larger than 8388608 bytes");
}

#[test]
fn a_config_does_not_print_its_secrets() {
    let config = Config::load(Some(&folder().join("good.toml"))).unwrap();
    let shown = format!("{config:?} {config:#?}");
    assert!(shown.contains("in place") && shown.contains("X-Key"), "{shown}");
    assert!(
        !shown.contains("secret-") && !shown.contains("-secret") && !shown.contains("c2VjcmV0"),
        "{shown}"
    );
}

#[test]
fn one_newline_at_the_end_of_a_token_file_is_no_part_of_the_token() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.toml");
    let text = "[[target]]\nname = \"box\"\nkind = \"ollama\"\ntoken_file = \"t\"\n";
    for (content, token) in
        [("abc", Some("abc")), ("abc\n", Some("abc")), ("abc\r\n", Some("abc")), ("abc\n\n", None)]
    {
        fs::write(folder.path().join("t"), content).unwrap();
        let config = Config::parse(&file, text).ok();
        let found = config.map(|config| config.targets[0].token.as_ref().unwrap().expose_secret().to_owned());
        assert_eq!(found.as_deref(), token, "{content:?}");
    }
}

/// The example with each commented key in force, and the files that it names.
fn uncommented(folder: &Path) -> String {
    let ca = fs::read(self::folder().join("files/ca.pem")).unwrap();
    for (name, content) in
        [("web.yml", &b"{}"[..]), ("box.token", b"token\n"), ("build.token", b"other\n"), ("ca.pem", &ca)]
    {
        fs::write(folder.join(name), content).unwrap();
    }
    // A key follows its `#` at once, prose after a space.
    let uncomment = |line: &str| match line.strip_prefix('#') {
        Some(key) if !key.is_empty() && !key.starts_with(' ') => key.to_owned(),
        _ => line.to_owned(),
    };
    EXAMPLE.lines().map(uncomment).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_changes_nothing_as_it_is() {
    let file = Path::new("opsagent.toml");
    let config = Config::parse(file, EXAMPLE).unwrap();
    assert_eq!(config, Config { file: Some(file.to_owned()), ..Config::default() });
}

#[test]
fn the_example_with_every_key_uncommented_is_a_good_config_of_the_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let text = uncommented(folder.path());
    let config = Config::parse(&folder.path().join("opsagent.toml"), &text).unwrap();
    assert_eq!(config.targets.len(), 2);
    let default = Config::default();
    let times = |c: &Config| {
        let polls = (c.every, c.timeout, c.hung_after);
        (c.discover_every, c.forget_after, c.grace, polls, c.gpu_every, c.host_every)
    };
    assert_eq!(times(&config), times(&default));
    assert_eq!(
        (&config.listen, config.discover, config.max_models),
        (&default.listen, true, default.max_models)
    );
    let limits = Limits { body_bytes: config.tap_limits.body_bytes, ..default.tap_limits };
    assert_eq!(config.tap_limits, limits, "the size of a body has no default to show");
}

#[test]
fn the_example_names_each_key_that_is_known() {
    // A table with one unknown key in each section makes the reader list what it knows there.
    let text = "zz = 1\n[gpu]\nzz = 1\n[paths]\nzz = 1\n[host]\nzz = 1\n[tap]\nzz = 1\n[canaries]\nzz = 1\n[store]\nzz = 1\n[[canary]]\nzz = 1\n[[client]]\nzz = 1\n[[slo]]\nzz = 1\n[[target]]\nzz = 1\nname = \"x\"\nkind = \"ollama\"\n";
    let faults = Config::parse(Path::new("x.toml"), text).unwrap_err();
    let folder = tempfile::tempdir().unwrap();
    let example = uncommented(folder.path());
    let document: toml::Table = example.parse().unwrap();
    let all_of = |name: &str| -> BTreeSet<String> {
        let tables = document[name].as_array().unwrap().iter().map(|table| table.as_table().unwrap());
        tables.flat_map(|table| table.keys().cloned()).collect()
    };
    let table =
        |name: &str| -> BTreeSet<String> { document[name].as_table().unwrap().keys().cloned().collect() };
    let sections = [
        ("zz", document.keys().cloned().collect()),
        ("gpu.zz", table("gpu")),
        ("paths.zz", table("paths")),
        ("host.zz", table("host")),
        ("tap.zz", table("tap")),
        ("canaries.zz", table("canaries")),
        ("canary[0].zz", all_of("canary")),
        ("store.zz", table("store")),
        ("client[0].zz", all_of("client")),
        ("slo[0].zz", all_of("slo")),
        ("target[0].zz", all_of("target")),
    ];
    for (path, in_example) in sections {
        let fault = faults.iter().find(|fault| fault.path == path).unwrap();
        let (_, known) = fault.problem.split_once("known here: ").unwrap();
        let known: BTreeSet<String> = known.split(", ").map(str::to_owned).collect();
        assert_eq!(known, in_example, "{path}");
    }
}

proptest! {
    #[test]
    fn whatever_the_file_holds_it_is_read_or_refused(bytes in vec(any::<u8>(), 0..300)) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.toml");
        fs::write(&file, &bytes).unwrap();
        let _any = Config::load(Some(&file));
    }

    #[test]
    fn a_good_file_with_a_piece_cut_out_or_doubled_is_read_or_refused(at in 0_usize..1800, length in 0_usize..60, twice: bool) {
        let text = fs::read_to_string(folder().join("good.toml")).unwrap();
        let cut: String = text.chars().skip(at).take(length).collect();
        let head: String = text.chars().take(at).collect();
        let tail: String = text.chars().skip(at + length).collect();
        let text = if twice { format!("{head}{cut}{cut}{tail}") } else { format!("{head}{tail}") };
        if let Err(faults) = Config::parse(&folder().join("x.toml"), &text) {
            prop_assert!(!faults.is_empty());
            let lines = text.lines().count() + 1;
            prop_assert!(faults.iter().all(|fault| (1..=lines).contains(&fault.line)), "{faults:?}");
            prop_assert!(faults.windows(2).all(|pair| pair[0].line <= pair[1].line));
        }
    }
}
