//! What each `[[client]]` means.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret as _, SecretString};

use super::check::Check;
use super::error::quoted;
use super::names::Names;
use super::raw_tap::RawClient;
use super::read::At;
use crate::tap::{Client, Network};

/// Clients that may be named: each is a series a target, and is compared at each request.
const MOST_CLIENTS: usize = 500;

/// Networks of one client.
const MOST_NETWORKS: usize = 100;

/// What is taken already, each with the client's path and its line.
#[derive(Default)]
struct Taken {
    names: Names,
    tokens: BTreeMap<String, (String, usize)>,
    networks: BTreeMap<Network, (String, usize)>,
}

/// The clients that have a name, in the file's order.
pub(super) fn all(raw: Vec<RawClient>, check: &mut Check<'_>) -> Vec<Client> {
    if let Some(one) = raw.get(MOST_CLIENTS) {
        let problem = format!("expected at most {MOST_CLIENTS} clients, found {}", raw.len());
        check.faults.add(one.line, one.path.clone(), problem);
    }
    let mut taken = Taken::default();
    raw.into_iter().map(|raw| one(&raw, &mut taken, check)).collect()
}

fn one(raw: &RawClient, taken: &mut Taken, check: &mut Check<'_>) -> Client {
    let place = (raw.path.as_str(), raw.line, raw.faulty.contains(&"name"));
    let name = taken.names.take(raw.name.as_ref(), place, check);
    let knows_by = raw.token.is_some() || raw.token_file.is_some() || !raw.networks.is_empty();
    if !knows_by && !raw.faulty.iter().any(|key| *key != "name") {
        let problem = "has neither token nor token_file nor networks: by one of them its requests are known";
        check.faults.add(raw.line, raw.path.clone(), problem);
    }
    let token = check.token(raw.token.as_ref(), raw.token_file.as_ref());
    if let (Some(token), Some(at)) = (&token, raw.token.as_ref().or(raw.token_file.as_ref())) {
        is_new_token(token, at, raw, taken, check);
    }
    if let Some(at) = raw.networks.get(MOST_NETWORKS) {
        check.fault(at, format!("expected at most {MOST_NETWORKS} networks, found {}", raw.networks.len()));
    }
    let networks = raw.networks.iter().filter_map(|at| network(at, raw, taken, check)).collect();
    Client { name: name.unwrap_or_default(), token, networks }
}

fn is_new_token(
    token: &SecretString,
    at: &At<String>,
    raw: &RawClient,
    taken: &mut Taken,
    check: &mut Check<'_>,
) {
    match taken.tokens.get(token.expose_secret()) {
        Some((first, line)) => {
            check.fault(
                at,
                format!("is the token of {first} already (line {line}): each needs one of its own"),
            );
        }
        None => {
            taken.tokens.insert(token.expose_secret().to_owned(), (raw.path.clone(), at.line));
        }
    }
}

fn network(at: &At<String>, raw: &RawClient, taken: &mut Taken, check: &mut Check<'_>) -> Option<Network> {
    let network: Network = match at.value.parse() {
        Ok(network) => network,
        Err(problem) => {
            check.fault(at, format!("{} {problem}", quoted(&at.value)));
            return None;
        }
    };
    if let Some((first, line)) = taken.networks.get(&network) {
        check.fault(at, format!("{network} is a network of {first} already (line {line})"));
        return None;
    }
    taken.networks.insert(network, (raw.path.clone(), at.line));
    Some(network)
}
