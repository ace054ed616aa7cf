//! One record of the kernel's log as `/dev/kmsg` gives it, and what one of the journal says. Pure.

use std::time::Duration;

use crate::logs::Entry;

/// A record of `/dev/kmsg`: `4,1234,5678901,-;text`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// Its number; one that is missing was overwritten before it was read.
    pub(super) sequence: u64,
    /// When it was written, since boot.
    pub(super) since_boot: Duration,
    /// What it says; may have several lines.
    pub(super) text: String,
}

/// Reads a record. Lines behind the first hold the kernel's own keys and are left out.
pub(super) fn record(bytes: &[u8]) -> Option<Record> {
    let line = bytes.split(|byte| *byte == b'\n').next()?;
    let semicolon = line.iter().position(|byte| *byte == b';')?;
    let (head, text) = (std::str::from_utf8(&line[..semicolon]).ok()?, &line[semicolon + 1..]);
    let mut fields = head.split(',');
    let _priority: u32 = fields.next()?.parse().ok()?;
    let sequence = fields.next()?.parse().ok()?;
    let since_boot = Duration::from_micros(fields.next()?.parse().ok()?);
    Some(Record { sequence, since_boot, text: unescape(text) })
}

/// The kernel writes what is not printable as `\x0a`.
fn unescape(text: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        let code = tail.strip_prefix(b"x").and_then(|code| code.get(..2)).filter(|_| *first == b'\\');
        let code = code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &tail[3..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What an entry of the journal says. What a program wrote to the kernel's log, as one does to try an alert, has its
/// first word taken off there.
pub(super) fn text(entry: Entry) -> String {
    match entry.who.as_deref() {
        None | Some("kernel") => entry.text,
        Some(who) => format!("{who}: {}", entry.text),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn a_record_of_kmsg_is_taken_apart() {
        let bytes = b"4,1234,5678901,-,caller=T77;NVRM: The NVIDIA GPU 0000:18:00.0\\x0aNVRM: \\\\ \\xzz\n SUBSYSTEM=pci\n";
        let record = record(bytes).unwrap();
        assert_eq!((record.sequence, record.since_boot), (1234, Duration::from_micros(5_678_901)));
        assert_eq!(record.text, "NVRM: The NVIDIA GPU 0000:18:00.0\nNVRM: \\\\ \\xzz");
        for bad in [&b""[..], b"4,1;x", b"a,1,2,-;x", b"4,1,2,-", b"4,-1,2,-;x"] {
            assert_eq!(super::record(bad), None);
        }
    }

    #[test]
    fn an_entry_of_the_journal_says_who_wrote_it() {
        let by = |who: Option<&str>| {
            text(Entry { at: Timestamp::UNIX_EPOCH, who: who.map(str::to_owned), text: "x".into() })
        };
        assert_eq!(
            (by(None), by(Some("kernel")), by(Some("NVRM"))),
            ("x".into(), "x".into(), "NVRM: x".into())
        );
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_give_an_answer(bytes: Vec<u8>, text in "\\PC*") {
            record(&bytes);
            let record = record(format!("4,1,2,-;{text}").as_bytes()).unwrap();
            proptest::prop_assert!(record.text.len() <= text.len());
        }
    }
}
