"""The way out of a jail: a socket that listens on its loopback, and that we hold.

A jail has a network of its own with nothing in it. A process of ours enters that for the moment it takes to open a
socket there, which it hands over; whoever connects to it inside talks to us outside.

Source: setns(2), ioctl_ns(2), unix(7).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from lichen.tools.cage.port import CageUnavailable
from lichen.tools.egress.authority import Authority
from lichen.tools.egress.proxy import Egress

PORT: Final = 3128
OPEN_S: Final = 10.0
TRUSTED: Final = "/etc/ssl/cage.pem"
TRUSTING: Final = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO")
BUNDLES: Final = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
URL: Final = f"http://127.0.0.1:{PORT}"
_ENTER: Final = """
import ctypes, fcntl, os, socket, sys
pid, port, back = map(int, sys.argv[1:])
libc = ctypes.CDLL(None, use_errno=True)
network = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
users = fcntl.ioctl(network, 0xB701)  # NS_GET_USERNS: whose it is
for namespace in (users, network):
    if libc.setns(namespace, 0):
        sys.exit(os.strerror(ctypes.get_errno()))
listening = socket.socket()
listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listening.bind(("0.0.0.0", port))
listening.listen(64)
socket.send_fds(socket.socket(fileno=back), [b"x"], [listening.fileno()])
"""


async def _listening(pid: int) -> socket.socket:
    """A socket that listens in the network of a jail. Raises CageUnavailable."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        words = (sys.executable, "-I", "-S", "-c", _ENTER, str(pid), str(PORT), str(theirs.fileno()))
        entered = await asyncio.create_subprocess_exec(
            *words, stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE, pass_fds=(theirs.fileno(),)
        )
        try:
            _, said = await asyncio.wait_for(entered.communicate(), OPEN_S)
        except TimeoutError:
            entered.kill()
            await entered.wait()
            said = b"it took too long"
        if entered.returncode:
            why = said.decode(errors="replace").strip()
            raise CageUnavailable(f"The network of the jail could not be entered: {why}.")
        _, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
    return socket.socket(fileno=descriptors[0])


class Doorway:
    """The way out of one jail to the hosts that it is granted, and what programs in it have to know of it."""

    def __init__(self, network: tuple[str, ...], credentials: Mapping[str, Mapping[str, str]]) -> None:
        authority = Authority() if credentials else None
        self._egress = Egress(network, credentials, authority=authority)
        self.files: Mapping[str, bytes] = {} if authority is None else {TRUSTED: _bundle() + authority.certificate}
        self.env: Mapping[str, str] = {
            **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), URL),
            "NO_PROXY": "",
            "no_proxy": "",
            "NODE_USE_ENV_PROXY": "1",
            **({} if authority is None else dict.fromkeys(TRUSTING, TRUSTED)),
        }

    async def open(self, pid: int) -> None:
        """Opens it in the jail of a process. Raises CageUnavailable."""
        await self._egress.serve(await _listening(pid))

    async def close(self) -> None:
        """Closes it, with every connection."""
        await self._egress.close()


def _bundle() -> bytes:
    """Whom this machine trusts."""
    known = ssl.get_default_verify_paths().cafile
    for path in (*BUNDLES, *filter(None, (known,))):
        if Path(path).is_file():
            return Path(path).read_bytes()
    return b""
