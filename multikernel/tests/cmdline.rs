// SPDX-License-Identifier: GPL-2.0

//! Command lines: what is added, what is refused, and what is none.

#[cfg(not(test))]
use kernel::prelude::kunit_tests;

#[cfg_attr(not(test), kunit_tests(multikernel_cmdline))]
mod suite {
    use crate::pure::{
        cmdline::{compose, Config, Error, MAX},
        lockdown::Lockdown,
    };

    const CONFIG: Config = Config {
        tsc_khz: 2_400_000,
        spare_apic_id: 254,
        without_hwp: false,
        uart: false,
        lockdown: Lockdown::None,
    };

    const UART: Config = Config {
        uart: true,
        ..CONFIG
    };

    /// Room for a line and its NUL.
    type Line = [u8; MAX + 1];

    /// What the user wrote that is refused.
    fn refused<'a>(user: &'a str, config: &Config) -> Option<&'a [u8]> {
        match compose(&mut [0; MAX + 1], user.as_bytes(), MAX, config) {
            Err(Error::Refused { option, .. }) => Some(option),
            _ => None,
        }
    }

    fn error(user: &str) -> Option<Error<'_>> {
        compose(&mut [0; MAX + 1], user.as_bytes(), MAX, &CONFIG).err()
    }

    fn has(line: &[u8], word: &str) -> bool {
        line.split(|byte| *byte == b' ')
            .any(|w| w == word.as_bytes())
    }

    #[test]
    fn the_loaders_options_are_added() -> Result<(), Error<'static>> {
        let mut line: Line = [0xaa; MAX + 1];
        let len = compose(&mut line, b"console=tty0 panic=30 quiet", MAX, &CONFIG)?;
        assert_eq!(line[len], 0);
        let line = &line[..len];
        assert!(line.starts_with(b"console=tty0 panic=30 quiet no_ipi_broadcast=1 "));
        for option in [
            "pci=off",
            "tsc_early_khz=2400000",
            "8250.nr_uarts=0",
            "disable_cpu_apicid=254",
            "panic=0",
            "mce=nobootlog",
            "mce=ignore_ce",
            "nosgx=1",
            "no5lvl",
            "apic_extnmi=none",
            "kvm.enable_virt_at_load=0",
            "clearcpuid=lass,hfi",
        ] {
            assert!(has(line, option));
        }
        assert!(!has(line, "intel_pstate=disable"));
        Ok(())
    }

    #[test]
    fn they_come_before_what_is_for_init() -> Result<(), Error<'static>> {
        let mut line: Line = [0; MAX + 1];
        let len = compose(&mut line, b"quiet -- panic=5  x", MAX, &CONFIG)?;
        assert!(line[..len].starts_with(b"quiet no_ipi_broadcast=1 "));
        assert!(line[..len].ends_with(b" -- panic=5  x"));
        Ok(())
    }

    #[test]
    fn lists_are_joined() -> Result<(), Error<'static>> {
        let mut line: Line = [0; MAX + 1];
        let user = b"clearcpuid=avx512f,foo x clearcpuid=bar";
        let len = compose(&mut line, user, MAX, &CONFIG)?;
        assert!(line.starts_with(b"x "));
        assert!(has(&line[..len], "clearcpuid=lass,hfi,avx512f,foo,bar"));
        assert!(!has(&line[..len], "clearcpuid=bar"));
        Ok(())
    }

    #[test]
    fn a_list_that_would_replace_ours_is_refused() {
        for user in [
            "-- clearcpuid=foo",
            "-- a clearcpuid=foo b",
            "clearcpuid=a -- clearcpuid=foo",
            "clearcpuid=\"foo\"",
            "\"module_blacklist=foo\"",
            "module_blacklist=\"a b\"",
        ] {
            assert!(refused(user, &CONFIG).is_some());
        }
        // Before ours, it does not.
        assert_eq!(error("x=\"a clearcpuid=foo b\""), None);
        assert_eq!(error("-- module_blacklist=foo"), None);
    }

    #[test]
    fn options_that_reach_the_host_are_refused() {
        for (user, option) in [
            ("memmap=64M@1G", "memmap=64M@1G"),
            ("quiet acpi=off -- single", "acpi=off"),
            ("\"pci=conf1\"", "\"pci=conf1\""),
            ("reboot=pci", "reboot=pci"),
            ("mce=off", "mce=off"),
            ("x crashkernel=256M", "crashkernel=256M"),
            ("maxcpus=0x0", "maxcpus=0x0"),
        ] {
            assert_eq!(refused(user, &CONFIG), Some(option.as_bytes()));
        }
        for user in ["xacpi=off", "maxcpus=0x10", "mce=offline", "pcie_aspm=off"] {
            assert_eq!(error(user), None);
        }
    }

    #[test]
    fn with_a_uart_its_consoles_are_taken() {
        for option in [
            "earlyprintk=serial,0x2f8,115200",
            "earlyprintk=ttyS1",
            "earlycon=uart8250,io,0x2f8",
            "console=uart8250,io,0x2f8,115200n8",
        ] {
            assert_eq!(refused(option, &UART), None);
            assert_eq!(refused(option, &CONFIG), Some(option.as_bytes()));
        }
        for option in ["earlyprintk=vga", "earlyprintk=dbgp", "earlyprintk"] {
            assert_eq!(refused(option, &UART), Some(option.as_bytes()));
        }
    }

    #[test]
    fn lines_that_are_none_are_refused() {
        for (user, byte, at) in [
            ("quiet\npanic=1", b'\n', 5),
            ("\t", b'\t', 0),
            ("a\0b", 0, 1),
            ("a b\x7f", 0x7f, 3),
            ("a -- b\r", b'\r', 6),
            ("root=LABEL=\u{e0}", 0xa0, 12),
        ] {
            assert_eq!(error(user), Some(Error::Character { byte, at }));
        }
        for (user, at) in [
            ("x=\"a", 0),
            ("quiet  x=\"a b", 7),
            ("\"", 0),
            ("x=\"a\"\"", 0),
            ("x=\"a -- b", 0),
        ] {
            assert_eq!(error(user), Some(Error::Quote { at }));
        }
    }

    #[test]
    fn a_line_may_be_as_long_as_the_kernel_takes() -> Result<(), Error<'static>> {
        let own = compose(&mut [0; MAX + 1], b"", MAX, &CONFIG)?;
        let user: Line = [b'x'; MAX + 1];
        let compose = |len| compose(&mut [0; MAX + 1], &user[..len], MAX, &CONFIG).err();
        assert_eq!(compose(MAX - own - 1), None);
        let (have, limit) = (MAX + 1, MAX);
        assert_eq!(compose(MAX - own), Some(Error::TooLong { have, limit }));
        Ok(())
    }
}
