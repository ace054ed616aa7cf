//! Initialisation, versions, errors in words.

use std::ffi::{c_char, c_int, c_uint};

use crate::abi::{Code, OK, put, put_text};
use crate::calls::trace;
use crate::describe::forever;
use crate::machine::{self, Told};
use crate::names::ERRORS;

library! { FUNCTIONS:
    nvmlInit_v2(me) { machine::init(me) }

    nvmlInit(me) { machine::init(me) }

    nvmlInitWithFlags(me, _flags: c_uint) { machine::init(me) }

    nvmlShutdown(me) { machine::shutdown(me) }

    nvmlSystemGetDriverVersion(me, to: *mut c_char, room: c_uint) {
        let text = machine::system(me)?.text("driver")?;
        // SAFETY: the caller's buffer, as long as it says.
        unsafe { put_text(to, room, &text) }
    }

    nvmlSystemGetNVMLVersion(me, to: *mut c_char, room: c_uint) {
        let text = machine::system(me)?.text("nvml")?;
        // SAFETY: the caller's buffer, as long as it says.
        unsafe { put_text(to, room, &text) }
    }

    nvmlSystemGetCudaDriverVersion(me, to: *mut c_int) {
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { cuda(&machine::system(me)?, to) }
    }

    nvmlSystemGetCudaDriverVersion_v2(me, to: *mut c_int) {
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { cuda(&machine::system(me)?, to) }
    }

    nvmlUnitGetCount(me, to: *mut c_uint) {
        machine::system(me)?;
        // SAFETY: the caller's pointer, as nvml.h asks for it.
        unsafe { put(to, 0) }
    }
}

/// # Safety
/// `to` is null, or may be written to.
unsafe fn cuda(machine: &Told, to: *mut c_int) -> Result<(), Code> {
    let version = machine.number("cuda")? as c_int;
    // SAFETY: by the contract of this function.
    unsafe { put(to, version) }
}

/// As in nvml.h, with the names of errors instead of NVIDIA's words.
#[unsafe(no_mangle)]
#[allow(non_snake_case)]
pub extern "C" fn nvmlErrorString(code: Code) -> *const c_char {
    trace("nvmlErrorString");
    if code == OK {
        return c"Success".as_ptr();
    }
    let name = ERRORS.iter().find(|error| error.0 == code);
    name.map_or(c"an error without a name".as_ptr(), |name| forever(name.1))
}
