//! Requests that outlive their target: it was taken out of the config while they were under way.

use std::sync::Arc;

use super::{Live, Traffic};
use crate::metrics::Counted;
use crate::sample::Source;

/// Targets that went and whose requests are waited for. A reload takes a few away; under more the oldest are
/// forgotten.
const MOST: usize = 1000;

/// Where the requests of targets that went are still written down. The series of such a target have ended, and
/// must not come again: its last requests are only counted.
#[derive(Debug, Default)]
pub(in crate::fleet) struct Gone(Vec<(Source, Arc<Live>)>);

impl Gone {
    /// A target with this traffic went.
    pub(in crate::fleet) fn keep(&mut self, traffic: Traffic) {
        self.0.extend(traffic.live.into_iter().map(|(source, watched)| (source, watched.live)));
        self.0.drain(..self.0.len().saturating_sub(MOST));
    }

    /// Counts what ended since the last time, and lets go of what nobody writes to any more.
    pub(in crate::fleet) fn settle(&mut self, counted: &Counted) {
        self.0.retain(|(source, live)| {
            // Before the look into it: whoever lets go of it now may have written just before.
            let is_written = Arc::strong_count(live) > 1;
            let ends = live.take().iter().filter(|(_, one)| !one.loose).count();
            counted.traffic.count_gone(*source, ends as u64);
            is_written
        });
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    fn went(live: &Arc<Live>) -> Traffic {
        let mut traffic = Traffic::new(Instant::now());
        traffic.live.entry(Source::Tap).or_default().live = Arc::clone(live);
        traffic
    }

    #[test]
    fn it_is_let_go_of_once_nobody_writes() {
        let (mut gone, live) = (Gone::default(), Arc::new(Live::default()));
        gone.keep(went(&live));
        gone.settle(&Counted::new());
        assert_eq!(gone.0.len(), 1);
        drop(live);
        gone.settle(&Counted::new());
        assert!(gone.0.is_empty());
    }

    #[test]
    fn a_thousand_are_waited_for_and_the_oldest_forgotten() {
        let mut gone = Gone::default();
        let lives: Vec<_> = (0..=MOST).map(|_| Arc::new(Live::default())).collect();
        for live in &lives {
            gone.keep(went(live));
        }
        assert_eq!(gone.0.len(), MOST);
        assert!(Arc::ptr_eq(&gone.0[0].1, &lives[1]));
    }
}
