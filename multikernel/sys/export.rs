// SPDX-License-Identifier: GPL-2.0

//! Functions for other modules: `EXPORT_SYMBOL_GPL()` in Rust.

/// Exports a function, which has to be `#[no_mangle] pub extern "C"`. It has to have the type that
/// the C header declares, and the one that the wrapper for Rust declares: otherwise this does not
/// compile.
///
/// `modpost` makes an entry of the module's symbol table of what is in this section, as it does for
/// `include/linux/export.h`: the licence, the namespace (none), and the address. The reference
/// keeps the function, and its `endbr64`, from being removed.
macro_rules! export_symbol_gpl {
    ($($name:ident),* $(,)?) => {$(
        const _: () = {
            // All of an array have one type; the names of arguments do not matter.
            let _ = [
                $crate::sys::export::header::$name,
                $crate::api::ffi::$name,
                $name,
            ];
        };

        core::arch::global_asm!(
            ".pushsection .export_symbol, \"a\"",
            concat!("__export_symbol_", stringify!($name), ":"),
            ".asciz \"GPL\"",
            ".asciz \"\"",
            ".balign 8",
            concat!(".quad ", stringify!($name)),
            ".popsection",
        );
    )*};
}
pub(crate) use export_symbol_gpl;

/// What `include/linux/multikernel.h` declares.
// What bindgen writes.
#[allow(non_camel_case_types, dead_code, unreachable_pub)]
pub(crate) mod header {
    use crate::api::ffi::mk_channel;
    use kernel::ffi;

    include!(env!("MK_API_RS"));
}
