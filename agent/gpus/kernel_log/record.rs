//! One record of the kernel's log as `/dev/kmsg` and as `journalctl` give it. Pure.

use std::time::Duration;

use jiff::Timestamp;

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

/// A line of `journalctl --output=json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// When the journal got it.
    pub(super) at: Timestamp,
    /// Where to go on from.
    pub(super) cursor: String,
    /// What it says; may have several lines.
    pub(super) text: String,
}

/// Reads an entry. A message that is no UTF-8 stands there as an array of bytes.
pub(super) fn entry(line: &[u8]) -> Option<Entry> {
    #[derive(serde::Deserialize)]
    struct Raw {
        #[serde(rename = "__REALTIME_TIMESTAMP")]
        at: String,
        #[serde(rename = "__CURSOR")]
        cursor: String,
        #[serde(rename = "MESSAGE")]
        message: Message,
        #[serde(rename = "SYSLOG_IDENTIFIER")]
        who: Option<String>,
    }
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Message {
        Text(String),
        Bytes(Vec<u8>),
    }
    let raw: Raw = serde_json::from_slice(line).ok()?;
    let text = match raw.message {
        Message::Text(text) => text,
        Message::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
    };
    // What a program wrote to the kernel's log, as one does to try an alert, has its first word taken off.
    let text = match raw.who.as_deref() {
        None | Some("kernel") => text,
        Some(who) => format!("{who}: {text}"),
    };
    Some(Entry { at: Timestamp::from_microsecond(raw.at.parse().ok()?).ok()?, cursor: raw.cursor, text })
}

#[cfg(test)]
mod tests {
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
    fn an_entry_of_the_journal_is_read_and_its_bytes_too() {
        let line = |message: &str| {
            format!(
                "{{\"__CURSOR\":\"s=1;i=2\",\"__REALTIME_TIMESTAMP\":\"1795348740000000\",\"_BOOT_ID\":\"x\",\"MESSAGE\":{message}}}"
            )
        };
        let told = entry(line("\"a\\nb\"").as_bytes()).unwrap();
        assert_eq!((told.text.as_str(), told.cursor.as_str()), ("a\nb", "s=1;i=2"));
        assert_eq!(told.at.as_second(), 1_795_348_740);
        assert_eq!(entry(line("[78,86,255]").as_bytes()).unwrap().text, "NV\u{fffd}");
        let by = |who: &str| {
            entry(line(&format!("\"x\",\"SYSLOG_IDENTIFIER\":\"{who}\"")).as_bytes()).unwrap().text
        };
        assert_eq!((by("kernel"), by("NVRM")), ("x".into(), "NVRM: x".into()));
        for bad in ["null", "7", "[300]"] {
            assert_eq!(entry(line(bad).as_bytes()), None);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_give_an_answer(bytes: Vec<u8>, text in "\\PC*") {
            record(&bytes);
            entry(&bytes);
            let record = record(format!("4,1,2,-;{text}").as_bytes()).unwrap();
            proptest::prop_assert!(record.text.len() <= text.len());
        }
    }
}
