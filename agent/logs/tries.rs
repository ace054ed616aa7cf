//! How often something that fails on a beat is tried again: the longer it fails, the fewer times.

/// So many times the beats that are left out double.
const MOST_DOUBLINGS: u32 = 6;

/// Tries on a beat, and what the last one came to.
#[derive(Debug, Default)]
pub struct Tries {
    error: Option<String>,
    failures: u32,
    left_out: u32,
}

impl Tries {
    /// Whether this beat is one to try on.
    pub fn due(&mut self) -> bool {
        let due = self.left_out == 0;
        self.left_out = self.left_out.saturating_sub(1);
        due
    }

    /// How a try went. `pending`: it is still under way, which is no success.
    pub fn note(&mut self, result: Result<(), String>, pending: bool) {
        if result.is_ok() && pending {
            return;
        }
        self.error = result.err();
        self.failures = if self.error.is_some() { (self.failures + 1).min(MOST_DOUBLINGS) } else { 0 };
        self.left_out = (1 << self.failures.saturating_sub(1)) - 1;
    }

    /// Why the last try failed. `None`: it did not.
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Beats that are left out from now on.
    pub fn left_out(&self) -> u32 {
        self.left_out
    }

    /// The next beat is one to try on.
    #[cfg(test)]
    pub(crate) fn at_once(&mut self) {
        self.left_out = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_it_fails_the_fewer_tries_are_made_and_one_success_ends_that() {
        let mut tries = Tries::default();
        let mut tried = Vec::new();
        for beat in 0..200 {
            if tries.due() {
                tried.push(beat);
                tries.note(Err("no".into()), false);
            }
        }
        assert_eq!(tried, [0, 1, 3, 7, 15, 31, 63, 95, 127, 159, 191]);
        tries.at_once();
        tries.note(Ok(()), true);
        assert_eq!(tries.error(), Some("no"), "what is pending may fail yet");
        tries.note(Ok(()), false);
        assert_eq!(tries.error(), None);
        assert!(tries.due() && tries.due());
    }
}
