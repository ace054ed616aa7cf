//! Standard output: styles only where they are wanted, and a reader that leaves is no error.

use std::io::{self, IsTerminal as _, Write};

use anstream::AutoStream;
use anyhow::Context as _;
use serde::Serialize;

/// Columns where there is no terminal to ask: what every screen and mail has.
const DEFAULT_WIDTH: usize = 80;

/// Where a verb's result goes. Knows `NO_COLOR`, `CLICOLOR_FORCE` and `TERM=dumb`.
pub(super) struct Out {
    stream: AutoStream<io::Stdout>,
    gone: bool,
}

/// The size of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Screen {
    /// Columns.
    pub(super) width: usize,
    /// Lines; `None` where there is no screen but a file or a pipe.
    pub(super) height: Option<usize>,
}

impl Out {
    pub(super) fn new() -> Out {
        Out { stream: AutoStream::auto(io::stdout()), gone: false }
    }

    /// Writes a text that may hold styles. Once the reader has left (`| head`) it does nothing.
    pub(super) fn text(&mut self, text: &str) -> anyhow::Result<()> {
        let written = self.stream.write_all(text.as_bytes()).and_then(|()| self.stream.flush());
        self.settle(written)
    }

    /// Writes bytes as they are, such as JSON.
    pub(super) fn raw(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
        drop(stdout);
        self.settle(written)
    }

    /// Writes a value as JSON that a person can read, with a line's end.
    pub(super) fn json(&mut self, value: &impl Serialize) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(value).context("cannot write it as JSON")?;
        self.raw(format!("{text}\n").as_bytes())
    }

    /// Whether the reader has left, so that there is nobody to go on for.
    pub(super) fn gone(&self) -> bool {
        self.gone
    }

    /// How much room there is.
    pub(super) fn screen() -> Screen {
        let size = io::stdout().is_terminal().then(terminal_size::terminal_size).flatten();
        match size {
            // Some pseudo-terminals say 0 x 0.
            Some((width, height)) if width.0 > 0 && height.0 > 0 => {
                Screen { width: width.0.into(), height: Some(height.0.into()) }
            }
            _ => Screen { width: DEFAULT_WIDTH, height: None },
        }
    }

    fn settle(&mut self, written: io::Result<()>) -> anyhow::Result<()> {
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.gone = true;
                Ok(())
            }
            other if self.gone => {
                drop(other);
                Ok(())
            }
            other => other.context("cannot write to standard output"),
        }
    }
}
