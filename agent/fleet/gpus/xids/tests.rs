use super::*;

const UUID: &str = "GPU-1";
const PLACE: &str = "0000:3b:00.0";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_348_740 + second).unwrap()
}

fn event(card: CardRef, xid: u32, source: XidSource) -> XidEvent {
    XidEvent { card, xid, at: at(i64::from(xid)), source, before_start: false, text: None }
}

fn by_log(xid: u32) -> XidEvent {
    event(CardRef::Pci(PLACE.into()), xid, XidSource::KernelLog)
}

fn by_driver(xid: u32) -> XidEvent {
    event(CardRef::Uuid(UUID.into()), xid, XidSource::Driver)
}

fn card() -> GpuSample {
    GpuSample {
        uuid: UUID.into(),
        vendor: "nvidia".into(),
        pci: Some("00000000:3B:00.0".into()),
        ..GpuSample::default()
    }
}

/// Xids that know the card and nothing else.
fn met() -> Xids {
    let mut xids = Xids::default();
    xids.meet(&[card()]);
    xids
}

fn counts(xids: &[XidCount]) -> Vec<(&str, u64)> {
    xids.iter().map(|count| (count.xid.as_str(), count.count)).collect()
}

#[tokio::test]
async fn an_event_that_driver_and_log_both_tell_counts_once() {
    let mut xids = met();
    let now = Instant::now();
    let (name, count) = xids.record(&by_driver(79), now).unwrap();
    assert_eq!((name.as_str(), count.count), (UUID, 1));
    assert_eq!(
        (count.severity.as_deref(), count.meaning.as_deref()),
        (Some("critical"), Some("card has fallen off the bus"))
    );
    assert_eq!(xids.record(&by_log(79), now), None, "told already");
    assert_eq!(counts(&xids.of(&card())), [("79", 1)]);
    assert_eq!(xids.record(&by_log(79), now).unwrap().1.count, 2, "the driver lost the second of a burst");
    assert_eq!(xids.record(&by_driver(79), now), None);
    assert_eq!(xids.record(&by_driver(94), now).unwrap().1.count, 1, "numbers count apart");
}

#[tokio::test]
async fn what_was_in_the_log_before_is_added_to_what_both_tell_now() {
    let mut xids = met();
    let now = Instant::now();
    for event in [XidEvent { before_start: true, ..by_log(79) }, by_log(79), by_driver(79)] {
        xids.record(&event, now);
    }
    let count = &xids.of(&card())[0];
    assert_eq!((count.count, count.before_start), (2, 1));
}

#[tokio::test]
async fn the_latest_time_and_words_hold_whoever_tells_them() {
    let mut xids = met();
    let now = Instant::now();
    xids.record(&XidEvent { at: at(9), text: Some("fell\u{1b}[2J".into()), ..by_log(79) }, now);
    xids.record(&XidEvent { at: at(5), ..by_driver(79) }, now);
    let count = &xids.of(&card())[0];
    assert_eq!(count.last_at, Some(at(9)));
    assert!(count.told.as_deref().is_some_and(|told| told.starts_with("fell?[2J")), "{count:?}");
}

#[tokio::test]
async fn an_event_waits_for_its_card_and_joins_what_the_driver_told() {
    let mut xids = Xids::default();
    let now = Instant::now();
    xids.record(&by_log(79), now);
    xids.record(&by_driver(79), now);
    xids.record(&by_log(48), now);
    xids.meet(&[card()]);
    assert_eq!(counts(&xids.of(&card())), [("48", 1), ("79", 1)]);
    assert_eq!(xids.strays(&[UUID], now + STRANGER_AFTER), []);
    xids.record(&by_log(48), now);
    assert_eq!(counts(&xids.of(&card())), [("48", 2), ("79", 1)]);
}

#[tokio::test]
async fn a_card_that_nobody_lists_is_told_after_a_while_by_its_place() {
    let mut xids = Xids::default();
    let now = Instant::now();
    xids.record(&by_log(79), now);
    assert_eq!(xids.strays(&[], now), [], "it may be read in a moment");
    let strays = xids.strays(&[], now + STRANGER_AFTER);
    assert_eq!((strays[0].card.as_str(), counts(&strays[0].xids)), ("pci-0000:3b:00.0", vec![("79", 1)]));
}

#[tokio::test]
async fn a_card_that_was_known_and_is_listed_no_more_is_told_at_once() {
    let mut xids = met();
    let now = Instant::now();
    xids.record(&by_log(79), now);
    assert_eq!(xids.strays(&[UUID], now), []);
    assert_eq!(xids.strays(&[], now)[0].card, UUID);
}

#[tokio::test]
async fn critical_numbers_are_zero_while_somebody_listens_and_absent_while_nobody_does() {
    let mut xids = met();
    assert_eq!(xids.of(&card()), []);
    xids.record_log("/dev/kmsg".into(), Some("not permitted".into()), 0);
    assert_eq!(xids.of(&card()), [], "nobody knows");
    let listener = xids.new_listener("nvml");
    assert_eq!(xids.of(&card()), [], "it heard nothing yet, not even silence");
    assert!(xids.record_listening("nvml", listener, true));
    let zeros = xids.of(&card());
    assert_eq!(zeros.len(), xid::critical().len());
    assert!(zeros.iter().all(|count| count.count == 0 && count.last_at.is_none() && count.meaning.is_some()));
    assert_eq!(xids.of(&GpuSample { vendor: "amd".into(), ..card() }), []);
    let latest = xids.new_listener("nvml");
    assert!(xids.record_listening("nvml", latest, true));
    assert!(!xids.record_listening("nvml", listener, false), "one before it ends late");
    assert_eq!(xids.of(&card()).len(), zeros.len());
    assert!(xids.record_listening("nvml", latest, false));
    assert_eq!(xids.of(&card()), []);
    xids.record_log("/dev/kmsg".into(), None, 3);
    xids.record_log("/dev/kmsg".into(), None, 2);
    assert_eq!(xids.of(&card()).len(), zeros.len());
    assert_eq!(xids.log().unwrap().lost, 5);
    xids.record(&by_log(79), Instant::now());
    assert_eq!(xids.of(&card()).len(), zeros.len(), "79 has its place among them");
}

#[tokio::test]
async fn numbers_and_cards_without_end_are_bounded() {
    let mut xids = met();
    let now = Instant::now();
    for number in 1..=200 {
        xids.record(&by_log(number), now);
    }
    let told = xids.of(&card());
    assert_eq!(told.len(), MOST_NUMBERS + 1);
    assert_eq!(counts(&told).last(), Some(&("other", 200 - MOST_NUMBERS as u64)));
    assert_eq!(counts(&told)[0], ("1", 1));
    for number in 0..1000 {
        xids.record(&event(CardRef::Uuid(format!("GPU-{number}")), 79, XidSource::Driver), now);
        xids.meet(&[GpuSample { pci: Some(format!("{number:04x}:01:00.0")), ..card() }]);
    }
    assert!(xids.cards.len() <= MOST_CARDS && xids.places.len() <= MOST_CARDS);
}
