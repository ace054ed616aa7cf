//! A log as the system's journal keeps it, by `journalctl`, which gives it to members of the group systemd-journal.

use std::io::{self, ErrorKind, Read as _};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use rustix::fs::{OFlags, fcntl_setfl};

use super::lines::Lines;

/// What it says on its way out is kept up to here.
const COMPLAINT: usize = 2 << 10;

/// It may look through the whole journal for so many beats before it shows a line, and one that cannot go on ends
/// before.
const PATIENCE: u32 = 10;

/// How long its end is waited for after it was killed.
const LAST_WAIT: Duration = Duration::from_millis(100);

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When the journal got it.
    pub at: Timestamp,
    /// Who wrote it, as syslog names it.
    pub who: Option<String>,
    /// What it says; may have several lines.
    pub text: String,
}

/// `journalctl`, running. It is killed when this is dropped.
#[derive(Debug)]
pub struct Journal {
    child: Child,
    lines: Lines,
    complaint: String,
    cursor: Option<String>,
    /// Why it may have nothing to show: it says nothing of what it may not.
    silent: String,
    /// It has shown a line since it was started.
    shown: bool,
    /// How often nothing more was there.
    quiet: u32,
}

impl Journal {
    /// Starts it and follows what `select` names; it goes on behind `cursor`, if there is one. `silent`: what is
    /// told where it never shows anything.
    ///
    /// # Errors
    /// There is no `journalctl`, or it cannot be run.
    pub fn start(
        program: &str,
        select: &[&str],
        cursor: Option<String>,
        silent: String,
    ) -> io::Result<Journal> {
        let mut command = Command::new(program);
        command.args(select);
        command.args(["--follow", "--output=json", "--output-fields=MESSAGE,SYSLOG_IDENTIFIER"]);
        command.args(cursor.as_ref().map(|cursor| format!("--after-cursor={cursor}")));
        // What it complains of is matched below.
        command.env("LC_ALL", "C");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn()?;
        let journal = Journal {
            child,
            lines: Lines::default(),
            complaint: String::new(),
            cursor,
            silent,
            shown: false,
            quiet: 0,
        };
        for pipe in [journal.child.stdout.as_ref().map(fcntl), journal.child.stderr.as_ref().map(fcntl)] {
            pipe.unwrap_or(Ok(()))?;
        }
        Ok(journal)
    }

    /// Where to go on from.
    pub fn cursor(&self) -> Option<String> {
        self.cursor.clone()
    }

    /// Whether it was just started, and it shows in a moment whether it stays.
    pub fn is_pending(&self) -> bool {
        !self.shown && self.quiet <= PATIENCE
    }

    /// Reads what has come since, until so many bytes were read or `enough` says so; whether there may be more.
    ///
    /// # Errors
    /// It ended, or shows nothing: why, and what would do.
    pub fn read(&mut self, most: usize, enough: &mut dyn FnMut(Entry) -> bool) -> Result<bool, String> {
        self.listen_to_complaints();
        if let Some(reason) = reason(&self.complaint) {
            return Err(reason);
        }
        let Some(stdout) = &mut self.child.stdout else { return Ok(false) };
        let (mut stop, mut bytes, cursor, shown) = (false, 0, &mut self.cursor, &mut self.shown);
        while !stop {
            let read = self.lines.read(stdout, |bytes| {
                if let Some((entry, at)) = entry(bytes) {
                    stop |= enough(entry);
                    *cursor = Some(at);
                    *shown = true;
                }
            });
            match read {
                Ok(Some(read)) => {
                    bytes += read;
                    stop |= bytes >= most;
                }
                Ok(None) => {
                    self.quiet = self.quiet.saturating_add(1);
                    let silent = cursor.is_none() && self.quiet > PATIENCE;
                    return if silent { Err(self.silent.clone()) } else { self.still_runs().map(|()| false) };
                }
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(true)
    }

    fn listen_to_complaints(&mut self) {
        let Some(stderr) = &mut self.child.stderr else { return };
        let mut piece = [0; 512];
        while let Ok(read @ 1..) = stderr.read(&mut piece) {
            if self.complaint.len() < COMPLAINT {
                self.complaint.push_str(&String::from_utf8_lossy(&piece[..read]));
            }
        }
    }

    fn still_runs(&mut self) -> Result<(), String> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => {
                self.listen_to_complaints();
                if self.complaint.contains("seek to cursor") {
                    // It is of another journal, and of no use any more.
                    self.cursor = None;
                }
                let said = self.complaint.lines().next().unwrap_or_default().trim();
                let said = if said.is_empty() { status.to_string() } else { said.to_owned() };
                Err(reason(&self.complaint).unwrap_or_else(|| format!("journalctl ended: {said}")))
            }
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        let step = LAST_WAIT / 50;
        for _ in 0..50 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(step);
        }
    }
}

fn fcntl(pipe: &impl std::os::fd::AsFd) -> io::Result<()> {
    fcntl_setfl(pipe, OFlags::NONBLOCK).map_err(io::Error::from)
}

/// Why it shows nothing, out of its own words. A user without the right is not refused: it is shown an empty log.
fn reason(complaint: &str) -> Option<String> {
    let says = |words: &str| complaint.contains(words);
    if says("not seeing messages from other users") || says("insufficient permissions") {
        return Some("not permitted: add the agent's user to the group systemd-journal".into());
    }
    says("No journal files were found").then(|| "the journal is empty here".into())
}

/// Why `journalctl` could not be started.
pub fn cannot_start(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "there is no journalctl here".into(),
        _ => format!("journalctl cannot be run: {error}"),
    }
}

/// Reads a line of `journalctl --output=json`, and the cursor it gives. A message that is no UTF-8 stands there as
/// an array of bytes.
fn entry(line: &[u8]) -> Option<(Entry, String)> {
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
    let at = Timestamp::from_microsecond(raw.at.parse().ok()?).ok()?;
    Some((Entry { at, who: raw.who, text }, raw.cursor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_of_the_journal_is_read_and_its_bytes_too() {
        let line = |message: &str| {
            format!(
                "{{\"__CURSOR\":\"s=1;i=2\",\"__REALTIME_TIMESTAMP\":\"1795348740000000\",\"_BOOT_ID\":\"x\",\"MESSAGE\":{message}}}"
            )
        };
        let (told, cursor) = entry(line("\"a\\nb\"").as_bytes()).unwrap();
        assert_eq!((told.text.as_str(), cursor.as_str()), ("a\nb", "s=1;i=2"));
        assert_eq!((told.at.as_second(), told.who), (1_795_348_740, None));
        assert_eq!(entry(line("[78,86,255]").as_bytes()).unwrap().0.text, "NV\u{fffd}");
        let by = entry(line("\"x\",\"SYSLOG_IDENTIFIER\":\"ollama\"").as_bytes()).unwrap().0;
        assert_eq!(by.who.as_deref(), Some("ollama"));
        for bad in ["null", "7", "[300]"] {
            assert_eq!(entry(line(bad).as_bytes()), None);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_give_an_answer(bytes: Vec<u8>) {
            entry(&bytes);
        }
    }
}
