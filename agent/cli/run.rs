//! `opsagent run`: the agent itself.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Mutex;

use super::failure::Outcome;
use super::{configs, flags, log, words};
use crate::app::{App, Options, Sockets};
use crate::config::Config;
use crate::usage;

/// Threads that do the work. Polls and pages wait for the network, not for the processor.
const THREADS: usize = 2;

/// How long a read that cannot be interrupted (a GPU driver, a disk) may hold up the end.
const LAST_WAIT: Duration = Duration::from_millis(200);

const AFTER: &str = "\
Examples:
  opsagent run                                 find this machine's servers by itself
  opsagent run --demo                          simulated servers, nothing real
  opsagent run --config opsagent.toml          watch the targets a config names
  opsagent run --listen 0.0.0.0:10434          let Prometheus scrape from elsewhere
  opsagent run --log.level debug --log.format json

Signals:
  SIGHUP            reads the config anew; one with faults is refused whole and the old one holds
  SIGTERM, Ctrl-C   stops: work in flight may end within the grace; a second one cuts it at once

Exit codes:
  0   told to stop
  1   it could not start, such as an address in use
  2   the config has faults; all are told, nothing was bound
  64  wrong usage";

/// Runs the agent: finds servers, polls them, serves the page and /metrics (the default verb)
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER)]
pub(super) struct Args {
    #[command(flatten)]
    files: configs::Files,
    /// Where to serve the page, /metrics and the JSON, instead of the config's `listen`; repeatable
    #[arg(
        long,
        value_name = "ADDR",
        env = "OPSAGENT_LISTEN",
        value_delimiter = ',',
        alias = "web.listen-address",
        value_parser = flags::listen
    )]
    listen: Vec<SocketAddr>,
    /// Simulated servers and a recorded GPU with traffic, for a first look; marked demo everywhere
    #[arg(long)]
    demo: bool,
    /// error, warn, info, debug or trace; or directives such as info,opsagent::poll=debug
    #[arg(
        long = "log.level",
        value_name = "LEVEL",
        env = "OPSAGENT_LOG_LEVEL",
        default_value = "info",
        value_parser = flags::log_filter
    )]
    log_level: String,
    /// How a line of the log looks; auto knows a terminal and systemd's journal
    #[arg(
        long = "log.format",
        value_name = "FORMAT",
        env = "OPSAGENT_LOG_FORMAT",
        value_enum,
        default_value_t = log::Format::Auto
    )]
    log_format: log::Format,
}

/// Runs until it is told to stop.
pub(super) fn run(args: &Args) -> Outcome {
    let (config, web) = configs::load(&args.files, "start")?;
    log::init(&args.log_level, args.log_format)?;
    usage::raise_open_files();
    usage::make_room_for_files();
    let options = Options {
        demo: args.demo,
        config_file: args.files.config.clone(),
        listen: args.listen.clone(),
        web_config_file: args.files.web_config_file.clone(),
        // Before there are threads.
        sockets: Sockets::passed(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let outcome = runtime.block_on(serve(config, options, web.tls.is_some()));
    runtime.shutdown_timeout(LAST_WAIT);
    Ok(outcome.map(|()| 0)?)
}

async fn serve(config: Config, options: Options, tls: bool) -> anyhow::Result<()> {
    // Before anything is bound: a signal that comes early must not end it half-way.
    let signals = Mutex::new(Signals::new().context("cannot listen for signals")?);
    let (file, grace, demo) = (config.file.clone(), config.grace, options.demo);
    let app = App::start(config, options).await?;
    let from = file.map_or_else(|| "no config file".into(), |file| format!("config {}", file.display()));
    let at: Vec<String> = app.addresses().iter().map(|address| shown(*address, tls)).collect();
    let what = if demo { ", demo: nothing it shows is real" } else { "" };
    tracing::info!("opsagent {} listens on {} ({from}{what})", env!("CARGO_PKG_VERSION"), at.join(" and "));
    let stop = async {
        let name = signals.lock().await.next().await;
        let grace = words::span(grace.as_secs().try_into().unwrap_or(i64::MAX));
        tracing::info!("{name}: stopping; work in flight has {grace}, a second signal cuts it at once");
    };
    let hurry = async {
        let name = signals.lock().await.next().await;
        tracing::warn!("{name} again: cutting what is in flight");
    };
    match app.run(stop, hurry).await {
        0 => tracing::info!("stopped"),
        cut => tracing::warn!(cut, "stopped; {} had to be cut", words::count(cut, "piece of work")),
    }
    Ok(())
}

/// A URL that a terminal makes a link of; a wildcard is no address one can go to.
fn shown(address: SocketAddr, tls: bool) -> String {
    let scheme = if tls { "https" } else { "http" };
    if address.ip().is_unspecified() {
        format!("{scheme}://localhost:{}/ (all addresses)", address.port())
    } else {
        format!("{scheme}://{address}/")
    }
}

/// The signals that end the agent.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// The next one's name.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "Ctrl-C",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_it_listens_is_told_as_a_link() {
        let at = |text: &str| text.parse().unwrap();
        assert_eq!(shown(at("127.0.0.1:10434"), false), "http://127.0.0.1:10434/");
        assert_eq!(shown(at("[::1]:1"), true), "https://[::1]:1/");
        assert_eq!(shown(at("0.0.0.0:80"), false), "http://localhost:80/ (all addresses)");
    }
}
