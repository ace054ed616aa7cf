//! A whole agent inside the test: its own ports, its own fleet, real sockets.

use std::future::pending;
use std::time::Duration;

use opsagent::app::{App, Options};
use opsagent::config::Config;
use opsagent::fleet::Fleet;
use opsagent::servers::{Target, kind};
use opsagent::view::View;
use opsagent::wire::exposition::{Sample, parse};
use tokio::sync::oneshot;
use url::Url;

pub struct Agent {
    pub base: Url,
    /// What it knows.
    pub fleet: Fleet,
    stop: Option<oneshot::Sender<()>>,
    run: tokio::task::JoinHandle<usize>,
}

/// A config on a free port, without discovery: what else runs on the machine is not the test's.
pub fn config(targets: Vec<Target>) -> Config {
    Config {
        listen: vec![([127, 0, 0, 1], 0).into()],
        discover: false,
        grace: Duration::from_millis(500),
        targets,
        ..Config::default()
    }
}

/// A target with a short beat.
pub fn target(name: &str, kind_name: &str, url: Url) -> Target {
    Target {
        kind: kind(kind_name),
        every: Duration::from_millis(200),
        timeout: Duration::from_secs(2),
        ..Target::new(name, url)
    }
}

impl Agent {
    pub async fn start(config: Config) -> Agent {
        Agent::with(config, Options::default()).await
    }

    pub async fn with(config: Config, options: Options) -> Agent {
        let app = App::start(config, options).await.unwrap();
        let base = format!("http://{}/", app.addresses()[0]).parse().unwrap();
        let fleet = app.fleet().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        #[expect(clippy::disallowed_methods, reason = "the test is the one that knows of it")]
        let run = tokio::spawn(app.run(
            async {
                stopped.await.ok();
            },
            pending(),
        ));
        Agent { base, fleet, stop: Some(stop), run }
    }

    pub async fn get(&self, path: &str) -> reqwest::Response {
        reqwest::get(self.base.join(path).unwrap()).await.unwrap()
    }

    pub async fn page(&self) -> String {
        self.get("/metrics").await.text().await.unwrap()
    }

    pub async fn samples(&self) -> Vec<Sample> {
        parse(&self.page().await)
    }

    pub async fn view(&self) -> View {
        self.get("/api/v1/view").await.json().await.unwrap()
    }

    /// The view in which it held; panics after half a minute, with the last one.
    pub async fn until(&self, what: &str, holds: impl Fn(&View) -> bool) -> View {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        loop {
            let view = self.view().await;
            if holds(&view) {
                return view;
            }
            assert!(tokio::time::Instant::now() < deadline, "never: {what}: {view:#?}");
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    /// Stops it; how many things had to be cut.
    pub async fn stop(mut self) -> usize {
        self.stop.take().unwrap().send(()).unwrap();
        (&mut self.run).await.unwrap()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.run.abort();
    }
}

/// The value of the one sample of that name with those labels.
pub fn value(samples: &[Sample], name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let fits = |sample: &&Sample| {
        let has = |(name, value): &(&str, &str)| sample.labels.iter().any(|(n, v)| n == name && v == value);
        sample.name == name && labels.iter().all(has)
    };
    samples.iter().find(fits).map(|sample| sample.value)
}
