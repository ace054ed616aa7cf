//! The looks: a colour never says what a word beside it does not say.

use anstyle::{AnsiColor, Style};

use crate::sample::ServerState;
use crate::view::Health;

pub(super) const PLAIN: Style = Style::new();
pub(super) const BOLD: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const CRITICAL: Style = AnsiColor::Red.on_default();
pub(super) const WARNING: Style = AnsiColor::Yellow.on_default();

/// The looks of a state's word.
pub(super) fn state(state: Option<ServerState>) -> Style {
    match state {
        Some(ServerState::Ready | ServerState::Busy) => AnsiColor::Green.on_default(),
        Some(ServerState::Loading) => AnsiColor::Yellow.on_default(),
        Some(ServerState::Sleeping) => AnsiColor::Blue.on_default(),
        Some(ServerState::Hung | ServerState::Down) => AnsiColor::Red.on_default().bold(),
        None => AnsiColor::Magenta.on_default(),
    }
}

/// The looks of a health's word.
pub(super) fn health(health: Health) -> Style {
    match health {
        Health::Ok => AnsiColor::Green.on_default().bold(),
        Health::Warning => AnsiColor::Yellow.on_default().bold(),
        Health::Critical => AnsiColor::Red.on_default().bold(),
        Health::Unknown => AnsiColor::Magenta.on_default().bold(),
    }
}
