//! Whether asking an endpoint could wake a model, or keep it from its sleep.

use super::build_number;
use super::shapes::Props;
use crate::procs::{Machine, Process};
use crate::servers::Endpoint;

/// From this build on `/metrics` neither wakes a model nor resets its idle timer (August 2026).
const METRICS_LETS_SLEEP: u32 = 10_600;

/// What is known of the server's sleep.
#[derive(Debug, Default)]
pub(super) struct Sleep {
    /// The process that was looked at, and whether it may sleep.
    seen: Option<(Process, Option<bool>)>,
}

/// Which endpoints may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Safe {
    pub(super) metrics: bool,
    pub(super) slots: bool,
}

impl Sleep {
    /// Which endpoints may be asked now.
    pub(super) fn safe(&mut self, endpoint: &Endpoint, props: &Props) -> Safe {
        // Builds that do not tell of sleep do not know it.
        let knows_sleep = props.is_sleeping.is_some();
        let off = !knows_sleep || self.told(endpoint) == Some(false);
        Safe { metrics: off || metrics_lets_sleep(props), slots: off }
    }

    /// Whether the server puts its model to sleep, by the config or its own process; `None` where
    /// neither tells.
    pub(super) fn told(&mut self, endpoint: &Endpoint) -> Option<bool> {
        if endpoint.sleeps.is_some() {
            return endpoint.sleeps;
        }
        let machine = endpoint.machine.as_ref()?;
        let still =
            self.seen.as_ref().is_some_and(|(seen, _)| machine.process(seen.pid).as_ref() == Some(seen));
        if !still {
            let port = endpoint.http.base().port_or_known_default();
            self.seen = port.and_then(|port| llama_server(machine, port)).map(|process| {
                let sleeps = may_sleep(machine, &process);
                (process, sleeps)
            });
        }
        self.seen.as_ref().and_then(|(_, sleeps)| *sleeps)
    }
}

/// Whether the llama-server there puts its model to sleep when it is idle, by the config or its own process. `None`:
/// neither tells.
pub fn sleeps(endpoint: &Endpoint) -> Option<bool> {
    Sleep::default().told(endpoint)
}

/// Whether `/metrics` of this build leaves a sleeping model asleep.
pub(super) fn metrics_lets_sleep(props: &Props) -> bool {
    props.build_info.as_deref().and_then(build_number).is_some_and(|build| build >= METRICS_LETS_SLEEP)
}

/// The llama-server that listens on that port, where it can be seen.
pub fn llama_server(machine: &Machine, port: u16) -> Option<Process> {
    let processes: Vec<Process> = machine
        .processes()
        .ok()?
        .into_iter()
        .filter(|process| process.name.contains("llama-server"))
        .collect();
    let listener = machine
        .listeners(&processes)
        .ok()?
        .into_iter()
        .find(|l| l.address.port() == port && l.pid.is_some())?;
    processes.into_iter().find(|process| Some(process.pid) == listener.pid)
}

/// Whether the process was told to let its model sleep; `None` where its environment is hidden.
fn may_sleep(machine: &Machine, process: &Process) -> Option<bool> {
    let told = |value: &str| value.trim().parse::<f64>().map_or(true, |seconds| seconds >= 0.0);
    if let Some(value) = process.option(&["--sleep-idle-seconds"]) {
        return Some(told(value));
    }
    match machine.variable(process.pid, "LLAMA_ARG_SLEEP_IDLE_SECONDS") {
        Ok(value) => Some(value.is_some_and(|value| told(&value))),
        Err(_) => None,
    }
}
