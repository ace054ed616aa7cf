//! The kernel's log as the system's journal keeps it: where `/dev/kmsg` is not permitted, `journalctl` gives the
//! same to members of the group systemd-journal.

use std::io::{self, ErrorKind, Read as _};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use rustix::fs::{OFlags, fcntl_setfl};

use super::lines::Lines;
use super::record::entry;
use super::{Hear, MOST_LINES};

/// What it says on its way out is kept up to here.
const COMPLAINT: usize = 2 << 10;

/// It may look through the whole journal for so many beats before it shows a line, and one that cannot go on ends
/// before.
const PATIENCE: u32 = 10;

/// Why it may have nothing to show. It says nothing of what it may not.
const SILENT: &str = "journalctl shows no line of the kernel: is a journal kept here, and is the agent's user in the \
                      group systemd-journal?";

/// How long its end is waited for after it was killed.
const LAST_WAIT: Duration = Duration::from_millis(100);

/// `journalctl`, running. It is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Journal {
    child: Child,
    lines: Lines,
    complaint: String,
    cursor: Option<String>,
    /// It has shown a line since it was started.
    shown: bool,
    /// How often nothing more was there.
    quiet: u32,
}

impl Journal {
    /// Starts it; it goes on behind `cursor`, or begins with the boot.
    ///
    /// # Errors
    /// There is no `journalctl`, or it cannot be run.
    pub(super) fn start(program: &str, cursor: Option<String>) -> io::Result<Journal> {
        let mut command = Command::new(program);
        command.args([
            "--dmesg",
            "--boot",
            "--follow",
            "--no-tail",
            "--output=json",
            "--output-fields=MESSAGE,SYSLOG_IDENTIFIER",
        ]);
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
            shown: false,
            quiet: 0,
        };
        for pipe in [journal.child.stdout.as_ref().map(fcntl), journal.child.stderr.as_ref().map(fcntl)] {
            pipe.unwrap_or(Ok(()))?;
        }
        Ok(journal)
    }

    /// Where to go on from.
    pub(super) fn cursor(&self) -> Option<String> {
        self.cursor.clone()
    }

    /// Whether it was just started, and it shows in a moment whether it stays.
    pub(super) fn is_pending(&self) -> bool {
        !self.shown && self.quiet <= PATIENCE
    }

    /// Reads what has come since.
    ///
    /// # Errors
    /// It ended, or shows nothing: why, and what would do.
    pub(super) fn drain(&mut self, started: Timestamp, hear: &mut Hear<'_>) -> Result<(), String> {
        self.listen_to_complaints();
        if let Some(reason) = reason(&self.complaint) {
            return Err(reason);
        }
        let Some(stdout) = &mut self.child.stdout else { return Ok(()) };
        let (mut count, cursor, shown) = (0, &mut self.cursor, &mut self.shown);
        while count < MOST_LINES {
            let read = self.lines.read(stdout, |bytes| {
                count += 1;
                if let Some(entry) = entry(bytes) {
                    hear(&entry.text, entry.at, entry.at < started);
                    *cursor = Some(entry.cursor);
                    *shown = true;
                }
            });
            match read {
                Ok(Some(_)) => {}
                Ok(None) => {
                    self.quiet = self.quiet.saturating_add(1);
                    let silent = cursor.is_none() && self.quiet > PATIENCE;
                    return if silent { Err(SILENT.into()) } else { self.still_runs() };
                }
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(())
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
pub(super) fn cannot_start(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "there is no journalctl here".into(),
        _ => format!("journalctl cannot be run: {error}"),
    }
}
