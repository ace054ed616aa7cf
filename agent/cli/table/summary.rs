//! The head: all in one sentence, as a pager shows it.

use super::Lost;
use crate::cli::{style, text, words};
use crate::gpus::words as words_of;
use crate::sample::{NoteLevel, ServerState};
use crate::view::traffic_words::number;
use crate::view::{BackendView, CardView, Health, HostView, TargetView, View, canary_words};

/// Targets named in the line; the table has all.
const NAMED: usize = 3;

/// Room for the name of one of them.
const NAME: usize = 40;

/// Room for why one of them is as it is.
const WHY: usize = 100;

/// `CRITICAL: 1 of 3 targets is down: box (connection refused)`, the second line and on indented.
pub(super) fn lines(view: &View, lost: &[Lost], width: usize) -> Vec<String> {
    let health = super::health(view, lost);
    let word = format!("{}:", health.name().to_uppercase());
    let whole = format!("{word} {}", sentence(view, lost, health));
    let looks = style::health(health);
    let mut lines = super::block(style::PLAIN, "", &whole, width);
    if let Some(rest) = lines[0].strip_prefix(&word) {
        lines[0] = format!("{looks}{word}{looks:#}{rest}");
    }
    lines
}

fn sentence(view: &View, lost: &[Lost], health: Health) -> String {
    let all = view.targets.len();
    let mut parts = Vec::new();
    let mut tell = |what: (&str, &str), who: Vec<(&TargetView, String)>| {
        if !who.is_empty() {
            let of_all = parts.is_empty().then_some(all);
            parts.push(some_of(of_all, what, &who));
        }
    };
    match health {
        Health::Critical => {
            tell(("is down", "are down"), with(view, is(ServerState::Down), error));
            tell(("is hung", "are hung"), with(view, is(ServerState::Hung), error));
            let lost = |target: &TargetView| {
                target.health() == Health::Critical
                    && !matches!(target.state, Some(ServerState::Down | ServerState::Hung))
            };
            tell(("answers badly", "answer badly"), with(view, lost, drift));
        }
        Health::Warning => {
            let warns = |target: &TargetView| target.health() == Health::Warning;
            tell(("needs a look", "need a look"), with(view, warns, warning));
        }
        Health::Unknown => {
            tell(("is not known", "are not known"), with(view, |target| target.state.is_none(), unknown));
        }
        Health::Ok => {}
    }
    parts.extend(cards(view, health));
    if health == Health::Warning {
        parts.extend(view.gpus.backends.iter().filter_map(backend));
        parts.extend(view.hosts.iter().filter_map(host));
    }
    if !view.agent.config_ok && health <= Health::Warning {
        parts.push("the last reload of the config was refused".into());
    }
    if !lost.is_empty() {
        parts.push(format!("no answer from {}", words::count(lost.len(), "agent")));
    }
    if all == 0 {
        let well = words::count(view.gpus.cards.len(), "GPU");
        let well = match view.gpus.cards.len() {
            1 => Some(format!(" ({well} reads well)")),
            2.. => Some(format!(" ({well} read well)")),
            0 => None,
        };
        let well = well.filter(|_| health == Health::Unknown);
        parts.push(format!("no target{}", well.unwrap_or_default()));
    }
    if parts.is_empty() { fine(view) } else { parts.join("; ") }
}

/// `GPU 3 (H100) fell off the bus; GPU 1 (H100) needs a look (why)`: those that make it as bad as it is.
fn cards(view: &View, health: Health) -> Vec<String> {
    let gpus = &view.gpus;
    if !matches!(health, Health::Warning | Health::Critical) {
        return Vec::new();
    }
    let ill: Vec<&CardView> = gpus.cards.iter().filter(|card| card.health() == health).collect();
    let mut parts: Vec<String> = ill.iter().take(NAMED).map(|card| ill_card(card)).collect();
    parts.extend(super::more(ill.len(), NAMED).map(|more| format!("and {} more", words::count(more, "GPU"))));
    // Of those expected by their number alone nothing is known, and no row stands for them.
    let rest = gpus.missing.map_or(0, |missing| (missing as usize).saturating_sub(ill.len()));
    if health == Health::Critical && rest > 0 {
        let verb = if rest == 1 { "is" } else { "are" };
        parts.push(format!("{} of those expected {verb} missing", words::count(rest, "GPU")));
    }
    let warned = gpus.cards.iter().filter(|card| card.health() == Health::Warning).count();
    if health == Health::Critical && warned > 0 {
        let verb = if warned == 1 { "needs" } else { "need" };
        parts.push(format!("{} {verb} a look", words::count(warned, "GPU")));
    }
    parts
}

fn ill_card(card: &CardView) -> String {
    let name = text::fit(&text::clean(&words_of::called(&card.told)), NAME);
    if let Some(fault) = &card.told.fault {
        return format!("{name} {}", words_of::fault(fault).says);
    }
    let mut warnings = card.notes.iter().filter(|note| note.level == NoteLevel::Warning);
    let why = warnings.next().map(|note| text::fit(&text::clean(&note.text), WHY));
    format!("{name} needs a look ({})", why.unwrap_or_default())
}

/// `the GPUs cannot be read by nvml (why)`, if something is wrong with that.
fn backend(backend: &BackendView) -> Option<String> {
    let why =
        backend.error.as_ref().or(backend.reason.as_ref()).filter(|_| backend.health() != Health::Ok)?;
    Some(format!("the GPUs cannot be read by {} ({})", backend.name, text::fit(&text::clean(why), WHY)))
}

/// `the host needs a look (why)`, if it does.
fn host(host: &HostView) -> Option<String> {
    let note = host.notes.iter().find(|note| note.level == NoteLevel::Warning)?;
    Some(format!("the host needs a look ({})", text::fit(&text::clean(&note.text), WHY)))
}

fn fine(view: &View) -> String {
    let up = words::count(view.targets.len(), "target");
    let told = view.targets.iter().flat_map(|target| &target.models).filter_map(|model| model.loaded);
    let loaded: Vec<bool> = told.collect();
    let models = (!loaded.is_empty()).then(|| {
        let loaded = loaded.iter().filter(|loaded| **loaded).count();
        format!(", {} loaded", words::count(loaded, "model"))
    });
    let cards =
        (!view.gpus.cards.is_empty()).then(|| format!(", {}", words::count(view.gpus.cards.len(), "GPU")));
    let traffic = under_way(view).map(|traffic| format!(", {traffic}"));
    format!(
        "{up} up{}{}{}",
        models.unwrap_or_default(),
        cards.unwrap_or_default(),
        traffic.unwrap_or_default()
    )
}

/// `3 requests in flight at 71.3 tokens/s`, over all targets that have a tap.
fn under_way(view: &View) -> Option<String> {
    let traffic = || view.targets.iter().filter_map(|target| target.traffic.as_ref());
    let in_flight = traffic().filter_map(|traffic| traffic.in_flight).reduce(u64::saturating_add)?;
    let rate: f64 = traffic().filter_map(|traffic| traffic.output_tokens_per_second).sum();
    let rate = (in_flight > 0 && rate > 0.0).then(|| format!(" at {} tokens/s", number(rate)));
    Some(format!("{} in flight{}", words::count(in_flight as usize, "request"), rate.unwrap_or_default()))
}

/// `2 of 3 targets are down: a (why), b (why)`; `of_all`: of how many, if that was not said yet.
fn some_of(of_all: Option<usize>, (one, many): (&str, &str), who: &[(&TargetView, String)]) -> String {
    let verb = if who.len() == 1 { one } else { many };
    let of_all = of_all.map(|all| format!(" of {}", words::count(all, "target"))).unwrap_or_default();
    let names: Vec<String> = who.iter().take(NAMED).map(|(target, why)| name_and_why(target, why)).collect();
    let more = super::more(who.len(), NAMED).map(|more| format!(" and {more} more")).unwrap_or_default();
    format!("{}{of_all} {verb}: {}{more}", who.len(), names.join(", "))
}

fn name_and_why(target: &TargetView, why: &str) -> String {
    let name = text::fit(&text::clean(&target.name), NAME);
    if why.is_empty() { name } else { format!("{name} ({})", text::fit(&text::clean(why), WHY)) }
}

fn with(
    view: &View,
    which: impl Fn(&TargetView) -> bool,
    why: impl Fn(&TargetView) -> String,
) -> Vec<(&TargetView, String)> {
    view.targets.iter().filter(|target| which(target)).map(|target| (target, why(target))).collect()
}

fn is(state: ServerState) -> impl Fn(&TargetView) -> bool {
    move |target| target.state == Some(state)
}

fn error(target: &TargetView) -> String {
    let told = target.error.as_ref().or(target.reason.as_ref()).cloned();
    told.unwrap_or_else(|| warning(target))
}

fn warning(target: &TargetView) -> String {
    let mut warnings = target.notes.iter().filter(|note| note.level == NoteLevel::Warning);
    warnings.next().map_or_else(|| drift(target), |note| note.text.clone())
}

/// Which of its models answers otherwise, and why.
fn drift(target: &TargetView) -> String {
    let Some(worst) = target.drift() else { return String::new() };
    let cause = worst.report.cause.map(|cause| format!(", most likely {}", canary_words::cause(cause)));
    format!("{} is {}{}", worst.model, worst.report.verdict.name(), cause.unwrap_or_default())
}

fn unknown(target: &TargetView) -> String {
    if target.last_poll_at.is_none() { "not polled yet".into() } else { warning(target) }
}
