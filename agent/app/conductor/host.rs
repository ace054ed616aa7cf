//! The job that looks at the host.

use std::sync::Arc;
use std::time::Duration;

use super::Conductor;
use crate::app::host;
use crate::demo::DemoHost;
use crate::host::Source;
use crate::poll::HostPoller;

impl Conductor {
    /// Starts it, in place of the one that ran.
    pub(super) fn look_at_host(&mut self) {
        let every = self.config.host_every;
        let source: Arc<dyn Source> =
            if self.options.demo { Arc::new(DemoHost::default()) } else { Arc::new(host(&self.config)) };
        let job = HostPoller::new(source, every, self.fleet.clone());
        self.host = Some(self.jobs.every("look at the host", Duration::ZERO, every, job));
    }
}
