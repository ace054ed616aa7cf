use super::*;
use crate::sample::{Dialect, Phase, Tokens};

fn past(end: End, ended: Instant, output: u64, flow: u64, pieces: Option<u64>) -> Past {
    let one = Generation::new(Dialect::OllamaChat, end, Duration::from_secs(flow));
    let tokens = Tokens { output: Some(output), ..Tokens::default() };
    Past { pieces, ..Past::new(&Generation { tokens, ..one }, false, ended) }
}

#[test]
fn quantiles_are_values_that_were_there() {
    let of = |values: &[f64]| ranked(values.to_vec()).map(|q| (q.count, q.p50, q.p95, q.max));
    assert_eq!(of(&[]), None);
    assert_eq!(of(&[3.0]), Some((1, 3.0, 3.0, 3.0)));
    assert_eq!(of(&[4.0, 1.0, 3.0, 2.0]), Some((4, 2.0, 4.0, 4.0)));
    let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
    assert_eq!(of(&hundred), Some((100, 50.0, 95.0, 100.0)));
}

#[test]
fn it_forgets_what_is_old_and_says_how_far_back_it_reaches() {
    let start = Instant::now();
    let at = |second| start + Duration::from_secs(second);
    let mut window = Window::new(start);
    let told = |window: &Window, second| {
        let mut view = TrafficView::default();
        window.fill(&mut view, at(second));
        (view.requests, view.window_seconds)
    };
    assert_eq!(told(&window, 20), (0, 20.0));
    window.push(past(End::Complete, at(1), 1, 1, None));
    window.push(past(End::Complete, at(100), 1, 1, None));
    window.trim(at(301));
    assert_eq!(told(&window, 301), (2, 300.0));
    window.trim(at(302));
    assert_eq!(told(&window, 302), (1, 300.0));
    for _ in 0..MOST + 10 {
        window.push(past(End::Complete, at(310), 1, 1, None));
    }
    assert_eq!(told(&window, 320), (MOST as u64, 10.0), "shorter, and it says so");
}

#[test]
fn tokens_of_answers_that_are_no_streams_count_when_they_came() {
    let now = Instant::now() + Duration::from_secs(1000);
    let mut window = Window::new(now);
    // 100 tokens over 20 s, of which the last 8 s lie in the span; 30 within it; a stream is counted elsewhere.
    window.push(past(End::Complete, now - Duration::from_secs(11), 999, 5, None));
    window.push(past(End::Complete, now - Duration::from_secs(2), 100, 20, None));
    window.push(past(End::Complete, now - Duration::from_secs(1), 30, 5, None));
    window.push(past(End::Complete, now, 50, 5, Some(50)));
    let unseen = window.tokens_unseen(Duration::from_secs(10), now);
    assert!((unseen - 70.0).abs() < 1e-9, "{unseen}");
}

#[test]
fn tokens_without_a_request_are_tokens_and_no_request() {
    let now = Instant::now();
    let mut window = Window::new(now);
    let mut loose = past(End::Cancelled(Phase::Decode), now, 40, 2, None);
    loose.loose = true;
    loose.decode = Some((39, Duration::from_secs(3)));
    window.push(loose);
    let mut view = TrafficView::default();
    window.fill(&mut view, now);
    assert_eq!((view.requests, view.cancelled, view.duration), (0, 0, None));
    assert_eq!(view.decode_tokens_per_second, Some(13.0));
    assert!((window.tokens_unseen(Duration::from_secs(10), now) - 40.0).abs() < 1e-9);
}

#[test]
fn a_piece_holds_what_whole_answers_say() {
    let now = Instant::now();
    let mut window = Window::new(now);
    assert!((window.tokens_a_piece() - 1.0).abs() < 1e-9, "nothing is told yet");
    window.push(past(End::Cancelled(Phase::Decode), now, 7, 1, Some(7)));
    window.push(past(End::Complete, now, 300, 1, Some(100)));
    window.push(past(End::Complete, now, 100, 1, Some(100)));
    assert!((window.tokens_a_piece() - 2.0).abs() < 1e-9);
}

#[test]
fn objectives_are_told_by_their_place_and_forgotten_with_it() {
    let now = Instant::now();
    let mut window = Window::new(now);
    for missed in [true, false, false] {
        let mut one = past(End::Complete, now, 1, 1, None);
        one.judge(63, missed);
        one.judge(64, true);
        window.push(one);
    }
    assert_eq!((window.slo(63), window.slo(0), window.slo(64)), ((3, 1), (0, 0), (0, 0)));
    window.forget_slos();
    assert_eq!(window.slo(63), (0, 0));
}
