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
NUMBERS = {"x86_64": {"add_key": 248, "ptrace": 101}, "aarch64": {"add_key": 217, "ptrace": 117}}
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
