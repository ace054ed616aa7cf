//! What is sound in a config, and all the same may not be what was meant. Pure.

use std::time::Duration;

use crate::canary::asker::MOST_ABLE;
use crate::canary::{Asking, LeftOut, Plan, left_out};
use crate::config::{Config, duration};
use crate::sample::is_called;
use crate::suite::Suite;

/// Files that the agent has open for all else: its page, polls, drivers, logs.
const OTHER_FILES: u64 = 256;

/// Sentences for the log and for `opsagent check`. `most_files`: how many files and sockets this process may have
/// open; `None`: any number.
pub fn advice(config: &Config, most_files: Option<u64>) -> Vec<String> {
    let mut told = Vec::new();
    for tap in &config.taps {
        for address in tap.listen.iter().filter(|address| !address.ip().is_loopback()) {
            told.push(format!(
                "target {}: the tap on {address} takes requests from other machines, and asks nobody who they are",
                tap.target
            ));
        }
    }
    let connections = config.tap_limits.connections as u64;
    let needed = config.taps.len() as u64 * connections * 2 + OTHER_FILES;
    if let Some(most) = most_files.filter(|most| !config.taps.is_empty() && *most < needed) {
        told.push(format!(
            "{connections} connections for each tap (max_connections under [tap]) may need {needed} open files, two \
             for each of them, and this process may have {most}: raise LimitNOFILE (ulimit -n), or lower \
             max_connections"
        ));
    }
    let is_seen = |target: &str| {
        config.taps.iter().any(|tap| tap.target == target)
            || config.logs.iter().any(|log| log.target == target)
    };
    for slo in &config.slos {
        let blind = if slo.targets.is_empty() {
            config.taps.is_empty() && config.logs.is_empty()
        } else {
            !slo.targets.iter().any(|target| is_seen(target))
        };
        if blind {
            told.push(format!(
                "slo {}: nothing is judged by it, since no target of it has a tap or a log",
                slo.name
            ));
        }
    }
    if config.taps.is_empty() && !config.clients.is_empty() {
        told.push("clients are named, and no target has a tap at which they could be seen".into());
    }
    if config.canaries.enabled {
        let suite = Suite::of(&config.own_canaries, config.canaries.builtin, "", "");
        let asking = Asking { abilities: MOST_ABLE, cache: None, timeout: Duration::ZERO };
        let left = left_out(&suite, &asking, &config.canaries.budget);
        told.extend(LeftOut::words(&left).into_iter().map(|words| format!("canaries: {words}")));
    }
    told.extend(of_canaries(config));
    told
}

fn of_canaries(config: &Config) -> Vec<String> {
    let mut told = Vec::new();
    let (plan, runs) = (&config.canaries, config.store.retention.runs);
    if let Some(answers) = plan.store_answers.filter(|answers| *answers > runs) {
        let [answers, runs] = [answers, runs].map(duration::write);
        told.push(format!(
            "store_answers is {answers} and keep_runs {runs}: the text of an answer goes with its run, so it is kept for \
             {runs}; raise keep_runs under [store]"
        ));
    }
    for own in &config.own_canaries {
        let is_never = !own.models.is_empty() && !own.models.iter().any(|model| is_asked(plan, model));
        if plan.enabled && is_never {
            told.push(format!(
                "canary {}: it is never asked, since none of its models is among those of [canaries]",
                own.canary.id
            ));
        }
    }
    told
}

/// Whether the section `canaries` may mean that model, with or without a tag.
fn is_asked(plan: &Plan, model: &str) -> bool {
    plan.wants_model(model) || plan.models.iter().chain(&plan.may_load).any(|wanted| is_called(wanted, model))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn told(text: &str, most_files: Option<u64>) -> Vec<String> {
        let config = Config::parse(Path::new("x.toml"), text).unwrap();
        advice(&config, most_files)
    }

    const TARGET: &str = "[[target]]\nname = \"box\"\nkind = \"ollama\"\n";

    #[test]
    fn an_ordinary_config_needs_no_advice() {
        let slo = "[[slo]]\nname = \"chat\"\nduration = \"1m\"\n";
        for more in ["tap = \"127.0.0.1:11435\"", "log = \"x.log\"", "tap = \"[::1]:11435\""] {
            let text = format!("{slo}{TARGET}{more}\n");
            assert_eq!(told(&text, Some(4096)), Vec::<String>::new(), "{text}");
        }
        assert_eq!(told("", Some(10)), Vec::<String>::new());
    }

    #[test]
    fn what_others_can_reach_and_what_does_not_fit_is_told() {
        let told = told(&format!("{TARGET}tap = \"0.0.0.0:11435\"\n"), Some(1024));
        assert!(
            told[0].starts_with("target box: the tap on 0.0.0.0:11435 takes requests from other machines")
        );
        let files = "1024 connections for each tap (max_connections under [tap]) may need 2304 open files";
        assert!(
            told[1].starts_with(files) && told[1].contains("may have 1024: raise LimitNOFILE"),
            "{told:?}"
        );
        assert_eq!(told.len(), 2);
    }

    #[test]
    fn built_in_canaries_that_a_small_run_leaves_out_are_told() {
        assert_eq!(told("[canaries]\n", None), Vec::<String>::new());
        let told = told("[canaries]\nmax_completion_tokens_per_run = 80\n", None);
        let said = "canaries: Whole answers never asked for: dg1, dg2, dg3, since a run has 80 tokens of answers, 45 \
                    of them beside what is compared; max_completion_tokens_per_run = 99 would do";
        assert_eq!(told, [said]);
    }

    #[test]
    fn canaries_that_nobody_asks_and_answers_that_go_too_soon_are_told() {
        let own = "[[canary]]\nname = \"mine\"\nprompt = \"hi\"\nchecks = [\"not_refusal\"]\nmodels = [\"llama3\"]\n";
        assert_eq!(told(own, None), [""; 0], "a person may ask it by hand");
        for (models, said) in [
            ("", 0),
            ("models = [\"llama3\"]", 0),
            ("models = [\"llama3:latest\"]", 0),
            ("models = [\"phi4\"]\nmay_load = [\"llama3:latest\"]", 0),
            ("models = [\"llama3:8b\"]", 1),
        ] {
            let told = told(&format!("{own}[canaries]\n{models}\n"), None);
            assert_eq!(told.len(), said, "{models}: {told:?}");
        }
        let kept = |answers: &str| told(&format!("[canaries]\nstore_answers = \"{answers}\"\n"), None);
        assert!(kept("30d").is_empty());
        assert!(kept("90d")[0].starts_with("store_answers is 90d and keep_runs 30d: "), "{:?}", kept("90d"));
    }

    #[test]
    fn what_can_never_be_seen_is_told() {
        let slos = "[[slo]]\nname = \"a\"\nduration = \"1m\"\n[[slo]]\nname = \"b\"\ntargets = \"box\"\nduration = \"1m\"\n";
        let client = "[[client]]\nname = \"me\"\nnetworks = \"::1\"\n";
        let told = told(&format!("{slos}{client}{TARGET}"), None);
        assert!(
            told[0].starts_with("slo a: nothing is judged") && told[1].starts_with("slo b: "),
            "{told:?}"
        );
        assert!(told[2].starts_with("clients are named"), "{told:?}");
    }
}
