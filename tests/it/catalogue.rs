//! The catalogue of metrics: the rules that its names keep, and the tables of README that are made from the code.

use std::collections::HashSet;

use opsagent::checks;
use opsagent::drift::{self, Cause, Probe, Severity, Stream};
use opsagent::gpus::GpuError;
use opsagent::http::HttpError;
use opsagent::metrics::{self, Kind, SPECS};
use opsagent::sample::{
    CardFault, Dialect, FABRIC_STATES, Fact, Failure, MeterFault, Phase, RECOVERY_ACTIONS, Refusal,
    ServerState, Source, THROTTLE_REASONS, Truncation,
};
use opsagent::view::{RunResult, Skip, Verdict};

use crate::support::golden::{file, updates};

#[test]
fn names_keep_the_rules() {
    let mut families = HashSet::new();
    for spec in SPECS {
        let (name, help) = (spec.name, spec.help);
        assert!(name.starts_with("opsagent_") || name.starts_with("process_"), "{name}: prefix");
        let snake = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        assert!(snake && !name.contains("__"), "{name}: snake case");
        assert_eq!(name.ends_with("_total"), spec.kind == Kind::Counter, "{name}: _total is for counters");
        assert!(families.insert(spec.family()), "{name}: a second family of that name");
        let parts: Vec<&str> = name.split('_').collect();
        for bad in
            ["ms", "millis", "milliseconds", "percent", "kb", "mb", "gb", "mib", "gib", "minutes", "hours"]
        {
            assert!(!parts.contains(&bad), "{name}: {bad} is no base unit");
        }
        for suffix in ["_count", "_sum", "_bucket", "_created"] {
            assert!(!name.ends_with(suffix), "{name}: {suffix} belongs to histograms");
        }
        assert!(help.ends_with('.') && !help.contains('\n'), "{name}: the help is sentences in one line");
        let says: &[&str] = match spec.unit {
            Some("ratio") => &["0..1"],
            Some(unit) => &[unit],
            None => &["agent", "server", "poll", "driver", "read", "model", "tap", "requests"],
        };
        let lower = help.to_lowercase();
        assert!(says.iter().any(|word| lower.contains(word)), "{name}: the help says none of {says:?}");
    }
}

#[test]
fn the_help_of_a_closed_label_lists_all_that_it_can_be() {
    let help = |name| metrics::spec(name).unwrap().help;
    for reason in HttpError::REASONS {
        assert!(help("opsagent_poll_errors_total").contains(reason), "{reason}");
    }
    for reason in GpuError::REASONS {
        assert!(help("opsagent_gpu_read_errors_total").contains(reason), "{reason}");
    }
    for (name, words) in [
        ("opsagent_gpu_throttled", &THROTTLE_REASONS[..]),
        ("opsagent_gpu_fault_info", &CardFault::REASONS),
        ("opsagent_gpu_recovery_action", &RECOVERY_ACTIONS),
        ("opsagent_gpu_fabric_state", &FABRIC_STATES),
    ] {
        for word in words {
            assert!(help(name).contains(word), "{name}: {word}");
        }
    }
    for verdict in Verdict::ALL {
        assert!(help("opsagent_next_model_fits").contains(verdict.name()), "{verdict:?}");
        assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.name(), "the label is the JSON's word");
    }
    let names: [(&str, Vec<&str>); 7] = [
        ("opsagent_requests_total", Dialect::ALL.map(Dialect::name).into()),
        ("opsagent_requests_total", Source::ALL.map(Source::name).into()),
        ("opsagent_request_failures_total", Failure::ALL.map(Failure::name).into()),
        ("opsagent_requests_cancelled_total", Phase::ALL.map(Phase::name).into()),
        ("opsagent_requests_truncated_total", Truncation::ALL.map(Truncation::name).into()),
        ("opsagent_tap_refused_requests_total", Refusal::ALL.map(Refusal::name).into()),
        ("opsagent_tap_meter_failures_total", MeterFault::ALL.map(MeterFault::name).into()),
    ];
    for (name, words) in names {
        for word in words {
            assert!(help(name).contains(word), "{name}: {word}");
        }
    }
    let names: [(&str, Vec<&str>); 9] = [
        ("opsagent_drift_state", Severity::ALL.iter().map(|one| one.name()).collect()),
        ("opsagent_drift_cause", Cause::ALL.iter().map(|one| one.name()).collect()),
        ("opsagent_drift_alarms_total", Severity::ALL.iter().map(|one| one.name()).collect()),
        ("opsagent_canary_verdict", drift::Verdict::ALL.iter().map(|one| one.name()).collect()),
        ("opsagent_canary_distance_nats", Probe::ALL.iter().map(|one| one.name()).collect()),
        ("opsagent_canary_runs_total", RunResult::ALL.map(RunResult::name).into()),
        ("opsagent_canary_skips_total", Skip::ALL.map(Skip::name).into()),
        ("opsagent_identity_changes_total", Fact::ALL.map(Fact::name).into()),
        (
            "opsagent_drift_alarms_total",
            Stream::ALL.iter().filter(|one| **one != Stream::Identity).map(|one| one.name()).collect(),
        ),
    ];
    for (name, words) in names {
        for word in words {
            assert!(help(name).contains(word), "{name}: {word}");
        }
    }
    for state in ServerState::ALL {
        assert!(help("opsagent_target_state").contains(state.name()), "{state:?}");
    }
}

#[test]
fn labels_keep_the_rules() {
    const IDENTITY: [&str; 17] = [
        "version",
        "revision",
        "build",
        "url",
        "digest",
        "quantization",
        "parameters",
        "format",
        "family",
        "driver",
        "cuda",
        "pci",
        "vbios",
        "gpu_instance",
        "compute_instance",
        "profile",
        "index",
    ];
    for spec in SPECS {
        let name = spec.name;
        for label in spec.labels {
            assert!(
                !["engine", "host", "instance", "type", "le", "quantile"].contains(label),
                "{name}: {label}"
            );
            assert!(!IDENTITY.contains(label) || name.ends_with("_info"), "{name}: {label} is for an _info");
            // Of a target: what sort of server it is.
            let kind = *label == "kind" && spec.labels.contains(&"target");
            // A kind of tokens.
            let kind = kind && name != "opsagent_canary_tokens_total";
            assert!(!kind || name.ends_with("_up") || name.ends_with("_info"), "{name}: kind");
        }
    }
}

#[test]
fn readme_has_the_table_of_metrics() {
    let wanted = metrics::table();
    assert_eq!(wanted.lines().count(), SPECS.len() + 2);
    readme_has("metrics", &wanted);
}

#[test]
fn readme_has_the_table_of_checks() {
    let row = |row: &checks::Row| {
        // Backticks within code need more of them around it.
        let ticks = if row.config[0].contains('`') { ["```` ", " ````"] } else { ["`", "`"] };
        let config = row.config[0].replace('|', "\\|");
        format!("| `{}` | {} | {}{config}{} |\n", row.name, row.is, ticks[0], ticks[1])
    };
    let rows: String = checks::TABLE.iter().map(row).collect();
    let wanted = format!("| check | passes where | how it is written |\n| --- | --- | --- |\n{rows}");
    readme_has("checks", &wanted);
}

/// Holds that README has this table between its marks, or writes it there.
fn readme_has(name: &str, wanted: &str) {
    let [begin, end] = ["begin", "end"].map(|side| format!("<!-- {name}:{side} -->\n"));
    let path = file("README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = readme.split_once(&begin).expect("README.md has the mark where the table begins");
    let (table, tail) = rest.split_once(&end).expect("README.md has the mark where the table ends");
    if updates() {
        std::fs::write(&path, [head, &begin, wanted, &end, tail].concat()).unwrap();
    } else {
        assert!(
            table == wanted,
            "README's table of {name} is not the code's: UPDATE_GOLDEN=1 writes it anew"
        );
    }
}

#[test]
fn the_readmes_first_config_is_one_that_is_taken() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let block = readme.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("coder.token"), "a-token\n").unwrap();
    let authority = crate::support::authority::Authority::new();
    std::fs::write(folder.path().join("our-ca.pem"), authority.pem()).unwrap();
    let config = opsagent::config::Config::parse(&folder.path().join("opsagent.toml"), block).unwrap();
    assert_eq!(config.targets.len(), 2);
}
