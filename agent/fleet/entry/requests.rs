//! What a target's inventory says to its requests, and their counting.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::memory::Memory;
use super::{Entry, STALE_BEATS};
use crate::fleet::label;
use crate::fleet::traffic::{Inventory, Model, Models, OTHER, World, began, is_load, was_answered};
use crate::sample::{Generation, ServerSample};

impl Entry {
    /// Counts the requests that ended since the last time.
    pub(in crate::fleet) fn settle(&mut self, world: &World<'_>) {
        let kind = self.kind().unwrap_or_default();
        let fresh = self.target.every * STALE_BEATS;
        let mut known = KnownModels { kind, only: self.only.as_deref(), fresh, models: &mut self.models };
        self.traffic.settle(&self.target.name, &mut known, world);
    }

    /// Makes the counters of what is loaded be there.
    pub(in crate::fleet) fn expect(&mut self, world: &World<'_>) {
        for (name, _) in self.models.iter().filter(|(_, memory)| memory.loaded) {
            self.traffic.expect(&self.target.name, name, world);
        }
    }

    /// A llama-server that is no router has one model and answers with it to whatever name. A router is the one
    /// that tells what is installed.
    pub(super) fn see_only(&mut self, sample: &ServerSample) {
        let alone = sample.kind == "llama_cpp" && sample.models_installed.is_none();
        match sample.models.as_slice() {
            [model] if alone => self.only = Some(model.name.clone()),
            // While it loads it tells of no model, and will have the same.
            [] if alone => {}
            _ => self.only = None,
        }
    }
}

/// The models of a target, as several looks know them.
struct KnownModels<'e> {
    kind: &'e str,
    only: Option<&'e str>,
    /// How long the last look says how things are.
    fresh: Duration,
    models: &'e mut BTreeMap<String, Memory>,
}

impl Models for KnownModels<'_> {
    fn inventory(&self) -> Inventory<'_> {
        Inventory { kind: self.kind, only: self.only }
    }

    fn place(&mut self, one: &Generation, ended: Instant) -> Model {
        let asked = one.model.as_deref().map(label);
        let name = self.inventory().resolve(asked.as_deref(), &self.models.keys().map(String::as_str));
        let name = name.unwrap_or(OTHER).to_owned();
        let (load, began) = (one.told.load, began(one, ended));
        let Some(memory) = self.models.get_mut(&name) else {
            return Model { name, cold: load.is_some_and(is_load), context: None };
        };
        let cold = memory.awake.was_cold(began, load, self.fresh);
        if was_answered(one) {
            memory.awake.answered(ended);
        }
        if cold {
            memory.reloaded = memory.reloaded.max(Some(ended));
        }
        // A load may have given it another context, which the next look will tell.
        let is_sure = |seen: Instant| memory.reloaded.is_none_or(|reloaded| seen > reloaded);
        let context = memory.context.filter(|(_, seen)| is_sure(*seen)).map(|(context, _)| context);
        Model { name, cold, context }
    }
}
