#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Tests of audit.py, with traces made for the purpose."""

import contextlib
import io
import pathlib
import unittest

import audit

ALLOWANCE = pathlib.Path(__file__).parent / "allowance"
HOST, OTHER, FIRST, SECOND = 0, 1, 2, 3
BOTH = f"{FIRST},{SECOND}"
SLOT, SLOT_BYTES, PAGE = 0x10000, 0xE000, 0x18


class Machine:
    """Writes a trace."""

    def __init__(self) -> None:
        self.audit = audit.Audit(audit.read_allowance(ALLOWANCE))

    def access(self, direction: str, cpu: int, where: int, value: int, device: str) -> None:
        self.audit.line(
            f"memory_region_ops_{direction} cpu {cpu} mr 0x55ab0b753b70 addr {where:#x}"
            f" value {value:#x} size 4 name '{device}'\n"
        )

    def write(self, cpu: int, where: int, value: int, device: str) -> None:
        self.access("write", cpu, where, value, device)

    def read(self, cpu: int, where: int, value: int, device: str) -> None:
        self.access("read", cpu, where, value, device)

    def command(self, cpu: int, low: int, destination: int = 0) -> None:
        self.write(cpu, 0xFEE00310, destination << 24, "apic-msi")
        self.write(cpu, 0xFEE00300, low, "apic-msi")

    def init(self, cpu: int, destination: int) -> None:
        self.command(cpu, 0xC500, destination)
        self.command(cpu, 0x8500, destination)

    def startup(self, cpu: int, destination: int, page: int = PAGE) -> None:
        self.command(cpu, 0x600 | page, destination)

    def announce(
        self, beyond: str = "", name: str = "blue", slot: int = SLOT, cpus: str = BOTH
    ) -> None:
        text = f"audit: {name} 7.3.4-cloud {slot} {SLOT_BYTES} {cpus} {beyond}\r\n"
        for character in "\x0c\x00" + text:
            self.write(HOST, 0x2F8, ord(character), "serial")

    def host_alone(self) -> None:
        self.command(OTHER, 0xC00FC)

    def start(self, **announcement: str) -> None:
        """As the host and an instance do it."""
        self.host_alone()
        self.announce(**announcement)
        self.lead()

    def lead(self) -> None:
        """Also one that has run before."""
        for cpu in (FIRST, SECOND):
            self.init(HOST, cpu)
        self.startup(HOST, SECOND)
        self.init(HOST, SECOND)
        self.startup(HOST, FIRST)
        self.read(FIRST, 0xFEE00020, FIRST << 24, "apic-msi")
        self.init(FIRST, SECOND)
        self.startup(FIRST, SECOND, PAGE - 6)
        self.read(SECOND, 0xFEE00020, SECOND << 24, "apic-msi")
        self.command(HOST, 0xFB, OTHER)

    def end(self) -> None:
        for cpu in (FIRST, SECOND):
            self.init(HOST, cpu)
            self.startup(HOST, cpu)
            self.init(HOST, cpu)
            self.startup(HOST, cpu, 0x99)

    def report(self) -> tuple[int, list[str]]:
        """The status, and what failed."""
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            status = audit.report(self.audit)
        return status, [line for line in output.getvalue().splitlines() if line.startswith("not ok")]


class AuditTest(unittest.TestCase):
    def setUp(self) -> None:
        self.machine = Machine()

    def passes(self) -> None:
        self.assertEqual(self.machine.report(), (0, []))

    def fails(self, *texts: str) -> None:
        status, failed = self.machine.report()
        self.assertEqual(status, 1)
        self.assertEqual(len(failed), len(texts), failed)
        for text, line in zip(texts, failed):
            self.assertIn(text, line)

    def test_a_good_run_passes(self) -> None:
        self.machine.start()
        self.machine.end()
        self.passes()

    def test_nothing_seen_is_no_success(self) -> None:
        self.fails("were announced", "the host broadcasts", "while one runs")

    def test_an_instance_that_never_started_is_missed(self) -> None:
        self.machine.start()
        self.machine.end()
        self.machine.announce(name="red", slot=0x30000)
        self.fails("red (7.3.4-cloud): 0 device accesses", "red: it started -1")

    def test_a_device_beyond_the_allowance_is_found_on_any_of_its_cpus(self) -> None:
        for cpu in (FIRST, SECOND):
            with self.subTest(cpu=cpu):
                self.machine = Machine()
                self.machine.start()
                self.machine.read(cpu, 0x60, 0, "i8042-data")
                self.fails("no device access beyond")

    def test_a_wanted_access_is_wanted(self) -> None:
        self.machine.start(beyond="i8042-data:0x60")
        self.fails("its access to i8042-data:0x60 is found")
        self.machine.read(FIRST, 0x60, 0x1C, "i8042-data")
        self.passes()
        self.machine.read(FIRST, 0x64, 0x1C, "i8042-cmd")
        self.fails("its access to i8042-data:0x60 is found")

    def test_the_host_may_do_what_it_likes_before_and_after(self) -> None:
        self.machine.read(FIRST, 0x60, 0, "i8042-data")
        self.machine.start()
        self.machine.write(HOST, 0xCF9, 6, "reset")
        self.machine.end()
        self.machine.read(FIRST, 0x60, 0, "i8042-data")
        self.machine.command(FIRST, 0xC00FC)
        self.machine.command(OTHER, 0xFB, FIRST)
        self.passes()

    def test_cmos_is_told_by_its_register(self) -> None:
        self.machine.start()
        self.machine.write(FIRST, 0x70, 0x0F, "rtc-index")
        self.machine.write(FIRST, 0x71, 0x0A, "rtc")
        self.passes()
        self.machine.write(FIRST, 0x70, 0x8B, "rtc-index")
        self.machine.write(FIRST, 0x71, 0x02, "rtc")
        self.fails("no device access beyond")

    def test_pci_is_told_by_its_address(self) -> None:
        self.machine.start()
        self.machine.write(FIRST, 0xCF8, 0x80001000, "pci-conf-idx")
        self.machine.read(FIRST, 0xCFC, 0x1AF4, "pci-conf-data")
        self.passes()
        self.machine.read(FIRST, 0xCFC, 0x1AF4, "pci-conf-data")
        self.fails("no device access beyond")

    def test_another_run_may_do_the_same(self) -> None:
        self.machine.start()
        for again in range(2):
            self.machine.write(FIRST, 0xCF8, 0x80001000, "pci-conf-idx")
            self.machine.command(FIRST, 0x4027, HOST)
            self.machine.end()
            self.passes()
            if not again:
                self.machine.lead()
        self.machine.lead()
        for _ in range(2):
            self.machine.write(FIRST, 0xCF8, 0x80001000, "pci-conf-idx")
            self.machine.command(FIRST, 0x4027, HOST)
        self.fails("no device access beyond", "leads elsewhere")

    def test_the_speaker_stays_off(self) -> None:
        self.machine.start()
        self.machine.write(FIRST, 0x61, 0x31, "pcspk")
        self.passes()
        self.machine.write(FIRST, 0x61, 0x33, "pcspk")
        self.fails("no device access beyond")

    def test_its_own_cpus_may_be_interrupted(self) -> None:
        self.machine.start()
        self.machine.command(SECOND, 0xFB, FIRST)
        self.machine.command(SECOND, 0x400F6)
        self.passes()

    def test_the_host_is_rung_once(self) -> None:
        self.machine.start()
        self.machine.command(FIRST, 0x4027, HOST)
        self.passes()
        self.machine.command(FIRST, 0x4027, HOST)
        self.fails("leads elsewhere")

    def test_what_leads_elsewhere_is_found(self) -> None:
        for low, destination in (
            (0xFB, OTHER),
            (0xFB, 0xFF),
            (0x8FB, SECOND),
            (0xC00FC, 0),
            (0x800FC, 0),
            (0xC500, HOST),
            (0xC500, 9),
            (0x400, HOST),
            (0x699, SECOND),
        ):
            with self.subTest(low=hex(low), destination=destination):
                self.machine = Machine()
                self.machine.start()
                self.machine.command(FIRST, low, destination)
                self.fails("leads elsewhere")

    def test_a_broadcast_of_the_host_is_found(self) -> None:
        for low, destination in ((0xC00FC, 0), (0xC0400, 0), (0xFB, 0xFF), (0xFB, FIRST)):
            with self.subTest(low=hex(low), destination=destination):
                self.machine = Machine()
                self.machine.start()
                self.machine.command(OTHER, low, destination)
                self.fails("while one runs")

    def test_a_host_that_never_broadcasts_proves_nothing(self) -> None:
        self.machine.host_alone = lambda: None
        self.machine.start()
        self.fails("the host broadcasts while no instance runs")

    def test_a_cpu_that_was_not_started_is_missed(self) -> None:
        self.machine.host_alone()
        self.machine.announce()
        self.machine.startup(HOST, SECOND)
        self.machine.init(HOST, SECOND)
        self.machine.startup(HOST, FIRST)
        self.machine.read(FIRST, 0xFEE00020, FIRST << 24, "apic-msi")
        self.machine.command(HOST, 0xFB, OTHER)
        self.fails("device accesses of CPUs [2, 3]", "it started 1 more")

    def test_a_slot_may_have_another_instance_later(self) -> None:
        self.machine.start()
        self.machine.end()
        self.machine.start(name="red", beyond="i8042-data:0x60")
        self.machine.read(FIRST, 0x60, 0, "i8042-data")
        self.machine.end()
        self.passes()

    def test_a_slot_may_have_two_instances(self) -> None:
        self.machine.host_alone()
        self.machine.announce(cpus=f"{FIRST}")
        self.machine.announce(name="red", cpus=f"{SECOND}", beyond="i8042-data:0x60")
        for cpu in (FIRST, SECOND):
            self.machine.init(HOST, cpu)
            self.machine.startup(HOST, cpu)
            self.machine.read(cpu, 0xFEE00020, cpu << 24, "apic-msi")
        self.machine.command(HOST, 0xFB, OTHER)
        self.machine.read(SECOND, 0x60, 0, "i8042-data")
        self.passes()
        self.machine.read(FIRST, 0x60, 0, "i8042-data")
        self.machine.command(FIRST, 0xFB, SECOND)
        self.fails("blue: no device access beyond", "blue: none of")

    def test_a_cpu_that_waits_is_started_by_an_nmi(self) -> None:
        for call, started in ((0x4400, True), (0xFB, False)):
            with self.subTest(call=hex(call)):
                self.machine = Machine()
                self.machine.host_alone()
                self.machine.announce()
                for cpu in (SECOND, FIRST):
                    self.machine.init(HOST, cpu)
                    self.machine.startup(HOST, cpu)
                self.machine.read(FIRST, 0xFEE00020, FIRST << 24, "apic-msi")
                self.machine.command(FIRST, call, SECOND)
                self.machine.read(SECOND, 0xFEE00020, SECOND << 24, "apic-msi")
                # It is awake: that is none.
                self.machine.command(FIRST, 0x4400, SECOND)
                self.machine.command(HOST, 0xFB, OTHER)
                self.passes() if started else self.fails("it started 1 more")

    def test_cpus_are_not_confused(self) -> None:
        with self.assertRaises(ValueError):
            self.machine.read(FIRST, 0xFEE00020, 5 << 24, "apic-msi")

    def test_an_allowance_needs_a_reason(self) -> None:
        for text in ("rtc read 0 any any *", "rtc look 0 any any * why", "rtc read x any any * why"):
            with self.subTest(text=text), self.assertRaises(ValueError):
                audit.Rule.parse(text, 1)


if __name__ == "__main__":
    unittest.main()
