//! What `--watch` draws: on a terminal over and over in one place, else one after another.

use std::io::{self, Write as _};

use super::out::{Out, Screen};
use super::{style, text};

/// Says on stderr what is not part of the result. Nobody is left to be told if it fails.
pub(super) fn note(what: &str) {
    writeln!(io::stderr(), "{what}").ok();
}

/// What was drawn so far.
#[derive(Debug, Default)]
pub(super) struct Watch {
    drawn: bool,
    noted: String,
}

impl Watch {
    /// Says it on stderr, unless it was the last thing said there.
    pub(super) fn note_if_new(&mut self, what: &str) {
        if self.noted != what {
            note(what);
            what.clone_into(&mut self.noted);
        }
    }

    /// Draws the table, and who told it.
    pub(super) fn draw(&mut self, table: &str, by: &str, room: Screen, out: &mut Out) -> anyhow::Result<()> {
        let Some(height) = room.height else {
            self.note_if_new(by);
            let gap = if self.drawn && !table.is_empty() { "\n" } else { "" };
            self.drawn = true;
            return out.text(&format!("{gap}{table}"));
        };
        let first = !self.drawn;
        self.drawn = true;
        out.text(&frame(table, by, room.width, height, first))
    }
}

/// One frame: each line drawn over the last frame's, the rest of the screen emptied. Nothing is
/// cleared before it is drawn over, so nothing flickers.
fn frame(table: &str, by: &str, width: usize, height: usize, first: bool) -> String {
    const HOME: &str = "\x1b[H";
    const CLEAR: &str = "\x1b[2J";
    const LINE_END: &str = "\x1b[K\n";
    const REST: &str = "\x1b[J";
    // The last line of the screen stays empty: a line feed there would scroll.
    let room = height.saturating_sub(3).max(1);
    let mut lines: Vec<String> = table.lines().map(str::to_owned).collect();
    if lines.len() > room {
        let hidden = lines.len() - room + 1;
        lines.truncate(room - 1);
        lines.push(text::fit(&format!("… {hidden} more lines: make the window taller, or --target"), width));
    }
    for line in by.lines() {
        lines.push(format!("{}{}{:#}", style::DIM, text::fit(&text::clean(line), width), style::DIM));
    }
    lines.push(format!("{}Ctrl-C ends{:#}", style::DIM, style::DIM));
    lines.truncate(height.saturating_sub(1).max(1));
    let begin = if first { CLEAR } else { "" };
    format!("{begin}{HOME}{}{LINE_END}{REST}", lines.join(LINE_END))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_never_scrolls_the_screen() {
        let table = "line\n".repeat(100);
        for height in 1..30 {
            let frame = frame(&table, "asked somebody", 20, height, true);
            assert!(frame.matches('\n').count() < height.max(2), "{height}");
        }
        assert!(frame(&table, "", 80, 24, false).contains("80 more lines"));
    }

    #[test]
    fn only_the_first_frame_clears() {
        assert!(frame("a", "b", 80, 24, true).starts_with("\x1b[2J\x1b[H"));
        assert!(frame("a", "b", 80, 24, false).starts_with("\x1b[Ha"));
    }
}
