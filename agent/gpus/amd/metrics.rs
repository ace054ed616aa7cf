//! The table that AMD's firmware keeps of itself (`gpu_metrics`): binary, in versions that differ by card. Read
//! only where the kernel's header states what a field is; what a firmware does not fill is all ones. Pure.

use std::collections::BTreeMap;

/// What is taken of the table.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Metrics {
    /// It is the table of a processor with graphics inside (an APU).
    pub(super) of_apu: bool,
    /// Energy since the firmware started, in joules.
    pub(super) energy_joules: Option<f64>,
    /// Whether clocks are held down, by `THROTTLE_REASONS`. Empty: not told.
    pub(super) throttled: BTreeMap<String, bool>,
}

/// What one count of the energy counter is, in joules: 2^-16, by the kernel's header.
const JOULES: f64 = 1.0 / 65_536.0;

/// Bits of the status that means the same on every chip. Power and current are the firmware's budget.
const POWER: u64 = 0x0000_0000_00ff_00ff;
/// Temperatures of the chip, its memory, its regulators and its coolant.
const THERMAL: u64 = 0x0000_0fff_0000_0000;
/// What the board signals: hot regulators, and the processor's call to slow down at once.
const SIGNALLED: u64 = 0x0000_f000_0000_0000;

/// Reads the table. What it does not tell, or in a version that is not known, is left out.
pub(super) fn parse(table: &[u8]) -> Metrics {
    let [size_low, size_high, format, content, ..] = *table else { return Metrics::default() };
    let size = usize::from(u16::from_le_bytes([size_low, size_high]));
    // A table that is shorter than it says was cut off, and none of it can be trusted.
    let Some(table) = table.get(..size) else { return Metrics::default() };
    let of_apu = matches!(format, 2 | 3);
    let status = match (format, content) {
        (1, 3) => long(table, 112),
        (2, 2..=4) => long(table, 120),
        _ => None,
    };
    // The unit is stated from 1.4 on; before, it differs by chip.
    let energy = match (format, content) {
        (1, 4 | 7 | 8) => long(table, 24),
        (1, 5 | 6) => long(table, 88),
        _ => None,
    };
    Metrics {
        of_apu,
        energy_joules: energy.map(|count| count as f64 * JOULES),
        throttled: status.map(throttled).unwrap_or_default(),
    }
}

fn long(table: &[u8], at: usize) -> Option<u64> {
    let bytes = table.get(at..at + 8)?.try_into().ok()?;
    Some(u64::from_le_bytes(bytes)).filter(|value| *value != u64::MAX)
}

fn throttled(status: u64) -> BTreeMap<String, bool> {
    [("sw_power_cap", POWER), ("sw_thermal", THERMAL), ("hw_thermal", SIGNALLED)]
        .map(|(reason, bits)| (reason.to_owned(), status & bits != 0))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table of that version and size, all ones but for one field.
    fn table(format: u8, content: u8, size: usize, at: usize, value: u64) -> Vec<u8> {
        let mut table = vec![0xff; size];
        table[..4].copy_from_slice(&[size as u8, (size >> 8) as u8, format, content]);
        table[at..at + 8].copy_from_slice(&value.to_le_bytes());
        table
    }

    #[test]
    fn what_a_firmware_does_not_fill_is_not_told() {
        for (format, content, size) in [(1, 3, 120), (1, 4, 288), (1, 6, 400), (2, 3, 152), (3, 0, 264)] {
            let mut table = vec![0xff; size];
            table[..4].copy_from_slice(&[size as u8, (size >> 8) as u8, format, content]);
            let metrics = parse(&table);
            assert_eq!(metrics.of_apu, format > 1);
            assert_eq!((metrics.energy_joules, metrics.throttled.len()), (None, 0), "{format}.{content}");
        }
    }

    #[test]
    fn each_version_has_its_fields_in_its_own_places() {
        let on = |metrics: Metrics| -> Vec<String> {
            metrics.throttled.into_iter().filter(|(_, on)| *on).map(|(reason, _)| reason).collect()
        };
        assert_eq!(on(parse(&table(1, 3, 120, 112, 1))), ["sw_power_cap"]);
        assert_eq!(on(parse(&table(1, 3, 120, 112, 1 << 36))), ["sw_thermal"]);
        assert_eq!(on(parse(&table(2, 3, 152, 120, 1 << 47 | 1 << 16))), ["hw_thermal", "sw_power_cap"]);
        assert_eq!(parse(&table(1, 3, 120, 112, 0)).throttled.len(), 3, "told, and held down by nothing");
        assert_eq!(parse(&table(1, 4, 288, 24, 65_536 * 7)).energy_joules, Some(7.0));
        // What an MI300 tells since Linux 6.13.
        for (content, size) in [(7, 2208), (8, 3000)] {
            assert_eq!(parse(&table(1, content, size, 24, 65_536 * 9)).energy_joules, Some(9.0));
        }
        assert_eq!(parse(&table(1, 6, 400, 88, 32_768)).energy_joules, Some(0.5));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_have_an_answer(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            parse(&bytes);
        }

        #[test]
        fn a_table_that_was_cut_off_tells_nothing(length in 0_usize..120) {
            let table = table(1, 3, 120, 112, 1);
            proptest::prop_assert_eq!(parse(&table[..length]), Metrics::default());
        }
    }
}
