//! What is typed of taps beside the targets: `[tap]`, `[[client]]` and `[[slo]]`. Pure.

use super::read::{At, Section};

/// `[tap]`.
#[derive(Default)]
pub(super) struct RawTap {
    pub(super) max_connections: Option<At<u64>>,
    pub(super) max_header: Option<At<String>>,
    pub(super) max_body: Option<At<String>>,
    pub(super) connect_timeout: Option<At<String>>,
    pub(super) first_byte_timeout: Option<At<String>>,
    pub(super) idle_timeout: Option<At<String>>,
    pub(super) forwarded_headers: Option<At<bool>>,
}

/// `[[client]]`.
pub(super) struct RawClient {
    pub(super) path: String,
    pub(super) line: usize,
    /// Keys that stand there but not as they should: their fault is told, they are not missing.
    pub(super) faulty: Vec<&'static str>,
    pub(super) name: Option<At<String>>,
    pub(super) token: Option<At<String>>,
    pub(super) token_file: Option<At<String>>,
    pub(super) networks: Vec<At<String>>,
}

/// `[[slo]]`.
pub(super) struct RawSlo {
    pub(super) path: String,
    pub(super) line: usize,
    /// Keys that stand there but not as they should: their fault is told, they are not missing.
    pub(super) faulty: Vec<&'static str>,
    pub(super) name: Option<At<String>>,
    pub(super) targets: Vec<At<String>>,
    pub(super) models: Vec<At<String>>,
    pub(super) time_to_first_token: Option<At<String>>,
    pub(super) time_per_output_token: Option<At<String>>,
    pub(super) duration: Option<At<String>>,
}

impl RawTap {
    pub(super) fn read(section: &mut Section<'_>) -> RawTap {
        RawTap {
            max_connections: section.number("max_connections"),
            max_header: section.string("max_header"),
            max_body: section.string("max_body"),
            connect_timeout: section.duration("connect_timeout"),
            first_byte_timeout: section.duration("first_byte_timeout"),
            idle_timeout: section.duration("idle_timeout"),
            forwarded_headers: section.boolean("forwarded_headers"),
        }
    }
}

impl RawClient {
    pub(super) fn read(section: &mut Section<'_>) -> RawClient {
        let (name, token) = (section.string("name"), section.string("token"));
        let (token_file, networks) = (section.string("token_file"), section.strings("networks"));
        let read = [
            ("name", name.is_some()),
            ("token", token.is_some()),
            ("token_file", token_file.is_some()),
            ("networks", networks.is_some()),
        ];
        RawClient {
            path: section.path.clone(),
            line: section.line,
            faulty: section.faulty(&read),
            name,
            token,
            token_file,
            networks: networks.unwrap_or_default(),
        }
    }
}

impl RawSlo {
    pub(super) fn read(section: &mut Section<'_>) -> RawSlo {
        let name = section.string("name");
        let (targets, models) = (section.strings("targets"), section.strings("models"));
        let (first, each) =
            (section.duration("time_to_first_token"), section.duration("time_per_output_token"));
        let duration = section.duration("duration");
        let read = [
            ("name", name.is_some()),
            ("time_to_first_token", first.is_some()),
            ("time_per_output_token", each.is_some()),
            ("duration", duration.is_some()),
        ];
        RawSlo {
            path: section.path.clone(),
            line: section.line,
            faulty: section.faulty(&read),
            name,
            targets: targets.unwrap_or_default(),
            models: models.unwrap_or_default(),
            time_to_first_token: first,
            time_per_output_token: each,
            duration,
        }
    }
}
