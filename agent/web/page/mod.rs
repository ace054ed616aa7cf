//! The status page: a function of the view, made here whole, so that it reads without script. Pure.

use std::cmp::Reverse;
use std::net::SocketAddr;

use askama::Template;

use crate::sample::NoteLevel;
use crate::view::{BackendView, CardView, GpusView, Health, TargetView, View};

mod badge;
mod canary;
mod card;
mod gpu;
mod hang;
mod headline;
mod host;
mod line;
mod row;
mod traffic;
mod words;

use card::Card;
use gpu::Gpu;
use hang::Hang;
use headline::Trouble;
use host::Host;
use line::Line;
use words::{Moment, bytes, moment};

/// The page's style.
pub const STYLE: &str = include_str!("page.css");

/// The page's script: it fetches the page anew and puts what changed in place.
pub const SCRIPT: &str = include_str!("page.js");

/// So many servers are shown whole, the worst first; the table at the top has all.
const CARDS: usize = 50;

/// From here on a table of all servers stands before them.
const TABLE_FROM: usize = 4;

/// The page of a view. `listen`: where the agent listens.
pub fn render(view: &View, listen: &[SocketAddr]) -> String {
    Page::new(view, listen).render().unwrap_or_else(|error| {
        tracing::error!(%error, "the page cannot be made");
        "the page cannot be made; /api/v1/view has the same as JSON".into()
    })
}

#[derive(Template)]
#[template(path = "page.html", config = ".askama.toml")]
struct Page<'a> {
    view: &'a View,
    style: String,
    script: String,
    /// `ok`, `warning`, `critical`, `unknown`.
    tone: &'static str,
    headline: String,
    troubles: Vec<Trouble<'a>>,
    troubles_more: usize,
    at: Moment,
    started: Moment,
    config_at: Moment,
    scanned: Option<Moment>,
    /// All servers, a line each.
    lines: Vec<Line<'a>>,
    /// Whether they are so many that a table helps.
    table: bool,
    /// The servers that are shown whole.
    cards: Vec<Card<'a>>,
    cards_more: usize,
    /// Some server's traffic is watched.
    watched: bool,
    /// It should be told once how traffic can be watched.
    tap_hint: bool,
    gpus: Vec<Gpu<'a>>,
    /// Size of the model to load next, and whether it fits.
    next_model: Option<(String, &'a str)>,
    /// Something is there and cannot be read; not merely no GPU.
    gpus_failed: bool,
    backends_down: Vec<&'a BackendView>,
    hangs: Vec<Hang<'a>>,
    hosts: Vec<Host<'a>>,
    listen: String,
    /// Whether only this machine reaches it.
    local: bool,
}

impl<'a> Page<'a> {
    fn new(view: &'a View, listen: &[SocketAddr]) -> Page<'a> {
        let now = view.at;
        let mut sorted: Vec<&TargetView> = view.targets.iter().collect();
        sorted.sort_by_key(|target| (Reverse(target.health()), &target.name));
        let mut gpus: Vec<&CardView> = view.gpus.cards.iter().collect();
        gpus.sort_by_key(|card| Reverse(card.health()));
        let (troubles, troubles_more) = headline::troubles(view, &sorted);
        Page {
            view,
            style: format!("page.css?v={:x}", line::hash(STYLE.as_bytes())),
            script: format!("page.js?v={:x}", line::hash(SCRIPT.as_bytes())),
            tone: view.health().name(),
            headline: headline::headline(view),
            // The only trouble of one server alone is the headline and its card.
            troubles: if sorted.len() > 1 || troubles.len() > 1 { troubles } else { Vec::new() },
            troubles_more,
            at: moment(now, now),
            started: moment(view.agent.started_at, now),
            config_at: moment(view.agent.config_at, now),
            scanned: view.discovery.last_scan_at.map(|at| moment(at, now)),
            lines: sorted.iter().map(|target| Line::new(target, now)).collect(),
            table: sorted.len() >= TABLE_FROM,
            cards: sorted.iter().take(CARDS).map(|target| Card::new(target, now)).collect(),
            cards_more: sorted.len().saturating_sub(CARDS),
            watched: view.targets.iter().any(|target| target.traffic.is_some()),
            tap_hint: traffic::hint(view),
            gpus: gpus.into_iter().map(|card| Gpu::new(card, now)).collect(),
            next_model: view.gpus.next_model.as_ref().map(|fit| (bytes(fit.bytes), fit.text.as_str())),
            gpus_failed: view.gpus.backends.iter().any(|backend| !backend.up && !is_absent(backend)),
            backends_down: backends_down(&view.gpus),
            hangs: hang::hangs(&view.gpus, now),
            hosts: view.hosts.iter().map(|host| Host::new(host, now)).collect(),
            listen: listen.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            local: listen.iter().all(|address| address.ip().is_loopback()),
        }
    }
}

/// The backends that do not work and are news. That a driver is missing is none where another one works, or
/// where all are missing: a machine has the driver of one vendor, or of none.
fn backends_down(gpus: &GpusView) -> Vec<&BackendView> {
    let down = gpus.backends.iter().filter(|backend| !backend.up);
    let (absent, failed): (Vec<_>, Vec<_>) =
        down.partition(|backend| backend.reason.as_deref() == Some("no_driver"));
    let alone = gpus.backends.len() == 1;
    if alone && failed.is_empty() { absent } else { failed }
}

/// Whether this way of reading GPUs is not there at all, as on any machine without one.
fn is_absent(backend: &BackendView) -> bool {
    matches!(backend.reason.as_deref(), Some("no_driver" | "driver_not_loaded"))
        && backend.health() == Health::Ok
}
