//! What is shown of real traffic.

use tokio::time::Instant;

use super::{MAX_SLOS, Traffic, TrafficPlan};
use crate::sample::Source;
use crate::view::{SloView, TapView, TrafficView};

impl Traffic {
    /// What passes now and how the last minutes were. `None`: nobody looks.
    pub(in crate::fleet) fn view(
        &self,
        target: &str,
        plan: &TrafficPlan,
        now: Instant,
    ) -> Option<TrafficView> {
        let shown = self.shown();
        if self.tap.is_none() && self.log.is_none() && self.window.requests() == 0 {
            return None;
        }
        let tap = self.live.get(&Source::Tap).map(|watched| &watched.live);
        let in_flight = tap.filter(|_| self.tap.is_some()).map(|live| live.in_flight());
        let mut view = TrafficView {
            tap: self.tap.as_ref().map(|view| TapView {
                connections: tap.map_or(0, |live| live.connections()),
                error: view.error.clone().or_else(|| self.deaf()),
                ..view.clone()
            }),
            log: self.log.clone(),
            in_flight: in_flight.map(|(all, _)| all),
            decoding: in_flight.map(|(_, decoding)| decoding),
            output_tokens_per_second: shown
                .filter(|source| self.tells_tokens(*source))
                .and_then(|source| self.tokens_per_second(source, now)),
            source: shown.map(|source| source.name().to_owned()),
            last_end_at: self.last_end_at,
            slos: self.slos(target, plan),
            ..TrafficView::default()
        };
        self.window.fill(&mut view, now);
        Some(view)
    }

    /// Why the tap cannot accept clients now, if so.
    pub(super) fn deaf(&self) -> Option<String> {
        self.live.get(&Source::Tap)?.live.deaf()
    }

    /// Output tokens a second over the last ten seconds. Pieces count as they pass, each for as many tokens as
    /// servers say of whole answers; answers that are no streams count from first to last token once they ended.
    fn tokens_per_second(&self, source: Source, now: Instant) -> Option<f64> {
        let pieces = self.live.get(&source)?.live.pieces();
        let (span, pieces) = self.pace.last(now, pieces)?;
        let streamed = pieces as f64 * self.window.tokens_a_piece();
        Some((streamed + self.window.tokens_unseen(span, now)) / span.as_secs_f64())
    }

    fn slos(&self, target: &str, plan: &TrafficPlan) -> Vec<SloView> {
        let slos = plan.slos.iter().take(MAX_SLOS).enumerate();
        let ours =
            slos.filter(|(_, slo)| slo.targets.is_empty() || slo.targets.iter().any(|name| name == target));
        ours.map(|(number, slo)| {
            let (requests, missed) = self.window.slo(number);
            SloView { name: slo.name.clone(), requests, missed }
        })
        .collect()
    }
}
