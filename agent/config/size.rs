//! Sizes as people write them: `512MiB`, `12GiB`, `12.5 GB`. Pure.

/// The units and how many bytes each is. Those with an `i` are powers of 1024, the others of 1000.
const UNITS: [(&str, f64); 9] = [
    ("B", 1.0),
    ("KB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("TB", 1e12),
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
    ("TiB", 1_099_511_627_776.0),
];

/// The largest size taken: far beyond any memory.
const LARGEST: f64 = 1e15;

/// Reads a size in bytes, with its unit in any case. `None`: it is none, or not between 1 B and 1000 TB.
pub fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let number: f64 = text[..digits].parse().ok()?;
    let unit = text[digits..].trim_start();
    let (_, bytes) = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    Some(number * bytes).filter(|bytes| (1.0..=LARGEST).contains(bytes)).map(|bytes| bytes.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_unit() {
        for (text, bytes) in [
            ("1B", 1),
            ("512MiB", 512 << 20),
            ("12GiB", 12 << 30),
            ("12 gib", 12 << 30),
            ("12.5 GB", 12_500_000_000),
            ("1TB", 1_000_000_000_000),
            (" 2KiB ", 2048),
        ] {
            assert_eq!(parse(text), Some(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_none() {
        for text in ["", "12", "GiB", "12 G", "-1GiB", "1e3MB", "0B", "1.2.3GB", "9999TB", "1 GiB x", "…GB"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
