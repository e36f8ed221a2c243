// SPDX-License-Identifier: GPL-2.0

//! Numbers of the ABI that have a name for people and programs.

/// Makes an enum of numbers of the ABI, each with the name that is shown for
/// it. A number that this version does not know is kept as `Unknown`.
macro_rules! named {
    (
        $(#[$meta:meta])*
        pub enum $type:ident: $repr:ty {
            $($(#[$doc:meta])* $variant:ident = $value:ident, $name:literal;)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $type {
            $($(#[$doc])* $variant,)+
            /// A number that this version of the library does not know.
            Unknown($repr),
        }

        impl $type {
            /// All that this version of the library knows.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            pub(crate) fn from_raw(raw: $repr) -> Self {
                $(if raw == <$repr>::from(crate::abi::$value) {
                    return Self::$variant;
                })+
                Self::Unknown(raw)
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    $(Self::$variant => f.pad($name),)+
                    Self::Unknown(raw) => f.pad(&format!("unknown-{raw}")),
                }
            }
        }
    };
}

pub(crate) use named;
