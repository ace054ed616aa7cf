//! What a tap does with a request beside passing it on: refuses it, or gives up measuring it.

/// Why a tap answered a request itself instead of passing it on: a closed set, fit for a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// As many connections are open as the config allows.
    Connections,
    /// The head is larger than the config allows.
    HeadTooLarge,
    /// The body is larger than the config allows.
    BodyTooLarge,
    /// Its `Host` is none that is let in.
    Host,
    /// It is no HTTP that may be passed on.
    Malformed,
    /// HTTP that a tap does not carry, such as `CONNECT`.
    Unsupported,
    /// Its head or its body did not come on in time.
    Slow,
}

impl Refusal {
    /// Every reason.
    pub const ALL: [Refusal; 7] = [
        Self::Connections,
        Self::HeadTooLarge,
        Self::BodyTooLarge,
        Self::Host,
        Self::Malformed,
        Self::Unsupported,
        Self::Slow,
    ];

    /// Its name in labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::HeadTooLarge => "head_too_large",
            Self::BodyTooLarge => "body_too_large",
            Self::Host => "host",
            Self::Malformed => "malformed",
            Self::Unsupported => "unsupported",
            Self::Slow => "slow",
        }
    }
}

/// Why an answer was not measured to its end, though it was passed on: a closed set, fit for a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MeterFault {
    /// The meter panicked: a fault of the agent.
    Panic,
    /// A line was longer than is held.
    LineTooLong,
    /// The body is compressed in a way that cannot be read, or badly.
    Encoding,
    /// A line is not what its dialect has.
    Malformed,
}

impl MeterFault {
    /// Every reason.
    pub const ALL: [MeterFault; 4] = [Self::Panic, Self::LineTooLong, Self::Encoding, Self::Malformed];

    /// Its name in labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Panic => "panic",
            Self::LineTooLong => "line_too_long",
            Self::Encoding => "encoding",
            Self::Malformed => "malformed",
        }
    }
}
