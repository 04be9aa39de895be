"""Which system calls a jail has: a filter that the kernel runs before each of them.

Everything that reaches beyond the process, or that only administers a machine, is refused; a call that is newer than
this list does not exist, so that nothing gets in with a new kernel.

Source: seccomp(2), linux/filter.h, linux/audit.h.
"""

from __future__ import annotations

import errno
import os
import platform
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

NEWEST: Final = 469  # of the system calls that were looked at

# BPF: load a word of what is asked, compare, return
_LOAD, _EQUALS, _AT_LEAST, _HAS_BITS, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_X32: Final = 0x40000000

# user, mount, cgroup, uts, ipc, pid, net and time namespaces
_NAMESPACES: Final = 0x10000000 | 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x20000000 | 0x40000000 | 0x80
_FAMILIES: Final = (2, 10)  # IPv4 and IPv6, of which a jail has a loopback
_TERMINAL: Final = (0x5412, 0x541C)  # TIOCSTI and TIOCLINUX: typing into somebody else's terminal

_EVERYWHERE: Final = (  # these have one number on all machines
    425, 426, 427,  # io_uring: does what other calls do, past this filter
    428, 429, 430, 431, 432, 433, 442, 457, 458, 467,  # mounts
    438,  # pidfd_getfd
    443,  # quotactl_fd
    447,  # memfd_secret
)  # fmt: skip
_UNREADABLE: Final = (435, 437)  # clone3, openat2: their flags lie where no filter can read them; C libraries fall back
_RIGHTS: Final = 0o6000  # of a file: whoever runs it does so as its owner or group, and so as us
_MAKES: Final = os.O_CREAT | 0o20000000  # O_TMPFILE without the folder's part


class Mode(NamedTuple):
    """A call that sets a file's mode: which of its arguments that is, and which says whether it makes one."""

    number: int
    mode: int
    flags: int | None = None


class Machine(NamedTuple):
    """What one kind of machine calls its system calls."""

    audit: int
    refused: tuple[int, ...]
    memfd: int
    clone: int
    socket: int
    ioctl: int
    modes: tuple[Mode, ...]


_FCHMODAT2: Final = Mode(452, 2)

# fmt: off
MACHINES: Final = {
    "x86_64": Machine(0xC000003E, (
        101, 310, 311, 312,                                    # ptrace, process_vm_readv, process_vm_writev, kcmp
        248, 249, 250,                                         # keys of the kernel
        155, 161, 165, 166, 272, 308,                          # pivot_root, chroot, mount, umount2, unshare, setns
        303, 304, 300,                                         # name_to_handle_at, open_by_handle_at, fanotify_init
        298, 321, 323,                                         # perf_event_open, bpf, userfaultfd
        174, 175, 176, 313, 246, 320,                          # modules and kernels
        103, 163, 169, 167, 168, 170, 171, 172, 173, 153,      # syslog, acct, reboot, swap, names, ports, vhangup
        159, 164, 227, 305,                                    # clocks
        134, 135, 136, 139, 154, 156, 179, 180, 212, 236,      # what nobody needs any more
        238, 237, 256, 279,                                    # where memory lies
    ), memfd=319, clone=56, socket=41, ioctl=16, modes=(
        Mode(90, 1), Mode(91, 1), Mode(268, 2), _FCHMODAT2,    # chmod, fchmod, fchmodat
        Mode(2, 2, 1), Mode(257, 3, 2), Mode(85, 1),           # open, openat, creat
        Mode(133, 1), Mode(259, 2),                            # mknod, mknodat
    )),
    "aarch64": Machine(0xC00000B7, (
        117, 270, 271, 272,
        217, 218, 219,
        41, 51, 40, 39, 97, 268,
        264, 265, 262,
        241, 280, 282,
        105, 106, 273, 104, 294,
        116, 89, 142, 224, 225, 161, 162, 58,
        171, 170, 112, 266,
        92, 60, 42, 18,
        237, 235, 238, 239,
    ), memfd=279, clone=220, socket=198, ioctl=29, modes=(
        Mode(52, 1), Mode(53, 2), _FCHMODAT2, Mode(56, 3, 2), Mode(33, 2),
    )),
}
# fmt: on


def filtered(machine: str | None = None) -> bytes | None:
    """The filter for a kind of machine, this one if none is named; None where nobody looked what it calls its calls."""
    known = MACHINES.get(machine or platform.machine())
    return None if known is None else b"".join(struct.pack("<HBBI", *each) for each in _program(known))


Instruction = tuple[int, int, int, int]


def _program(machine: Machine) -> Iterator[Instruction]:
    yield (_LOAD, 0, 0, _ARCHITECTURE)
    yield from ((_EQUALS, 1, 0, machine.audit), (_RETURN, 0, 0, _KILL))
    yield (_LOAD, 0, 0, _NUMBER)
    yield from ((_AT_LEAST, 0, 1, _X32), _refuse(errno.ENOSYS))
    yield from ((_AT_LEAST, 0, 1, NEWEST + 1), _refuse(errno.ENOSYS))
    for number in (*_UNREADABLE, machine.memfd):
        yield from ((_EQUALS, 0, 1, number), _refuse(errno.ENOSYS))
    for number in (*machine.refused, *_EVERYWHERE):
        yield from ((_EQUALS, 0, 1, number), _refuse(errno.EPERM))
    yield from _if(machine.clone, [_argument(0), (_HAS_BITS, 0, 1, _NAMESPACES), _refuse(errno.EPERM)])
    families = [(_EQUALS, len(_FAMILIES) - at, 0, family) for at, family in enumerate(_FAMILIES)]
    yield from _if(machine.socket, [_argument(0), *families, _refuse(errno.EAFNOSUPPORT)])
    terminal = [line for asked in _TERMINAL for line in ((_EQUALS, 0, 1, asked), _refuse(errno.EPERM))]
    yield from _if(machine.ioctl, [_argument(1), *terminal])
    for call in machine.modes:
        yield from _if(call.number, list(_rights(call)))
    yield (_RETURN, 0, 0, _ALLOW)


def _rights(call: Mode) -> Iterator[Instruction]:
    """Refuses a mode that lends rights; where no file is made nobody says one."""
    if call.flags is not None:
        yield from (_argument(call.flags), (_HAS_BITS, 0, 3, _MAKES))
    yield from (_argument(call.mode), (_HAS_BITS, 0, 1, _RIGHTS), _refuse(errno.EPERM))


def _if(number: int, lines: list[Instruction]) -> Iterator[Instruction]:
    """Lines that are for one system call; the number is what counts again after them."""
    yield (_EQUALS, 0, len(lines) + 1, number)
    yield from lines
    yield (_LOAD, 0, 0, _NUMBER)


def _argument(at: int) -> Instruction:
    """Loads the low word of an argument: kernels read no more of those that are looked at."""
    return (_LOAD, 0, 0, _ARGUMENTS + 8 * at)


def _refuse(error: int) -> Instruction:
    return (_RETURN, 0, 0, _REFUSE | error)
