"""What code tries that wants out: `python escapes.py ATTEMPT ARGUMENTS...` prints `escaped` and what it got.

Each of these works for a process that nobody shuts in. Nothing here imports anything of ours.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

libc = ctypes.CDLL(None, use_errno=True)
NUMBERS = {
    "x86_64": {
        "add_key": 248, "ptrace": 101, "keyctl": 250, "userfaultfd": 323, "memfd_create": 319, "personality": 135,
        "adjtimex": 159, "name_to_handle_at": 303, "fanotify_init": 300, "syslog": 103, "perf_event_open": 298,
        "bpf": 321, "chroot": 161, "clone": 56,
    },
    "aarch64": {
        "add_key": 217, "ptrace": 117, "keyctl": 219, "userfaultfd": 282, "memfd_create": 279, "personality": 92,
        "adjtimex": 171, "name_to_handle_at": 264, "fanotify_init": 262, "syslog": 116, "perf_event_open": 241,
        "bpf": 280, "chroot": 51, "clone": 220,
    },
}  # fmt: skip
CLONE3, OPENAT2 = 435, 437
IO_URING_SETUP = 425
NEW_USER, NEW_MOUNTS = 0x10000000, 0x00020000
SEIZE = 0x4206


def called(number: int | str, *arguments: Any) -> int:
    if isinstance(number, str):
        number = NUMBERS[platform.machine()][number]
    result = libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def read(path: str) -> str:
    return Path(path).read_text()


def write(path: str) -> str:
    with Path(path).open("a") as file:
        file.write("was here")
    return path


def write_again(path: str) -> str:
    """The same as it was: nothing changes where it works."""
    Path(path).write_text(Path(path).read_text())
    return path


def read_by_link(folder: str, path: str) -> str:
    link = Path(folder, f"link {os.getpid()}")
    link.symlink_to(path)
    return link.read_text()


def read_by_hard_link(folder: str, path: str) -> str:
    link = Path(folder, f"hard link {os.getpid()}")
    os.link(path, link)
    return link.read_text()


def listed(path: str) -> str:
    return str(list(Path(path).iterdir()))


def environment_of(pid: str) -> str:
    return Path("/proc", pid, "environ").read_bytes().decode()


def root_of(pid: str, path: str) -> str:
    return Path(f"/proc/{pid}/root{path}").read_text()


def end(pid: str) -> str:
    os.kill(int(pid), signal.SIGTERM)
    return pid


def trace(pid: str) -> str:
    called("ptrace", SEIZE, int(pid), 0, 0)
    return pid


def memory_of(pid: str) -> str:
    """What stands in another process's memory."""
    maps = Path("/proc", pid, "maps").read_text().splitlines()
    place = next(line.split("-")[0] for line in maps if " r" in line)
    data = ctypes.create_string_buffer(8)
    local = (ctypes.c_void_p * 2)(ctypes.addressof(data), 8)
    remote = (ctypes.c_void_p * 2)(int(place, 16), 8)
    if libc.process_vm_readv(int(pid), local, 1, remote, 1, 0) != 8:
        raise OSError(ctypes.get_errno(), "process_vm_readv")
    return data.raw.hex()


def multiply(count: str) -> str:
    """So many processes at once."""
    for _ in range(int(count)):
        if not os.fork():
            time.sleep(60)
    return count


def used(mib: int) -> bytearray:
    data = bytearray(mib * 1024 * 1024)
    data[:: resource.getpagesize()] = b"x" * len(data[:: resource.getpagesize()])
    return data


def use_memory(mib: str) -> str:
    return str(len(used(int(mib))))


def use_memory_together(mib: str) -> str:
    """Four processes, each a part."""
    children: list[int] = []
    for _ in range(4):
        pid = os.fork()
        if not pid:
            held = used(int(mib) // 4)
            time.sleep(2)
            del held
            os._exit(0)
        children.append(pid)
    ended = [os.waitpid(pid, 0)[1] for pid in children]
    if any(ended):
        raise MemoryError
    return mib


def fill(path: str, mib: str) -> str:
    try:
        with Path(path).open("wb") as file:
            file.writelines(b"x" * 1024 * 1024 for _ in range(int(mib)))
    finally:
        Path(path).unlink()
    return mib


def compute(seconds: str) -> str:
    """Needs so much of a processor."""
    while time.process_time() < float(seconds):
        pass
    return seconds


def compute_together(seconds: str) -> str:
    """Two processes, each a half."""
    pid = os.fork()
    compute(str(float(seconds) / 2))
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
    return seconds


def wait(seconds: str) -> str:
    time.sleep(float(seconds))
    return seconds


def connect(port: str) -> str:
    with socket.create_connection(("127.0.0.1", int(port)), 2) as reached:
        return reached.recv(100).decode()


def datagram(port: str) -> str:
    """Asks and is answered, as whoever asks for the address of a name is."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(2)
        asking.sendto(b"where is example.com?", ("127.0.0.1", int(port)))
        return asking.recv(100).decode()


def fetch(url: str) -> str:
    """As programs do that are told of a proxy."""
    import urllib.request

    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def fetch_as(name: str, host: str) -> str:
    """From a granted host, as if it were another one at the same address. An empty name names nobody."""
    import ssl
    from urllib.parse import urlsplit

    address, _, port = host.partition(":")
    proxy = urlsplit(os.environ.get("HTTPS_PROXY", f"http://{host}"))
    with socket.create_connection((proxy.hostname or address, proxy.port or int(port)), timeout=10) as plain:
        if "HTTPS_PROXY" in os.environ:
            plain.sendall(f"CONNECT {host} HTTP/1.1\r\n\r\n".encode())
            while not plain.recv(65_536).endswith(b"\r\n\r\n"):
                pass
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(plain, server_hostname=name or None) as secured:
            secured.sendall(f"GET / HTTP/1.1\r\nHost: {name or host}\r\n\r\n".encode())
            with secured.makefile("rb") as answer:
                return answer.read().decode()


def connect_unix(path: str) -> str:
    with socket.socket(socket.AF_UNIX) as reached:
        reached.settimeout(2)
        reached.connect(path)
        return reached.recv(100).decode()


def connect_abstract(name: str) -> str:
    return connect_unix("\0" + name)


def open_raw() -> str:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0):
        return "a socket of the kernel"


def new_namespaces() -> str:
    if libc.unshare(NEW_USER | NEW_MOUNTS):
        raise OSError(ctypes.get_errno(), "unshare")
    return "privileges of its own"


def mount(folder: str) -> str:
    new_namespaces()
    if libc.mount(b"none", folder.encode(), b"tmpfs", 0, None):
        raise OSError(ctypes.get_errno(), "mount")
    return folder


def add_key() -> str:
    return str(called("add_key", b"user", b"lichen", b"x", ctypes.c_size_t(1), -3))


def queue_calls() -> str:
    """A way to make calls past a filter."""
    return str(called(IO_URING_SETUP, 1, (ctypes.c_char * 120)()))


def give_away(path: str) -> str:
    os.chown(path, 12_345, 12_345)
    return path


def make_device(path: str) -> str:
    os.mknod(path, 0o600 | 0o060000, os.makedev(254, 0))
    return path


def gain() -> str:
    """Programs that have the privileges of somebody else keep them."""
    if "NoNewPrivs:\t0" not in Path("/proc/self/status").read_text():
        raise PermissionError
    return "they do"


def catch_faults() -> str:
    """Whoever catches faults of memory stops the kernel where it likes."""
    return str(called("userfaultfd", 0))


def run_from_memory() -> str:
    """A program that lies in no file."""
    descriptor = called("memfd_create", b"program", 0)
    os.write(descriptor, Path("/bin/true").read_bytes())
    pid = os.fork()
    if not pid:
        os.execv(f"/proc/self/fd/{descriptor}", ["true"])
    return str(os.waitpid(pid, 0)[1])


def lay_memory_out() -> str:
    """Memory where an attacker expects it: as it was before."""
    return str(called("personality", called("personality", 0xFFFFFFFF) | 0x0040000))


def see_the_clock() -> str:
    """As whoever sets it does; nothing is set."""
    return str(called("adjtimex", (ctypes.c_char * 208)()))


def name_a_file(path: str) -> str:
    """A name of a file that holds in every other folder."""
    handle = ctypes.create_string_buffer(136)
    ctypes.memmove(handle, (128).to_bytes(4, sys.byteorder), 4)
    return str(called("name_to_handle_at", -100, path.encode(), handle, ctypes.byref(ctypes.c_int()), 0))


def watch_files() -> str:
    return str(called("fanotify_init", 0, os.O_RDONLY))


def read_the_kernel_s_log() -> str:
    return str(called("syslog", 10, 0, 0))


def count_what_happens() -> str:
    """Counters of the processor."""
    event = (ctypes.c_uint32 * 32)(1, 128)  # software
    return str(called("perf_event_open", ctypes.byref(event), 0, -1, -1, 0))


def make_a_map() -> str:
    """Programs of the kernel begin with one."""
    return str(called("bpf", 0, ctypes.byref((ctypes.c_uint32 * 32)(2, 4, 4, 1)), 128))


def change_root(path: str) -> str:
    return str(called("chroot", path.encode()))


def see_keys() -> str:
    return str(called("keyctl", 0, -3, 1))


def _child(pid: int) -> str:
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
    return "a process in namespaces of its own"


def clone_namespaces() -> str:
    return _child(called("clone", ctypes.c_ulong(NEW_USER | signal.SIGCHLD), 0, 0, 0, 0))


def clone_namespaces_anew() -> str:
    """By the call whose flags lie in memory."""
    said = (ctypes.c_uint64 * 11)(NEW_USER, 0, 0, 0, signal.SIGCHLD)
    return _child(called(CLONE3, ctypes.byref(said), ctypes.c_size_t(88)))


def type_into_a_terminal() -> str:
    import fcntl
    import pty

    _, terminal = pty.openpty()
    fcntl.ioctl(terminal, 0x5412, b"x")
    return "typed"


def open_family(family: str, kind: str) -> str:
    with socket.socket(int(family), int(kind), 0):
        return family


def hurry() -> str:
    """Before everybody else."""
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    return "first"


def raise_a_bound() -> str:
    most = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_NOFILE, (2048, 2048))
    return str(most)


def lend_rights(path: str) -> str:
    """A program that whoever starts it runs as its owner, and so as us."""
    made = Path(f"{path} {os.getpid()}")
    made.write_text("")
    made.chmod(0o4755)
    return _lent(made)


def lend_rights_at_once(path: str) -> str:
    """The same, made so."""
    made = Path(f"{path} {os.getpid()}")
    os.umask(0)
    os.close(os.open(made, os.O_CREAT | os.O_WRONLY, 0o6755))
    return _lent(made)


def lend_rights_by_a_new_call(path: str) -> str:
    """The same, by the call whose mode lies in memory."""
    made = Path(f"{path} {os.getpid()}")
    how = (ctypes.c_uint64 * 3)(os.O_CREAT | os.O_WRONLY, 0o4755, 0)
    called(OPENAT2, -100, str(made).encode(), ctypes.byref(how), ctypes.c_size_t(24))
    return _lent(made)


def _lent(made: Path) -> str:
    try:
        if not made.stat().st_mode & 0o6000:
            raise PermissionError
        return str(made)
    finally:
        made.unlink()


def open_files() -> str:
    """What is open besides the streams that everybody has."""
    links = [link for link in list(Path("/proc/self/fd").iterdir()) if int(link.name) > 2]
    others = [str(link.readlink()) for link in links if link.is_symlink()]  # but what listed them
    if not others:
        raise FileNotFoundError
    return str(others)


def environment(name: str) -> str:
    return os.environ[name]


def inherited(descriptor: str) -> str:
    return os.pread(int(descriptor), 100, 0).decode()


def outlive(path: str) -> str:
    """A child that left everything behind, and goes on after the end."""
    if not os.fork():
        os.setsid()
        if not os.fork():
            null = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(null, stream)
            Path(path + ".new").write_text(str(os.getpid()))
            Path(path + ".new").rename(path)
            time.sleep(600)
        os._exit(0)
    while not Path(path).exists():
        time.sleep(0.01)
    return path


def linger(path: str) -> str:
    """The same, and waits for the end of its input itself."""
    print("escaped", outlive(path), flush=True)
    sys.stdin.read()
    return path


def flood(mib: str) -> str:
    for _ in range(int(mib)):
        sys.stdout.write("x" * 1024 * 1024)
    return mib


def call_as_other_machine() -> str:
    """A call by its number on another kind of machine (getpid of i386), which a filter may not know."""
    import mmap

    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")  # mov eax, 20; int 0x80; ret
    place = ctypes.addressof(ctypes.c_char.from_buffer(page))
    return str(ctypes.CFUNCTYPE(ctypes.c_int)(place)())


if __name__ == "__main__":
    attempt: Callable[..., str] = globals()[sys.argv[1]]
    print("escaped", attempt(*sys.argv[2:]), flush=True)
    if sys.argv[1] == "multiply":
        os.killpg(0, signal.SIGKILL)
