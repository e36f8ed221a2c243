// SPDX-License-Identifier: GPL-2.0

//! Names of instances.

use multikernel_pure::pure::name::{Error, Name, BYTES};
use proptest::prelude::*;

fn name(text: &[u8]) -> Result<Name, Error> {
    let mut bytes = [0; BYTES];
    bytes[..text.len()].copy_from_slice(text);
    Name::new(&bytes)
}

#[test]
fn names_are_what_files_can_be_called() {
    for text in ["a", "blue", "web-1.example", "...", "\"!~", &"x".repeat(31)] {
        let name = name(text.as_bytes()).unwrap();
        assert_eq!(name.as_str(), text);
        assert_eq!(name.to_string(), text);
        assert_eq!(&name.as_bytes()[..text.len()], text.as_bytes());
    }
    assert_eq!(format!("{:?}", name(b"blue").unwrap()), "\"blue\"");
}

#[test]
fn others_are_refused() {
    let character = |byte, at| Err(Error::Character { byte, at });
    assert_eq!(name(b""), Err(Error::Empty));
    assert_eq!(name(&[b'x'; 32]), Err(Error::TooLong));
    assert_eq!(name(b"a/b"), character(b'/', 1));
    assert_eq!(name(b"a b"), character(b' ', 1));
    assert_eq!(name(b"a\n"), character(b'\n', 1));
    assert_eq!(name(b"\x7f"), character(0x7f, 0));
    assert_eq!(name("\u{e4}".as_bytes()), character(0xc3, 0));
    assert_eq!(name(b"."), Err(Error::Dots));
    assert_eq!(name(b".."), Err(Error::Dots));
    assert_eq!(name(b"a\0b"), Err(Error::Padding(2)));
    assert_eq!(name(b"\0a"), Err(Error::Empty));
    assert_eq!(
        name(b"a\nb").unwrap_err().to_string(),
        "the name has \"\\n\" at offset 1; use printable ASCII without / and space"
    );
}

proptest! {
    #[test]
    fn any_bytes_are_a_name_or_none(bytes: [u8; BYTES]) {
        if let Ok(name) = Name::new(&bytes) {
            let text = name.as_str();
            prop_assert!((1..BYTES).contains(&text.len()));
            prop_assert!(text.chars().all(|c| c.is_ascii_graphic() && c != '/'));
            prop_assert_eq!(name.as_bytes(), &bytes);
        }
    }
}
