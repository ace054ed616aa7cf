//! How functions of the library and structures of its header are declared here.

/// Functions of the library, and a table of them. `me` is a function's own name, by which the scenario and the
/// trace know it.
macro_rules! library {
    ($table:ident: $($name:ident($me:ident $(, $arg:ident: $type:ty)*) $body:block)*) => {
        /// What these functions are called and take, for the check against nvml.h.
        pub const $table: &[crate::describe::Function] = &[$(
            crate::describe::Function { name: stringify!($name), takes: &[$(stringify!($type)),*] }
        ),*];
        $(
            /// As in nvml.h. Its pointers must be such as nvml.h asks for.
            #[unsafe(no_mangle)]
            #[allow(non_snake_case)]
            pub unsafe extern "C" fn $name($($arg: $type),*) -> crate::abi::Code {
                let $me = stringify!($name);
                let answer = || -> Result<(), crate::abi::Code> { $body };
                answer().err().unwrap_or(crate::abi::OK)
            }
        )*
    };
}

/// Functions that give one number of a card, which stands in the scenario at that path.
macro_rules! numbers {
    ($table:ident: $($name:ident: $type:ty = $path:literal;)*) => {
        library! {$table: $(
            $name(me, device: crate::abi::Handle, to: *mut $type) {
                let value = crate::machine::card(me, device)?.number($path)?;
                // SAFETY: the caller's pointer, as nvml.h asks for it.
                unsafe { crate::abi::put(to, value as $type) }
            }
        )*}
    };
}

/// Functions that give two numbers of a card. Where the second is not told, it is that default.
macro_rules! pairs {
    ($table:ident: $($name:ident: $type:ty = $first:literal, $second:literal or $default:expr;)*) => {
        library! {$table: $(
            $name(me, device: crate::abi::Handle, first: *mut $type, second: *mut $type) {
                let card = crate::machine::card(me, device)?;
                let one = card.number($first)?;
                let default: Option<f64> = $default;
                let other = card.number($second).or_else(|code| default.ok_or(code))?;
                // SAFETY: the caller's pointers, as nvml.h asks for them.
                unsafe { crate::abi::put(first, one as $type)? };
                // SAFETY: the same.
                unsafe { crate::abi::put(second, other as $type) }
            }
        )*}
    };
}

/// Functions that give a text of a card.
macro_rules! texts {
    ($table:ident: $($name:ident = $path:literal;)*) => {
        library! {$table: $(
            $name(me, device: crate::abi::Handle, to: *mut std::ffi::c_char, room: std::ffi::c_uint) {
                let text = crate::machine::card(me, device)?.text($path)?;
                // SAFETY: the caller's buffer, as long as it says.
                unsafe { crate::abi::put_text(to, room, &text) }
            }
        )*}
    };
}

/// Structures of nvml.h: the name here, the name there, and the fields with their names there.
macro_rules! structures {
    ($($here:ident = $there:ident { $($field:ident: $type:ty,)* })*) => {
        $(
            #[doc = concat!("`", stringify!($there), "`.")]
            #[repr(C)]
            #[derive(Clone, Copy)]
            #[allow(non_snake_case, missing_docs, clippy::struct_field_names)]
            pub struct $here { $(pub $field: $type,)* }
        )*
        /// Their layouts, for the check against nvml.h.
        pub const STRUCTURES: &[crate::describe::Structure] = &[$(
            crate::describe::Structure {
                here: stringify!($here),
                there: stringify!($there),
                size: size_of::<$here>(),
                fields: &[$((stringify!($field), std::mem::offset_of!($here, $field))),*],
            }
        ),*];
    };
}
