//! The status page, as a person meets it.

use std::net::SocketAddr;

use opsagent::sample::{CardFault, ServerState};
use opsagent::view::{ModelView, View};
use opsagent::web::page::{self, SCRIPT, STYLE};

use crate::support::golden::assert_golden;
use crate::support::page_view::{empty_view, page_view, target};

fn render(view: &View) -> String {
    page::render(view, &[SocketAddr::from(([127, 0, 0, 1], 10434))])
}

#[test]
fn the_page_is_as_it_was_agreed() {
    assert_golden("page.html", &render(&page_view()));
}

#[test]
fn the_first_page_of_a_newcomer_is_as_it_was_agreed() {
    assert_golden("page_empty.html", &render(&empty_view()));
}

#[test]
fn the_headline_says_how_all_fares() {
    let headline = |view: &View| {
        let page = render(view);
        let (_, rest) = page.split_once("<h1 id=\"headline\">").unwrap();
        rest.split_once("</h1>").unwrap().0.to_owned()
    };
    let mut view = empty_view();
    assert_eq!(headline(&view), "No server found yet");
    view.discovery.enabled = false;
    assert_eq!(headline(&view), "There is nothing to watch");
    view.targets.push(target("box", "ollama"));
    assert_eq!(headline(&view), "box is up");
    view.targets[0].state = Some(ServerState::Down);
    assert_eq!(headline(&view), "box is down");
    view.targets.extend([target("b", "ollama"), target("c", "ollama")]);
    assert_eq!(headline(&view), "1 of 3 servers is down");
    assert_eq!(
        headline(&page_view()),
        "1 of 7 servers is down, 1 is hung, 1 is not known, 1 answers badly; 2 of 6 GPUs give no readings; \
         GPU 1 (H100 80GB HBM3) needs a look; the host needs a look"
    );
    let mut view = page_view();
    view.targets = vec![target("box", "ollama")];
    view.hosts.clear();
    view.gpus.cards.truncate(4);
    view.gpus.missing = None;
    view.gpus.cards[1].told.fault = Some(CardFault::new("lost", "it fell off the bus"));
    assert_eq!(headline(&view), "box is up; GPU 1 (H100 80GB HBM3) fell off the bus");
    view.gpus.missing = Some(3);
    assert_eq!(headline(&view), "box is up; 3 of 6 expected GPUs give no readings");
}

#[test]
fn names_that_servers_tell_stay_text() {
    let hostile = "</title><script>alert(1)</script>\"'><img src=x onerror=alert(2)>";
    let mut view = page_view();
    for target in &mut view.targets {
        target.name = format!("{}{hostile}", target.name);
        target.error = Some(hostile.into());
        target.url = hostile.into();
        target.version = Some(hostile.into());
        target.models.push(ModelView {
            name: hostile.into(),
            family: Some(hostile.into()),
            ..ModelView::default()
        });
        target.models.push(ModelView { name: hostile.into(), loaded: Some(false), ..ModelView::default() });
        for note in &mut target.notes {
            note.text = hostile.into();
            note.remedy = Some(hostile.into());
        }
        if let Some(traffic) = &mut target.traffic {
            traffic.tap.iter_mut().for_each(|tap| tap.listen = hostile.into());
            traffic.log.iter_mut().for_each(|log| log.place = hostile.into());
            traffic.slos.iter_mut().for_each(|slo| slo.name = hostile.into());
            traffic.failures.iter_mut().for_each(|failure| failure.0 = hostile.into());
        }
    }
    view.discovery.tried[0].outcome = hostile.into();
    view.agent.config_errors = vec![hostile.into()];
    for card in &mut view.gpus.cards {
        card.told.name = Some(hostile.into());
        card.told.uuid = format!("{}{hostile}", card.told.uuid);
        card.users.iter_mut().for_each(|user| user.target = hostile.into());
        card.users.iter_mut().for_each(|user| user.programs = vec![hostile.into()]);
        card.xids.iter_mut().for_each(|xid| xid.told = Some(hostile.into()));
    }
    let page = render(&view);
    assert_eq!(page.matches("<script").count(), 1, "the page's own script alone");
    assert!(!page.contains("<img") && !page.contains("\"'>"));
    // One server alone stands in the title.
    view.targets.truncate(1);
    assert_eq!(render(&view).matches("</title>").count(), 1);
}

#[test]
fn what_was_not_told_is_a_dash_and_not_a_zero() {
    let mut view = empty_view();
    view.targets.push(target("box", "openai"));
    view.targets[0].models.push(ModelView { name: "m".into(), loaded: Some(true), ..ModelView::default() });
    let page = render(&view);
    let row = page.split_once("<tbody>").unwrap().1.split_once("</tbody>").unwrap().0;
    for label in ["Context", "On disk", "In memory", "On GPU", "Slots busy", "Queue", "Unloads"] {
        let (_, cell) = row.split_once(&format!("data-label=\"{label}\"")).unwrap();
        let cell = cell.split_once("</td>").unwrap().0;
        assert!(cell.contains("<abbr title=\"not told\">–</abbr>"), "{label}: {cell}");
    }
}

#[test]
fn a_machine_without_gpus_is_told_as_normal() {
    let mut view = empty_view();
    view.targets.push(target("box", "ollama"));
    let page = render(&view);
    assert!(page.contains("A machine without GPUs is fine"));
    assert!(page.contains("driver on this machine"));
    assert!(!page.contains("critical"), "nothing red");
}

#[test]
fn an_ill_gpu_says_what_is_wrong_and_what_to_do() {
    let page = render(&page_view());
    let block = |name: &str| {
        let (_, rest) = page.split_once(&format!("<bdi>{name}</bdi></h3>")).unwrap();
        rest.split_once("</section>").unwrap().0.to_owned()
    };
    let lost = block("GPU 3 (H100 80GB HBM3)");
    for part in ["✕</span> lost", "Why: It fell off the bus.", "PCI 0000:2a:00.0", "XID 79"] {
        assert!(lost.contains(part), "{part}: {lost}");
    }
    assert!(!lost.contains("Computing"), "nothing is told of it: {lost}");
    let hot = block("GPU 1 (H100 80GB HBM3)");
    for part in ["because it is too hot", "nvidia-smi --gpu-reset", "<bdi>box</bdi></strong> 60 GiB", "91 °C"]
    {
        assert!(hot.contains(part), "{part}: {hot}");
    }
    assert!(!hot.contains("XID 79"), "that never came: {hot}");
    let order = ["GPU 3 (", "GPU 1 (", "GPU 0 ("].map(|name| page.rfind(&format!("<bdi>{name}")).unwrap());
    assert!(order.is_sorted(), "the ill ones first: {order:?}");
    let server = page.split_once("id=\"s-box\"").unwrap().1;
    assert!(server.contains("GPU memory of its processes</dt><dd>65 GiB on 2 GPUs<"));
}

/// The block of a server's traffic.
fn traffic_of(page: &str, server: &str) -> String {
    let (_, rest) = page.split_once(&format!("id=\"s-{server}-traffic\"")).unwrap();
    rest.split_once("</section>").unwrap().0.to_owned()
}

#[test]
fn live_traffic_stands_with_its_server_in_numbers_that_can_be_compared() {
    let page = render(&page_view());
    let busy = traffic_of(&page, "box");
    for (title, value) in [
        ("In flight", "<strong>3</strong><span class=\"about\">2 decoding<"),
        ("Tokens/s in all", "<strong>71.3</strong>"),
        ("Time to first token, p50", "<strong>424 ms</strong><span class=\"about\">p95 1.83 s<"),
        ("Tokens/s per reader", "<strong>38.3</strong><span class=\"about\">26.1 ms a token<"),
        ("Failed", "<strong class=\"bad\">3</strong><span class=\"about\">2 overloaded, 1 reset<"),
        ("Time per output token", "p50 26.1 ms, p95 40.2 ms, max 91.3 ms"),
        ("Longest stall", "4.20 s"),
        ("Cold starts", "1"),
        ("Cancelled", "2"),
        ("Truncated", "1"),
        ("SLO <bdi>chat</bdi> met", "43 of 46"),
    ] {
        assert!(busy.contains(&format!("<dt>{title}</dt><dd")), "{title}: {busy}");
        assert!(busy.contains(value), "{title}: {value}: {busy}");
    }
    assert!(busy.contains("tap 127.0.0.1:11435"), "who saw it: {busy}");
    assert!(
        !busy.contains("NaN") && page.contains("<td data-label=\"Live traffic\" class=\"num\">3 in flight")
    );
}

#[test]
fn a_tap_without_requests_is_calm_and_one_that_cannot_listen_says_why() {
    let page = render(&page_view());
    let idle = traffic_of(&page, "llama");
    assert!(
        idle.contains("No requests in 5 min, the last ended 2 h ago.") && !idle.contains("<dl"),
        "{idle}"
    );
    let blind = traffic_of(&page, "stuck");
    assert!(blind.contains("The tap does not listen at 0.0.0.0:8001: the address is in use"), "{blind}");
    assert!(!blind.contains("<dl") && !blind.contains("No requests"), "nobody knows: {blind}");
    let log = traffic_of(&page, "llama-asleep");
    assert!(log.contains("journal of ollama.service") && log.contains("<strong>21.3 ms</strong>"), "{log}");
    assert!(!log.contains("In flight"), "a log tells only what ended: {log}");
}

#[test]
fn where_nobody_sees_requests_the_page_says_once_how_to_and_only_where_it_would_help() {
    let hint = "Nobody sees the requests";
    let mut view = empty_view();
    view.targets = vec![target("a", "openai")];
    assert!(!render(&view).contains(hint) && !render(&view).contains("Live traffic"));
    view.targets.extend([target("b", "ollama"), target("c", "lm_studio"), target("d", "ollama")]);
    assert_eq!(render(&view).matches(hint).count(), 1);
    view.targets[1].traffic = page_view().targets.into_iter().find_map(|target| target.traffic);
    assert!(!render(&view).contains(hint), "whoever has one tap knows of taps");
}

#[test]
fn a_gpu_that_cannot_be_read_is_not_told_as_no_gpu() {
    let mut view = empty_view();
    view.gpus.backends[0].reason = Some("driver_mismatch".into());
    view.gpus.backends[0].error = Some("driver and library differ".into());
    let page = render(&view);
    assert!(page.contains("None could be read:") && page.contains("driver and library differ"));
    assert!(!page.contains("A machine without GPUs is fine"));
    assert!(page.contains("; GPUs cannot be read</h1>"), "somebody must restart it:\n{page}");
    view.gpus.backends[0].reason = Some("driver_not_loaded".into());
    assert!(render(&view).contains("A machine without GPUs is fine"), "a library that came with a tool");
    view.gpus.backends[0].card_without_driver = true;
    assert!(
        render(&view).contains("; GPUs cannot be read</h1>"),
        "a card that the new kernel has no module for"
    );
}

#[test]
fn work_that_hung_and_a_card_that_went_silent_have_their_times() {
    let page = render(&page_view());
    assert!(page.contains("<bdi>pci-0000:03:00.0</bdi> hung 2 times since boot, last <time"), "{page}");
    assert!(!page.contains("pci-0000:06:00.0"), "on that one nothing hung");
    assert_eq!(page.matches("Last seen <time").count(), 1, "the other silent one was never seen");
}

#[test]
fn with_nothing_found_it_says_what_was_tried_and_how_to_go_on() {
    let page = render(&empty_view());
    for part in ["ollama serve", "[[target]]", "opsagent run --demo", "default port of lm_studio"] {
        assert!(page.contains(part), "{part}");
    }
    assert!(page.contains("<details id=\"tried\" open>"));
}

#[test]
fn a_demonstration_says_so_at_every_server() {
    let mut view = page_view();
    view.agent.demo = true;
    for target in &mut view.targets {
        target.demo = true;
    }
    let page = render(&view);
    assert!(page.contains("<strong>Demonstration.</strong>"));
    let sections: Vec<&str> = page.split("<section class=\"card").skip(2).take(view.targets.len()).collect();
    assert_eq!(sections.len(), view.targets.len());
    for section in sections {
        assert!(section.split("<dl").next().unwrap().contains(">demo<"), "{section}");
    }
}

#[test]
fn a_thousand_servers_are_all_in_the_table_and_the_worst_are_shown_whole() {
    let mut view = empty_view();
    view.targets = (0..1000).map(|nth| target(&format!("box{nth:03}"), "ollama")).collect();
    view.targets[998].state = Some(ServerState::Down);
    let page = render(&view);
    assert!(page.contains("1 of 1000 servers is down"));
    assert_eq!(
        page.matches("<section class=\"card").count(),
        50 + 4,
        "50 servers, the table, discovery, GPUs, the host"
    );
    assert!(page.contains("950 more servers"));
    let whole = page.find("id=\"s-box998\"").expect("the one in trouble is shown whole");
    assert!(whole < page.find("id=\"s-box000\"").unwrap(), "and first");
    assert!(page.contains("<bdi>box999</bdi>"));
}

#[test]
fn every_link_within_the_page_has_its_end() {
    let page = render(&page_view());
    let mut links = 0;
    for link in page.split("href=\"#").skip(1) {
        let link = link.split('"').next().unwrap();
        // What the table names beyond the servers shown whole leads nowhere; here all are shown.
        assert!(page.contains(&format!(" id=\"{link}\"")), "{link}");
        links += 1;
    }
    assert!(links > 7);
}

#[test]
fn nothing_is_fetched_from_elsewhere_and_nothing_stands_inline() {
    let page = render(&page_view());
    for (text, what) in [(page.as_str(), "page"), (STYLE, "style"), (SCRIPT, "script")] {
        for bad in ["style=\"", "<style", " onclick", "@import", "url(", "eval(", "innerHTML"] {
            assert!(!text.contains(bad), "{what}: {bad}");
        }
    }
    let sources = page.split("src=\"").skip(1).chain(page.split("href=\"").skip(1));
    for source in sources.map(|source| source.split('"').next().unwrap()) {
        let own = source.starts_with("page.")
            || source.starts_with('#')
            || source.starts_with("data:image/svg+xml,");
        assert!(own || ["metrics", "api/v1/view?pretty"].contains(&source), "{source}");
    }
}

#[test]
fn a_change_of_the_clock_breaks_nothing() {
    let mut view = page_view();
    view.at = "2020-01-01T00:00:00Z".parse().unwrap();
    assert!(render(&view).contains("in 6 y"));
    view.at = "9999-01-01T00:00:00Z".parse().unwrap();
    assert!(render(&view).contains(" y "));
}
