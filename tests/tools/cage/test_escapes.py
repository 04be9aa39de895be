"""What code tries that wants out of a jail. Each attempt works outside, and in a jail it does not.

A machine that cannot shut processes in fails here: nothing is skipped.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from lichen.core.cage.grant import Grant
from lichen.tools.cage.oneshot import run
from lichen.tools.cage.port import Cage
from tests.tools.cage.prisons import CAGES, ESCAPES, attempt, bare, caged, lives, neighbour
from tests.tools.cage.sites import TOKEN, secured, site

SECRET = "the owner's"


@pytest.fixture(params=CAGES, ids=lambda cage: cage.name)
def cage(request: pytest.FixtureRequest) -> Cage:
    return request.param


class Place(NamedTuple):
    """What there is: a folder that is granted, one that is not with a secret in it, and a process outside."""

    granted: Path
    secret: Path
    pid: int


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    granted, closed = tmp_path / "granted", tmp_path / "closed"
    granted.mkdir()
    closed.mkdir()
    (granted / "own").write_text("mine")
    (closed / "secret").write_text(SECRET)
    (granted / "trap").symlink_to(closed / "secret")
    async with neighbour() as pid:
        yield Place(granted, closed / "secret", pid)


Words = Callable[[Place], tuple[object, ...]]
FILES: dict[str, Words] = {
    "a file outside is read": lambda p: ("read", p.secret),
    "a file outside is read by a path that leads upwards": lambda p: ("read", f"{p.granted}/../closed/secret"),
    "a file outside is written": lambda p: ("write", p.secret.with_name("new")),
    "a link inside leads outside": lambda p: ("read", p.granted / "trap"),
    "a link that is made inside leads outside": lambda p: ("read_by_link", p.granted, p.secret),
    "a file outside gets a name inside": lambda p: ("read_by_hard_link", p.granted, p.secret),
    "a file gets another owner": lambda p: ("give_away", p.granted / "own"),
    "a device is made": lambda p: ("make_device", p.granted / "device"),
    "the machine's passwords are read": lambda _: ("read", "/etc/shadow"),
    "a folder outside is listed": lambda p: ("listed", p.secret.parent),
    "the kernel is configured": lambda _: ("write_again", "/proc/sys/kernel/printk_ratelimit"),
    "the machine is looked at": lambda _: ("listed", "/sys/kernel"),
}
BEYOND: dict[str, Words] = {
    "the environment of another process is read": lambda p: ("environment_of", p.pid),
    "the files of another process are read": lambda p: ("root_of", p.pid, p.secret),
    "another process is ended": lambda p: ("end", p.pid),
    "another process is traced": lambda p: ("trace", p.pid),
    "the memory of another process is read": lambda p: ("memory_of", p.pid),
    "namespaces are made": lambda _: ("new_namespaces",),
    "something is mounted": lambda p: ("mount", p.granted),
    "a key of the kernel is added": lambda _: ("add_key",),
    "calls are queued past the filter": lambda _: ("queue_calls",),
    "privileges are gained": lambda _: ("gain",),
    "a variable of ours is read": lambda _: ("environment", "LICHEN_TEST_KEY"),
    "a socket of the kernel is opened": lambda _: ("open_raw",),
    "frames of the network are read": lambda _: ("open_family", int(socket.AF_PACKET), int(socket.SOCK_RAW)),
    "the machine below is talked to": lambda _: ("open_family", int(socket.AF_VSOCK), int(socket.SOCK_STREAM)),
    "a socket with a name is opened": lambda _: ("open_family", int(socket.AF_UNIX), int(socket.SOCK_STREAM)),
    "keys of the kernel are seen": lambda _: ("see_keys",),
    "faults of memory are caught": lambda _: ("catch_faults",),
    "a program is run that lies in no file": lambda _: ("run_from_memory",),
    "memory is laid out as it was once": lambda _: ("lay_memory_out",),
    "the clock is turned": lambda _: ("see_the_clock",),
    "a file is named for everywhere": lambda p: ("name_a_file", p.granted / "own"),
    "files are watched": lambda _: ("watch_files",),
    "the kernel's log is read": lambda _: ("read_the_kernel_s_log",),
    "the processor's counters are read": lambda _: ("count_what_happens",),
    "the kernel is given a program": lambda _: ("make_a_map",),
    "another root is taken": lambda p: ("change_root", p.granted),
    "a process is begun in namespaces of its own": lambda _: ("clone_namespaces",),
    "a process is begun so by the newer call": lambda _: ("clone_namespaces_anew",),
    "somebody types into a terminal": lambda _: ("type_into_a_terminal",),
    "a process goes before all others": lambda _: ("hurry",),
    "a bound is raised": lambda _: ("raise_a_bound",),
    "a program is left that runs as us": lambda p: ("lend_rights", p.granted / "own"),
    "a program is made that runs as us": lambda p: ("lend_rights_at_once", p.granted / "own"),
    "a program is made so by the newer call": lambda p: ("lend_rights_by_a_new_call", p.granted / "own"),
}


@pytest.mark.req("SYM-31.1")
@pytest.mark.parametrize("name", FILES)
async def test_no_file_is_reached_that_is_not_granted(cage: Cage, place: Place, name: str) -> None:
    words = FILES[name](place)
    ran = await caged(cage, *words, writes=(place.granted,))
    assert b"escaped" not in ran.stdout
    assert ran.exit_code != 0
    assert "escaped" in await bare(*words)


@pytest.mark.req("SYM-31.1")
async def test_what_is_granted_is_there_to_read_or_to_write(cage: Cage, place: Place) -> None:
    own = place.granted / "own"
    assert (await caged(cage, "read", own, reads=(place.granted,))).stdout == b"escaped mine\n"
    assert b"Read-only" in (await caged(cage, "write", own, reads=(place.granted,))).stderr
    assert (await caged(cage, "write", own, writes=(place.granted,))).exit_code == 0
    assert own.read_text() == "minewas here"


@pytest.mark.req("SYM-31.2")
@pytest.mark.parametrize("name", BEYOND)
async def test_nothing_is_reached_beyond_the_jail(
    cage: Cage, place: Place, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LICHEN_TEST_KEY", SECRET)
    words = BEYOND[name](place)
    ran = await caged(cage, *words, writes=(place.granted,))
    assert b"escaped" not in ran.stdout
    assert ran.exit_code != 0
    assert lives(place.pid)
    assert "escaped" in await bare(*words)


@pytest.mark.req("SYM-31.2")
async def test_a_descriptor_that_children_inherit_does_not_get_in(cage: Cage, place: Place) -> None:
    descriptor = os.open(place.secret, os.O_RDONLY)
    os.set_inheritable(descriptor, True)
    try:
        assert SECRET.encode() not in (await caged(cage, "inherited", descriptor)).stdout
        assert SECRET in await bare("inherited", descriptor, pass_fds=(descriptor,))
    finally:
        os.close(descriptor)


@pytest.mark.req("SYM-31.2")
async def test_nothing_is_open_in_the_jail_but_its_streams(cage: Cage, place: Place) -> None:
    descriptor = os.open(place.secret, os.O_RDONLY)
    os.set_inheritable(descriptor, True)
    try:
        assert (await caged(cage, "open_files")).exit_code != 0
        assert str(place.secret) in await bare("open_files", pass_fds=(descriptor,))
    finally:
        os.close(descriptor)


@pytest.fixture
def shared() -> Iterator[Path]:
    """A file in memory that all processes of the machine share."""
    path = Path("/dev/shm", f"lichen-test-{os.getpid()}")
    path.write_text(SECRET)
    yield path
    path.unlink()


@pytest.mark.req("SYM-31.1")
async def test_memory_that_others_share_is_not_there(cage: Cage, shared: Path) -> None:
    assert SECRET.encode() not in (await caged(cage, "read", shared)).stdout
    assert SECRET in await bare("read", shared)


# -- the network -------------------------------------------------------------------------------------------------


async def _greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(SECRET.encode())
    await writer.drain()
    writer.close()


class Answering(asyncio.DatagramProtocol):
    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._transport.sendto(SECRET.encode(), addr)


Listening = tuple[tuple[object, ...], Callable[[], object]]


async def _tcp(_: Path) -> Listening:
    server = await asyncio.start_server(_greet, "127.0.0.1", 0)
    return ("connect", server.sockets[0].getsockname()[1]), server.close


async def _udp(_: Path) -> Listening:
    loop = asyncio.get_running_loop()
    transport, _protocol = await loop.create_datagram_endpoint(Answering, ("127.0.0.1", 0))
    return ("datagram", transport.get_extra_info("sockname")[1]), transport.close


async def _unix(folder: Path) -> Listening:
    server = await asyncio.start_unix_server(_greet, folder / "socket")
    return ("connect_unix", folder / "socket"), server.close


async def _abstract(_: Path) -> Listening:
    name = f"lichen-{os.getpid()}"
    listening = socket.socket(socket.AF_UNIX)
    listening.bind("\0" + name)
    server = await asyncio.start_unix_server(_greet, sock=listening)
    return ("connect_abstract", name), server.close


NETWORK: dict[str, Callable[[Path], Awaitable[Listening]]] = {
    "TCP": _tcp,
    "UDP, and so DNS": _udp,
    "a socket in a granted folder": _unix,
    "an abstract socket": _abstract,
}


@pytest.mark.req("SYM-31.3")
@pytest.mark.parametrize("name", NETWORK)
async def test_nobody_is_reached_over_a_socket(cage: Cage, tmp_path: Path, name: str) -> None:
    words, close = await NETWORK[name](tmp_path)
    try:
        ran = await caged(cage, *words, writes=(tmp_path,))
        assert SECRET.encode() not in ran.stdout
        assert ran.exit_code != 0
        assert SECRET in await bare(*words)
    finally:
        close()


@pytest.mark.req("SYM-31.7")
async def test_a_granted_host_is_reached_from_the_jail_and_no_other(cage: Cage) -> None:
    async with site() as ours, site() as other:
        ran = await caged(cage, "fetch", f"http://{ours.host}/", network=(ours.host,))
        assert (ran.stdout, len(ours.asked)) == (b"escaped hallo\n", 1)
        for url in (f"http://{other.host}/", f"http://{ours.host.replace('127.0.0.1', 'localhost')}/"):
            ran = await caged(cage, "fetch", url, network=(ours.host,))
            assert b"Forbidden" in ran.stderr
        ran = await caged(cage, "connect", other.port, network=(ours.host,))
        assert b"refused" in ran.stderr
        assert (len(ours.asked), other.asked) == (1, [])
        assert "escaped" in await bare("fetch", f"http://{other.host}/")


@pytest.mark.req("SYM-31.20")
async def test_a_granted_host_is_no_way_to_its_neighbour_at_the_same_address(cage: Cage) -> None:
    _, context = secured()
    async with site(secured=context) as ours:
        ran = await caged(cage, "fetch_as", "neighbour.example", ours.host, network=(ours.host,))
        assert b"escaped" not in ran.stdout
        assert b"UNRECOGNIZED_NAME" in ran.stderr
        assert ours.asked == []
        ran = await caged(cage, "fetch_as", "", ours.host, network=(ours.host,))
        assert b"escaped" in ran.stdout
        assert "escaped" in await bare("fetch_as", "neighbour.example", ours.host)


@pytest.mark.req("SYM-31.9")
async def test_code_in_the_jail_uses_credentials_that_it_never_has(
    cage: Cage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, context = secured()
    (tmp_path / "trusted").write_bytes(certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "trusted"))  # whom this machine trusts
    async with site(secured=context) as ours:
        command = msgspec.structs.replace(attempt("fetch", f"https://{ours.host}/"), credentials={"127.0.0.1": TOKEN})
        grant = Grant(reads=(str(ESCAPES),), network=(ours.host,))
        ran = await run(cage, command, grant, timeout_s=20)
        assert ran.stdout == b"escaped hallo\n"
        assert b"Bearer of the owner" in ours.asked[0]
        for seen in (("environment_of", "self"), ("environment_of", "1"), ("read", "/etc/ssl/cage.pem")):
            command = msgspec.structs.replace(attempt(*seen), credentials={"127.0.0.1": TOKEN})
            ran = await run(cage, command, grant, timeout_s=20)
            assert b"escaped" in ran.stdout
            assert b"of the owner" not in ran.stdout
            assert b"PRIVATE" not in ran.stdout


# -- how much ----------------------------------------------------------------------------------------------------


@pytest.mark.req("SYM-31.4")
@pytest.mark.parametrize(
    ("words", "bounds", "exceeded"),
    [
        (("use_memory", 256), {"memory_mb": 64}, {"memory", ""}),
        (("use_memory_together", 256), {"memory_mb": 128}, {"memory", ""}),
        (("fill", "/tmp/flood", 256), {"memory_mb": 64}, {"memory", ""}),
        (("fill", "/dev/shm/flood", 256), {"memory_mb": 64}, {"memory", ""}),
        (("multiply", 100), {"processes": 20}, {"processes", ""}),
        (("compute", 3), {"cpu_s": 0.5}, {"cpu"}),
        (("compute_together", 3), {"cpu_s": 1.0}, {"cpu"}),
    ],
    ids=["memory", "memory of several", "files in memory", "shared memory", "processes", "cpu", "cpu of several"],
)
async def test_nothing_uses_more_than_it_may(
    cage: Cage, words: tuple[object, ...], bounds: dict[str, Any], exceeded: set[str]
) -> None:
    ran = await caged(cage, *words, **bounds)
    assert b"escaped" not in ran.stdout
    assert ran.exit_code != 0
    assert ran.exceeded in exceeded
    assert "escaped" in await bare(*words)


@pytest.mark.req("SYM-31.4")
async def test_what_stays_within_its_bounds_is_left_alone(cage: Cage) -> None:
    assert (await caged(cage, "use_memory", 32, memory_mb=128)).exit_code == 0
    assert (await caged(cage, "compute", 0.2, cpu_s=5.0)).exit_code == 0


@pytest.mark.req("SYM-31.4")
async def test_a_command_ends_at_its_time_and_says_no_more_than_it_may(cage: Cage) -> None:
    late = await caged(cage, "wait", 60, timeout_s=0.5)
    assert (late.exceeded, late.exit_code) == ("wall", -9)
    loud = await caged(cage, "flood", 30)
    assert (loud.exit_code, len(loud.stdout), loud.is_stdout_cut) == (0, 10 * 1024 * 1024, True)
