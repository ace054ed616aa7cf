//! What this library says of itself, for the check against nvml.h: its functions, structures and numbers.

use std::ffi::{CString, c_char};
use std::fmt::Write as _;
use std::sync::LazyLock;

use crate::{
    events, field_table, fields, health, identity, layout, links, memory, mig, names, processes, readings,
    stubs, system,
};

/// A function and the types of its arguments, as they are written here.
pub struct Function {
    pub name: &'static str,
    pub takes: &'static [&'static str],
}

/// A structure: its names, its size, its fields and where they stand.
pub struct Structure {
    pub here: &'static str,
    pub there: &'static str,
    pub size: usize,
    pub fields: &'static [(&'static str, usize)],
}

const FUNCTIONS: &[&[Function]] = &[
    system::FUNCTIONS,
    identity::TEXTS,
    identity::NUMBERS,
    identity::FUNCTIONS,
    readings::NUMBERS,
    readings::PAIRS,
    readings::FUNCTIONS,
    memory::NUMBERS,
    memory::FUNCTIONS,
    health::NUMBERS,
    health::PAIRS,
    health::FUNCTIONS,
    links::NUMBERS,
    links::FUNCTIONS,
    mig::NUMBERS,
    mig::PAIRS,
    mig::FUNCTIONS,
    processes::LISTS,
    processes::FIRST_LISTS,
    processes::FUNCTIONS,
    fields::FUNCTIONS,
    events::NUMBERS,
    events::FUNCTIONS,
];

/// One thing a line: `function NAME TYPE;...`, `stub NAME`, `structure HERE THERE SIZE`,
/// `field THERE NAME OFFSET`, `number NAME VALUE`, `reading FIELD OF PATH`. The text belongs to the library.
#[unsafe(no_mangle)]
pub extern "C" fn opsagent_fake_nvml_describes_itself() -> *const c_char {
    static TEXT: LazyLock<CString> = LazyLock::new(|| CString::new(describe()).unwrap_or_default());
    TEXT.as_ptr()
}

/// A text that lives as long as the process. There are few.
pub fn forever(text: &str) -> *const c_char {
    CString::new(text).unwrap_or_default().into_raw()
}

fn describe() -> String {
    let mut text = String::new();
    let mut line = |line: std::fmt::Arguments<'_>| writeln!(text, "{line}").expect("a string takes all");
    for function in FUNCTIONS.iter().copied().flatten() {
        line(format_args!("function {} {}", function.name, function.takes.join(";")));
    }
    for stub in stubs::NAMES.iter().copied().flatten() {
        line(format_args!("stub {stub}"));
    }
    for structure in layout::STRUCTURES {
        line(format_args!("structure {} {} {}", structure.here, structure.there, structure.size));
        for (field, offset) in structure.fields {
            line(format_args!("field {} {field} {offset}", structure.there));
        }
    }
    for (number, name, _) in names::ALL.iter().copied().flatten() {
        line(format_args!("number {name} {number}"));
    }
    for (name, number) in layout::VERSIONS {
        line(format_args!("number {name} {number}"));
    }
    for field in field_table::FIELDS {
        line(format_args!("number {} {}", field.name, field.id));
        line(format_args!("reading {} {} {}", field.id, field.of.name(), field.path));
    }
    line(format_args!("number NVML_FI_MAX {}", fields::END));
    line(format_args!("number nvmlEventTypeXidCriticalError {}", events::XID));
    text
}
