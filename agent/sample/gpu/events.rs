//! What is reported of a card, by its driver or in the kernel's log.

use jiff::Timestamp;

/// A card as an event names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CardRef {
    /// By its UUID.
    Uuid(String),
    /// By its PCI address as the kernel writes it: `0000:3b:00.0`; the function may be 0 where it is not told.
    Pci(String),
}

/// An error that NVIDIA's driver reported of a card (an XID).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XidEvent {
    /// Which card.
    pub card: CardRef,
    /// The error's number.
    pub xid: u32,
    /// When.
    pub at: Timestamp,
    /// Who told.
    pub source: XidSource,
    /// It happened before the agent started: it was found in the log.
    pub before_start: bool,
    /// What the log says besides, short and cleaned.
    pub text: Option<String>,
}

/// Work on a card hung, as the driver of a card that is not NVIDIA's said in the kernel's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HangEvent {
    /// Which card: its PCI address as the kernel writes it.
    pub place: String,
    /// When.
    pub at: Timestamp,
    /// It happened before the agent started: it was found in the log.
    pub before_start: bool,
    /// What the log says, short and cleaned.
    pub text: String,
}

/// Who told of an [`XidEvent`]. Both may tell of the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum XidSource {
    /// The driver's library (NVML events).
    Driver,
    /// The kernel's log.
    KernelLog,
}
