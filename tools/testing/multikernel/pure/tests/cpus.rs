// SPDX-License-Identifier: GPL-2.0

//! Which CPUs an instance may have, on a host with 8 CPUs in pairs.

use multikernel_pure::pure::cpus::{check, Error, Host};
use multikernel_pure::pure::name::Name;
use proptest::prelude::*;

/// CPUs 0 to 7; 2n and 2n + 1 share a core; it booted on 0; 6 and 7 are
/// offline, 4 and 5 are `red`'s.
struct Machine {
    cpus: u32,
    threads: u32,
    first_apic_id: u32,
}

const MACHINE: Machine = Machine {
    cpus: 8,
    threads: 2,
    first_apic_id: 0,
};

fn red() -> Name {
    let mut bytes = [0; 32];
    bytes[..3].copy_from_slice(b"red");
    Name::new(&bytes).unwrap()
}

impl Host for Machine {
    fn exists(&self, cpu: u32) -> bool {
        cpu < self.cpus
    }

    fn online(&self, cpu: u32) -> bool {
        assert!(self.exists(cpu));
        !(6..8).contains(&cpu)
    }

    fn is_boot(&self, cpu: u32) -> bool {
        assert!(self.exists(cpu));
        cpu == 0
    }

    fn owner(&self, cpu: u32) -> Option<Name> {
        assert!(self.exists(cpu));
        (4..6).contains(&cpu).then(red)
    }

    fn apic_id(&self, cpu: u32) -> u32 {
        assert!(self.exists(cpu));
        self.first_apic_id + cpu
    }

    fn sibling(&self, cpu: u32, n: usize) -> Option<u32> {
        assert!(self.exists(cpu));
        let first = cpu - cpu % self.threads;
        (first..first + self.threads)
            .filter(|sibling| self.exists(*sibling))
            .nth(n)
    }
}

#[test]
fn whole_cores_are_given() {
    assert_eq!(check(&[2, 3], &MACHINE, false), Ok(()));
    assert_eq!(check(&[3, 2], &MACHINE, false), Ok(()));
}

#[test]
fn each_refusal_names_the_cpu() {
    let says = |cpus: &[u32], error: Error, words: &str| {
        assert_eq!(check(cpus, &MACHINE, true), Err(error), "{cpus:?}");
        assert_eq!(error.to_string(), words);
    };
    says(
        &[],
        Error::Empty,
        "no CPUs are given; an instance needs at least one",
    );
    says(&[2, 8], Error::Missing(8), "CPU 8 does not exist");
    says(
        &[u32::MAX],
        Error::Missing(u32::MAX),
        "CPU 4294967295 does not exist",
    );
    says(&[2, 3, 2], Error::Repeated(2), "CPU 2 is given twice");
    says(
        &[3, 0],
        Error::Boot(0),
        "CPU 0 is the one that the host booted on; it can never be lent",
    );
    says(
        &[3, 4],
        Error::Owned {
            cpu: 4,
            owner: red(),
        },
        "CPU 4 is reserved by the instance red",
    );
    says(
        &[3, 7],
        Error::Offline(7),
        "CPU 7 is offline; bring it online first",
    );
    assert_eq!(check(&[3; 255], &MACHINE, true), Err(Error::TooMany(255)));
}

#[test]
fn cores_are_split_only_where_that_is_allowed() {
    let split = |cpu, sibling| Err(Error::Split { cpu, sibling });
    assert_eq!(check(&[3], &MACHINE, false), split(3, 2));
    assert_eq!(check(&[1], &MACHINE, false), split(1, 0));
    assert_eq!(check(&[3], &MACHINE, true), Ok(()));
    assert_eq!(check(&[1], &MACHINE, true), Ok(()));
    let Err(error) = check(&[3], &MACHINE, false) else {
        panic!()
    };
    assert!(error.to_string().contains("shares its core with CPU 2;"));
}

#[test]
fn cpus_that_cannot_be_addressed_alone_are_refused() {
    let machine = Machine {
        first_apic_id: 252,
        ..MACHINE
    };
    assert_eq!(check(&[1, 2], &machine, true), Ok(()), "IDs 253 and 254");
    assert_eq!(
        check(&[2, 3], &machine, true),
        Err(Error::ApicId { cpu: 3, id: 255 })
    );
}

proptest! {
    #[test]
    fn what_is_taken_is_takeable(
        cpus in proptest::collection::vec(0u32..10, 0..6),
        split: bool,
        threads in 1u32..4,
    ) {
        let machine = Machine { threads, ..MACHINE };
        let is_free = |cpu: &u32| (1..4).contains(cpu);
        let is_whole = |cpu: &u32| {
            (0..)
                .map_while(|n| machine.sibling(*cpu, n))
                .all(|sibling| cpus.contains(&sibling))
        };
        let mut once = cpus.clone();
        once.sort();
        once.dedup();
        let expected = !cpus.is_empty()
            && once.len() == cpus.len()
            && cpus.iter().all(is_free)
            && (split || cpus.iter().all(is_whole));
        prop_assert_eq!(check(&cpus, &machine, split).is_ok(), expected);
    }
}
