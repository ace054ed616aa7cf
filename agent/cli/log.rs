//! The agent's log: on stderr, for a person at a terminal, for the journal, or for a collector.

use std::io::{self, IsTerminal as _};

use anstream::{AutoStream, ColorChoice};
use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Text, with colours on a terminal, without a time under systemd (the journal has its own).
    Auto,
    /// Text.
    Text,
    /// One JSON object a line.
    Json,
}

/// Sends what is logged to stderr.
///
/// # Errors
/// The filter cannot be read, or a log runs already.
pub(super) fn init(filter: &str, format: Format) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter)?;
    let colours = AutoStream::choice(&io::stderr()) != ColorChoice::Never;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(colours)
        // A stderr that is full or closed must not bring the agent down.
        .log_internal_errors(false);
    let started = match format {
        // Its own `target`, the module, would stand beside the name of a target under the same key.
        Format::Json => builder
            .json()
            .flatten_event(true)
            .with_target(false)
            .with_current_span(false)
            .with_span_list(false)
            .try_init(),
        Format::Auto if under_systemd() => builder.with_target(false).without_time().try_init(),
        Format::Auto | Format::Text => builder.with_target(false).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("cannot start the log: {error}"))
}

fn under_systemd() -> bool {
    !io::stderr().is_terminal() && std::env::var_os("JOURNAL_STREAM").is_some()
}
