//! The logs that are followed, as the config wants them.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Conductor;
use crate::logs::Positions;
use crate::poll::{FollowLog, SERVER_LOG_EVERY};

impl Conductor {
    /// Follows the logs that the config names: starts what is new, stops what is not there any more, and leaves the
    /// rest as it is.
    pub(super) fn follow_logs(&mut self) {
        let wanted = &self.config.logs;
        self.logs.retain(|running, _| wanted.contains(running));
        let followed: BTreeSet<&str> = wanted.iter().map(|log| log.target.as_str()).collect();
        for target in self.running.keys().filter(|target| !followed.contains(target.as_str())) {
            self.fleet.forget_log(target);
        }
        for log in wanted {
            if self.logs.contains_key(log) {
                continue;
            }
            let positions = Positions::of_env(|name| std::env::var_os(name));
            let job = FollowLog::new(&log.target, log.place.clone(), positions, self.fleet.clone());
            let name = format!("follow the log of {}", log.target);
            let handle = self.jobs.every(name, Duration::ZERO, SERVER_LOG_EVERY, job);
            self.logs.insert(log.clone(), handle);
        }
    }
}
