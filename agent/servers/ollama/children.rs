//! The llama-servers that an Ollama runs its models in, joined to the models by their blobs. They tell slots, queue and tokens, which Ollama does not.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;

use super::blobs::{Blob, Blobs};
use super::child::{Told, look};
use super::family::{Child, Family};
use crate::http::Http;
use crate::procs::Machine;
use crate::sample::{ChildSample, ModelSample, Note, ServerSample, ServerState, Totals, UNNAMED};

/// A child answers in milliseconds, on loopback; one that does not is stuck.
const CHILD_TIMEOUT: Duration = Duration::from_secs(3);

/// Children looked at in one poll. A machine holds a few; the bound is for a lie.
const MOST: usize = 32;

/// What is remembered of the children from one poll to the next.
#[derive(Debug, Default)]
pub(super) struct Children {
    /// By `pid:starttime`.
    known: BTreeMap<String, Known>,
    /// A child was seen: this Ollama runs its models in processes.
    seen: bool,
}

/// What is remembered of one child.
#[derive(Debug, Default)]
struct Known {
    /// Whether it said that its metrics are on, once it was asked.
    metrics: Option<bool>,
    /// The model that it runs.
    model: Option<String>,
    /// Its port is in another network namespace.
    elsewhere: bool,
}

impl Children {
    /// Looks at every child and writes what it told to its model.
    pub(super) async fn look(
        &mut self,
        http: &Http,
        machine: &Machine,
        family: &Family,
        blobs: &Blobs,
        certain: bool,
        sample: &mut ServerSample,
    ) {
        self.seen |= !family.children.is_empty();
        self.known
            .retain(|process, _| family.children.iter().any(|child| child.process.incarnation() == *process));
        let http = http.within(http.timeout().min(CHILD_TIMEOUT));
        // While a model is loaded anew it may have two processes for a moment. The elder counts until
        // it is gone: counters that went from one to the other and back would be counted twice.
        let mut children: Vec<&Child> = family.children.iter().collect();
        children.sort_by_key(|child| (child.process.started_ticks, child.process.pid));
        let looks = children.into_iter().take(MOST).map(|child| {
            let known = self.known.get(&child.process.incarnation()).and_then(|known| known.metrics);
            let http = &http;
            async move { (child, look(http, child, known).await) }
        });
        for (child, told) in join_all(looks).await {
            self.take(child, told, blobs, sample);
        }
        if certain || self.seen {
            dead(blobs, family, sample);
        }
        self.say_metrics(machine, family, sample);
        let orphans: Vec<&Child> = family.orphans_of(blobs.folder()).collect();
        sample.orphans = Some(orphans.len() as u32);
        sample.notes.extend(orphans.iter().map(|orphan| orphan_note(orphan)));
    }

    fn take(&mut self, child: &Child, told: Told, blobs: &Blobs, sample: &mut ServerSample) {
        let incarnation = child.process.incarnation();
        let known = self.known.entry(incarnation.clone()).or_default();
        let at = blobs.model_of(&child.blob, &sample.models, known.model.as_deref());
        let (at, named) = (at.unwrap_or_else(|| unnamed(sample)), at.is_some());
        let model = &mut sample.models[at];
        if model.child.is_some() {
            return;
        }
        // What has no name yet will be counted, whole, under its own.
        if named {
            known.model = Some(model.name.clone());
            model.incarnation = Some(incarnation);
        }
        let mut seen = ChildSample { pid: Some(child.process.pid), up: false, metrics: known.metrics };
        match told {
            // Its port does not listen before it begins to load; once it has loaded, it does.
            Told::Refused if model.loaded != Some(true) && !known.elsewhere => {
                model.state = Some(ServerState::Loading);
            }
            Told::Loading => {
                seen.up = true;
                model.state = Some(ServerState::Loading);
            }
            Told::Answered { slots, page, metrics } => {
                seen.up = true;
                known.metrics = metrics.or(known.metrics);
                seen.metrics = known.metrics;
                if let Some(page) = page {
                    crate::servers::llama_cpp::take_metrics(model, &page);
                }
                if !named {
                    model.counters = Totals::default();
                }
                model.loaded = model.loaded.or(Some(true));
                let allocated = model.context_tokens;
                crate::servers::llama_cpp::take_slots(model, &slots);
                model.context_tokens = allocated.or(model.context_tokens);
            }
            Told::Silent => {
                model.loaded = model.loaded.or(Some(true));
                // Ollama itself may go on answering everything while nobody's request moves.
                sample.unanswered.push("child /slots");
            }
            Told::Refused | Told::Another => {
                known.elsewhere = true;
                sample.notes.push(Note::info(
                    "child_elsewhere",
                    format!("the process {} runs a model, but its port cannot be reached from here (a container?)", child.process.pid),
                    Some("run opsagent inside the same container or pod"),
                ));
                return;
            }
        }
        model.child = Some(seen);
    }

    /// Says, once, that the children's metrics are off, and how to switch them on: the children's
    /// own word first, else Ollama's environment where it can be read.
    fn say_metrics(&self, machine: &Machine, family: &Family, sample: &mut ServerSample) {
        if self.known.values().any(|known| known.elsewhere) {
            return;
        }
        let on = match self.known.values().filter_map(|known| known.metrics).min() {
            Some(on) => Some(on),
            None => machine.variable(family.ollama.pid, "LLAMA_ARG_ENDPOINT_METRICS").ok().map(|value| {
                value.is_some_and(|value| !matches!(value.as_str(), "" | "0" | "false" | "off"))
            }),
        };
        if on == Some(false)
            && (self.seen || !family.children.is_empty() || sample.models_installed.is_some())
        {
            sample.notes.push(Note::info(
                "child_metrics_off",
                "Ollama's models run without their metrics: no token counters, no times, no queue (slots are known)",
                Some("set LLAMA_ARG_ENDPOINT_METRICS=1 in Ollama's environment (systemctl edit ollama: [Service] Environment=LLAMA_ARG_ENDPOINT_METRICS=1) and restart it"),
            ));
        }
    }
}

/// The entry for processes whose model no list names.
fn unnamed(sample: &mut ServerSample) -> usize {
    sample.models.iter().position(|model| model.name == UNNAMED).unwrap_or_else(|| {
        sample.models.push(ModelSample { name: UNNAMED.into(), ..ModelSample::default() });
        sample.models.len() - 1
    })
}

/// Models that Ollama lists as loaded while no process runs them.
fn dead(blobs: &Blobs, family: &Family, sample: &mut ServerSample) {
    let mut notes = Vec::new();
    for model in &mut sample.models {
        let runs_here = model.format.as_deref().is_none_or(|format| format == "gguf");
        let no_process = |blob: &Blob| family.children.iter().all(|child| child.blob.name != blob.name);
        if model.loaded == Some(true) && runs_here && blobs.of(model).is_some_and(no_process) {
            model.child = Some(ChildSample::default());
            notes.push(Note::warning(
                "child_dead",
                format!("{} is listed as loaded, but the process that ran it is gone", model.name),
                Some("the next request loads it anew; see Ollama's log for `llama-server terminated`, and the kernel log for the OOM killer"),
            ));
        }
    }
    sample.notes.extend(notes);
}

fn orphan_note(orphan: &Child) -> Note {
    Note::warning(
        "orphan",
        format!(
            "process {} still holds a model in memory, and the Ollama that started it is gone: {}",
            orphan.process.pid, orphan.blob.name
        ),
        Some("nothing will use it again: end it with kill and the process id"),
    )
}
