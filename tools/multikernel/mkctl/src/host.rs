// SPDX-License-Identifier: GPL-2.0

//! What may be wrong with a host, and what to do about it.

use std::fs;
use std::path::{Path, PathBuf};

use multikernel::Blocker;

/// What gives the privilege that is needed.
pub const PRIVILEGE_ADVICE: &str = "run it as root (it takes CAP_SYS_BOOT)";

/// What a blocker means, and what to do about it.
pub fn blocker(blocker: Blocker) -> (String, &'static str) {
    let (what, advice) = match blocker {
        Blocker::Lockdown => (
            "the kernel is locked down",
            "turn off Secure Boot, or boot without lockdown= on the command line",
        ),
        Blocker::Encryption => (
            "its memory is encrypted (SME, SEV or TDX)",
            "boot with mem_encrypt=off; within a confidential virtual machine there is no way",
        ),
        Blocker::Apic => (
            "INIT and SIPI cannot be sent to its CPUs",
            "boot without nolapic, noapic and disableapic; a paravirtual guest cannot do it",
        ),
        Blocker::RealMode => (
            "the kernel's own code below 1 MiB was not found, so nothing there is safe to take",
            "`dmesg` tells what was found; this kernel may need a newer module",
        ),
        Blocker::NoSlot => (
            "no memory below 1 MiB is left",
            "kill or remove an instance (mkctl kill, mkctl rm): only guest kernels share a slot there",
        ),
        Blocker::ApicId => (
            "every APIC ID below 255 is in use",
            "turn CPUs off in the firmware, so that one ID is free",
        ),
        Blocker::Tsc => (
            "the frequency of its time stamp counter is unknown",
            "boot with tsc_early_khz= set to it; do not disable the TSC",
        ),
        _ => {
            return (
                format!("the module says {blocker}"),
                "this mkctl is older than the module: take the one that belongs to it",
            )
        }
    };
    (what.to_owned(), advice)
}

/// Where the system's files are: another place than `/` in tests.
pub struct Root(PathBuf);

impl Default for Root {
    fn default() -> Self {
        Self::at(Path::new("/"))
    }
}

impl Root {
    /// The system below a directory.
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// A path in it.
    pub fn path(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    /// The text of a file in it, if it can be read.
    pub fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.path(path)).ok()
    }

    /// How to get the module into a kernel of this release.
    pub fn module_advice(&self, release: &str) -> String {
        let depends = self.read(&format!("lib/modules/{release}/modules.dep"));
        let installed = depends.is_some_and(|text| {
            text.lines()
                .filter_map(|line| line.split(':').next())
                .any(|path| path.contains("/multikernel.ko"))
        });
        if self.path("sys/module/multikernel").exists() {
            "the module is loaded, but its device is not there: is devtmpfs mounted on /dev?".into()
        } else if installed {
            "load the module: modprobe multikernel".into()
        } else {
            format!(
                "the module is not installed for kernel {release}: build it and \
                 insert it (make module; insmod multikernel.ko), or make install and \
                 modprobe multikernel"
            )
        }
    }
}

/// The release of the running kernel.
pub fn release() -> String {
    rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned()
}

/// How to get the module into the running kernel.
pub fn module_advice() -> String {
    Root::default().module_advice(&release())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_blocker_is_explained() {
        for known in Blocker::ALL {
            let (what, advice) = blocker(*known);
            assert!(!what.contains("the module says"), "{known}");
            assert!(!advice.is_empty());
        }
    }

    #[test]
    fn the_advice_fits_the_module() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::at(dir.path());
        assert!(root
            .module_advice("7.3")
            .contains("not installed for kernel 7.3"));

        let modules = root.path("lib/modules/7.3");
        fs::create_dir_all(&modules).unwrap();
        fs::write(
            modules.join("modules.dep"),
            "kernel/fs/ext4.ko: kernel/multikernel.ko\n",
        )
        .unwrap();
        assert!(root.module_advice("7.3").contains("not installed"));
        fs::write(modules.join("modules.dep"), "updates/multikernel.ko.xz:\n").unwrap();
        assert!(root.module_advice("7.3").contains("modprobe"));

        fs::create_dir_all(root.path("sys/module/multikernel")).unwrap();
        assert!(root.module_advice("7.3").contains("devtmpfs"));
    }
}
