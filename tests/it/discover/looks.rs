//! Whole looks: a machine on paper whose sockets are those of fakes.

use super::*;

/// A search on that machine, with what it told and what is watched.
struct Search {
    discover: Discover,
    reports: Arc<Mutex<Vec<Report>>>,
    known: Arc<Mutex<Known>>,
}

impl Search {
    fn on(machine: Machine) -> Search {
        let (reports, known) = (Arc::<Mutex<Vec<Report>>>::default(), Arc::<Mutex<Known>>::default());
        let (told, now) = (reports.clone(), known.clone());
        let discover = Discover::new(
            machine,
            Clients::new(),
            Arc::new(move || now.lock().unwrap().clone()),
            Arc::new(move |report| told.lock().unwrap().push(report)),
        );
        Search { discover, reports, known }
    }

    /// Looks once; what was found as `name kind url`, and the outcomes but for "nothing listens".
    async fn look(&mut self) -> (Vec<String>, Vec<String>) {
        self.discover.look().await;
        let report = self.reports.lock().unwrap().pop().unwrap();
        assert!(report.view.enabled && report.view.last_scan_at.is_some());
        let found = report.found.iter().map(|target| {
            assert!(target.discovered);
            format!("{} {} {}", target.name, target.kind.unwrap().name, target.shown_url())
        });
        let tried = report.view.tried.iter().filter(|tried| tried.outcome != "nothing listens");
        let tried = tried.map(|tried| format!("{} {}", tried.address, tried.outcome));
        (found.collect(), tried.collect())
    }

    /// What was found is watched from now on.
    fn watch(&self, name: &str, url: &str) {
        self.known.lock().unwrap().targets.push((name.into(), url.parse().unwrap()));
    }
}

/// A machine where a process of that line holds the fake's port.
fn paper_with(pid: u32, line: &str, fake: &Fake) -> Paper {
    let mut paper = Paper::new();
    paper.process(pid, 1, line);
    paper.listen(Some(pid), &fake.address().to_string());
    paper
}

fn port(fake: &Fake) -> u16 {
    fake.address().port()
}

#[tokio::test]
async fn a_server_is_found_told_until_it_is_watched_and_asked_once() {
    let fake = Fake::ollama("0.34.0").await;
    let paper = paper_with(812, "ollama|serve", &fake);
    let mut search = Search::on(paper.machine());
    let expected = format!("ollama-{} ollama http://{}", port(&fake), fake.address());
    assert_eq!(search.look().await.0, [expected.as_str()]);
    let asked = fake.take_asked().len();
    assert!(asked <= 5, "{asked} questions");
    // Nobody took it: it is told again, and not asked again.
    assert_eq!(search.look().await.0, [expected]);
    search.watch("box", &format!("http://localhost:{}", port(&fake)));
    let (found, tried) = search.look().await;
    assert!(found.is_empty());
    assert_eq!(tried, [format!("{} already target box", fake.address())]);
    assert!(fake.asked().is_empty());
}

#[tokio::test]
async fn names_are_unique_among_targets_and_finds() {
    let (one, two) = (Fake::llama_cpp().await, Fake::llama_cpp().await);
    let mut paper = paper_with(812, "llama-server", &one);
    paper.process(813, 1, "llama-server");
    paper.listen(Some(813), &two.address().to_string());
    let mut search = Search::on(paper.machine());
    search.watch(&format!("llama_cpp-{}", port(&one)), "http://192.0.2.9:1/");
    let (found, _) = search.look().await;
    assert_eq!(found[0], format!("llama_cpp-{}-2 llama_cpp http://{}", port(&one), one.address()));
    assert_eq!(found[1], format!("llama_cpp-{} llama_cpp http://{}", port(&two), two.address()));
}

#[tokio::test]
async fn what_is_none_is_told_as_what_it_is_and_left_alone() {
    let page = Fake::always(Answer::html("<h1>It works!</h1>")).await;
    let locked = Fake::always(of("openai", "vllm", "error-401")).await;
    let mut paper = paper_with(812, "llama-server", &page);
    paper.process(813, 1, "llama-server");
    paper.listen(Some(813), &locked.address().to_string());
    let mut search = Search::on(paper.machine());
    let (found, tried) = search.look().await;
    assert!(found.is_empty());
    assert!(tried[0].contains("answers, but as no known kind"), "{tried:?}");
    assert!(tried[1].contains("wants a key"), "{tried:?}");
    let asked = (page.take_asked().len(), locked.take_asked().len());
    assert!(asked.0 > 0 && asked.1 > 0);
    later(Duration::from_secs(500)).await;
    assert_eq!(search.look().await.1, tried);
    assert_eq!((page.asked().len(), locked.asked().len()), (0, 0));
    later(Duration::from_secs(101)).await;
    search.look().await;
    assert_eq!((page.asked().len(), locked.asked().len()), asked);
}

#[tokio::test]
async fn another_process_at_the_place_is_asked_at_once() {
    let fake = Fake::always(Answer::html("<h1>It works!</h1>")).await;
    let mut paper = paper_with(812, "llama-server", &fake);
    let mut search = Search::on(paper.machine());
    assert!(search.look().await.0.is_empty());
    fake.set_all(of("llama_cpp", "b11434", "models"));
    assert!(search.look().await.0.is_empty());
    paper.end(812);
    paper.process(900, 1, "llama-server");
    paper.listen(Some(900), &fake.address().to_string());
    assert_eq!(search.look().await.0.len(), 1);
}

#[tokio::test]
async fn a_server_that_is_still_starting_is_found_within_30_s_of_being_ready() {
    for answer in
        [Answer::Silence, Answer::Reset, Answer::status("502 Bad Gateway", "text/html", "<h1>502</h1>")]
    {
        let fake = Fake::always(answer).await;
        let paper = paper_with(812, "ollama|serve", &fake);
        let mut search = Search::on(paper.machine());
        assert!(search.look().await.0.is_empty());
        let ready = Fake::ollama("0.34.0").await;
        fake.set_all(Answer::by(move |request| ready.answer_to(request)));
        let mut beats = 0;
        while search.look().await.0.is_empty() {
            later(Duration::from_secs(10)).await;
            beats += 1;
            assert!(beats <= 3, "not found after {beats} beats");
        }
    }
}

#[tokio::test]
async fn a_port_that_refuses_is_told_and_asked_again() {
    let gone = Fake::refused().await;
    let address: SocketAddr = format!("127.0.0.1:{}", gone.port().unwrap()).parse().unwrap();
    let mut paper = Paper::new();
    paper.process(812, 1, "ollama|serve");
    paper.listen(Some(812), &address.to_string());
    let mut search = Search::on(paper.machine());
    assert_eq!(search.look().await.1, [format!("{address} connection refused")]);
    let _fake = Fake::on(address).await.with("/v1/models", of("openai", "sglang", "models"));
    later(Duration::from_secs(20)).await;
    assert_eq!(search.look().await.0.len(), 1);
}

#[tokio::test]
async fn of_one_process_with_several_ports_one_server_is_found() {
    let (api, inner) = (Fake::lm_studio_v1().await, Fake::lm_studio_v1().await);
    inner.unset("/v1/models");
    inner.unset("/api/v1/models");
    let mut paper = paper_with(812, "/opt/LM Studio/lm-studio", &inner);
    paper.listen(Some(812), &api.address().to_string());
    let mut search = Search::on(paper.machine());
    let (found, tried) = search.look().await;
    assert_eq!(found, [format!("lm_studio-{} lm_studio http://{}", port(&api), api.address())]);
    assert!(tried.contains(&format!("{} is lm_studio", api.address())), "{tried:?}");
    assert_eq!(tried.len(), 2);
}

#[tokio::test]
async fn a_slow_place_does_not_hold_up_the_others() {
    let fakes = [
        Fake::always(Answer::Silence).await,
        Fake::always(Answer::Silence).await,
        Fake::always(Answer::Silence).await,
        Fake::llama_cpp().await,
    ];
    let mut paper = Paper::new();
    for (pid, fake) in (812..).zip(&fakes) {
        paper.process(pid, 1, "llama-server");
        paper.listen(Some(pid), &fake.address().to_string());
    }
    let mut search = Search::on(paper.machine());
    let start = tokio::time::Instant::now();
    assert_eq!(search.look().await.0.len(), 1);
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
}

#[tokio::test]
async fn sockets_that_did_not_change_spare_the_look_at_processes() {
    let fake = Fake::llama_cpp().await;
    let mut paper = paper_with(812, "llama-server", &fake);
    let mut search = Search::on(paper.machine());
    assert_eq!(search.look().await.0.len(), 1);
    // Its process is gone from the table while its socket stays: only a whole look would notice.
    paper.process(812, 1, "sleep");
    assert_eq!(search.look().await.0.len(), 1);
    later(Duration::from_secs(61)).await;
    assert!(search.look().await.0.is_empty());
}
