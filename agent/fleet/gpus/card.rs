//! What is known of one card: what it told last, and what only several reads tell together.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::moments::Moments;
use super::{energy, notes, throttle, users};
use crate::fleet::label::line;
use crate::sample::{CardFault, GpuSample};
use crate::view::{CardUser, CardView, XidCount, headroom};

/// A read older than this many beats is not shown as current.
const STALE_BEATS: u32 = 3;

/// Processes kept of a card: more than any has. Each is a line of the JSON.
const MOST_PROCESSES: usize = 256;

/// One card, from the first time that it was seen.
#[derive(Debug)]
pub(super) struct Card {
    /// Who lists it.
    pub(super) backend: &'static str,
    /// What it told last. Without readings, but still itself, while it is silent.
    told: GpuSample,
    /// When it was last told of, and from then to the next time.
    heard: Instant,
    every: Duration,
    /// When it last gave readings.
    read: Option<Instant>,
    energy: energy::Meter,
    throttled: throttle::Meter,
    users: Vec<CardUser>,
    /// The most NVLinks that were up at once.
    most_links: u32,
    /// The most lanes that its link to the machine had.
    most_lanes: u32,
    moments: Moments,
}

/// What a read tells of the energy since the one before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Taken {
    /// In joules.
    pub(super) joules: f64,
    /// The time was so short that the processes of now may be taken for those of then.
    pub(super) seen: bool,
}

impl Card {
    /// One that is told of for the first time.
    pub(super) fn new(backend: &'static str, told: &GpuSample, now: Instant) -> Card {
        Card {
            backend,
            told: told.clone(),
            heard: now,
            every: Duration::ZERO,
            read: None,
            energy: energy::Meter::default(),
            throttled: throttle::Meter::default(),
            users: Vec::new(),
            most_links: 0,
            most_lanes: 0,
            moments: Moments::default(),
        }
    }

    /// Takes what a read told of it: readings, or that it is silent.
    pub(super) fn take(
        &mut self,
        backend: &'static str,
        mut card: GpuSample,
        now: Instant,
        every: Duration,
        is_target: &dyn Fn(&str) -> bool,
    ) -> Taken {
        (self.backend, self.heard, self.every) = (backend, now, every);
        if let Some(fault) = card.fault.take() {
            if self.read.is_none() {
                self.told = card;
            }
            self.silence(fault, now, every);
            return Taken { joules: 0.0, seen: false };
        }
        let longest = every * STALE_BEATS;
        let joules = self.energy.take(&card, now, longest);
        self.throttled.take(&card, now, longest);
        let before = self.read.replace(now);
        let seen = before.is_some_and(|before| now.saturating_duration_since(before) <= longest);
        card.processes = card.processes.map(users::once);
        self.users = users::users(card.processes.as_deref().unwrap_or_default(), is_target);
        self.most_links = self.most_links.max(card.nvlinks.as_ref().map_or(0, |links| links.active));
        self.most_lanes = self.most_lanes.max(card.pcie.width.unwrap_or(0));
        self.moments.take(notes::momentary(&card, self.most_lanes), now, longest);
        self.told = card;
        Taken { joules, seen }
    }

    /// It gives no readings any more, says its backend, which still answers, or fails; what it is stays.
    pub(super) fn silence(&mut self, fault: CardFault, now: Instant, every: Duration) {
        (self.heard, self.every) = (now, every);
        self.told = self.told.silent(CardFault { error: line(&fault.error), ..fault });
        self.users.clear();
        self.moments.forget();
    }

    /// What it took since it was first read, in joules. `None`: it tells neither energy nor power.
    pub(super) fn grown(&self) -> Option<f64> {
        self.energy.grown()
    }

    /// What it told last.
    pub(super) fn told(&self) -> &GpuSample {
        &self.told
    }

    /// Keeps no more of its processes than are shown.
    pub(super) fn trim(&mut self) {
        if let Some(processes) = &mut self.told.processes {
            processes.truncate(MOST_PROCESSES);
        }
    }

    /// When it last gave readings.
    pub(super) fn read(&self) -> Option<Instant> {
        self.read
    }

    /// It gives readings, and they are not old.
    pub(super) fn is_current(&self, now: Instant) -> bool {
        self.told.fault.is_none() && now.saturating_duration_since(self.heard) <= self.every * STALE_BEATS
    }

    /// What is shown of it.
    pub(super) fn view(
        &self,
        now: Instant,
        at: Timestamp,
        xids: Vec<XidCount>,
        host_available: Option<u64>,
    ) -> CardView {
        let stale = self.told.fault.is_none() && !self.is_current(now);
        let told = if stale {
            let old = now.saturating_duration_since(self.heard);
            let error =
                format!("the last read is {} s old: the agent is overloaded, or a read hangs", old.as_secs());
            self.told.silent(CardFault::new("stale", error))
        } else {
            self.told.clone()
        };
        let (energy_total_joules, energy_source) = self.energy.total().unzip();
        let moments = if stale { Vec::new() } else { self.moments.notes(now) };
        let facts = notes::Facts {
            told: &told,
            xids: &xids,
            sw_thermal: self.throttled.held("sw_thermal", now),
            most_links: self.most_links,
            at,
        };
        let silent_for = told.fault.as_ref().and(self.read).map(|read| now.saturating_duration_since(read));
        CardView {
            last_seen_at: silent_for.and_then(|silent| at.checked_sub(silent).ok()),
            energy_total_joules,
            energy_source,
            kept_energy_joules: None,
            throttled_total_seconds: self.throttled.totals(),
            users: if stale { Vec::new() } else { self.users.clone() },
            headroom_bytes: headroom(&told, host_available),
            notes: notes::notes(&facts, moments),
            xids,
            told,
        }
    }
}
