//! Each end is counted once, whoever looks meanwhile.

use super::*;

#[test]
fn every_end_is_counted_once_while_scrapes_look() {
    let fleet = fleet();
    poll(&fleet, "ollama", &[("llama3.1:8b", true)]);
    let live = tap(&fleet);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5_000 {
                    let mut request = live.begin();
                    request.pieces(1);
                    live.end(stream());
                }
            });
        }
        for _ in 0..20 {
            fleet.settle();
            std::thread::yield_now();
        }
    });
    let page = page(&fleet);
    let of = |name| sum(&page, name, &[("model", "llama3.1:8b")]);
    assert_eq!(of("requests_total"), Some(20_000.0), "after {:?}", begun.elapsed());
    assert_eq!(of("time_to_first_token_seconds_count"), Some(20_000.0));
    assert_eq!(of("chunk_gap_seconds_count"), Some(60_000.0));
    assert_eq!(sum(&page, "request_ends_lost_total", &[("source", "tap")]), Some(0.0));
    assert_eq!(sum(&page, "requests_in_flight", &[("source", "tap")]), Some(0.0));
}

#[test]
fn ends_that_nobody_takes_are_lost_and_told() {
    let fleet = fleet();
    let live = tap(&fleet);
    for _ in 0..70_000 {
        live.end(Generation::new(Dialect::OllamaChat, End::Complete, Duration::ZERO));
    }
    let page = page(&fleet);
    let counted = sum(&page, "requests_total", &[]).unwrap();
    let lost = sum(&page, "request_ends_lost_total", &[]).unwrap();
    assert!(lost > 0.0 && (counted + lost - 70_000.0).abs() < 0.1, "{counted} {lost}");
}
