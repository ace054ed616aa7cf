//! Which model of which server is asked: by a running agent's word, by the config, or by an address alone.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use url::Url;

use crate::cli::agents::{Agent, Ways};
use crate::cli::failure::{Failure, UNKNOWN};
use crate::cli::source::{self, Source};
use crate::cli::{flags, screen, text};
use crate::config::{Config, ConfigError};
use crate::discover;
use crate::http::Clients;
use crate::procs::Machine;
use crate::sample::ServerSample;
use crate::servers::{self, Kind, Target};
use crate::view::View;

mod choose;
mod place;

use choose::{choose, model};
use place::is_same;

/// The flags that say which model of which server, and how it is reached.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct Which {
    /// A server to ask, with nothing else known of it: HOST:PORT or URL
    #[arg(long, value_name = "URL", value_parser = flags::server, conflicts_with = "target")]
    pub(in crate::cli) url: Option<Url>,
    /// The model; the only one in memory when left out
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) model: Option<String>,
    /// The server, by the name that the agent or the config has for it
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) target: Option<String>,
    /// Lets the first question load the model where it is not in memory
    #[arg(long)]
    pub(in crate::cli) load: bool,
    /// How long one answer may take
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = flags::time)]
    pub(in crate::cli) timeout: Duration,
    /// The agent to ask which servers there are: HOST, HOST:PORT or URL
    #[arg(long, value_name = "AGENT_URL", env = "OPSAGENT_URL", value_parser = flags::agent)]
    agent: Option<Url>,
    /// The config: servers, canaries of its own, where the store lies
    #[arg(long, value_name = "FILE", env = "OPSAGENT_CONFIG")]
    pub(in crate::cli) config: Option<PathBuf>,
    /// A file with the server's token, where the config does not name it
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Certificates to trust beside the system's, PEM, for an agent behind https
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

/// What is asked.
#[derive(Debug)]
pub(in crate::cli) struct Picked {
    pub(in crate::cli) target: Target,
    pub(in crate::cli) kind: &'static Kind,
    pub(in crate::cli) model: String,
    pub(in crate::cli) version: Option<String>,
    /// Nothing but its address is known of the server: no config and no agent has a name for it.
    pub(in crate::cli) alone: bool,
    /// The config, where there is one: its own canaries, where the store lies.
    pub(in crate::cli) config: Config,
}

/// Finds what is meant.
///
/// # Errors
/// Nothing can be asked, or it is not clear which of several is meant.
pub(in crate::cli) async fn pick(
    args: &Which,
    clients: &Clients,
    machine: &Machine,
) -> Result<Picked, Failure> {
    let config = Config::load(args.config.as_deref());
    if let (Err(faults), true) = (&config, args.config.is_some()) {
        return Err(Failure::faults(UNKNOWN, faults, "ask"));
    }
    let mut target = match &args.url {
        Some(url) => by_address(args, url, config.as_ref().ok()).await,
        None => by_name(args, config.as_ref()).await?,
    };
    if let Some(file) = &args.token_file {
        target.token = Some(token(file)?);
    }
    target.timeout = args.timeout.min(target.timeout.max(LOOK));
    let sample = look(&target, clients, machine).await?;
    let unknown =
        || say(format!("cannot ask {}: its kind {:?} is not known here", shown(&target), sample.kind));
    let kind = servers::kind(sample.kind).ok_or_else(unknown)?;
    let alone = target.name.is_empty();
    if alone {
        target.name = name_of(kind, &target.url);
    }
    let model = model(&sample.models, args.model.as_deref(), args.load)
        .map_err(|why| say(format!("cannot ask {}: {why}", shown(&target))))?;
    let config = config.unwrap_or_else(|faults| {
        // Nobody named it, and what was asked for does not need it.
        screen::note(&format!("the config has {} faults and is not used: opsagent check", faults.len()));
        Config::default()
    });
    Ok(Picked { alone, kind, model, version: sample.version.clone(), config, target })
}

/// A server that answers answers a look within this.
const LOOK: Duration = Duration::from_secs(5);

async fn look(target: &Target, clients: &Clients, machine: &Machine) -> Result<ServerSample, Failure> {
    let cannot = |why: String| say(format!("cannot ask {}: {}", shown(target), text::clean(&why)));
    let mut server = target.connect(clients, machine.clone()).map_err(cannot)?;
    server.poll().await.map_err(|error| cannot(error.to_string()))
}

/// The server at that address, by the name that an agent or the config has for it, so that what is stored of it is
/// found; without one, by the name that discovery would give it.
async fn by_address(args: &Which, url: &Url, config: Option<&Config>) -> Target {
    let configured = config.and_then(|config| at(url, &config.targets, |target| Some(target.url.clone())));
    if let Some(target) = configured {
        return target.clone();
    }
    let mut target = Target::new("", url.clone());
    if let Some(view) = running(args).await
        && let Some(known) = at(url, &view.targets, |known| known.url.parse().ok())
    {
        target.name.clone_from(&known.name);
        target.kind = servers::kind(&known.kind);
    }
    target
}

/// The one at that address: as it is written, else by another name of the same place.
fn at<'a, T>(url: &Url, all: &'a [T], address: impl Fn(&T) -> Option<Url>) -> Option<&'a T> {
    let is_written = |one: &&T| address(one).is_some_and(|at| at == *url);
    let is_it = |one: &&T| address(one).is_some_and(|at| is_same(&at, url));
    all.iter().find(is_written).or_else(|| all.iter().find(is_it))
}

/// What the agent of this machine, or the one that was named, sees; `None` where none runs.
async fn running(args: &Which) -> Option<View> {
    let ways = Ways::new(args.ca_file.as_deref(), LOOK).ok()?;
    let agent = args.agent.clone().or_else(|| source::of_this_machine().ok())?;
    ways.ask(&Agent::at(agent)).await.ok()
}

async fn by_name(args: &Which, config: Result<&Config, &Vec<ConfigError>>) -> Result<Target, Failure> {
    let ways = Ways::new(args.ca_file.as_deref(), args.timeout.min(LOOK * 2))?;
    let agents: Vec<Url> = args.agent.iter().cloned().collect();
    let told = Source::new(&agents, args.config.as_deref(), ways)?.look().await?;
    screen::note(&told.by);
    let chosen = choose(&told.view, args.target.as_deref(), args.model.as_deref()).map_err(say)?;
    if chosen.demo {
        return Err(say(format!("cannot ask {}: it is simulated (opsagent run --demo)", chosen.name)));
    }
    let url =
        chosen.url.parse().map_err(|_| say(format!("cannot ask {}: its address is no URL", chosen.name)))?;
    let configured =
        config.ok().and_then(|config| config.targets.iter().find(|target| target.name == chosen.name));
    if let Some(target) = configured.filter(|target| is_same(&target.url, &url)) {
        return Ok(target.clone());
    }
    // What the agent found, it found on its own machine, which is this one unless it was named.
    let discovered = chosen.discovered && args.agent.is_none();
    let kind = servers::kind(&chosen.kind);
    Ok(Target { kind, discovered, ..Target::new(&chosen.name, url) })
}

fn is_here(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

/// What discovery would call it on its own machine; elsewhere host and port.
fn name_of(kind: &Kind, url: &Url) -> String {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let port = url.port_or_known_default().unwrap_or_default();
    if is_here(url) { discover::usual_name(kind, port) } else { format!("{host}:{port}") }
}

fn shown(target: &Target) -> String {
    let url = text::clean(&target.shown_url());
    if target.name.is_empty() { url } else { format!("{} ({url})", text::clean(&target.name)) }
}

fn token(file: &std::path::Path) -> Result<SecretString, Failure> {
    let read = std::fs::read_to_string(file);
    let read = read.map_err(|error| say(format!("cannot read {}: {error}", file.display())))?;
    Ok(read.trim().to_owned().into())
}

fn say(sentence: String) -> Failure {
    Failure::say(UNKNOWN, sentence)
}

/// Now, for what is told and stored.
pub(in crate::cli) fn now() -> Timestamp {
    Timestamp::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_found_by_another_name_of_its_place_and_before_that_by_the_same() {
        let target = |name: &str, url: &str| Target::new(name, url.parse().unwrap());
        let all = [target("a", "http://localhost:8080"), target("b", "http://[::1]:8080/")];
        let found = |url: &str| {
            let found = at(&url.parse().unwrap(), &all, |target| Some(target.url.clone()));
            found.map(|target| target.name.as_str())
        };
        assert_eq!(found("http://127.0.0.1:8080"), Some("a"));
        assert_eq!(found("http://[::1]:8080"), Some("b"), "as it is written");
        assert_eq!(found("http://127.0.0.1:8081"), None);
    }

    #[test]
    fn a_server_of_no_name_is_called_as_discovery_would() {
        let kind = servers::kind("llama_cpp").unwrap();
        let name = |url: &str| name_of(kind, &url.parse().unwrap());
        assert_eq!(name("http://127.0.0.1:8080/"), "llama_cpp");
        assert_eq!(name("http://localhost:9999/"), "llama_cpp-9999");
        assert_eq!(name("http://box:8080/"), "box:8080");
        assert_eq!(name("http://[::1]:8080/"), "llama_cpp");
    }
}
