//! What becomes of each answer of the driver: a reading, or the reason why there is none, or the end of this
//! read because the card or the driver is gone.

use std::borrow::Cow;
use std::collections::BTreeMap;

use nvml_wrapper::error::NvmlError;

use super::super::CardError;
use super::translate;
use crate::sample::CardFault;

/// Why a call gave nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Nothing more can be had of this card, or of the driver.
    Fatal(CardError),
    /// This reading is missing: the reason as [`crate::sample::GpuSample::untold`] has it.
    Untold(Cow<'static, str>),
}

/// The card or this driver does not have it.
pub(super) const NOT_SUPPORTED: Refusal = Refusal::Untold(Cow::Borrowed("not_supported"));
/// The driver is older than the question.
pub(super) const OLD_DRIVER: Refusal = Refusal::Untold(Cow::Borrowed("old_driver"));
/// There was an answer that cannot be true.
pub(super) const IMPLAUSIBLE: Refusal = Refusal::Untold(Cow::Borrowed("implausible"));

impl From<NvmlError> for Refusal {
    fn from(error: NvmlError) -> Refusal {
        use NvmlError as E;
        match error {
            E::NotSupported => NOT_SUPPORTED,
            E::NoPermission => Refusal::Untold("no_permission".into()),
            // The last: NVML_ERROR_ARGUMENT_VERSION_MISMATCH, this version of a structure is newer.
            E::FailedToLoadSymbol(_) | E::FunctionNotFound | E::UnexpectedVariant(25) => OLD_DRIVER,
            E::GpuLost => Refusal::Fatal(CardError::Card(CardFault::new("lost", "it fell off the bus"))),
            E::ResetRequired => Refusal::Fatal(CardError::Card(CardFault::new(
                "reset_required",
                "it must be reset before it works again: nvidia-smi --gpu-reset -i and its PCI address, \
                 or restart the machine",
            ))),
            E::Uninitialized | E::DriverNotLoaded | E::LibRmVersionMismatch => {
                Refusal::Fatal(CardError::Driver(translate(&error)))
            }
            other => Refusal::Untold(other.to_string().into()),
        }
    }
}

impl Refusal {
    /// What it means for the whole card, where it has to say who it is.
    pub(super) fn of_all(self) -> CardError {
        match self {
            Refusal::Fatal(error) => error,
            Refusal::Untold(reason) if reason == "no_permission" => CardError::Card(CardFault::new(
                "no_permission",
                "this user may not ask for this card: may it read and write its /dev/nvidia*?",
            )),
            Refusal::Untold(reason) => CardError::Card(CardFault::new("other", reason)),
        }
    }

    /// The same whenever it is asked of this driver.
    fn is_lasting(&self) -> bool {
        [NOT_SUPPORTED, OLD_DRIVER].contains(self)
    }
}

/// The answers of one card in one read.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// What is missing, and why.
    pub(super) untold: BTreeMap<String, String>,
    /// Something is missing that may be told the next time.
    pub(super) may_change: bool,
}

impl Answers {
    /// The reading, or `None` with its reason under the field's name.
    ///
    /// # Errors
    /// The card or the driver is gone.
    pub(super) fn told<T>(
        &mut self,
        field: &str,
        answer: Result<T, impl Into<Refusal>>,
    ) -> Result<Option<T>, CardError> {
        let refusal = match answer.map_err(Into::into) {
            Ok(reading) => return Ok(Some(reading)),
            Err(Refusal::Fatal(error)) => return Err(error),
            Err(refusal @ Refusal::Untold(_)) => refusal,
        };
        self.missing(field, &refusal);
        Ok(None)
    }

    /// The same for a reading that may be garbage: it is believed if that holds.
    pub(super) fn believed<T>(
        &mut self,
        field: &str,
        answer: Result<T, impl Into<Refusal>>,
        plausible: impl FnOnce(&T) -> bool,
    ) -> Result<Option<T>, CardError> {
        let answer = answer.map_err(Into::into);
        self.told(
            field,
            answer.and_then(|reading| if plausible(&reading) { Ok(reading) } else { Err(IMPLAUSIBLE) }),
        )
    }

    /// Writes down why a reading is missing.
    pub(super) fn missing(&mut self, field: &str, refusal: &Refusal) {
        self.may_change |= !refusal.is_lasting();
        if let Refusal::Untold(reason) = refusal {
            self.untold.insert(field.to_owned(), reason.clone().into_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpus::GpuError;

    #[test]
    fn each_refusal_has_a_reason_and_the_loss_of_a_card_ends_its_read() {
        let mut answers = Answers::default();
        for (error, reason) in [
            (NvmlError::NotSupported, "not_supported"),
            (NvmlError::NoPermission, "no_permission"),
            (NvmlError::FailedToLoadSymbol("nvmlDeviceGetX".into()), "old_driver"),
            (NvmlError::UnexpectedVariant(25), "old_driver"),
            (NvmlError::Unknown, "an internal driver error occurred"),
        ] {
            assert_eq!(answers.told("power_watts", Err::<u32, _>(error)), Ok(None));
            assert_eq!(answers.untold["power_watts"], reason);
        }
        let lost = answers.told("power_watts", Err::<u32, _>(NvmlError::GpuLost)).unwrap_err();
        assert!(matches!(&lost, CardError::Card(fault) if fault.reason == "lost"), "{lost:?}");
        let reset = answers.told("power_watts", Err::<u32, _>(NvmlError::ResetRequired)).unwrap_err();
        assert!(matches!(&reset, CardError::Card(fault) if fault.reason == "reset_required"), "{reset:?}");
        let gone = answers.told("power_watts", Err::<u32, _>(NvmlError::LibRmVersionMismatch)).unwrap_err();
        assert_eq!(gone, CardError::Driver(GpuError::DriverMismatch));
    }

    #[test]
    fn every_fault_of_a_card_has_a_reason_of_the_list() {
        let errors =
            [NvmlError::GpuLost, NvmlError::ResetRequired, NvmlError::NoPermission, NvmlError::Unknown];
        for error in errors {
            let CardError::Card(fault) = Refusal::from(error).of_all() else { panic!("not of the driver") };
            assert!(CardFault::REASONS.contains(&&*fault.reason), "{fault:?}");
        }
    }

    #[test]
    fn garbage_is_no_reading_and_only_what_lasts_may_be_remembered() {
        let mut answers = Answers::default();
        assert_eq!(answers.told("vbios", Err::<(), _>(NvmlError::NotSupported)), Ok(None));
        assert!(!answers.may_change);
        assert_eq!(answers.believed("fans.0", Ok::<_, NvmlError>(255), |percent| *percent <= 130), Ok(None));
        assert_eq!(answers.untold["fans.0"], "implausible");
        assert!(answers.may_change);
    }
}
