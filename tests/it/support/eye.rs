//! One target, polled by hand: what the agent would know of it after each poll.

use std::time::Duration;

use opsagent::fleet::Fleet;
use opsagent::http::Clients;
use opsagent::poll::PollServer;
use opsagent::procs::Machine;
use opsagent::servers::{Target, kind};
use opsagent::view::{AgentView, ModelView, TargetView};

pub struct Eye {
    fleet: Fleet,
    poll: PollServer,
}

impl Eye {
    /// On a server of that kind (`auto`: to be found out), with short time limits.
    pub fn on(kind_name: &str, url: &str) -> Eye {
        Eye::with(kind_name, url, |_| {})
    }

    pub fn with(kind_name: &str, url: &str, change: impl FnOnce(&mut Target)) -> Eye {
        Eye::at(Machine::here(), kind_name, url, change)
    }

    /// On that machine.
    pub fn at(machine: Machine, kind_name: &str, url: &str, change: impl FnOnce(&mut Target)) -> Eye {
        let mut target = Target::new("box", url.parse().unwrap());
        target.kind = kind(kind_name);
        target.timeout = Duration::from_secs(5);
        change(&mut target);
        let fleet = Fleet::new(agent(), 200);
        let server = target.connect(&Clients::new(), machine).unwrap();
        fleet.add(&target, false);
        let poll = PollServer::new("box", server, target.timeout, fleet.clone());
        Eye { fleet, poll }
    }

    /// Polls once; what is known then.
    pub async fn look(&mut self) -> TargetView {
        self.poll.once().await;
        self.view()
    }

    /// What is known now.
    pub fn view(&self) -> TargetView {
        self.fleet.view().targets.remove(0)
    }

    /// Polls until it holds; the view in which it did. Panics, with the last view, after a minute.
    pub async fn until(&mut self, what: &str, holds: impl Fn(&TargetView) -> bool) -> TargetView {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        loop {
            let view = self.look().await;
            if holds(&view) {
                return view;
            }
            assert!(tokio::time::Instant::now() < deadline, "never: {what}: {view:#?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

pub fn model<'a>(view: &'a TargetView, name: &str) -> &'a ModelView {
    view.models.iter().find(|model| model.name == name).unwrap_or_else(|| panic!("no {name} in {view:#?}"))
}

pub fn has_note(view: &TargetView, code: &str) -> bool {
    view.notes.iter().any(|note| note.code == code)
}

pub fn agent() -> AgentView {
    let now = jiff::Timestamp::now();
    AgentView {
        version: "0.0.0".into(),
        started_at: now,
        demo: false,
        config_file: None,
        config_ok: true,
        config_at: now,
        config_errors: Vec::new(),
    }
}
