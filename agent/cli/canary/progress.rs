//! How far it is: one line on stderr, drawn over, on a terminal alone.

use std::io::{self, IsTerminal as _, Write as _};

use crate::cli::text;

/// Columns of the line: what every terminal has, without its last one.
const WIDTH: usize = 79;

/// The line.
#[derive(Debug)]
pub(in crate::cli) struct Progress {
    /// `None`: nobody looks.
    all: Option<usize>,
    done: usize,
}

impl Progress {
    /// Of so many steps.
    pub(in crate::cli) fn of(all: usize) -> Progress {
        Progress { all: io::stderr().is_terminal().then_some(all), done: 0 }
    }

    /// One more is done: `asked 12 of 41: code/co1`.
    pub(in crate::cli) fn step(&mut self, what: &str) {
        self.done += 1;
        let Some(all) = self.all else { return };
        let line = format!("asked {} of {}: {what}", self.done, all.max(self.done));
        draw(&line);
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

fn draw(line: &str) {
    // Nobody is left to be told if it fails.
    write!(io::stderr(), "\r\x1b[K{}", text::fit(&text::clean(line), WIDTH)).ok();
}
