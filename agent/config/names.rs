//! Names that become labels: sound, and each used once.

use std::collections::BTreeMap;

use super::check::Check;
use super::error::quoted;
use super::read::At;
use crate::fleet::label;

/// The longest name: it stands in every series and every row of a table.
const NAME_BYTES: usize = 100;

/// The names of one sort of things, each with the line it was given at first.
#[derive(Default)]
pub(super) struct Names(BTreeMap<String, usize>);

impl Names {
    /// The name that stands there, whatever its faults, or the fault that there is none. `faulty`: one stands
    /// there that is no string, and that is told already.
    pub(super) fn take(
        &mut self,
        at: Option<&At<String>>,
        (path, line, faulty): (&str, usize, bool),
        check: &mut Check<'_>,
    ) -> Option<String> {
        let Some(at) = at else {
            if !faulty {
                let problem = "missing: it is the label of all that is measured";
                check.faults.add(line, format!("{path}.name"), problem);
            }
            return None;
        };
        match self.0.get(&at.value) {
            Some(first) => {
                check.fault(at, format!("{} is used twice, first at line {first}", quoted(&at.value)));
            }
            None => drop(self.0.insert(at.value.clone(), at.line)),
        }
        if at.value.trim().is_empty() {
            check.fault(at, "empty");
        } else if at.value.len() > NAME_BYTES {
            check.fault(at, format!("{} is longer than {NAME_BYTES} bytes", quoted(&at.value)));
        } else if label(&at.value) != at.value {
            check.fault(at, format!("{} has control characters", quoted(&at.value)));
        }
        Some(at.value.clone())
    }
}
