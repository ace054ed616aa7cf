//! `opsagent completions` and `opsagent man`: made from the same words as the help.

use clap::Command;

use super::failure::{Failure, Outcome, USAGE};
use super::out::Out;

const AFTER_COMPLETIONS: &str = "\
Examples:
  opsagent completions bash > /etc/bash_completion.d/opsagent
  opsagent completions zsh > \"${fpath[1]}/_opsagent\"
  opsagent completions fish > ~/.config/fish/completions/opsagent.fish";

const AFTER_MAN: &str = "\
Examples:
  opsagent man > /usr/local/share/man/man1/opsagent.1
  opsagent man status > /usr/local/share/man/man1/opsagent-status.1
  opsagent man run | man -l -";

/// Prints the completions of a shell
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER_COMPLETIONS)]
pub(super) struct CompletionsArgs {
    /// The shell
    shell: clap_complete::Shell,
}

/// Prints the manual page, of the whole or of a verb
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER_MAN)]
pub(super) struct ManArgs {
    /// The verb; the whole when left out
    verb: Option<String>,
}

/// Prints the completions.
pub(super) fn completions(args: &CompletionsArgs, mut command: Command, out: &mut Out) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "opsagent", &mut script);
    out.raw(&script)?;
    Ok(0)
}

/// Prints the page.
pub(super) fn man(args: &ManArgs, mut command: Command, out: &mut Out) -> Outcome {
    command.build();
    let page = match &args.verb {
        None => command,
        Some(verb) => {
            let names: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
            let unknown = format!("cannot print a page: no verb {verb:?}; there are {}", names.join(", "));
            command
                .get_subcommands()
                .find(|known| known.get_name() == verb)
                .cloned()
                .ok_or_else(|| Failure::say(USAGE, unknown))?
        }
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(page).render(&mut text).map_err(anyhow::Error::from)?;
    out.raw(&text)?;
    Ok(0)
}
