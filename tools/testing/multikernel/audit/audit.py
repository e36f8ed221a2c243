#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Which devices did the CPUs of instances touch, and whom did they interrupt?

    audit.py TRACE [ALLOWANCE]

TRACE is QEMU's log of `-trace 'memory_region_ops_*' -D TRACE`, of a machine
with its local APICs in xAPIC mode. ALLOWANCE says what the CPUs of an instance
may access, and why.

The host announces an instance, before it starts, by a line on its second UART:

    audit: NAME RELEASE SLOT BYTES CPUS [BEYOND]

with the release of its kernel, address and size of its slot below 1 MiB, the
APIC IDs of its CPUs with commas in between, and for a test of this test the one
access beyond the allowance that it will make.

A CPU belongs to an instance from the STARTUP IPI that leads it there, until the
host sends it an INIT: one that the host sends to one of these CPUs with an
address in the slot, which instances may share, or one of the instance's own to a
CPU that was sent there before. All else that is needed is in the trace, so
nothing has to be believed of either kernel. When the host leads a CPU there and
none is the instance's, a run of it begins, which may do all that is allowed again.

An instance starts its further CPUs by a STARTUP IPI, or by an NMI where they
wait for that: one that has made no access so far.

Prints TAP.
"""

import argparse
import collections
import dataclasses
import fnmatch
import pathlib
import re
import sys

ACCESS = re.compile(
    r"memory_region_ops_(read|write) cpu (-?\d+) mr \S+"
    r" addr (0x[0-9a-f]+) value (0x[0-9a-f]+) size \d+ name '([^']*)'"
)

# The local APIC's page, and registers in it.
APIC = "apic-msi"
APIC_PAGE = 0xFEE00000
APIC_ID = APIC_PAGE + 0x20
ICR_LOW = APIC_PAGE + 0x300
ICR_HIGH = APIC_PAGE + 0x310

# Fields of the interrupt command register (SDM 3A, 12.6.1).
FIXED, NMI, INIT, STARTUP = 0, 4, 5, 6
SHORTHANDS = {0: None, 1: "self", 2: "all", 3: "all but self"}
BROADCAST = 0xFF

# The transmitter of the host's second UART.
ANNOUNCEMENTS = 0x2F8
ANNOUNCEMENT = re.compile(r"audit: (\S+) (\S+) (\d+) (\d+) ([\d,]+) ?(\S*)")

# Devices behind a pair of ports: what is accessed is what the first selects.
RTC_INDEX, RTC_DATA = 0x70, 0x71
PCI_INDEX, PCI_DATA = 0xCF8, range(0xCFC, 0xD00)


@dataclasses.dataclass(frozen=True)
class Command:
    """An interrupt command."""

    mode: int
    vector: int
    shorthand: str | None
    logical: bool
    destination: int

    @classmethod
    def decode(cls, low: int, high: int) -> "Command":
        return cls(
            mode=low >> 8 & 7,
            vector=low & 0xFF,
            shorthand=SHORTHANDS[low >> 18 & 3],
            logical=bool(low & 1 << 11),
            destination=high >> 24,
        )

    @property
    def is_broadcast(self) -> bool:
        if self.shorthand:
            return self.shorthand != "self"
        return self.destination == BROADCAST

    def __str__(self) -> str:
        modes = {FIXED: "interrupt", NMI: "NMI", INIT: "INIT", STARTUP: "STARTUP"}
        what = f"{modes.get(self.mode, f'mode {self.mode}')} {self.vector:#x}"
        kind = "logical " if self.logical else ""
        return f"{what} to {self.shorthand or f'{kind}APIC ID {self.destination:#x}'}"


@dataclasses.dataclass
class Rule:
    """A line of the allowance."""

    device: str
    access: str
    first: int
    last: int
    value: int
    mask: int
    most: int | None
    kernels: str
    line: int

    @classmethod
    def parse(cls, text: str, line: int) -> "Rule":
        device, access, where, value, most, kernels, reason = text.split(None, 6)
        if access not in ("read", "write", "both") or not reason:
            raise ValueError(f"line {line} of the allowance is not understood: {text}")
        first, _, last = where.partition("-")
        value, _, mask = value.partition("/")
        return cls(
            device=device,
            access=access,
            first=int(first, 16),
            last=int(last or first, 16),
            value=0 if value == "any" else int(value, 16),
            mask=0 if value == "any" else int(mask or "ffffffff", 16),
            most=None if most == "any" else int(most),
            kernels=kernels,
            line=line,
        )

    def allows(self, access: "Access", release: str) -> bool:
        return (
            self.device == access.device
            and self.access in (access.direction, "both")
            and self.first <= access.where <= self.last
            and access.value & self.mask == self.value & self.mask
            and fnmatch.fnmatchcase(release, self.kernels)
        )


def read_allowance(path: pathlib.Path) -> list[Rule]:
    return [
        Rule.parse(line, number)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if line.strip() and not line.startswith("#")
    ]


@dataclasses.dataclass(frozen=True)
class Access:
    """An access to a device. `where` is an address, or what an index selects."""

    direction: str
    device: str
    where: int
    value: int

    def __str__(self) -> str:
        return f"{self.direction} {self.device}:{self.where:#x} value {self.value:#x}"


class Instance:
    """An instance, and what its CPUs did."""

    def __init__(self, name: str, release: str, slot: range, cpus: set[int], wanted: str = ""):
        self.name = name
        self.release = release
        self.slot = slot
        # APIC IDs of the CPUs that it is to have.
        self.cpus = cpus
        # The one access beyond the allowance that it is to make.
        self.wanted = wanted
        # APIC IDs of the CPUs that the host sent to the slot.
        self.members: set[int] = set()
        # Accesses of each.
        self.accesses: collections.Counter[int] = collections.Counter()
        self.commands = 0
        self.doorbells = 0
        # Its CPUs that it started by itself.
        self.started: set[int] = set()
        self.beyond: collections.Counter[str] = collections.Counter()
        self.foreign: collections.Counter[str] = collections.Counter()
        # How often this run of it made use of each rule.
        self._used: collections.Counter[int] = collections.Counter()

    def begin(self) -> None:
        """It is started, maybe not for the first time."""
        self.doorbells = 0
        self._used.clear()

    def has_page(self, vector: int) -> bool:
        return vector << 12 in self.slot

    def access(self, cpu: int, access: Access, rules: list[Rule]) -> None:
        self.accesses[cpu] += 1
        for rule in rules:
            if not rule.allows(access, self.release):
                continue
            self._used[rule.line] += 1
            if rule.most is not None and self._used[rule.line] > rule.most:
                self.beyond[f"{access} (more than {rule.most} such accesses)"] += 1
            return
        self.beyond[str(access)] += 1

    def command(self, command: Command, host: int) -> None:
        self.commands += 1
        if command.shorthand == "self":
            return
        one = not command.is_broadcast and not command.logical
        if one and command.destination in self.members:
            if command.mode == STARTUP:
                if not self.has_page(command.vector):
                    self.foreign[f"{command}, which is not in its slot"] += 1
                self.started.add(command.destination)
            elif command.mode == NMI and not self.accesses[command.destination]:
                self.started.add(command.destination)
            return
        if one and command.mode == FIXED and command.destination == host:
            # The stub rings the host, once, when the instance has ended.
            self.doorbells += 1
            if self.doorbells == 1:
                return
        self.foreign[str(command)] += 1


class Audit:
    """Follows a trace."""

    def __init__(self, rules: list[Rule]):
        self.rules = rules
        self.instances: list[Instance] = []
        # The boot CPU.
        self.host = 0
        self.owner: dict[int, Instance] = {}
        self.broadcasts_alone = 0
        self.host_commands = 0
        self.host_wrong: collections.Counter[str] = collections.Counter()
        self._high: collections.Counter[int] = collections.Counter()
        self._rtc_index = 0
        self._pci_index = 0
        self._announced = ""

    def line(self, line: str) -> None:
        match = ACCESS.search(line)
        if not match:
            return
        direction, cpu, where, value, device = match.groups()
        cpu, where, value = int(cpu), int(where, 16), int(value, 16)
        # The pairs of ports are one for the whole machine.
        if where == RTC_INDEX and direction == "write":
            self._rtc_index = value & 0x7F
        elif where == PCI_INDEX and direction == "write":
            self._pci_index = value
        if cpu < 0:
            return
        if where == ANNOUNCEMENTS and direction == "write" and cpu not in self.owner:
            self._announce(chr(value))
        if device == APIC and where == APIC_ID and direction == "read" and value >> 24 != cpu:
            raise ValueError(f"CPU {cpu} has APIC ID {value >> 24}: they have to be the same here")
        instance = self.owner.get(cpu)
        if instance:
            if where == RTC_DATA:
                where = self._rtc_index
            elif where in PCI_DATA:
                where = self._pci_index + where - PCI_DATA.start
            instance.access(cpu, Access(direction, device, where, value), self.rules)
        if device == APIC and direction == "write":
            if where == ICR_HIGH:
                self._high[cpu] = value
            elif where == ICR_LOW:
                self._command(cpu, instance, Command.decode(value, self._high[cpu]))

    def _announce(self, character: str) -> None:
        if character != "\n":
            self._announced += character
            return
        match = ANNOUNCEMENT.search(self._announced)
        if match:
            name, release, start, size, cpus, wanted = match.groups()
            slot = range(int(start), int(start) + int(size))
            ids = {int(cpu) for cpu in cpus.split(",")}
            self.instances.append(Instance(name, release, slot, ids, wanted))
        self._announced = ""

    def _command(self, cpu: int, instance: Instance | None, command: Command) -> None:
        if instance:
            instance.command(command, self.host)
            if command.mode == STARTUP and command.destination in instance.members:
                self.owner[command.destination] = instance
            return
        # The INIT with its level de-asserted does nothing, and looks the same here.
        if command.mode == INIT and not command.shorthand:
            self.owner.pop(command.destination, None)
            return
        if command.mode == STARTUP and not command.shorthand:
            self.owner.pop(command.destination, None)
            # Both the slot and the CPU may have had others before.
            for other in reversed(self.instances):
                if other.has_page(command.vector) and command.destination in other.cpus:
                    if other not in self.owner.values():
                        other.begin()
                    other.members.add(command.destination)
                    self.owner[command.destination] = other
                    break
            return
        if not self.owner:
            self.broadcasts_alone += command.is_broadcast
            return
        self.host_commands += 1
        if command.is_broadcast or command.logical:
            self.host_wrong[str(command)] += 1
        elif not command.shorthand and command.destination in self.owner:
            name = self.owner[command.destination].name
            self.host_wrong[f"{command}, a CPU of {name}"] += 1


class Tap:
    """Test results."""

    def __init__(self) -> None:
        self.count = 0
        self.failed = 0

    def check(self, ok: bool, what: str, findings: collections.Counter[str] | None = None) -> None:
        self.count += 1
        self.failed += not ok
        print(f"{'ok' if ok else 'not ok'} {self.count} - {what}")
        if not ok and findings:
            for finding, times in findings.most_common(20):
                print(f"#   {times} times: {finding}")


def report(audit: Audit) -> int:
    tap = Tap()
    print("TAP version 13")
    tap.check(bool(audit.instances), f"audit: {len(audit.instances)} instances were announced")
    for instance in audit.instances:
        name = instance.name
        members = sorted(instance.members)
        tap.check(
            bool(members) and all(instance.accesses[cpu] for cpu in members),
            f"audit: {name} ({instance.release}): {instance.accesses.total()} device accesses"
            f" of CPUs {members} were seen",
        )
        if instance.wanted:
            tap.check(
                [finding.split()[1] for finding in instance.beyond] == [instance.wanted],
                f"audit: {name}: its access to {instance.wanted} is found, and no other",
                instance.beyond,
            )
        else:
            tap.check(
                not instance.beyond,
                f"audit: {name}: no device access beyond the allowance",
                instance.beyond,
            )
        tap.check(
            not instance.foreign,
            f"audit: {name}: none of {instance.commands} interrupt commands leads elsewhere",
            instance.foreign,
        )
        others = len(members) - 1
        tap.check(
            len(instance.started) == others,
            f"audit: {name}: it started {others} more CPUs by itself",
        )
    tap.check(
        audit.broadcasts_alone > 0,
        f"audit: the host broadcasts while no instance runs ({audit.broadcasts_alone} times)",
    )
    tap.check(
        audit.host_commands > 0 and not audit.host_wrong,
        "audit: while one runs it broadcasts nothing, and interrupts only its own CPUs"
        f" ({audit.host_commands} times)",
        audit.host_wrong,
    )
    print(f"1..{tap.count}")
    return 1 if tap.failed else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trace", type=pathlib.Path)
    parser.add_argument(
        "allowance",
        type=pathlib.Path,
        nargs="?",
        default=pathlib.Path(__file__).parent / "allowance",
    )
    arguments = parser.parse_args()
    audit = Audit(read_allowance(arguments.allowance))
    with arguments.trace.open(errors="replace") as trace:
        for line in trace:
            audit.line(line)
    return report(audit)


if __name__ == "__main__":
    sys.exit(main())
