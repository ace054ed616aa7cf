//! What each `[[target]]` means.

use std::collections::{BTreeMap, BTreeSet};

use http::{HeaderName, HeaderValue};
use secrecy::SecretString;
use url::Url;

use super::check::{Beat, Check};
use super::error::quoted;
use super::files;
use super::names::Names;
use super::nearest::nearest;
use super::raw::RawTarget;
use super::read::At;
use crate::servers::{KINDS, Kind, Target, kind};

/// The kind that is to be found out.
const AUTO: &str = "auto";

/// The targets, in the file's order. Those with faults are left out; the faults are told.
pub(super) fn all(raw: Vec<RawTarget>, beat: Beat, check: &mut Check<'_>) -> Vec<Target> {
    let mut names = Names::default();
    let mut addresses: BTreeMap<String, (String, usize)> = BTreeMap::new();
    let mut targets = Vec::new();
    for raw in raw {
        let place = (raw.path.as_str(), raw.line, raw.faulty.contains(&"name"));
        let name = names.take(raw.name.as_ref(), place, check);
        let (path, line) = (raw.path.clone(), raw.url.as_ref().map_or(raw.line, |at| at.line));
        let Some(target) = one(raw, name, beat, check) else { continue };
        let address = target.url.as_str().trim_end_matches('/').to_owned();
        match addresses.get(&address) {
            Some((first, at)) => {
                let problem = format!("{address} is the address of {first} already (line {at})");
                check.faults.add(line, format!("{path}.url"), problem);
            }
            None => drop(addresses.insert(address, (path, line))),
        }
        targets.push(target);
    }
    targets
}

fn one(raw: RawTarget, name: Option<String>, beat: Beat, check: &mut Check<'_>) -> Option<Target> {
    let kind = which(&raw, check);
    let url = address(&raw, kind, check);
    let own = check.beat(&raw.beat, beat);
    let token = check.token(raw.token.as_ref(), raw.token_file.as_ref());
    let headers = headers(&raw, check);
    let ca_pem = raw.ca_file.as_ref().and_then(|at| {
        let pem = files::certificates(&check.resolve(&at.value));
        pem.map_err(|problem| check.fault(at, problem)).ok()
    });
    Some(Target {
        kind: kind?,
        token,
        headers,
        ca_pem,
        every: own.every,
        timeout: own.timeout,
        hung_after: own.hung_after,
        sleeps: raw.sleeps.map(|at| at.value),
        ..Target::new(name.unwrap_or_default(), url?)
    })
}

/// The kind: `Some(None)` is to be found out, `None` is a fault.
#[expect(clippy::option_option, reason = "a fault is no kind, and auto is none yet")]
fn which(raw: &RawTarget, check: &mut Check<'_>) -> Option<Option<&'static Kind>> {
    let Some(at) = &raw.kind else {
        return if raw.faulty.contains(&"kind") { None } else { Some(None) };
    };
    if at.value == AUTO {
        return Some(None);
    }
    let found = kind(&at.value);
    if found.is_none() {
        let known: Vec<_> = KINDS.iter().map(|kind| kind.name).chain([AUTO]).collect();
        let meant = nearest(&at.value, known.iter().copied());
        let meant = meant.map_or(", ".into(), |word| format!(", did you mean {word}? "));
        let problem =
            format!("unknown kind {}{meant}expected one of {}", quoted(&at.value), known.join(", "));
        check.fault(at, problem);
    }
    found.map(Some)
}

#[expect(clippy::option_option, reason = "a fault is no kind, and auto is none yet")]
fn address(raw: &RawTarget, kind: Option<Option<&'static Kind>>, check: &mut Check<'_>) -> Option<Url> {
    let Some(at) = &raw.url else {
        if raw.faulty.contains(&"url") {
            return None;
        }
        // Of a kind that is not known, nothing can be said.
        let Some(port) = kind?.and_then(|kind| kind.default_ports.first()) else {
            let problem = "missing, and kind auto has no port of its own: set url, or kind";
            check.faults.add(raw.line, format!("{}.url", raw.path), problem);
            return None;
        };
        return Url::parse(&format!("http://127.0.0.1:{port}")).ok();
    };
    match parse_url(&at.value) {
        Ok(url) => Some(url),
        Err(problem) => {
            check.fault(at, problem);
            None
        }
    }
}

fn parse_url(text: &str) -> Result<Url, String> {
    // An address with a password or a key in it is not shown again.
    let shown = if text.contains(['@', '?']) { "the address".into() } else { quoted(text) };
    let expected = "expected one such as http://127.0.0.1:11434";
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(format!("{shown} has no scheme, {expected}"));
    };
    if !["http", "https"].contains(&scheme.to_ascii_lowercase().as_str()) {
        return Err(format!("{shown} has a scheme that is not http or https, {expected}"));
    }
    if rest.is_empty() || rest.starts_with(['/', ':', '?', '#']) {
        return Err(format!("{shown} has no host, {expected}"));
    }
    let url = Url::parse(text).map_err(|error| format!("{shown} is no address ({error}), {expected}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("has a user or a password in it: leave them out and set token or headers".into());
    }
    if url.query().is_some() {
        return Err("has a query (from ? on): leave it out".into());
    }
    if url.fragment().is_some() {
        return Err("has a fragment (from # on): leave it out".into());
    }
    Ok(url)
}

fn headers(raw: &RawTarget, check: &mut Check<'_>) -> Vec<(String, SecretString)> {
    let mut names = BTreeSet::new();
    let mut headers = Vec::new();
    for (name, at) in &raw.headers {
        if HeaderName::try_from(name.as_str()).is_err() {
            check.fault(at, format!("{} is no name of a header", quoted(name)));
        } else if !names.insert(name.to_ascii_lowercase()) {
            check.fault(at, "is given twice: case makes no difference");
        } else if has_token(raw) && name.eq_ignore_ascii_case("authorization") {
            check.fault(at, "token or token_file is given too: leave one out");
        } else if HeaderValue::from_str(&at.value).is_err() || !at.value.is_ascii() {
            check.fault(at, "the value has characters that no header may have");
        }
        headers.push((name.clone(), at.value.clone().into()));
    }
    headers
}

fn has_token(raw: &RawTarget) -> bool {
    let given: [Option<&At<String>>; 2] = [raw.token.as_ref(), raw.token_file.as_ref()];
    given.iter().any(Option::is_some)
}
