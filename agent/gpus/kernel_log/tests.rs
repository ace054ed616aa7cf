use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};

use rustix::fs::OFlags;

use super::*;
use crate::sample::{CardRef, XidSource};

/// A line of the log about one card, now.
fn xid(number: u32) -> String {
    format!(
        "{} box kernel: NVRM: Xid (PCI:0000:3b:00): {number}, pid=7, name=llama-server, told\n",
        Timestamp::now()
    )
}

fn append(path: &Path, text: &str) {
    OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

/// The numbers of what is heard, and whether each was there before.
fn numbers(heard: &Heard) -> Vec<(u32, bool)> {
    heard.xids.iter().map(|event| (event.xid, event.before_start)).collect()
}

fn log(path: &Path) -> KernelLog {
    KernelLog::new(Place::At(path.into()), Timestamp::now())
}

#[test]
fn a_file_tells_what_it_holds_as_history_and_what_comes_as_news() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kern.log");
    append(&path, &xid(13));
    append(&path, "1999-01-01T00:00:00Z box kernel: NVRM: Xid (PCI:0000:3b:00): 48, from another boot\n");
    let mut log = log(&path);
    assert_eq!(numbers(&log.hear()), [(13, true)]);
    assert_eq!(log.hear(), Heard { source: path.display().to_string(), ..Heard::default() });
    append(&path, &xid(79));
    let heard = log.hear();
    assert_eq!(numbers(&heard), [(79, false)]);
    let event = &heard.xids[0];
    assert_eq!((&event.card, event.source), (&CardRef::Pci("0000:3b:00.0".into()), XidSource::KernelLog));
    assert_eq!(event.text.as_deref(), Some("told (llama-server, pid 7)"));
    let line = xid(94);
    append(&path, &line[..20]);
    assert_eq!(numbers(&log.hear()), [], "half a line");
    append(&path, &line[20..]);
    assert_eq!(numbers(&log.hear()), [(94, false)]);
}

#[test]
fn a_file_that_is_cut_or_replaced_is_read_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kern.log");
    append(&path, &xid(13).repeat(3));
    let mut log = log(&path);
    assert_eq!(log.hear().xids.len(), 3);
    fs::write(&path, xid(31)).unwrap();
    assert_eq!(numbers(&log.hear()), [(31, false)], "cut short");
    append(&path, &xid(43));
    fs::rename(&path, folder.path().join("kern.log.1")).unwrap();
    append(&path, &xid(45));
    assert_eq!(numbers(&log.hear()), [(43, false), (45, false)], "the rest of the old one, then the new one");
    fs::remove_file(&path).unwrap();
    assert_eq!(log.hear().error, None, "between two files");
    append(&path, &xid(94));
    assert_eq!(numbers(&log.hear()), [(94, false)]);
}

#[test]
fn only_the_end_of_a_large_file_is_history() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kern.log");
    append(&path, &xid(13));
    append(&path, &"nothing of ours, in a line of some length\n".repeat(40_000));
    append(&path, &xid(31));
    let mut log = log(&path);
    let mut heard = numbers(&log.hear());
    for _ in 0..10 {
        heard.extend(numbers(&log.hear()));
    }
    assert_eq!(heard, [(31, true)]);
}

#[test]
fn a_pipe_gives_records_as_the_device_does_and_is_never_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kmsg");
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let mut log = log(&path);
    assert_eq!(log.hear().error, None, "nobody writes");
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let mut writer = OpenOptions::new().write(true).custom_flags(flags).open(&path).unwrap();
    writer.write_all(b"4,100,5000000,-;NVRM: Xid (PCI:0000:3b:00): 119, Timeout\n SUBSYSTEM=pci\n").unwrap();
    assert_eq!(numbers(&log.hear()), [(119, false)]);
    assert_eq!(numbers(&log.hear()), []);
    drop(writer);
    assert_eq!(log.hear().error, None);
}

#[test]
fn a_log_that_is_not_there_is_told_and_found_later() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kern.log");
    let mut log = log(&path);
    let heard = log.hear();
    assert_eq!(heard.source, path.display().to_string());
    assert!(heard.error.unwrap().contains("No such file"));
    append(&path, &xid(79));
    let mut tries = 0;
    while log.hear().xids.is_empty() {
        tries += 1;
        assert!(tries < 5, "tried again");
    }
    assert_eq!(log.hear().error, None);
    assert!(
        KernelLog::new(Place::At(folder.path().into()), Timestamp::now()).hear().error.is_some(),
        "a folder"
    );
}

#[test]
fn tries_become_rarer_up_to_half_a_minute() {
    let mut log = log(Path::new("/nonexistent/kmsg"));
    let mut tried = Vec::new();
    for beat in 0..130 {
        let before = log.tries.left_out();
        log.hear();
        if before == 0 {
            tried.push(beat);
        }
    }
    assert_eq!(tried, [0, 1, 3, 7, 15, 31, 63, 95, 127]);
}

/// A program in the place of `journalctl`.
fn program(folder: &Path, script: &str) -> String {
    let path = folder.join("journalctl");
    fs::write(&path, format!("#!/bin/sh\n{script}")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    path.display().to_string()
}

/// Listens to the journal alone, as where the device is denied.
fn journal(program: &str, started: Timestamp) -> KernelLog {
    let mut log = KernelLog::new(Place::Auto(program.into()), started);
    log.open = Some(Open::Journal(super::journal(program, None).unwrap()));
    log
}

/// What is heard until that is so.
fn until(log: &mut KernelLog, done: impl Fn(&Heard) -> bool) -> Heard {
    for _ in 0..500 {
        log.tries.at_once();
        let heard = log.hear();
        if done(&heard) {
            return heard;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it never came: {:?}", log.hear());
}

#[test]
fn the_journal_is_followed_and_ends_with_the_agent() {
    let folder = tempfile::tempdir().unwrap();
    let line = "{\"__REALTIME_TIMESTAMP\":\"1795348740000000\",\"__CURSOR\":\"c1\",\"MESSAGE\":\"NVRM: Xid (PCI:0000:3b:00): 79, x\"}";
    let script = format!(
        "echo $$ > {0}/pid\necho \"$@\" > {0}/args\necho '{line}'\nexec sleep 60\n",
        folder.path().display()
    );
    let program = program(folder.path(), &script);
    let mut log = journal(&program, "2026-11-30T00:00:00Z".parse().unwrap());
    let heard = until(&mut log, |heard| !heard.xids.is_empty());
    assert_eq!((numbers(&heard), heard.error, heard.source), (vec![(79, true)], None, program));
    let args = fs::read_to_string(folder.path().join("args")).unwrap();
    assert!(args.contains("--dmesg") && args.contains("--follow") && !args.contains("cursor"), "{args}");
    let pid = fs::read_to_string(folder.path().join("pid")).unwrap();
    drop(log);
    assert!(!Path::new("/proc").join(pid.trim()).exists(), "it was killed, and is no zombie");
}

#[test]
fn a_journal_that_ends_is_gone_on_with_from_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let line = "{\"__REALTIME_TIMESTAMP\":\"1795348740000000\",\"__CURSOR\":\"c1\",\"MESSAGE\":\"NVRM: Xid (PCI:0000:3b:00): 79, x\"}";
    let first = program(folder.path(), &format!("echo '{line}'\necho 'out of disk' >&2\nexit 1\n"));
    let mut log = journal(&first, Timestamp::UNIX_EPOCH);
    until(&mut log, |heard| heard.error.as_deref() == Some("journalctl ended: out of disk"));
    assert!(log.open.is_none());
    let again = format!("echo \"$@\" > {}/args\nexec sleep 60\n", folder.path().display());
    let again = program(folder.path(), &again);
    log.open = Some(Open::Journal(super::journal(&again, log.resume.cursor.clone()).unwrap()));
    until(&mut log, |_| folder.path().join("args").metadata().is_ok_and(|args| args.len() > 0));
    assert!(fs::read_to_string(folder.path().join("args")).unwrap().contains("--after-cursor=c1"));
}

#[test]
fn a_user_without_the_right_is_told_which_group() {
    let folder = tempfile::tempdir().unwrap();
    for words in [
        "Hint: You are currently not seeing messages from other users and the system.",
        "No journal files were opened due to insufficient permissions.",
    ] {
        let program = program(folder.path(), &format!("echo '{words}' >&2\nexec sleep 60\n"));
        let mut log = journal(&program, Timestamp::UNIX_EPOCH);
        let heard = until(&mut log, |heard| {
            heard.error.as_ref().is_some_and(|error| error.contains("not permitted"))
        });
        assert_eq!(heard.error.unwrap(), "not permitted: add the agent's user to the group systemd-journal");
    }
    let program = program(folder.path(), "exec sleep 60\n");
    let mut log = journal(&program, Timestamp::UNIX_EPOCH);
    let heard = log.hear();
    assert_eq!((heard.error, heard.pending), (None, true), "it may need a while");
    let heard = until(&mut log, |heard| heard.error.is_some());
    assert!(heard.error.unwrap().contains("is a journal kept"), "silence is no success");
}

#[test]
fn one_that_is_started_again_and_again_without_a_line_is_tried_less_and_less_often() {
    let folder = tempfile::tempdir().unwrap();
    let first = "{\"__REALTIME_TIMESTAMP\":\"1795348740000000\",\"__CURSOR\":\"c1\",\"MESSAGE\":\"x\"}";
    let first = program(folder.path(), &format!("echo '{first}'\nexit 1\n"));
    let mut log = journal(&first, Timestamp::UNIX_EPOCH);
    until(&mut log, |heard| heard.error.is_some());
    let ends = program(folder.path(), "exit 1\n");
    let mut pauses = vec![log.tries.left_out()];
    for _ in 0..3 {
        log.open = Some(Open::Journal(super::journal(&ends, log.resume.cursor.clone()).unwrap()));
        while log.open.is_some() {
            log.tries.at_once();
            let heard = log.hear();
            assert!(heard.error.is_some(), "it is never told as read between two failures");
            std::thread::sleep(Duration::from_millis(5));
        }
        pauses.push(log.tries.left_out());
    }
    assert_eq!(pauses, [0, 1, 3, 7]);
    let stays = program(folder.path(), "exec sleep 60\n");
    log.open = Some(Open::Journal(super::journal(&stays, log.resume.cursor.clone()).unwrap()));
    until(&mut log, |heard| heard.error.is_none() && !heard.pending);
}

#[test]
fn where_neither_way_is_open_both_reasons_are_told() {
    let denied = io::Error::from(ErrorKind::PermissionDenied);
    let missing = super::journal("/nonexistent/journalctl", None).err().map(|error| cannot_start(&error));
    let said = neither(&denied, &missing.unwrap());
    assert_eq!(said, "not permitted: it needs the capability CAP_SYSLOG; and there is no journalctl here");
    assert!(neither(&io::Error::from(ErrorKind::NotFound), "x").contains("container"));
}

#[test]
fn this_machines_own_log_is_read_without_an_error_where_that_is_permitted() {
    let mut log = KernelLog::new(Place::At(DEVICE.into()), Timestamp::now());
    let heard = log.hear();
    match std::fs::File::open(DEVICE) {
        Ok(_) => {
            assert_eq!(heard.error, None);
            let Some(Open::Kmsg(kmsg)) = &log.open else { panic!("{log:?}") };
            assert!(kmsg.last().is_some(), "a kernel says at least its name");
        }
        Err(_) => assert!(heard.error.is_some()),
    }
}
