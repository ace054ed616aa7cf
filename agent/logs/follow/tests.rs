//! Real files and a program in the place of `journalctl`.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use super::*;
use crate::logs::Positions;

/// A log in a folder of its own.
struct Bench {
    folder: tempfile::TempDir,
    follower: Follower,
}

impl Bench {
    fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let follower = Follower::new(LogPlace::File(folder.path().join("server.log")), None);
        Bench { folder, follower }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn append(&self, text: impl AsRef<[u8]>) {
        let path = self.path("server.log");
        OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(text.as_ref()).unwrap();
    }

    fn heard(&mut self) -> Vec<String> {
        heard(&mut self.follower).0
    }

    /// The agent is started anew, with what it kept.
    fn restart(&mut self) {
        let positions = Positions::within(self.path("state"));
        positions.save("box", "a place", self.follower.position(), &()).unwrap();
        self.follower = Follower::new(
            self.follower.place().clone(),
            positions.load::<()>("box", "a place").map(|(position, ())| position),
        );
    }
}

fn heard(follower: &mut Follower) -> (Vec<String>, Look) {
    let mut lines = Vec::new();
    let look = follower.look(&mut |line, _| lines.push(String::from_utf8_lossy(line).into_owned()));
    (lines, look)
}

#[test]
fn it_begins_at_the_end_and_hears_what_comes() {
    let mut bench = Bench::new();
    bench.append("old\nhalf of");
    assert_eq!(bench.heard(), [""; 0]);
    bench.append(" an old line\nnew\nha");
    assert_eq!(bench.heard(), ["new"]);
    bench.append(b"lf\n\xff\0 bytes\r\n");
    assert_eq!(bench.heard(), ["half", "\u{fffd}\0 bytes\r"]);
    assert_eq!(heard(&mut bench.follower).1, Look::default());
}

#[test]
fn one_that_is_not_there_yet_is_told_and_heard_from_its_beginning() {
    let mut bench = Bench::new();
    let (_, look) = heard(&mut bench.follower);
    assert!(look.error.unwrap().contains("No such file"));
    bench.append("first\n");
    let mut lines = Vec::new();
    for _ in 0..3 {
        lines.extend(bench.heard());
    }
    assert_eq!(lines, ["first"]);
    assert_eq!(heard(&mut bench.follower).1.error, None);
}

#[test]
fn rotation_by_rename_copy_and_deletion_loses_nothing_and_tells_nothing_twice() {
    let mut bench = Bench::new();
    bench.append("before\n");
    assert_eq!(bench.heard(), [""; 0]);
    bench.append("a\n");
    fs::rename(bench.path("server.log"), bench.path("server.log.1")).unwrap();
    assert_eq!(bench.heard(), ["a"], "the new one is not there yet");
    // A writer that was not told goes on in the old one.
    OpenOptions::new().append(true).open(bench.path("server.log.1")).unwrap().write_all(b"b\n").unwrap();
    bench.append("c\n");
    assert_eq!(bench.heard(), ["b", "c"]);
    File::create(bench.path("server.log")).unwrap();
    bench.append("d\n");
    assert_eq!(bench.heard(), ["d"], "it was copied and cut");
    File::create(bench.path("server.log")).unwrap();
    bench.append("e, longer than all that was there before\n");
    assert_eq!(bench.heard(), ["e, longer than all that was there before"], "and has grown past it");
    fs::remove_file(bench.path("server.log")).unwrap();
    assert_eq!(bench.heard(), [""; 0]);
    bench.append("f\n");
    assert_eq!(bench.heard(), ["f"], "deleted and made anew");
    let zeros = [&[0; 100][..], b"g\n"].concat();
    bench.append(&zeros);
    assert_eq!(bench.heard(), [format!("{}g", "\0".repeat(100))]);
}

#[test]
fn a_restart_of_the_agent_goes_on_where_it_was_also_over_a_rotation() {
    let mut bench = Bench::new();
    bench.append("old\n");
    assert_eq!(bench.heard(), [""; 0]);
    bench.append("a\nb");
    assert_eq!(bench.heard(), ["a"]);
    bench.restart();
    bench.append("c\nd\n");
    let mut live = Vec::new();
    bench
        .follower
        .look(&mut |line, written| live.push((String::from_utf8_lossy(line).into_owned(), written.live)));
    assert_eq!(live, [("bc".into(), false), ("d".into(), false)], "written while the agent was away");
    bench.append("e\n");
    bench.follower.look(&mut |_, written| live.push((String::new(), written.live)));
    assert_eq!(live[2..], [(String::new(), true)]);
    bench.append("f\n");
    fs::rename(bench.path("server.log"), bench.path("server.log.1")).unwrap();
    bench.restart();
    bench.append("g\n");
    assert_eq!(bench.heard(), ["f", "g"], "the rest of the one that was renamed");
    fs::remove_file(bench.path("server.log")).unwrap();
    fs::remove_file(bench.path("server.log.1")).unwrap();
    bench.restart();
    bench.append("another file, which may get the same place on the disk\n");
    assert_eq!(bench.heard(), ["another file, which may get the same place on the disk"]);
}

#[test]
fn a_line_without_end_and_a_flood_take_bounded_work_and_memory() {
    let mut bench = Bench::new();
    bench.append("");
    assert_eq!(bench.heard(), [""; 0]);
    for _ in 0..100 {
        bench.append(vec![b'x'; 1 << 20]);
    }
    assert_eq!(bench.heard(), [""; 0]);
    let path = bench.path("server.log");
    let Some(Open::File(tail)) = &bench.follower.open else { panic!() };
    assert!(tail.behind().unwrap() > 90 << 20, "it is read in many looks");
    for _ in 0..20 {
        assert_eq!(bench.heard(), [""; 0]);
    }
    bench.restart();
    bench.append("\nafter\n");
    assert_eq!(bench.heard(), ["after"], "100 MB in one line");
    assert!(fs::metadata(path).unwrap().len() > 100 << 20);
    let line = format!("{}\n", "y".repeat(999));
    for _ in 0..50 {
        bench.append(line.repeat(1000));
    }
    let mut looks = Vec::new();
    while let lines @ 1.. = bench.heard().len() {
        assert!(lines * 1000 <= MOST_BYTES + (64 << 10), "{lines}");
        looks.push(lines);
    }
    assert_eq!(looks.iter().sum::<usize>(), 50_000);
    assert!(looks.len() > 4, "{looks:?}");
}

#[test]
fn what_is_too_far_behind_is_passed_over_and_told() {
    let mut bench = Bench::new();
    bench.append("old\n");
    assert_eq!(bench.heard(), [""; 0]);
    // A hole takes no room on the disk.
    let file = OpenOptions::new().write(true).open(bench.path("server.log")).unwrap();
    file.set_len(MOST_BEHIND + 5000).unwrap();
    let look = heard(&mut bench.follower).1;
    assert_eq!((look.passed_over, look.lines), (4996, 0));
}

#[test]
fn a_folder_and_what_may_not_be_read_are_told_with_what_would_do() {
    let folder = tempfile::tempdir().unwrap();
    let told = |path: &std::path::Path| {
        heard(&mut Follower::new(LogPlace::File(path.into()), None)).1.error.unwrap_or_default()
    };
    assert_eq!(told(folder.path()), "it is a folder: name the file in it");
    let denied =
        |path: &str| cannot_read(Path::new(path), &std::io::Error::from(ErrorKind::PermissionDenied));
    assert!(denied("/var/log/ollama.log").contains("often adm"));
    assert!(denied("/srv/ollama.log").contains("may the agent's user read it?"));
    // Root may read all.
    let file = folder.path().join("log");
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    if File::open(&file).is_err() {
        assert!(told(&file).contains("may the agent's user read it?"));
    }
}

#[test]
fn tries_become_rarer_up_to_half_a_minute() {
    let mut follower = Follower::new(LogPlace::File("/nonexistent/server.log".into()), None);
    let mut tried = Vec::new();
    for beat in 0..130 {
        let before = follower.tries.left_out();
        follower.look(&mut |_, _| ());
        if before == 0 {
            tried.push(beat);
        }
    }
    assert_eq!(tried, [0, 1, 3, 7, 15, 31, 63, 95, 127]);
}

/// A program in the place of `journalctl`.
fn journalctl(folder: &Path, script: &str) -> String {
    let path = folder.join("journalctl");
    fs::write(&path, format!("#!/bin/sh\n{script}")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    path.display().to_string()
}

fn entry(cursor: u32, at: Timestamp, text: &str) -> String {
    format!(
        "{{\"__CURSOR\":\"c{cursor}\",\"__REALTIME_TIMESTAMP\":\"{}\",\"MESSAGE\":\"{text}\"}}",
        at.as_microsecond()
    )
}

fn of_unit(program: &str, position: Option<Position>) -> Follower {
    Follower::new(LogPlace::Journal("ollama.service".into()), position).by(program)
}

/// All lines and the last look, once that is so.
fn until(follower: &mut Follower, done: impl Fn(&[String], &Look) -> bool) -> (Vec<String>, Look) {
    let mut all = Vec::new();
    for _ in 0..500 {
        follower.tries.at_once();
        let (lines, look) = heard(follower);
        all.extend(lines);
        if done(&all, &look) {
            return (all, look);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it never came: {all:?}, {follower:?}");
}

#[test]
fn a_unit_of_the_journal_is_followed_from_now_on_and_gone_on_with_when_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let args = folder.path().join("args");
    let old = Timestamp::now() - SignedDuration::from_secs(60);
    let later = Timestamp::now() + SignedDuration::from_secs(60);
    let script = format!(
        "echo \"$@\" >> {}\nprintf '%s\\n' '{}' '{}'\necho 'out of disk' >&2\nexit 1\n",
        args.display(),
        entry(1, old, "written before the agent came"),
        entry(2, later, "one\\ntwo"),
    );
    let program = journalctl(folder.path(), &script);
    let mut follower = of_unit(&program, None);
    let (lines, look) = until(&mut follower, |_, look| look.error.is_some());
    assert_eq!(lines, ["one", "two"]);
    assert_eq!(look.error.as_deref(), Some("journalctl ended: out of disk"));
    let script = format!(
        "echo \"$@\" >> {}\necho '{}'\nexec sleep 60\n",
        args.display(),
        entry(3, old, "missed while it was away")
    );
    let program = journalctl(folder.path(), &script);
    // The same over a restart of the agent.
    for mut follower in
        [follower, of_unit(&program, Some(Position { mark: None, cursor: Some("c2".into()) }))]
    {
        let (lines, look) = until(&mut follower, |lines, look| !lines.is_empty() && look.error.is_none());
        assert_eq!(lines, ["missed while it was away"]);
        assert_eq!(look.error, None);
    }
    let args = fs::read_to_string(args).unwrap();
    let args: Vec<&str> = args.lines().collect();
    assert!(args[0].starts_with("--unit=ollama.service --lines=1 --follow"), "{args:?}");
    assert!(
        args[1..].iter().all(|args| args.contains("--after-cursor=c2") && !args.contains("--lines")),
        "{args:?}"
    );
}

#[test]
fn a_cursor_that_is_of_no_use_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let script =
        "case \"$*\" in *cursor*) echo 'Failed to seek to cursor: Invalid argument' >&2; exit 1;; esac\n";
    let program = journalctl(folder.path(), &format!("{script}exec sleep 60\n"));
    let mut follower =
        of_unit(&program, Some(Position { mark: None, cursor: Some("of another machine".into()) }));
    until(&mut follower, |_, look| look.error.is_some());
    assert_eq!(follower.position().cursor, None);
}

#[test]
fn a_journal_that_may_not_be_read_is_silent_or_missing_is_told_with_what_would_do() {
    let folder = tempfile::tempdir().unwrap();
    let hint = "echo 'Hint: You are currently not seeing messages from other users and the system.' >&2\nexec sleep 60\n";
    let mut follower = of_unit(&journalctl(folder.path(), hint), None);
    let (_, look) = until(&mut follower, |_, look| look.error.is_some());
    assert_eq!(look.error.unwrap(), "not permitted: add the agent's user to the group systemd-journal");
    let mut follower = of_unit(&journalctl(folder.path(), "exec sleep 60\n"), None);
    let (_, look) = heard(&mut follower);
    assert_eq!((look.error, look.pending), (None, true), "it may need a while");
    let (_, look) = until(&mut follower, |_, look| look.error.is_some());
    assert!(look.error.unwrap().contains("is ollama.service the unit's name"));
    let (_, look) = heard(&mut of_unit("/nonexistent/journalctl", None));
    assert_eq!(look.error.as_deref(), Some("there is no journalctl here"));
}
