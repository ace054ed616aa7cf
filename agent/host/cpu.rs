//! What the processors did: `/proc/stat`. Pure. Read by hand, since the library's reader refuses the
//! whole file for one field that a kernel or a container's imitation of it leaves out.

use jiff::Timestamp;

use crate::sample::CpuSeconds;

/// What `/proc/stat` told.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Stat {
    pub(super) seconds: CpuSeconds,
    pub(super) cpus: Option<u32>,
    pub(super) booted_at: Option<Timestamp>,
}

/// Reads the text of `/proc/stat`; times in it are in ticks, of which there are so many a second.
pub(super) fn stat(text: &str, ticks_per_second: u64) -> Stat {
    let mut stat = Stat::default();
    let ticks = ticks_per_second.max(1) as f64;
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            Some("cpu") => {
                let mut seconds = || Some(words.next()?.parse::<u64>().ok()? as f64 / ticks);
                // The kernel's order is not ours; what an old one does not have stands at the end.
                let [user, nice, system, idle] = [seconds(), seconds(), seconds(), seconds()];
                let [iowait, irq, softirq, steal] = [seconds(), seconds(), seconds(), seconds()];
                stat.seconds = CpuSeconds { user, nice, system, iowait, irq, softirq, steal, idle };
            }
            Some("btime") => {
                let seconds = words.next().and_then(|word| word.parse().ok());
                stat.booted_at = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
            }
            Some(word) if is_one_cpu(word) => stat.cpus = Some(stat.cpus.unwrap_or(0) + 1),
            _ => {}
        }
    }
    stat
}

fn is_one_cpu(word: &str) -> bool {
    word.strip_prefix("cpu").is_some_and(|nth| !nth.is_empty() && nth.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_modes_are_told_apart_and_the_processors_counted() {
        let stat =
            stat("cpu  100 200 300 400 500 600 700 800 9 9\ncpu0 1 2\ncpu1 1 2\nbtime 1700000000\n", 100);
        let modes = [1.0, 2.0, 3.0, 5.0, 6.0, 7.0, 8.0, 4.0].map(Some);
        assert_eq!((stat.seconds.by_mode(), stat.cpus), (modes, Some(2)));
        assert_eq!(stat.booted_at.unwrap().as_second(), 1_700_000_000);
    }

    #[test]
    fn a_kernel_without_a_field_tells_the_others() {
        let old = stat("cpu 100 200 300 400\n", 100);
        assert_eq!((old.seconds.idle, old.seconds.iowait), (Some(4.0), None));
        assert_eq!((old.cpus, old.booted_at), (None, None));
        // One that is no number takes no other with it.
        assert_eq!(stat("cpu 100 x 300 400\n", 100).seconds.system, Some(3.0));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in "(cpu[0-9]{0,2}|btime|x)( -?[0-9]{1,25}){0,12}\n?.{0,40}") {
            stat(&text, 0);
        }
    }
}
