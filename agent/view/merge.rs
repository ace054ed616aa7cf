//! Several agents' views as one: what each tells is marked with the agent it came from.

use super::View;

/// The views in one, each with the name of its agent. One alone stays as it is; of several, target
/// names, addresses tried and card names begin with `agent/`, and each host is named as its agent.
/// `None`: there was none.
pub fn merge(views: Vec<(String, View)>) -> Option<View> {
    if views.len() < 2 {
        return views.into_iter().next().map(|(_, view)| view);
    }
    let mut views = views.into_iter().map(|(agent, view)| marked(&agent, view));
    let mut whole = views.next()?;
    for view in views {
        join(&mut whole, view);
    }
    whole.agent.config_file = None;
    whole.targets.sort_by(|a, b| a.name.cmp(&b.name));
    Some(whole)
}

fn marked(agent: &str, mut view: View) -> View {
    let mark = |name: &mut String| name.insert_str(0, &format!("{agent}/"));
    for target in &mut view.targets {
        mark(&mut target.name);
    }
    for place in &mut view.discovery.tried {
        mark(&mut place.address);
    }
    for backend in &mut view.gpus.backends {
        mark(&mut backend.name);
    }
    for card in &mut view.gpus.cards {
        mark(card.told.name.get_or_insert_default());
    }
    for host in &mut view.hosts {
        host.name = Some(agent.to_owned());
    }
    if let Some(path) = view.store.as_mut().and_then(|store| store.path.as_mut()) {
        mark(path);
    }
    for stray in &mut view.gpus.strays {
        mark(&mut stray.card);
    }
    for fault in &mut view.agent.config_errors {
        fault.insert_str(0, &format!("{agent}: "));
    }
    view
}

/// A whole is a demo if a part is, well configured if all are, and as old as its latest part.
fn join(whole: &mut View, part: View) {
    whole.at = whole.at.max(part.at);
    whole.agent.started_at = whole.agent.started_at.min(part.agent.started_at);
    whole.agent.demo |= part.agent.demo;
    whole.agent.config_ok &= part.agent.config_ok;
    whole.agent.config_at = whole.agent.config_at.min(part.agent.config_at);
    whole.agent.config_errors.extend(part.agent.config_errors);
    whole.discovery.enabled |= part.discovery.enabled;
    whole.discovery.last_scan_at = whole.discovery.last_scan_at.max(part.discovery.last_scan_at);
    whole.discovery.tried.extend(part.discovery.tried);
    whole.targets.extend(part.targets);
    whole.gpus.backends.extend(part.gpus.backends);
    whole.gpus.cards.extend(part.gpus.cards);
    whole.hosts.extend(part.hosts);
    // Each agent has its own: the one that needs a person is told.
    if part.store.as_ref().is_some_and(|store| !store.up) || whole.store.is_none() {
        whole.store = part.store;
    }
    whole.gpus.strays.extend(part.gpus.strays);
    whole.gpus.expected = sum(whole.gpus.expected, part.gpus.expected);
    whole.gpus.missing = sum(whole.gpus.missing, part.gpus.missing);
    let energies = whole.gpus.other_energy_joules.into_iter().chain(part.gpus.other_energy_joules);
    whole.gpus.other_energy_joules = energies.reduce(|a, b| a + b);
    // No model is split over two machines.
    whole.gpus.next_model = None;
    whole.gpus.kernel_log = None;
}

/// What is known of either.
fn sum(one: Option<u32>, other: Option<u32>) -> Option<u32> {
    one.into_iter().chain(other).reduce(u32::saturating_add)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::view::{
        AgentView, CardView, DiscoveryView, GpuSample, GpusView, HostView, SCHEMA_VERSION, TargetView,
        TrafficView, Tried,
    };

    fn view(second: i64) -> View {
        let at = Timestamp::from_second(second).unwrap();
        View {
            schema_version: SCHEMA_VERSION,
            at,
            agent: AgentView {
                version: "0.1.0".into(),
                started_at: at,
                demo: false,
                config_file: Some("/etc/opsagent/opsagent.toml".into()),
                config_ok: true,
                config_at: at,
                config_errors: Vec::new(),
            },
            discovery: DiscoveryView::default(),
            targets: Vec::new(),
            gpus: GpusView::default(),
            hosts: Vec::new(),
            store: None,
        }
    }

    #[test]
    fn none_is_none_and_one_is_itself() {
        assert_eq!(merge(Vec::new()), None);
        assert_eq!(merge(vec![("a".into(), view(1))]), Some(view(1)));
    }

    #[test]
    fn traffic_stays_with_its_target_and_none_is_added_up() {
        let target = |name: &str, in_flight| {
            let traffic =
                TrafficView { in_flight, requests: 7, window_seconds: 300.0, ..TrafficView::default() };
            TargetView {
                name: name.into(),
                kind: "ollama".into(),
                url: "http://127.0.0.1:11434/".into(),
                discovered: true,
                demo: false,
                up: Some(true),
                state: None,
                state_since: None,
                reason: None,
                error: None,
                version: None,
                build: None,
                every_seconds: 15.0,
                last_poll_at: None,
                last_success_at: None,
                poll_duration_seconds: None,
                models_installed: None,
                orphans: None,
                models: Vec::new(),
                models_left_out: 0,
                gpus: None,
                traffic: in_flight.map(|_| traffic),
                canaries: Vec::new(),
                kept: None,
                notes: Vec::new(),
            }
        };
        let (mut a, mut b) = (view(10), view(20));
        a.targets = vec![target("ollama", Some(3)), target("mute", None)];
        b.targets = vec![target("ollama", Some(4))];
        let whole = merge(vec![("a".into(), a), ("b".into(), b)]).unwrap();
        let told = whole.targets.iter().map(|target| {
            (target.name.as_str(), target.traffic.as_ref().and_then(|traffic| traffic.in_flight))
        });
        assert_eq!(
            told.collect::<Vec<_>>(),
            [("a/mute", None), ("a/ollama", Some(3)), ("b/ollama", Some(4))]
        );
    }

    #[test]
    fn what_each_agent_tells_is_marked() {
        let (mut a, mut b) = (view(10), view(20));
        let tried = Tried { address: "127.0.0.1:8080".into(), why: String::new(), outcome: String::new() };
        a.discovery.tried = vec![tried.clone()];
        b.discovery.tried = vec![tried];
        let told = GpuSample { name: Some("H200".into()), ..GpuSample::default() };
        b.gpus.cards = vec![CardView { told, ..CardView::default() }];
        b.hosts = vec![HostView { name: Some("localhost".into()), ..HostView::default() }];
        b.agent.config_ok = false;
        b.agent.config_errors = vec!["opsagent.toml:3: bad".into()];
        b.agent.demo = true;
        let whole = merge(vec![("a".into(), a), ("b".into(), b)]).unwrap();
        let tried: Vec<&str> = whole.discovery.tried.iter().map(|place| place.address.as_str()).collect();
        assert_eq!(tried, ["a/127.0.0.1:8080", "b/127.0.0.1:8080"]);
        assert_eq!(whole.gpus.cards[0].told.name.as_deref(), Some("b/H200"));
        assert_eq!(whole.hosts[0].name.as_deref(), Some("b"));
        assert_eq!(whole.agent.config_errors, ["b: opsagent.toml:3: bad"]);
        assert!(!whole.agent.config_ok && whole.agent.demo && whole.agent.config_file.is_none());
        assert_eq!((whole.at.as_second(), whole.agent.started_at.as_second()), (20, 10));
    }
}
