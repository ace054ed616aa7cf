//! One line of the kernel's log as files hold it. Pure.

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::{SignedDuration, Timestamp};

use super::clocks::Clocks;
use super::record::record;

/// A line of a log file, and when it was written where it tells that: as syslog writes it, as `dmesg` prints it
/// in its forms, or a record of `/dev/kmsg`. What a program wrote there keeps what stands before it.
pub(super) fn plain(line: &str, clocks: &Clocks) -> (Option<Timestamp>, String) {
    if let Some(record) = record(line.as_bytes()) {
        return (Some(clocks.wall(record.since_boot)), record.text);
    }
    let line = line.trim_start();
    // The raw form of the ring buffer has its priority in front.
    let line = line.strip_prefix('<').and_then(|rest| rest.split_once('>')).map_or(line, |(_, rest)| rest);
    let (at, rest) = syslog(line, clocks);
    let (since, rest) = bracket(rest, clocks);
    // dmesg's own decoration: `kern  :err   : [ 12.3] …`.
    let (rest, since) = match rest.strip_prefix("kern ").and_then(|rest| rest.split_once(": ")) {
        Some((_, rest)) => {
            let (later, rest) = bracket(rest.trim_start(), clocks);
            (rest, since.or(later))
        }
        None => (rest, since),
    };
    (at.or(since), rest.trim_start().to_owned())
}

/// `Nov 22 12:00:01 host kernel: `, or the same with a time of ISO 8601, or only such a time.
fn syslog<'a>(line: &'a str, clocks: &Clocks) -> (Option<Timestamp>, &'a str) {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let (at, rest) = match word.replace(',', ".").parse::<Timestamp>() {
        Ok(at) => (Some(at), rest),
        Err(_) => match line.get(..15).and_then(|time| month_day(time, clocks)) {
            Some(at) => (Some(at), &line[15..]),
            None => return (None, line),
        },
    };
    // Behind the time stands who said it; what is not the kernel's is left whole, so that it is nothing of ours.
    let rest = rest.trim_start();
    let kernel = rest.strip_prefix("kernel: ").or_else(|| {
        let (_host, rest) = rest.split_once(' ')?;
        rest.trim_start().strip_prefix("kernel: ")
    });
    (at, kernel.unwrap_or(rest))
}

/// The time of old syslog, which lacks the year: the last such time that is not to come.
fn month_day(text: &str, clocks: &Clocks) -> Option<Timestamp> {
    let year = clocks.now.to_zoned(clocks.zone.clone()).year();
    let at = |year: i16| {
        let time: DateTime =
            strtime::parse("%Y %b %e %H:%M:%S", format!("{year} {text}")).ok()?.to_datetime().ok()?;
        time.to_zoned(clocks.zone.clone()).ok().map(|zoned| zoned.timestamp())
    };
    let day = SignedDuration::from_hours(24);
    at(year).filter(|at| at.duration_since(clocks.now) < day).or_else(|| at(year - 1))
}

/// `[   12.345678] ` since boot, or `[Wed Jul 31 23:14:18 2024] `; what kernels add behind a time, such as
/// `[    T512] `, is passed over.
fn bracket<'a>(text: &'a str, clocks: &Clocks) -> (Option<Timestamp>, &'a str) {
    let Some((inside, rest)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) else {
        return (None, text);
    };
    let seconds =
        inside.trim().parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let date = || {
        let time = strtime::parse("%a %b %e %H:%M:%S %Y", inside).ok()?.to_datetime().ok()?;
        time.to_zoned(clocks.zone.clone()).ok().map(|zoned| zoned.timestamp())
    };
    match seconds.map(|seconds| clocks.wall(seconds)).or_else(date) {
        Some(at) => {
            let rest = rest.trim_start();
            let caller = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
            let caller = caller.filter(|(who, _)| who.trim().starts_with(['T', 'C']));
            (Some(at), caller.map_or(rest, |(_, rest)| rest.trim_start()))
        }
        None => (None, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpus::kernel_log::clocks::tests::clocks;

    const TEXT: &str = "NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.";

    #[test]
    fn lines_of_syslog_and_dmesg_are_read_in_all_their_forms() {
        let minute_ago = Some("2026-11-22T11:59:00Z");
        for (head, at) in [
            ("", None),
            ("Nov 22 12:59:00 box kernel: ", minute_ago),
            ("Nov 22 12:59:00 box kernel: [  999.123456] ", minute_ago),
            ("Dec  3 12:59:00 box kernel: ", Some("2025-12-03T11:59:00Z")),
            ("2026-11-22T12:59:00+01:00 box kernel: ", minute_ago),
            ("2026-11-22T12:59:00.000000+01:00 box kernel: [ 2.0] ", minute_ago),
            ("2026-11-22T12:59:00,000000+01:00 ", minute_ago),
            ("[ 2940.000000] ", minute_ago),
            ("[ 2940.000000] [   T512] ", minute_ago),
            ("<4>[ 2940.000000] ", minute_ago),
            ("kern  :err   : [ 2940.000000] ", minute_ago),
            ("[Sun Nov 22 12:59:00 2026] ", minute_ago),
            ("4,77,2940000000,-;", minute_ago),
        ] {
            let (told, text) = plain(&format!("{head}{TEXT}"), &clocks());
            assert_eq!(text, TEXT, "{head}");
            assert_eq!(told.map(|at| at.to_string()).as_deref(), at, "{head}");
        }
    }

    #[test]
    fn what_a_program_says_of_xids_is_not_the_kernels() {
        for head in ["Nov 22 12:59:00 box python[12]: ", "2026-11-22T12:59:00Z box sshd: kernel: ", "saw "] {
            let (_, text) = plain(&format!("{head}{TEXT}"), &clocks());
            assert!(text.contains(TEXT) && !text.starts_with("NVRM"), "{head}: {text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_gives_an_answer(text in "\\PC*", bytes: Vec<u8>) {
            let heads = ["", "Nov 22 12:59:0", "[", "<4>[", "kern  :err   : [", "4,77,2940000000,-;", "2026-11-22T12:59:00Z "];
            for head in heads {
                plain(&format!("{head}{text}"), &clocks());
            }
            plain(&String::from_utf8_lossy(&bytes), &clocks());
        }
    }
}
