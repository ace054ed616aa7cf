//! How far it is: one line on stderr, drawn over, on a terminal alone.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use tokio::time::Instant;

use crate::cli::text;

/// Columns of the line: what every terminal has, without its last one.
const WIDTH: usize = 79;

/// Before that nobody knows how long it takes.
const FIRST: Duration = Duration::from_secs(20);

/// The line.
#[derive(Debug)]
pub(in crate::cli) struct Progress {
    /// `None`: nobody looks.
    all: Option<usize>,
    done: usize,
    began: Instant,
}

impl Progress {
    /// Of so many steps.
    pub(in crate::cli) fn of(all: usize) -> Progress {
        Progress { all: io::stderr().is_terminal().then_some(all), done: 0, began: Instant::now() }
    }

    /// One more is done: `asked 812 of 3495, some 12 min left: code/co1`.
    pub(in crate::cli) fn step(&mut self, what: &str) {
        self.done += 1;
        let Some(all) = self.all else { return };
        let all = all.max(self.done);
        let left = left(self.began.elapsed(), self.done, all).map(|left| format!(", {left} left"));
        draw(&format!("asked {} of {all}{}: {what}", self.done, left.unwrap_or_default()));
    }

    /// More steps came.
    pub(in crate::cli) fn more(&mut self, steps: usize) {
        self.all = self.all.map(|all| all + steps);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.all.is_some() && self.done > 0 {
            write!(io::stderr(), "\r\x1b[K").ok();
        }
    }
}

/// What is left, if the rest goes as fast. `None`: it is too early to tell, or hardly anything is left.
fn left(took: Duration, done: usize, all: usize) -> Option<String> {
    let rest = took.mul_f64((all - done) as f64 / done.max(1) as f64);
    match (took >= FIRST, rest.as_secs()) {
        (false, _) | (true, 0..10) => None,
        (true, seconds @ 10..90) => Some(format!("some {} s", seconds.div_ceil(10) * 10)),
        (true, seconds) => Some(format!("some {} min", seconds.div_ceil(60))),
    }
}

fn draw(line: &str) {
    // Nobody is left to be told if it fails.
    write!(io::stderr(), "\r\x1b[K{}", text::fit(&text::clean(line), WIDTH)).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_told_once_it_can_be_and_in_round_numbers() {
        let left = |took, done, all| left(Duration::from_secs(took), done, all);
        assert_eq!(left(10, 100, 3495), None, "too early");
        assert_eq!(left(60, 300, 3300).as_deref(), Some("some 10 min"));
        assert_eq!(left(60, 1000, 1550).as_deref(), Some("some 40 s"));
        assert_eq!(left(60, 1000, 1010), None, "nearly done");
        assert_eq!(left(30, 0, 10).as_deref(), Some("some 5 min"), "no division by nothing");
    }
}
