//! Small files of sysfs and `/proc`: read whole, bounded, and with a reason where there is nothing to tell.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::str::FromStr;

use rustix::io::Errno;

/// sysfs gives a page at most; lists of bad pages and of a client's engines are longer.
const MAX_BYTES: u64 = 64 * 1024;

/// So many questions fail at a card that is ill. One file that fails is a quirk of a driver.
const SEVERAL: usize = 3;

/// The longest text of a card that is shown, such as its name.
const MAX_TEXT: usize = 120;

/// Why a reading is missing, as `GpuSample::untold` spells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::gpus) enum Untold {
    /// This card or driver does not have it.
    NotSupported,
    /// This user may not read it.
    NoPermission,
    /// It says what cannot be.
    Implausible,
    /// The card sleeps, and would have to be woken.
    Suspended,
    /// It is made of two reads, and this is the first.
    NotYet,
    /// In the kernel's words.
    Failed(String),
}

impl fmt::Display for Untold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotSupported => "not_supported",
            Self::NoPermission => "no_permission",
            Self::Implausible => "implausible",
            Self::Suspended => "suspended",
            Self::NotYet => "not_yet",
            Self::Failed(words) => words,
        })
    }
}

impl From<io::Error> for Untold {
    fn from(error: io::Error) -> Untold {
        match Errno::from_io_error(&error) {
            // Drivers refuse by these what the card does not have.
            Some(
                Errno::NOENT | Errno::NOTDIR | Errno::OPNOTSUPP | Errno::NODATA | Errno::INVAL | Errno::NOSYS,
            ) => Untold::NotSupported,
            Some(Errno::ACCESS) => Untold::NoPermission,
            // Not a matter of users: amdgpu refuses so while it resets or falls asleep.
            Some(Errno::PERM) => Untold::Failed("the driver refuses it for now".into()),
            _ => Untold::Failed(error.to_string()),
        }
    }
}

/// What one reading came to.
pub(in crate::gpus) type Reading<T> = Result<T, Untold>;

/// The file's bytes, as far as the bound.
pub(in crate::gpus) fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The file's text without the space around it. A file that says nothing, or `N/A`, has nothing to tell.
pub(in crate::gpus) fn text(path: &Path) -> Reading<String> {
    let bytes = bytes(path)?;
    let text = str::from_utf8(&bytes).map_err(|_| Untold::Implausible)?.trim();
    match text {
        "" | "N/A" | "unknown" | "Unknown" => Err(Untold::NotSupported),
        text => Ok(text.to_owned()),
    }
}

/// The file's one line, fit to be shown: a name or a version.
pub(in crate::gpus) fn line(path: &Path) -> Reading<String> {
    let text = text(path)?;
    if text.len() > MAX_TEXT || text.chars().any(char::is_control) {
        return Err(Untold::Implausible);
    }
    Ok(text)
}

/// The file's one number.
pub(in crate::gpus) fn number<N: FromStr>(path: &Path) -> Reading<N> {
    text(path)?.parse().map_err(|_| Untold::Implausible)
}

/// The file's one number, if it lies in what can be.
pub(in crate::gpus) fn number_in<N>(path: &Path, least: N, most: N) -> Reading<N>
where
    N: FromStr + PartialOrd + Copy,
{
    let number = number(path)?;
    if number >= least && number <= most { Ok(number) } else { Err(Untold::Implausible) }
}

/// The names in a folder, sorted, at most that many. Empty where there is no such folder.
pub(in crate::gpus) fn names(folder: &Path, most: usize) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.file_name().into_string().ok()).take(most).collect();
    names.sort_unstable();
    names
}

/// Collects readings, and why some are missing.
#[derive(Debug, Default)]
pub(in crate::gpus) struct Told {
    /// What is missing, by the sample's field, and why.
    pub(in crate::gpus) untold: BTreeMap<String, String>,
    answers: usize,
    failures: usize,
    first_failure: Option<String>,
}

impl Told {
    /// The reading; its reason is kept under the field's name.
    pub(in crate::gpus) fn keep<T>(&mut self, field: &str, reading: Reading<T>) -> Option<T> {
        match reading {
            Ok(value) => {
                self.answers += 1;
                self.untold.remove(field);
                Some(value)
            }
            Err(why) => {
                if let Untold::Failed(words) = &why {
                    self.failures += 1;
                    self.first_failure.get_or_insert_with(|| words.clone());
                }
                self.untold.insert(field.to_owned(), why.to_string());
                None
            }
        }
    }

    /// Where nothing at all was answered and several questions failed: in which words. Such a card is ill.
    pub(in crate::gpus) fn silence(&self) -> Option<&str> {
        self.first_failure.as_deref().filter(|_| self.answers == 0 && self.failures >= SEVERAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(bytes: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    #[test]
    fn a_number_is_told_or_a_reason() {
        let read = |bytes: &[u8]| number_in::<u64>(written(bytes).path(), 0, 100);
        assert_eq!(read(b"42\n"), Ok(42));
        assert_eq!(read(b""), Err(Untold::NotSupported));
        assert_eq!(read(b"N/A\n"), Err(Untold::NotSupported));
        for garbage in [&b"101"[..], b"-1", b"18446744073709551616", b"4 2", b"\xff\xfe", b"0x10"] {
            assert_eq!(read(garbage), Err(Untold::Implausible), "{garbage:?}");
        }
        assert_eq!(number::<u64>(Path::new("/nonexistent/file")), Err(Untold::NotSupported));
    }

    #[test]
    fn errors_of_the_kernel_become_reasons() {
        let reason = |errno: Errno| Untold::from(io::Error::from(errno)).to_string();
        assert_eq!(reason(Errno::ACCESS), "no_permission");
        assert_eq!(reason(Errno::OPNOTSUPP), "not_supported");
        assert_eq!(reason(Errno::PERM), "the driver refuses it for now");
        assert!(reason(Errno::IO).contains("Input/output error"), "{}", reason(Errno::IO));
    }

    #[test]
    fn a_card_that_answers_nothing_and_fails_is_silent() {
        let mut told = Told::default();
        told.keep::<u64>("a", Err(Untold::NotSupported));
        assert_eq!(told.silence(), None, "it only has little to tell");
        for field in ["b", "c"] {
            told.keep::<u64>(field, Err(Untold::Failed("no such device".into())));
        }
        assert_eq!(told.silence(), None, "quirks");
        told.keep::<u64>("d", Err(Untold::Failed("timed out".into())));
        assert_eq!(told.silence(), Some("no such device"));
        told.keep("e", Ok(1));
        assert_eq!(told.silence(), None);
        assert_eq!(told.untold.len(), 4);
    }
}
