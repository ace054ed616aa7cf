//! Where `status` and `fits` have their word from: named agents, the agent of this machine, or a poll of its own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::join_all;
use url::Url;

use super::agents::{Agent, NoView, Ways};
use super::failure::{Failure, INTERRUPTED, Outcome, UNKNOWN};
use super::flags::{self, DEFAULT_PORT};
use super::out::Out;
use super::table::Lost;
use super::{screen, text, words};
use crate::app::App;
use crate::config::{Config, ConfigError};
use crate::view::{self, View};
use crate::web::toolkit::WebConfig;

/// Does a verb's work on a runtime of its own, until it is done or Ctrl-C ends it. What goes wrong is unknown to
/// whoever reads the exit code.
pub(super) fn block_on(work: impl Future<Output = Outcome>) -> Outcome {
    block_on_as_told(work).map_err(|failure| failure.with_code(UNKNOWN))
}

/// The same; what goes wrong has the exit code that it was given.
pub(super) fn block_on_as_told(work: impl Future<Output = Outcome>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")
        .map_err(|error| Failure::new(UNKNOWN, error))?;
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = work => outcome,
            _ = tokio::signal::ctrl_c() => Ok(INTERRUPTED),
        }
    });
    if matches!(outcome, Ok(INTERRUPTED)) && Out::screen().height.is_some() {
        // The terminal has just shown ^C; the prompt begins a line of its own.
        screen::note("");
    }
    // A look-up of a name that hangs must not hold up the end.
    runtime.shutdown_background();
    outcome
}

/// The flags that say whom to ask, and how.
#[derive(Debug, clap::Args)]
pub(super) struct Whom {
    /// Agents to ask: HOST, HOST:PORT or URL; the one of this machine when left out, and if none
    /// runs, the servers and drivers themselves
    #[arg(value_name = "AGENT_URL", env = "OPSAGENT_URL", value_delimiter = ',', value_parser = flags::agent)]
    pub(super) agents: Vec<Url>,
    /// The config: where the agent listens, and the targets to look at if none runs
    #[arg(long, value_name = "FILE", env = "OPSAGENT_CONFIG")]
    config: Option<PathBuf>,
    /// How long a question may take
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = flags::time)]
    timeout: Duration,
    /// Certificates to trust beside the system's, PEM, for agents behind https
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

impl Whom {
    /// These of the agents; if it is none, the one of this machine.
    ///
    /// # Errors
    /// A file that was named cannot be used.
    pub(super) fn source(&self, agents: &[Url]) -> Result<Source, Failure> {
        let ways = Ways::new(self.ca_file.as_deref(), self.timeout)?;
        Source::new(agents, self.config.as_deref(), ways)
    }
}

/// What a look brought.
pub(super) struct Told {
    pub(super) view: View,
    pub(super) lost: Vec<Lost>,
    /// Who was asked, in a sentence.
    pub(super) by: String,
}

/// Whom to ask.
pub(super) struct Source {
    agents: Vec<Agent>,
    /// What to look at if the agent of this machine does not run. `None`: agents were named.
    else_poll: Option<Result<Config, Vec<ConfigError>>>,
    ways: Ways,
}

impl Source {
    /// These agents; if none is named, the one of this machine.
    ///
    /// # Errors
    /// The config that was named has faults.
    pub(super) fn new(agents: &[Url], config: Option<&Path>, ways: Ways) -> Result<Source, Failure> {
        if !agents.is_empty() {
            let agents = agents.iter().cloned().map(Agent::at).collect();
            return Ok(Source { agents, else_poll: None, ways });
        }
        let named = config.is_some();
        let config = Config::load(config);
        if let (Err(faults), true) = (&config, named) {
            return Err(Failure::faults(UNKNOWN, faults, "look"));
        }
        // A fault in a config that nobody named is told only if the config is needed.
        let agent = Agent::at(match &config {
            Ok(config) => reachable(config.listen.first().copied(), speaks_tls(config))?,
            Err(_) => reachable(None, false)?,
        });
        Ok(Source { agents: vec![agent], else_poll: Some(config), ways })
    }

    /// Asks, or polls where no agent runs.
    ///
    /// # Errors
    /// Nobody could tell anything.
    pub(super) async fn look(&self) -> Result<Told, Failure> {
        let answers = join_all(self.agents.iter().map(|agent| self.ways.ask(agent))).await;
        match (&self.else_poll, &answers[..]) {
            (Some(config), [Err(NoView::Refused)]) => self.poll(config.as_ref()).await,
            _ => self.join(answers),
        }
    }

    fn join(&self, answers: Vec<Result<View, NoView>>) -> Result<Told, Failure> {
        let (mut views, mut lost, mut by) = (Vec::new(), Vec::new(), Vec::new());
        for (agent, answer) in self.agents.iter().zip(answers) {
            match answer {
                Ok(view) => {
                    let since = words::since(view.agent.started_at, view.at);
                    let version = text::clean(&view.agent.version);
                    by.push(format!("{} (opsagent {version}, up {since})", agent.shown()));
                    views.push((agent.name(), view));
                }
                Err(NoView::Refused) => lost.push((agent.shown(), "connection refused".to_owned())),
                Err(NoView::Because(why)) => lost.push((agent.shown(), why)),
            }
        }
        let lost: Vec<Lost> = lost.into_iter().map(|(agent, why)| Lost { agent, why }).collect();
        let Some(view) = view::merge(views) else {
            let each: Vec<String> = lost.iter().map(|lost| format!("{}: {}", lost.agent, lost.why)).collect();
            return Err(Failure::say(UNKNOWN, format!("cannot ask the agent at {}", each.join("; nor at "))));
        };
        Ok(Told { view, lost, by: format!("asked {}", by.join(" and ")) })
    }

    async fn poll(&self, config: Result<&Config, &Vec<ConfigError>>) -> Result<Told, Failure> {
        let config = config.map_err(|faults| {
            Failure::faults(
                UNKNOWN,
                faults,
                "look: no agent runs here, and a look of one's own needs a config",
            )
        })?;
        let view = App::poll_once(config, self.ways.timeout()).await?;
        let agents: Vec<String> = self.agents.iter().map(Agent::shown).collect();
        let from = match &config.file {
            Some(file) => format!("config {}", file.display()),
            None => "looked for servers of this machine".to_owned(),
        };
        let polled = words::count(view.targets.len(), "target");
        let by = format!("no agent at {}: polled {polled} directly ({from})", agents.join(" and "));
        Ok(Told { view, lost: Vec::new(), by })
    }
}

impl Told {
    /// The same of one target only.
    pub(super) fn only(mut self, name: Option<&str>) -> Result<Told, Failure> {
        let Some(name) = name else { return Ok(self) };
        let names: Vec<String> = self.view.targets.iter().map(|target| target.name.clone()).collect();
        self.view.targets.retain(|target| target.name == name);
        self.view.hosts.clear();
        if self.view.targets.is_empty() {
            let there = if names.is_empty() { "no target at all".to_owned() } else { names.join(", ") };
            let what = format!("cannot show target {name:?}: there is {}", text::clean(&there));
            return Err(Failure::say(UNKNOWN, what));
        }
        Ok(self)
    }
}

/// Where the agent of this machine is reached, by the config where there is one.
///
/// # Errors
/// Its address cannot be one of an agent.
pub(super) fn of_this_machine() -> Result<Url, Failure> {
    match Config::load(None) {
        Ok(config) => reachable(config.listen.first().copied(), speaks_tls(&config)),
        Err(_) => reachable(None, false),
    }
}

/// Whether an agent with this config speaks TLS. A web config that cannot be read (it may hold
/// passwords) says nothing.
fn speaks_tls(config: &Config) -> bool {
    let web = config.web_config_file.as_deref().map(WebConfig::load);
    web.is_some_and(|web| web.is_ok_and(|web| web.tls.is_some()))
}

/// Where an agent that listens there is reached from this machine.
fn reachable(listen: Option<SocketAddr>, tls: bool) -> Result<Url, Failure> {
    let mut address = listen.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT)));
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::from(Ipv6Addr::LOCALHOST),
        });
    }
    let scheme = if tls { "https" } else { "http" };
    flags::agent(&format!("{scheme}://{address}")).map_err(|error| Failure::say(UNKNOWN, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_that_listens_everywhere_is_asked_on_loopback() {
        let url = |listen: &str| reachable(Some(listen.parse().unwrap()), false).unwrap().to_string();
        assert_eq!(url("0.0.0.0:9000"), "http://127.0.0.1:9000/");
        assert_eq!(url("[::]:10434"), "http://[::1]:10434/");
        assert_eq!(url("10.0.0.7:80"), "http://10.0.0.7/");
        assert_eq!(reachable(None, true).unwrap().as_str(), "https://127.0.0.1:10434/");
    }
}
