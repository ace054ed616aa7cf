//! What every function of the library has to do with: return codes, handles, the caller's pointers.

use std::ffi::{c_char, c_uint, c_void};

/// `nvmlReturn_t`.
pub type Code = c_uint;

pub const OK: Code = 0;
pub const UNINITIALIZED: Code = 1;
pub const INVALID_ARGUMENT: Code = 2;
pub const NOT_SUPPORTED: Code = 3;
pub const NOT_FOUND: Code = 6;
pub const INSUFFICIENT_SIZE: Code = 7;
pub const TIMEOUT: Code = 10;
pub const GPU_IS_LOST: Code = 15;
pub const ARGUMENT_VERSION_MISMATCH: Code = 25;

/// `nvmlDevice_t`, into which nobody looks: a card's index or, in a card, a MIG device's. See `scenario.rs`.
pub type Handle = *mut c_void;

/// `nvmlEventSet_t`.
pub type EventSet = *mut c_void;

/// Stands for a number that is not known, where the whole answer cannot say so.
pub const NOT_AVAILABLE: u64 = u64::MAX;

/// `NVML_STRUCT_VERSION`: the size of a structure, and its version in the highest byte.
pub const fn version<T>(number: c_uint) -> c_uint {
    size_of::<T>() as c_uint | number << 24
}

/// # Safety
/// `to` is null, or may be written to.
pub unsafe fn put<T>(to: *mut T, value: T) -> Result<(), Code> {
    if to.is_null() {
        return Err(INVALID_ARGUMENT);
    }
    // SAFETY: by the contract of this function.
    unsafe { to.write(value) };
    Ok(())
}

/// # Safety
/// `from` is null, or may be read.
pub unsafe fn get<T: Copy>(from: *const T) -> Result<T, Code> {
    // SAFETY: by the contract of this function.
    unsafe { from.as_ref() }.copied().ok_or(INVALID_ARGUMENT)
}

/// Which of these versions the caller set in a structure that begins with its version.
///
/// # Safety
/// `to` is null, or points to such a structure.
pub unsafe fn versioned<T>(to: *const T, known: &[c_uint]) -> Result<c_uint, Code> {
    // SAFETY: by the contract of this function.
    let version = unsafe { get(to.cast::<c_uint>()) }?;
    if known.contains(&version) { Ok(version) } else { Err(ARGUMENT_VERSION_MISMATCH) }
}

/// # Safety
/// `to` is null, or has room for that many bytes.
pub unsafe fn put_text(to: *mut c_char, room: c_uint, text: &str) -> Result<(), Code> {
    if text.len() >= room as usize {
        return Err(INSUFFICIENT_SIZE);
    }
    for (at, byte) in text.bytes().chain([0]).enumerate() {
        // SAFETY: by the contract of this function; the text and its end fit, as was just seen.
        unsafe { put(to.wrapping_add(at), byte.cast_signed() as c_char)? };
    }
    Ok(())
}

/// Fills a list as long as the caller has room for; `count` holds that and then gets how many there are.
///
/// # Safety
/// `count` is null or may be read and written; `to` is null or has room for `count`.
pub unsafe fn put_list<T: Copy>(count: *mut c_uint, to: *mut T, list: &[T]) -> Result<(), Code> {
    // SAFETY: by the contract of this function.
    let room = unsafe { get(count) }?;
    // SAFETY: the same.
    unsafe { put(count, list.len() as c_uint)? };
    if list.len() > room as usize {
        return Err(INSUFFICIENT_SIZE);
    }
    for (at, item) in list.iter().enumerate() {
        // SAFETY: the same; they fit, as was just seen.
        unsafe { put(to.wrapping_add(at), *item)? };
    }
    Ok(())
}

/// A text from the caller.
///
/// # Safety
/// `from` is null, or a text that ends with a zero.
pub unsafe fn text<'a>(from: *const c_char) -> Result<&'a str, Code> {
    if from.is_null() {
        return Err(INVALID_ARGUMENT);
    }
    // SAFETY: by the contract of this function.
    unsafe { std::ffi::CStr::from_ptr(from) }.to_str().map_err(|_| INVALID_ARGUMENT)
}
