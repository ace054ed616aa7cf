//! What a driver tells of one user of a card, in the `fdinfo` of the file through which it uses it (DRM client
//! usage stats). Pure.

use std::collections::BTreeMap;

use crate::gpus::pci;

/// Memory regions or engines of one client that are kept. Drivers have ten.
const MOST_KEYS: usize = 32;

/// One user of one card. Several files, and several processes, may be the same one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Client {
    /// The card's PCI address.
    pub(super) pci: String,
    /// Its number, once for each card.
    pub(super) id: u64,
    /// Memory that it holds now by region, such as `vram` or `system0`, in bytes.
    pub(super) memory: BTreeMap<String, u64>,
    /// What it made the engines do, by engine, such as `render` or `ccs`.
    pub(super) engines: BTreeMap<String, Engine>,
}

/// What a client made engines of one kind do since it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Engine {
    /// Busy: in nanoseconds, or in cycles of the card's own clock.
    pub(super) busy: u64,
    /// That clock, where it is cycles.
    pub(super) clock: Option<u64>,
    /// How many such engines the card has.
    pub(super) capacity: u64,
}

impl Default for Engine {
    fn default() -> Engine {
        Engine { busy: 0, clock: None, capacity: 1 }
    }
}

/// Reads an `fdinfo`. `None`: it is of no DRM client, or does not say of which card.
pub(super) fn parse(text: &str) -> Option<Client> {
    let mut client = Client::default();
    let (mut place, mut id) = (None, None);
    let mut told: [BTreeMap<&str, u64>; 3] = Default::default();
    for (key, value) in text.lines().filter_map(|line| line.split_once(':')) {
        let (key, value) = (key.trim(), value.trim());
        let Some(key) = key.strip_prefix("drm-") else { continue };
        match key.split_once('-').unwrap_or((key, "")) {
            ("pdev", "") => place = pci::address(value),
            ("client", "id") => id = value.parse().ok(),
            // What is in place comes before what was asked for; `memory` is how amdgpu says the former.
            ("resident", region) => insert(&mut told[0], region, bytes(value)),
            ("memory", region) => insert(&mut told[1], region, bytes(value)),
            ("total", rest) => match rest.strip_prefix("cycles-") {
                Some(name) => engine(&mut client, name, |engine| engine.clock = number(value)),
                None => insert(&mut told[2], rest, bytes(value)),
            },
            ("engine", rest) => match rest.strip_prefix("capacity-") {
                Some(name) => engine(&mut client, name, |engine| {
                    engine.capacity = number(value).unwrap_or(1).max(1);
                }),
                None => engine(&mut client, rest, |engine| engine.busy = number(value).unwrap_or(0)),
            },
            ("cycles", name) => engine(&mut client, name, |engine| engine.busy = number(value).unwrap_or(0)),
            _ => {}
        }
    }
    (client.pci, client.id) = (place?, id?);
    for (region, bytes) in told.into_iter().flatten() {
        client.memory.entry(region.to_owned()).or_insert(bytes);
    }
    Some(client)
}

fn insert<'a>(memory: &mut BTreeMap<&'a str, u64>, region: &'a str, bytes: Option<u64>) {
    if let Some(bytes) = bytes.filter(|_| memory.len() < MOST_KEYS) {
        memory.insert(region, bytes);
    }
}

fn engine(client: &mut Client, name: &str, set: impl FnOnce(&mut Engine)) {
    if client.engines.len() < MOST_KEYS || client.engines.contains_key(name) {
        set(client.engines.entry(name.to_owned()).or_default());
    }
}

/// The number in `12345 ns` or `12345`.
fn number(value: &str) -> Option<u64> {
    value.split_whitespace().next()?.parse().ok()
}

/// The bytes in `12 KiB`, `3 MiB` or `4096`.
fn bytes(value: &str) -> Option<u64> {
    let mut words = value.split_whitespace();
    let number: u64 = words.next()?.parse().ok()?;
    let unit = match words.next() {
        None => 1,
        Some("KiB") => 1 << 10,
        Some("MiB") => 1 << 20,
        Some("GiB") => 1 << 30,
        Some(_) => return None,
    };
    number.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_drivers_way_of_telling_is_read() {
        let amdgpu = parse(
            "pos:\t0\nflags:\t02100002\ndrm-driver:\tamdgpu\ndrm-pdev:\t0000:03:00.0\ndrm-client-id:\t87\n\
             drm-memory-vram:\t1024 KiB\ndrm-memory-gtt: \t2 MiB\ndrm-engine-gfx:\t5000 ns\n",
        );
        let amdgpu = amdgpu.unwrap();
        assert_eq!((amdgpu.pci.as_str(), amdgpu.id), ("0000:03:00.0", 87));
        assert_eq!(amdgpu.memory, [("gtt".to_owned(), 2 << 20), ("vram".to_owned(), 1 << 20)].into());
        assert_eq!(amdgpu.engines["gfx"], Engine { busy: 5000, clock: None, capacity: 1 });

        let xe = parse(
            "drm-driver:\txe\ndrm-client-id:\t3\ndrm-pdev:\t0000:03:00.0\ndrm-total-vram0:\t24 MiB\n\
             drm-resident-vram0:\t16 MiB\ndrm-cycles-ccs:\t500\ndrm-total-cycles-ccs:\t1000\n\
             drm-engine-capacity-ccs:\t4\n",
        );
        let xe = xe.unwrap();
        assert_eq!(xe.memory, [("vram0".to_owned(), 16 << 20)].into(), "in place, not only asked for");
        assert_eq!(xe.engines["ccs"], Engine { busy: 500, clock: Some(1000), capacity: 4 });
    }

    #[test]
    fn what_is_no_client_of_a_card_is_none() {
        for text in
            ["", "pos:\t0\nflags:\t02\n", "drm-client-id:\t3\n", "drm-pdev:\tnone\ndrm-client-id:\t3\n"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_has_an_answer(text in "(drm-(pdev|client-id|memory-vram|total-cycles-[a-z]{1,3}|engine-[a-z]{1,3}): *[0-9a-z:. ]{0,20}\n){0,40}") {
            if let Some(client) = parse(&text) {
                proptest::prop_assert!(client.memory.len() <= MOST_KEYS * 3 && client.engines.len() <= MOST_KEYS);
            }
        }
    }
}
