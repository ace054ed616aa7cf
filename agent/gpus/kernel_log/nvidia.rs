//! What NVIDIA's driver writes to the kernel's log about its cards. Pure.
//!
//! `NVRM: Xid (PCI:0000:3b:00): 79, pid=1234, name=python3, GPU has fallen off the bus.` is the form of today's
//! drivers. Older ones leave out `PCI:`, pid and name; with MIG, ` GPU-I:01 GPU-CI:02` stands behind the address.

use crate::gpus::pci;

/// What one line tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told<'a> {
    /// An XID of the card at that address, and what stands behind the number.
    Xid(String, u32, &'a str),
    /// The UUID of the card at that address; told once before its first XID.
    Uuid(String, &'a str),
    /// A card fell off the bus: which, if the line says so. Some drivers say it without an XID.
    Fallen(Option<String>),
    /// Begins a message of several lines about the card at that address.
    About(String),
}

/// What the text of a line tells. `None`: nothing of cards in trouble.
pub(super) fn told(text: &str) -> Option<Told<'_>> {
    let text = text.trim_start().strip_prefix("NVRM:")?.trim();
    if let Some(xid) = text.strip_prefix("Xid (") {
        return told_xid(xid);
    }
    if text.contains("fallen off the bus") {
        return Some(Told::Fallen(words(text).find_map(pci::address)));
    }
    if let Some(rest) = text.strip_prefix("GPU at ") {
        let (place, uuid) = rest.rsplit_once(' ')?;
        let sound = uuid.starts_with("GPU-") && uuid.len() <= 64 && uuid.bytes().all(is_name);
        return Some(Told::Uuid(pci::address(place.trim_end_matches(':'))?, sound.then_some(uuid)?));
    }
    let about = text.strip_prefix("The NVIDIA GPU ")?;
    words(about).find_map(pci::address).map(Told::About)
}

/// What stands behind `Xid (`.
fn told_xid(text: &str) -> Option<Told<'_>> {
    let (card, rest) = text.split_once("):")?;
    let place = card.split_whitespace().next().and_then(pci::address)?;
    let rest = rest.trim_start();
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = rest.split_at(digits);
    // Number 0 is no error; the driver's library uses it where there is none.
    let number = number.parse().ok().filter(|number| *number > 0)?;
    Some(Told::Xid(place, number, rest.trim_start_matches([',', ' '])))
}

/// What stands behind an XID's number in a few harmless words: the message, then who ran.
pub(super) fn message(rest: &str) -> Option<String> {
    let (pid, rest) = field(rest, "pid=");
    let (name, rest) = field(rest, "name=");
    let who = [name.map(|name| clean(name, 32)), pid.map(|pid| format!("pid {}", clean(pid, 10)))];
    let who: Vec<String> = who.into_iter().flatten().collect();
    let who = if who.is_empty() { String::new() } else { format!("({})", who.join(", ")) };
    let text = format!("{} {who}", clean(rest, 120)).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// The value of a field at the start, if the driver knew one, and what follows.
fn field<'a>(text: &'a str, name: &str) -> (Option<&'a str>, &'a str) {
    let Some(value) = text.strip_prefix(name) else { return (None, text) };
    let (value, rest) = value.split_once(',').unwrap_or((value, ""));
    let value = value.trim().trim_matches('\'');
    (Some(value).filter(|value| !value.is_empty() && *value != "<unknown>"), rest.trim_start())
}

/// Printable ASCII alone, and not more of it than that.
pub(super) fn clean(text: &str, most: usize) -> String {
    let kept = text.trim().chars().take(most).map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' });
    kept.collect::<String>().trim_end().to_owned()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', ',', '(', ')']).map(|word| word.trim_end_matches([':', '.']))
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn xid(text: &str) -> Option<(String, u32, Option<String>)> {
        match told(text)? {
            Told::Xid(place, number, rest) => Some((place, number, message(rest))),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_xid_is_read_in_the_spellings_of_all_drivers() {
        let off = "GPU has fallen off the bus.";
        for (text, place, number, message) in [
            (
                "NVRM: Xid (PCI:0000:3b:00): 79, pid=1234, name=python3, GPU has fallen off the bus.",
                "0000:3b:00.0",
                79,
                "GPU has fallen off the bus. (python3, pid 1234)",
            ),
            (
                "NVRM: Xid (PCI:0000:05:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.",
                "0000:05:00.0",
                79,
                off,
            ),
            (
                "NVRM: Xid (PCI:0000:05:00): 79, pid=<unknown>, name=<unknown>, GPU has fallen off the bus.",
                "0000:05:00.0",
                79,
                off,
            ),
            ("NVRM: Xid (PCI:0000:01:00): 79, GPU has fallen off the bus.", "0000:01:00.0", 79, off),
            ("NVRM: Xid (0000:03:00): 14, Channel 00000001", "0000:03:00.0", 14, "Channel 00000001"),
            ("NVRM: Xid (PCI:0000:00:01.0): 31", "0000:00:01.0", 31, ""),
            (
                "NVRM: Xid (PCI:00000009:01:00): 149, NETIR_LINK_EVT  Fatal",
                "0009:01:00.0",
                149,
                "NETIR_LINK_EVT  Fatal",
            ),
            (
                "NVRM: Xid (PCI:0000:01:00 GPU-I:05): 94, pid=7194, Contained: CE User Channel (0x9). RST: No, D-RST: No",
                "0000:01:00.0",
                94,
                "Contained: CE User Channel (0x9). RST: No, D-RST: No (pid 7194)",
            ),
            (
                "NVRM: Xid (PCI:0000:3b:00 GPU-I:01 GPU-CI:02): 13, pid=9, name=a, Graphics Exception: ESR 0x5",
                "0000:3b:00.0",
                13,
                "Graphics Exception: ESR 0x5 (a, pid 9)",
            ),
            (
                "NVRM: Xid (PCI:0000:dc:00): 45, pid=18, name=python3, Ch 00000001 caused by previous Xid 149",
                "0000:dc:00.0",
                45,
                "Ch 00000001 caused by previous Xid 149 (python3, pid 18)",
            ),
        ] {
            let message = Some(message.to_owned()).filter(|message| !message.is_empty());
            assert_eq!(xid(text), Some((place.to_owned(), number, message)), "{text}");
        }
    }

    #[test]
    fn what_is_no_xid_is_none() {
        for text in [
            "",
            "NVRM: ",
            "NVRM: Xid error: xyz",
            "NVRM: Xid (invalid): 79, x",
            "NVRM: Xid (PCI:0000:01:00): 0, nothing",
            "NVRM: Xid (PCI:0000:01:00): -1",
            "NVRM: Xid (PCI:0000:01:00): 99999999999",
            "NVRM: Xid (PCI:0000:01:00",
            "say NVRM: Xid (PCI:0000:01:00): 79",
            "nvidia-nvswitch0: SXid (PCI:0000:00:00.0): 11001, Fatal",
            "NVRM: loading NVIDIA UNIX x86_64 Kernel Module  535.183.01",
            "NVRM: GPU at PCI:0000:01:00: GPU-\u{202e}x",
            "NVRM: GPU Board Serial Number: 1650423013443",
        ] {
            assert_eq!(told(text), None, "{text}");
        }
    }

    #[test]
    fn a_card_tells_its_uuid_and_a_fall_its_place() {
        let place = || "0000:29:00.0".to_owned();
        let uuid = "GPU-34d7319c-5b19-1e75-186d-c187099e4fe5";
        for text in ["NVRM: GPU at PCI:0000:29:00: ", "NVRM: GPU at 0000:29:00: "] {
            assert_eq!(told(&format!("{text}{uuid}")), Some(Told::Uuid(place(), uuid)));
        }
        for text in [
            "NVRM: GPU 0000:29:00.0: GPU has fallen off the bus.",
            "NVRM: GPU at 0000:29:00.0 has fallen off the bus.",
            "NVRM: The NVIDIA GPU 29:00.0 (PCI ID: 10de:2901) installed in this system has fallen off the bus",
        ] {
            assert_eq!(told(text), Some(Told::Fallen(Some(place()))), "{text}");
        }
        let last = "NVRM: fallen off the bus and is not responding to commands.";
        assert_eq!(told(last), Some(Told::Fallen(None)));
        assert_eq!(told("NVRM: The NVIDIA GPU 0000:29:00.0"), Some(Told::About(place())));
    }

    #[test]
    fn what_a_process_is_called_cannot_steer_a_terminal_or_fill_a_page() {
        let said = message(&format!("pid=1, name=\u{1b}[2J{}, text", "x".repeat(500))).unwrap();
        assert!(said.starts_with("text (?[2Jxxx") && said.ends_with(", pid 1)") && said.len() < 60, "{said}");
        assert_eq!(message("pid='<unknown>', name=<unknown>, "), None);
        assert!(message(&"é".repeat(5000)).unwrap().len() <= 120);
    }

    proptest::proptest! {
        #[test]
        fn any_text_gives_an_answer(tail in "\\PC{0,200}", head in "(NVRM: (Xid \\(|GPU at |The NVIDIA GPU )?(PCI:0000:01:00)?(\\): )?)?") {
            if let Some(Told::Xid(_, number, rest)) = told(&format!("{head}{tail}")) {
                proptest::prop_assert!(number > 0);
                proptest::prop_assert!(message(rest).is_none_or(|said| said.len() <= 180 && said.is_ascii()));
            }
        }
    }
}
