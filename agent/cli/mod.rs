//! The command line: the verbs and their flags, and what their exit codes mean. Nothing else in the
//! program prints: stdout gets the result, stderr all else.

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

mod agents;
mod baseline;
mod canary;
mod canary_topics;
mod check;
mod configs;
mod docs;
mod example;
mod explain;
mod failed_topics;
mod failure;
mod fits;
mod flags;
mod gpu_topics;
mod grid;
mod kept;
mod log;
mod nearest;
mod out;
mod run;
mod screen;
mod source;
mod status;
mod store;
mod style;
pub mod table;
mod target_topics;
pub mod text;
mod topics;
mod traffic_topics;
pub mod words;

use failure::{Failure, USAGE};
use out::Out;

const ABOUT: &str = "Watches self-hosted LLM servers: finds them, polls them, shows and exports what it saw";

const LONG_ABOUT: &str = "\
Watches self-hosted LLM servers (Ollama, llama.cpp, LM Studio, anything with the OpenAI API): finds \
them on this machine, polls them without disturbing them, and exports what it saw as Prometheus \
metrics, a status page and the tables of this command.

Without a verb it runs the agent, as `opsagent run` does.";

const AFTER: &str = "\
Examples:
  opsagent                              run the agent; it finds this machine's servers by itself
  opsagent run --demo                   see what it looks like without a server
  opsagent status                       how all fares, with or without a running agent
  opsagent canary                       whether a model answers, and as it did
  opsagent baseline list                what models are compared with
  opsagent fits 12GiB                   whether a model of that size fits on a GPU now
  opsagent config > opsagent.toml       begin a config
  opsagent explain opsagent_target_up   what a metric means

Exit codes:
  0   done; of status and check --connect: all is well
  1   it failed; of status and check --connect: WARNING;
      of canary: something moved, not sure; of fits: only by unloading or splitting
  2   the config has faults, nothing was started; of status and check --connect: CRITICAL;
      of canary: it drifted or fails; of fits: it does not fit
  3   of status and check --connect: UNKNOWN, wrong usage of status included;
      of canary: it could not be asked, or wrong usage; of fits: not known
  64  wrong usage
  130 interrupted by Ctrl-C";

/// What was typed.
#[derive(Debug, Parser)]
#[command(name = "opsagent", version, about = ABOUT, long_about = LONG_ABOUT, after_long_help = AFTER)]
#[command(
    after_help = "Without a verb it runs the agent. More, with examples and exit codes: opsagent --help"
)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Run(run::Args),
    Status(status::Args),
    Fits(fits::Args),
    Canary(Box<canary::Args>),
    Baseline(baseline::Args),
    Check(check::Args),
    Config(example::Args),
    Explain(explain::Args),
    Store(store::Args),
    Completions(docs::CompletionsArgs),
    Man(docs::ManArgs),
}

/// Runs the program: parses, does what the verb says, prints what went wrong once.
pub fn main() -> ExitCode {
    let args = with_verb(std::env::args_os().collect());
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help that is asked for comes this way too. A reader that is gone needs no message.
            error.print().ok();
            let code = if error.use_stderr() { usage_code(&args) } else { 0 };
            return ExitCode::from(code);
        }
    };
    let mut out = Out::new();
    let outcome = match &cli.verb {
        Verb::Run(args) => run::run(args),
        Verb::Status(args) => status::run(args, &mut out),
        Verb::Fits(args) => fits::run(args, &mut out),
        Verb::Canary(args) => canary::run(args, &mut out),
        Verb::Baseline(args) => baseline::run(args, &mut out),
        Verb::Check(args) => check::run(args, &mut out),
        Verb::Config(args) => example::run(args, &mut out),
        Verb::Explain(args) => explain::run(args, &mut out),
        Verb::Store(args) => store::run(args, &mut out),
        Verb::Completions(args) => docs::completions(args, Cli::command(), &mut out),
        Verb::Man(args) => docs::man(args, Cli::command(), &mut out),
    };
    ExitCode::from(outcome.unwrap_or_else(Failure::print))
}

/// `opsagent` and `opsagent --demo` mean `opsagent run` and `opsagent run --demo`.
fn with_verb(mut args: Vec<OsString>) -> Vec<OsString> {
    let of_the_whole = ["-h", "--help", "-V", "--version"];
    let needs = args.get(1).is_none_or(|first| {
        first.as_encoded_bytes().starts_with(b"-") && !of_the_whole.iter().any(|flag| first == flag)
    });
    if needs {
        args.insert(args.len().min(1), "run".into());
    }
    args
}

/// Wrong usage must not read as the "critical" of a monitoring plugin, which clap's own 2 would.
fn usage_code(args: &[OsString]) -> u8 {
    let verb = args.get(1).map(OsString::as_os_str);
    let unknown = ["status", "canary"].map(OsStr::new);
    if verb.is_some_and(|verb| unknown.contains(&verb)) { failure::UNKNOWN } else { USAGE }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn verify_cli() {
        Cli::command().debug_assert();
    }

    #[test]
    fn without_a_verb_it_runs() {
        let cases: [(&[&str], &[&str]); 6] = [
            (&["opsagent"], &["opsagent", "run"]),
            (&["opsagent", "--demo"], &["opsagent", "run", "--demo"]),
            (&["opsagent", "status"], &["opsagent", "status"]),
            (&["opsagent", "-h"], &["opsagent", "-h"]),
            (&["opsagent", "--version"], &["opsagent", "--version"]),
            (&[], &["run"]),
        ];
        for (typed, meant) in cases {
            assert_eq!(with_verb(args(typed)), args(meant));
        }
    }

    #[test]
    fn wrong_usage_never_reads_as_critical() {
        assert_eq!(usage_code(&args(&["opsagent", "status", "--nope"])), 3);
        assert_eq!(usage_code(&args(&["opsagent", "run", "--nope"])), 64);
        assert_eq!(usage_code(&args(&["opsagent", "stauts"])), 64);
    }

    /// Every line of a help that begins with the program's name.
    fn examples(command: &clap::Command) -> Vec<String> {
        let help = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
        let lines = help.lines().map(str::trim).filter(|line| line.starts_with("opsagent"));
        // Behind two spaces stands what the example is for; behind > and | the shell's part.
        let commands = lines.filter_map(|line| line.split("  ").next()?.split(['>', '|', ';', '&']).next());
        commands.map(str::to_owned).collect()
    }

    #[test]
    fn the_examples_in_the_help_really_parse() {
        let whole = Cli::command();
        let verbs: Vec<_> = whole.get_subcommands().collect();
        assert_eq!(verbs.len(), 11);
        let inner = verbs.iter().flat_map(|verb| verb.get_subcommands());
        for command in inner.chain(verbs.iter().copied()).chain([&whole]) {
            let examples = examples(command);
            assert!(!examples.is_empty(), "{} has no example", command.get_name());
            for example in examples {
                let words = with_verb(example.split_whitespace().map(OsString::from).collect());
                assert!(Cli::try_parse_from(words).is_ok(), "{example}");
            }
        }
    }
}
