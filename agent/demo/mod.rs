//! Simulated servers inside the process, for somebody who has none at hand: `opsagent run --demo`.
//! They are polled by the same job, into the same fleet, as real ones. Nothing listens and nothing
//! is asked over a network; what a tap would see is told to the fleet as a tap tells it; names, kind and `TargetView::demo` say that nothing here is real.
//!
//! A day of the demo takes [`DAY`] seconds and starts in the morning, so that the first page shows
//! work; within a day every state a server can be in is seen.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::time::Instant;
use url::Url;

use crate::fleet::{Fleet, Live, Slo};
use crate::http::HttpError;
use crate::sample::{ServerSample, Source};
use crate::servers::{Kind, Server, Target};

mod canaries;
mod host;
mod llama_cpp;
mod ollama;
mod random;
mod request;
mod traffic;

pub use canaries::Canaries;
pub use host::DemoHost;

/// How long a day of the demo takes, in seconds: an hour takes ten.
pub const DAY: f64 = 240.0;

const MIB: u64 = 1 << 20;

/// The hour of the day at the start.
const FIRST_HOUR: f64 = 9.0;

/// Requests a second by the hour of the day: nights are quiet, afternoons are full.
const BY_HOUR: [f64; 24] = [
    0.12, 0.08, 0.03, 0.02, 0.02, 0.03, 0.06, 0.1, 0.2, 0.3, 0.38, 0.35, 0.15, 0.3, 0.42, 0.4, 0.38, 0.3,
    0.2, 0.18, 0.25, 0.28, 0.22, 0.16,
];

/// Seconds from one poll of a demo target to the next: a newcomer looks for a minute, not for ten.
pub const EVERY: Duration = Duration::from_secs(2);

/// Short, so that the demo's trouble of 20 s is seen as what it is.
const HUNG_AFTER: Duration = Duration::from_secs(6);

/// The kind of all that is simulated. Not in the table of the real ones.
pub static KIND: Kind = Kind {
    name: "demo",
    about: "a simulated server inside the agent: opsagent run --demo",
    contract: "nothing is polled: the server is inside the agent",
    default_ports: &[],
    processes: &[],
    recognise: |_| Box::pin(async { false }),
    connect: |_| Box::new(Down),
};

/// What is promised of the demo's requests.
pub fn slos() -> Vec<Slo> {
    vec![Slo {
        name: "chat".into(),
        time_to_first_token: Some(Duration::from_secs(2)),
        time_per_output_token: Some(Duration::from_millis(50)),
        ..Slo::default()
    }]
}

/// The demo's targets and the servers behind them. The fleet knows them from now on, and what their taps see.
pub fn targets(fleet: &Fleet) -> Vec<(Target, Box<dyn Server>)> {
    let ollama = tapped(fleet, target("demo-ollama", 11434));
    let llama_cpp = tapped(fleet, target("demo-llama-cpp", 8080));
    let down = target("demo-down", 1234);
    fleet.add(&down, true);
    vec![
        (ollama.0, Box::new(Simulated::new(ollama::Ollama::new(ollama.1))) as Box<dyn Server>),
        (llama_cpp.0, Box::new(Simulated::new(llama_cpp::LlamaCpp::new(llama_cpp.1)))),
        (down, Box::new(Down)),
    ]
}

/// The target, known to the fleet, and where its tap writes down what it sees.
fn tapped(fleet: &Fleet, target: Target) -> (Target, Arc<Live>) {
    fleet.add(&target, true);
    // It listens nowhere: nobody should try.
    fleet.record_tap(&target.name, &[], None);
    let live = fleet.live(&target.name, Source::Tap).unwrap_or_default();
    (target, live)
}

/// A server that is only played. Pure: what it shows depends on the time since the start alone.
trait Simulation: Send + 'static {
    /// What a poll sees that long after the start, which was at `start`.
    fn look(&mut self, elapsed: Duration, start: Timestamp) -> ServerSample;
}

struct Simulated<S> {
    simulation: S,
    start: (Instant, Timestamp),
}

impl<S: Simulation> Simulated<S> {
    fn new(simulation: S) -> Simulated<S> {
        Simulated { simulation, start: (Instant::now(), Timestamp::now()) }
    }
}

impl<S: Simulation> Server for Simulated<S> {
    fn poll(&mut self) -> BoxFuture<'_, Result<ServerSample, HttpError>> {
        let sample = self.simulation.look(self.start.0.elapsed(), self.start.1);
        Box::pin(async move { Ok(sample) })
    }
}

/// A server that was stopped: nobody listens.
struct Down;

impl Server for Down {
    fn poll(&mut self) -> BoxFuture<'_, Result<ServerSample, HttpError>> {
        Box::pin(async { Err(HttpError::Refused) })
    }
}

fn target(name: &str, port: u16) -> Target {
    // RFC 2606 keeps `.invalid` free for ever: the address can belong to nobody.
    let url = format!("http://{name}.invalid:{port}/");
    let url = Url::parse(&url).expect("a name of letters and hyphens makes an address");
    Target { kind: Some(&KIND), every: EVERY, hung_after: HUNG_AFTER, ..Target::new(name, url) }
}

/// Seconds since the last start of a day of the demo, 0..[`DAY`].
fn of_day(at: f64) -> f64 {
    at % DAY
}

/// Requests a second at that time, with the short ups and downs that a day has.
fn by_hour(at: f64) -> f64 {
    let hour = (FIRST_HOUR + of_day(at) * 24.0 / DAY) % 24.0;
    let wave = 0.6 + 0.8 * (at * std::f64::consts::TAU / 37.0).sin().max(-0.5);
    BY_HOUR[(hour as usize).min(23)] * wave
}
