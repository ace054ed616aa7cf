//! How a model stands to its baseline, by the runs of one command.

use super::Kept;
use crate::cli::canary::now;
use crate::drift::{Report, Stream, Verdict};

/// What a model's runs say beside its baseline.
#[derive(Debug)]
pub(in crate::cli) struct Compared {
    pub(in crate::cli) report: Box<Report>,
    /// Runs of this command that were compared, and those beyond the baseline.
    pub(in crate::cli) runs: u64,
    pub(in crate::cli) exceeding: u64,
    /// The looks of this command alone are too many beyond the baseline for chance.
    pub(in crate::cli) sure: bool,
}

impl Kept {
    /// Whether something moved and it is not sure yet.
    pub(in crate::cli) fn is_open(&self) -> bool {
        self.watch.baseline().is_some() && self.watch.report(now()).alarms.is_empty() && !self.is_sure()
    }

    /// Whether the looks of this command alone make it sure: every one was beyond the baseline, and so many that a
    /// model which did not change gives them no likelier than the alarm of a stream. Each look is beyond it with a
    /// probability of at most the baseline's bound, whatever came before: k of k with at most its kth power. That is
    /// the assumption of the evidence, too; but a look by hand is one test, and no watch over a year, so it needs
    /// no time between the looks. Only where the numbers never vary by themselves.
    fn is_sure(&self) -> bool {
        let report = self.watch.report(now());
        let Some(baseline) = report.baseline.filter(|baseline| baseline.deterministic) else { return false };
        let stream = report.streams.iter().find(|state| state.stream == Stream::FingerprintFast);
        let all = self.compared > 0 && self.exceeding == self.compared;
        let surprise = self.exceeding as f64 * -baseline.exceedance_bound.ln();
        all && stream.is_some_and(|state| surprise >= state.threshold)
    }

    /// How the model stands to its baseline, or why that is not known.
    pub(in crate::cli) fn standing(&self, partly: bool) -> Result<Compared, String> {
        if partly {
            return Err("a part of the canaries is not compared: leave --only out, or take --quick".into());
        }
        if let Some(why) = &self.why {
            return Err(why.clone());
        }
        let report = self.watch.report(now());
        if report.baseline.is_none() {
            let taken = report
                .learning
                .map_or(String::new(), |learning| format!(" ({} of {} runs)", learning.runs, learning.next));
            return Err(format!("there is none yet{taken}: nothing to compare with; {}", self.how()));
        }
        if report.verdict == Verdict::Learning {
            let taken = report.because().map_or(String::new(), |because| format!(" ({because})"));
            return Err(format!(
                "most canaries are others than in the baseline, and a new one is learned{taken}: nothing to compare with; {}",
                self.how()
            ));
        }
        let (runs, exceeding, sure) = (self.compared, self.exceeding, self.is_sure());
        Ok(Compared { report: Box::new(report), runs, exceeding, sure })
    }

    /// How a baseline comes about.
    pub(super) fn how(&self) -> String {
        format!("--save keeps this run for it, `{}` makes a full one at once", self.plan.capture())
    }
}
