//! `opsagent check`: the config, and with `--connect` one poll of each target.

use std::time::Duration;

use anyhow::Context as _;

use super::failure::{Failure, INTERRUPTED, Outcome, UNKNOWN};
use super::out::Out;
use super::{configs, flags, table, text, words};
use crate::app::{App, advice};
use crate::config::Config;
use crate::usage;
use crate::view::View;

mod traffic;

/// Targets named in the line that says all is well.
const NAMED: usize = 8;

const AFTER: &str = "\
Examples:
  opsagent check --config opsagent.toml
  opsagent check --config opsagent.toml --connect

Exit codes:
  0   the config has no fault; with --connect also: all targets are well
  1   --connect: WARNING
  2   the config has faults (all are told); or --connect: CRITICAL
  3   --connect: UNKNOWN
  64  wrong usage";

/// Checks the config, and with --connect polls each target once
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER)]
pub(super) struct Args {
    #[command(flatten)]
    files: configs::Files,
    /// Polls each target once and shows what came of it; loads no model, wakes none
    #[arg(long)]
    connect: bool,
    /// How long the poll of a target may take
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = flags::time)]
    timeout: Duration,
}

/// Checks.
pub(super) fn run(args: &Args, out: &mut Out) -> Outcome {
    let (config, _) = configs::load(&args.files, "use it")?;
    out.text(&format!("{}\n", sentence(&config)))?;
    for line in traffic::lines(&config) {
        out.text(&format!("{line}\n"))?;
    }
    for sentence in advice(&config, usage::most_open_files()) {
        out.text(&format!("warning: {}\n", text::clean(&sentence)))?;
    }
    if !args.connect {
        return Ok(0);
    }
    let Some(view) = connect(&config, args.timeout).map_err(|error| Failure::new(UNKNOWN, error))? else {
        return Ok(INTERRUPTED);
    };
    out.text(&format!("\n{}", table::render(&view, &[], Out::screen().width)))?;
    Ok(view.health().exit_code())
}

/// `None`: interrupted.
fn connect(config: &Config, timeout: Duration) -> anyhow::Result<Option<View>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let view = runtime.block_on(async {
        tokio::select! {
            view = App::poll_once(config, timeout) => view.map(Some),
            _ = tokio::signal::ctrl_c() => Ok(None),
        }
    });
    runtime.shutdown_background();
    view
}

fn sentence(config: &Config) -> String {
    let file =
        config.file.as_ref().map_or_else(|| "no config file".into(), |file| file.display().to_string());
    let names: Vec<&str> = config.targets.iter().take(NAMED).map(|target| target.name.as_str()).collect();
    let more = if config.targets.len() > NAMED { ", …" } else { "" };
    let names = if names.is_empty() { String::new() } else { format!(" ({}{more})", names.join(", ")) };
    let discovery = if config.discover { "looks for servers on this machine" } else { "looks for no others" };
    let targets = words::count(config.targets.len(), "target");
    text::clean(&format!("ok: {targets}{names}, {discovery} ({file})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers::Target;

    #[test]
    fn a_good_config_is_told_in_a_line() {
        let mut config = Config::default();
        assert_eq!(sentence(&config), "ok: 0 targets, looks for servers on this machine (no config file)");
        config.file = Some("opsagent.toml".into());
        config.discover = false;
        config.targets = vec![Target::new("box", "http://10.0.0.7:11434".parse().unwrap())];
        assert_eq!(sentence(&config), "ok: 1 target (box), looks for no others (opsagent.toml)");
    }
}
