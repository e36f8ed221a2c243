// SPDX-License-Identifier: GPL-2.0

//! What a host that is locked down starts.

use multikernel_pure::pure::lockdown::{Error, Lockdown, Trust};

const LEVELS: [Lockdown; 3] = [
    Lockdown::None,
    Lockdown::Integrity,
    Lockdown::Confidentiality,
];

#[test]
fn only_what_was_verified_and_locks_itself_down_as_far() {
    for host in LEVELS {
        for lockdown in LEVELS {
            for is_verified in [false, true] {
                let trust = Trust {
                    is_verified,
                    lockdown,
                };
                let allowed = host == Lockdown::None || (is_verified && lockdown >= host);
                let result = trust.check(host);
                assert_eq!(result.is_ok(), allowed, "{trust:?} on {host:?}");
                match result {
                    Err(Error::Unverified) => assert!(!is_verified),
                    Err(Error::Weaker) => assert!(is_verified),
                    Ok(()) => {}
                }
            }
        }
    }
}

#[test]
fn each_level_has_its_option() {
    let options = LEVELS.map(Lockdown::option);
    assert_eq!(
        options,
        [
            None,
            Some("lockdown=integrity"),
            Some("lockdown=confidentiality")
        ]
    );
}

#[test]
fn it_says_that_the_kernel_is_locked_down() {
    for error in [Error::Unverified, Error::Weaker] {
        assert!(error.to_string().contains("locked down"), "{error}");
    }
}
