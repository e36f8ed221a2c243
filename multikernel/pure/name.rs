// SPDX-License-Identifier: GPL-2.0

//! Names of instances.

use core::fmt;

/// Size of a name with the NUL that ends it (`MK_NAME_SIZE`).
pub const BYTES: usize = 32;

/// The name of an instance: 1 to 31 printable ASCII characters, and neither
/// `/` nor space among them, nor is it `.` or `..`; so it can be a file name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Name([u8; BYTES]);

/// Why a name is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// No characters.
    Empty,
    /// No NUL within [`BYTES`].
    TooLong,
    /// A character that does not belong there, and its offset.
    Character {
        /// Which one.
        byte: u8,
        /// Where.
        at: usize,
    },
    /// `.` or `..`.
    Dots,
    /// Something behind the NUL, at this offset.
    Padding(usize),
}

impl Name {
    /// Checks a name: characters, then NULs.
    pub fn new(bytes: &[u8; BYTES]) -> Result<Self, Error> {
        let len = bytes.iter().position(|b| *b == 0).ok_or(Error::TooLong)?;
        let (text, padding) = bytes.split_at(len);
        if text.is_empty() {
            return Err(Error::Empty);
        }
        if let Some(at) = text
            .iter()
            .position(|b| !b.is_ascii_graphic() || *b == b'/')
        {
            return Err(Error::Character {
                byte: bytes[at],
                at,
            });
        }
        if text == b"." || text == b".." {
            return Err(Error::Dots);
        }
        if let Some(at) = padding.iter().position(|b| *b != 0) {
            return Err(Error::Padding(len + at));
        }
        Ok(Self(*bytes))
    }

    /// The name, with its NULs.
    pub fn as_bytes(&self) -> &[u8; BYTES] {
        &self.0
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        let len = self.0.iter().position(|b| *b == 0).unwrap_or(BYTES);
        // It is ASCII.
        core::str::from_utf8(&self.0[..len]).unwrap_or_default()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the name is empty; give 1 to 31 characters"),
            Self::TooLong => f.write_str("the name is too long; 31 characters are the most"),
            Self::Character { byte, at } => write!(
                f,
                "the name has \"{}\" at offset {at}; use printable ASCII without / and space",
                byte.escape_ascii()
            ),
            Self::Dots => f.write_str("the name is . or .., which a file cannot have"),
            Self::Padding(at) => write!(
                f,
                "the name has a byte at offset {at}, behind its end; fill it up with NULs"
            ),
        }
    }
}
