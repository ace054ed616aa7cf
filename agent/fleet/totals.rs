//! True counters out of a server's own totals, which start anew with its process. Pure.

use crate::sample::Totals;

/// Sums that only grow, whatever the process behind them does.
#[derive(Debug, Clone, Default)]
pub(super) struct Running {
    /// What processes before this one had counted.
    before: [Option<f64>; 8],
    /// What the present one told last.
    last: [Option<f64>; 8],
    incarnation: Option<String>,
    /// What was told first: it was counted before anybody looked.
    first: [Option<f64>; 8],
}

impl Running {
    /// Its process was seen to begin: all that it counts is new.
    pub(super) fn began(&mut self) {
        for first in &mut self.first {
            first.get_or_insert(0.0);
        }
    }

    /// Takes what the server told now. A total that fell, or another process, is a new start: what
    /// was counted before stays in the sum. Steps between two starts that no poll saw are lost.
    pub(super) fn observe(&mut self, counters: &Totals, incarnation: Option<&str>) {
        if let Some(incarnation) = incarnation {
            let was = self.incarnation.replace(incarnation.to_owned());
            if was.is_some_and(|was| was != incarnation) {
                for (before, last) in self.before.iter_mut().zip(&mut self.last) {
                    *before = last.replace(0.0).map(|last| before.unwrap_or(0.0) + last);
                }
                self.last = self.before.map(|before| before.map(|_| 0.0));
            }
        }
        let known = self.before.iter_mut().zip(&mut self.last).zip(&mut self.first);
        for (((before, last), first), now) in known.zip(array(counters)) {
            let Some(now) = now.filter(|value| value.is_finite() && *value >= 0.0) else { continue };
            if let Some(was) = *last
                && now < was
            {
                *before = Some(before.unwrap_or(0.0) + was);
                if incarnation.is_none() {
                    // The process that was known is gone; the next name is that of this one.
                    self.incarnation = None;
                }
            }
            first.get_or_insert(now);
            *last = Some(now);
        }
    }

    /// What was added to the sums since they were first told. `None`: never told.
    pub(super) fn grown(&self) -> Totals {
        self.sums(&self.first.map(|first| first.unwrap_or(0.0)))
    }

    /// The sums. `None`: never told.
    pub(super) fn totals(&self) -> Totals {
        self.sums(&[0.0; 8])
    }

    /// The sums without this.
    fn sums(&self, without: &[f64; 8]) -> Totals {
        let mut sums = [None; 8];
        for ((sum, without), (before, last)) in
            sums.iter_mut().zip(without).zip(self.before.iter().zip(&self.last))
        {
            *sum = last.map(|last| before.unwrap_or(0.0) + last - without);
        }
        let [
            requests,
            prompt_tokens,
            cached_tokens,
            output_tokens,
            prompt_seconds,
            decode_seconds,
            draft_tokens,
            draft_accepted_tokens,
        ] = sums;
        Totals {
            requests,
            prompt_tokens,
            cached_tokens,
            output_tokens,
            prompt_seconds,
            decode_seconds,
            draft_tokens,
            draft_accepted_tokens,
        }
    }
}

fn array(counters: &Totals) -> [Option<f64>; 8] {
    [
        counters.requests,
        counters.prompt_tokens,
        counters.cached_tokens,
        counters.output_tokens,
        counters.prompt_seconds,
        counters.decode_seconds,
        counters.draft_tokens,
        counters.draft_accepted_tokens,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(output: Option<f64>) -> Totals {
        Totals { output_tokens: output, ..Totals::default() }
    }

    #[test]
    fn a_restart_goes_on_from_where_it_was() {
        let mut running = Running::default();
        let mut sums = Vec::new();
        for (output, process) in [(10.0, "a"), (25.0, "a"), (4.0, "b"), (30.0, "c"), (31.0, "c")] {
            running.observe(&told(Some(output)), Some(process));
            sums.push(running.totals().output_tokens);
        }
        assert_eq!(sums, [10.0, 25.0, 29.0, 59.0, 60.0].map(Some));
    }

    #[test]
    fn what_a_server_counted_before_it_was_asked_is_in_its_totals_alone() {
        let mut running = Running::default();
        running.observe(&told(Some(1000.0)), Some("a"));
        assert_eq!(running.grown().output_tokens, Some(0.0));
        running.observe(&told(Some(1020.0)), Some("a"));
        running.observe(&told(Some(5.0)), Some("b"));
        assert_eq!(running.grown().output_tokens, Some(25.0), "over its restart too");
        let mut seen = Running::default();
        seen.began();
        seen.observe(&told(Some(30.0)), Some("a"));
        assert_eq!((seen.grown().output_tokens, seen.grown().requests), (Some(30.0), None));
    }

    #[test]
    fn without_a_process_a_fall_is_the_sign() {
        let mut running = Running::default();
        for output in [10.0, 3.0, 5.0] {
            running.observe(&told(Some(output)), None);
        }
        assert_eq!(running.totals().output_tokens, Some(15.0));
    }

    #[test]
    fn a_restart_that_told_no_process_at_first_is_counted_once() {
        let mut running = Running::default();
        for (output, process) in [(100.0, Some("a")), (5.0, None), (7.0, Some("b"))] {
            running.observe(&told(Some(output)), process);
        }
        assert_eq!(running.totals().output_tokens, Some(107.0));
    }

    #[test]
    fn what_is_not_told_is_not_zero_and_a_gap_loses_nothing() {
        let mut running = Running::default();
        assert_eq!(running.totals().output_tokens, None);
        running.observe(&told(Some(7.0)), Some("a"));
        running.observe(&told(None), Some("b"));
        assert_eq!(running.totals().output_tokens, Some(7.0));
        running.observe(&told(Some(f64::NAN)), Some("b"));
        assert_eq!(running.totals().output_tokens, Some(7.0));
        running.observe(&told(Some(20.0)), Some("b"));
        assert_eq!(running.totals().output_tokens, Some(27.0));
    }
}
