// SPDX-License-Identifier: GPL-2.0

//! Failures that tell the user what was wrong.

use kernel::{fmt, prelude::*, str::CString};

/// An errno, and a text for the caller's `header.message`.
pub(crate) struct Fail {
    pub(crate) errno: Error,
    /// `None`: there was no memory for a text, or there is nothing more to say.
    pub(crate) text: Option<CString>,
}

impl Fail {
    pub(crate) fn new(errno: Error, text: fmt::Arguments<'_>) -> Self {
        Self {
            errno,
            text: CString::try_from_fmt(text).ok(),
        }
    }
}

impl From<Error> for Fail {
    fn from(errno: Error) -> Self {
        Self { errno, text: None }
    }
}

impl From<kernel::alloc::AllocError> for Fail {
    fn from(_: kernel::alloc::AllocError) -> Self {
        ENOMEM.into()
    }
}

/// The result of what a user asked for.
pub(crate) type Outcome<T = ()> = core::result::Result<T, Fail>;

/// A [`Fail`] from an errno and a format.
macro_rules! fail {
    ($errno:expr, $($format:tt)*) => {
        $crate::host::fail::Fail::new($errno, core::format_args!($($format)*))
    };
}
pub(crate) use fail;

/// A line in this kernel's log, of what [`crate::pure`] can format.
macro_rules! report {
    ($level:ident, $($format:tt)*) => {
        kernel::$level!("{}\n", core::format_args!($($format)*))
    };
}
pub(crate) use report;
