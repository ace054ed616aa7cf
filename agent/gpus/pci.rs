//! A card's place on the PCI bus, as the kernel writes it. Pure.

/// The address in the kernel's spelling, `0000:3b:00.0`, out of those of drivers and libraries:
/// `PCI:0000:3b:00`, `00000000:3B:00.0`, `3b:00.0`. A function that is not told is 0. `None`: it is no
/// address.
pub fn address(text: &str) -> Option<String> {
    let text = text.trim().strip_prefix("PCI:").unwrap_or(text.trim());
    let (place, function) = text.split_once('.').unwrap_or((text, "0"));
    let mut parts = place.rsplit(':');
    let (device, bus) = (hex(parts.next()?, 2..=2)?, hex(parts.next()?, 2..=2)?);
    let domain = parts.next().map_or(Some(0), |domain| hex(domain, 4..=8))?;
    let function = hex(function, 1..=1)?;
    // The bus has room for 32 devices of 8 functions.
    let sound = parts.next().is_none() && device < 32 && function < 8;
    sound.then(|| format!("{domain:04x}:{bus:02x}:{device:02x}.{function}"))
}

fn hex(text: &str, digits: std::ops::RangeInclusive<usize>) -> Option<u32> {
    let all = digits.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    all.then(|| u32::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_an_address_becomes_one() {
        for text in ["0000:3b:00.0", "PCI:0000:3b:00", "00000000:3B:00.0", "3b:00.0", "0000:3B:00", " 3b:00 "]
        {
            assert_eq!(address(text).as_deref(), Some("0000:3b:00.0"), "{text}");
        }
        assert_eq!(address("PCI:0009:01:00").as_deref(), Some("0009:01:00.0"));
        assert_eq!(address("10000:01:1f.7").as_deref(), Some("10000:01:1f.7"), "behind a VMD controller");
    }

    #[test]
    fn what_is_no_address_is_none() {
        let none = [
            "",
            ":",
            "PCI:",
            "3b",
            "10de:2204",
            "0000:3b:00:00.0",
            "0000:3b:20.0",
            "3b:00.8",
            "3b:00.",
            "+b:00.0",
        ];
        for text in none.into_iter().chain(["0000:3b:0é.0", "000000000:3b:00.0", "12:00:01"]) {
            assert_eq!(address(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn an_address_stays_what_it_is(text in "\\PC*", bus: u8, device in 0_u8..32, function in 0_u8..8) {
            if let Some(found) = address(&text) {
                proptest::prop_assert_eq!(address(&found), Some(found.clone()));
            }
            let written = format!("0000:{bus:02x}:{device:02x}.{function}");
            proptest::prop_assert_eq!(address(&written), Some(written.clone()));
        }
    }
}
