"""Packs from registries: a real one, open, with passwords and with tokens, and others that mean harm."""

from __future__ import annotations

import base64
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.core.words.errors import LichenError
from lichen.packs.fetching.cache import Cache
from lichen.packs.fetching.challenge import Challenge, challenge_in, check_realm
from lichen.packs.fetching.fetch import BYTES_MAX, fetched, resolved
from lichen.packs.fetching.manifest import IMAGE, INDEX, PACK, digest_of, made_for, read_artifact
from lichen.packs.fetching.push import pushed
from lichen.packs.fetching.references import Reference, is_reference, reference_in
from lichen.packs.fetching.terms import Endpoint, Terms, cache_root, terms_of
from lichen.packs.fetching.wire import check_outside
from lichen.settings.packs.registries import RegistryHost
from tests.packs.registries import (
    NAME,
    PASSWORD,
    Asked,
    Front,
    Said,
    Store,
    Tokens,
    answering,
    running,
    with_passwords,
    with_tls,
)

DATA = b"PK\x03\x04 a pack, as far as a registry knows " * 400
ORAS: Any = importlib.import_module("oras.client")  # another client of registries, without types
ENV = {"REGISTRY_PASSWORD": PASSWORD}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Generator[Store]:
    with running(tmp_path_factory.mktemp("registry")) as store:
        yield store


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Generator[Store]:
    """A registry that wants a password."""
    folder = tmp_path_factory.mktemp("closed")
    with running(folder, auth=with_passwords(folder)) as store:
        yield store


def named(store: Store | Front, repository: str = "acme/desk", tag: str = "1.0.0") -> Reference:
    return Reference(store.host, repository, tag)


def refused(terms: Terms, reference: Reference) -> LichenError:
    with pytest.raises(LichenError) as told:
        fetched(terms, reference, "pack")
    return told.value


# -- references ------------------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-40.1")
def test_a_reference_names_host_repository_tag_and_digest() -> None:
    digest = "sha256:" + "a" * 64
    assert reference_in(f"oci://ghcr.io/acme/packs/desk:1.0.0@{digest}") == Reference(
        "ghcr.io", "acme/packs/desk", "1.0.0", digest
    )
    assert reference_in("oci://127.0.0.1:5000/desk") == Reference("127.0.0.1:5000", "desk", "latest")
    assert reference_in("oci://[::1]:5000/desk:v1").host == "[::1]:5000"
    assert reference_in("repo://desk:1", repo="ghcr.io/acme") == Reference("ghcr.io", "acme/desk", "1")
    assert reference_in("store://desk:1", store="oci://ghcr.io/acme/") == Reference("ghcr.io", "acme/desk", "1")
    assert not is_reference("packs/desk.gtpack")
    with pytest.raises(LichenError, match="oci_registry_unsaid"):
        reference_in("repo://desk:1")


@pytest.mark.req("GRE-40.1")
@pytest.mark.parametrize(
    "text",
    [
        "oci://",
        "oci://ghcr.io",
        "oci://ghcr.io/",
        "oci:///desk",
        "oci://ghcr.io/Acme",
        "oci://ghcr.io/a//b",
        "oci://ghcr.io/../v2/x",
        "oci://me:secret@ghcr.io/desk",
        "oci://ghcr.io:99999/desk",
        "oci://ghcr.io/desk:",
        "oci://ghcr.io/desk@sha256:abc",
        "oci://ghcr.io/desk@sha512:" + "a" * 128,
        "oci://ghcr.io/desk?x=1",
        "oci://ghcr.io/desk#x",
        "oci://ghcr.io/desk\n",
        "oci://ghcr.io\\@evil.example/desk",
        "oci://ghcr.io/" + "a" * 500,
        "https://ghcr.io/desk",
    ],
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(LichenError) as told:
        reference_in(text)
    assert told.value.code == "oci_reference_invalid"


@pytest.mark.req("GRE-40.1")
@given(st.text(max_size=600) | st.from_regex(r"oci://[a-z0-9.:@/_-]{0,300}\Z"))
def test_a_text_is_a_reference_that_is_written_as_it_was_read_or_refused(text: str) -> None:
    try:
        found = reference_in(text)
    except LichenError:
        return
    assert reference_in(str(found)) == found


# -- a real registry -------------------------------------------------------------------------------------------------


@pytest.mark.req("GRE-40.2")
def test_what_was_pushed_is_pulled_by_its_digest_and_then_kept(store: Store, tmp_path: Path) -> None:
    terms = store.terms(tmp_path)
    seen = list[int]()
    pinned = pushed(terms, named(store, "kept"), "pack", DATA, title="desk.gtpack")
    assert pinned.digest.startswith("sha256:")
    first = fetched(terms, pinned, "pack", seen=seen.append)
    assert (first.data, first.is_cached, sum(seen) >= len(DATA)) == (DATA, False, True)
    before = len(store.asked)
    again = fetched(terms, pinned, "pack")
    assert (again.data, again.is_cached, len(store.asked)) == (DATA, True, before)
    folder = tmp_path / "cache" / pinned.digest.removeprefix("sha256:")
    assert sorted(each.name for each in folder.iterdir()) == ["manifest.json", "metadata.json", "pack.gtpack"]
    assert json.loads((folder / "metadata.json").read_text())["resolved_digest"] == pinned.digest
    assert (folder / "pack.gtpack").read_bytes() == DATA


@pytest.mark.req("GRE-40.2")
def test_what_a_registry_has_is_not_sent_again(store: Store, tmp_path: Path) -> None:
    terms = store.terms(tmp_path)
    first = pushed(terms, named(store, "twice"), "pack", DATA, title="desk.gtpack")
    before = len(store.asked)
    assert pushed(terms, named(store, "twice", "2"), "pack", DATA, title="desk.gtpack") == first
    assert {each.split()[0] for each in store.asked[before:]} == {"HEAD", "PUT"}
    assert not any("uploads" in each for each in store.asked[before:])


@pytest.mark.req("GRE-40.3")
def test_another_client_pulls_what_we_push_and_we_pull_what_it_pushes(store: Store, tmp_path: Path) -> None:
    terms, client = store.terms(tmp_path), ORAS.OrasClient(hostname=store.host, insecure=True)
    pushed(terms, named(store, "ours"), "pack", DATA, title="desk.gtpack")
    pulled = client.pull(target=f"{store.host}/ours:1.0.0", outdir=str(tmp_path / "out"))
    assert [Path(each).read_bytes() for each in pulled] == [DATA]
    manifest = client.get_manifest(f"{store.host}/ours:1.0.0")
    assert (manifest["artifactType"], manifest["config"]["mediaType"]) == (PACK, "application/vnd.oci.empty.v1+json")
    (tmp_path / "theirs.gtpack").write_bytes(DATA[::-1])
    for media in (f":{PACK}", ""):  # said to be a pack, and as the client says of any file
        client.push(
            target=f"{store.host}/theirs:1",
            files=[f"{tmp_path}/theirs.gtpack{media}"],
            disable_path_validation=True,
        )
        found = resolved(terms, named(store, "theirs", "1"), may_tag=True).reference
        assert fetched(terms, found, "pack").data == DATA[::-1]


@pytest.mark.req("GRE-40.4")
def test_a_tag_is_refused_unless_it_may_count_and_what_it_stands_for_is_remembered(
    store: Store, tmp_path: Path
) -> None:
    terms, tag = store.terms(tmp_path), named(store, "moving", "stable")
    first = pushed(terms, tag, "pack", DATA, title="desk.gtpack")
    before = len(store.asked)
    assert (refused(terms, tag).code, len(store.asked)) == ("oci_tag_refused", before)
    going = msgspec.structs.replace(terms, has_tags=True)
    assert fetched(going, tag, "pack").reference == first
    second = pushed(terms, tag, "pack", DATA + b"2", title="desk.gtpack")
    assert fetched(going, tag, "pack").reference == second != first
    assert fetched(terms, first, "pack").data == DATA
    offline = msgspec.structs.replace(going, is_offline=True)
    kept = fetched(offline, tag, "pack")
    assert (kept.reference, kept.is_cached) == (second, True)
    assert kept.warning is not None
    assert kept.warning.code == "pack_unreachable"


@pytest.mark.req("GRE-40.5")
def test_offline_what_was_fetched_is_there_and_nobody_is_asked(store: Store, tmp_path: Path) -> None:
    terms = store.terms(tmp_path)
    pinned = pushed(terms, named(store, "offline"), "pack", DATA, title="desk.gtpack")
    offline = msgspec.structs.replace(terms, is_offline=True)
    before = len(store.asked)
    told = refused(offline, pinned)
    assert (told.code, told.kind, len(store.asked)) == ("pack_unreachable", "unavailable", before)
    fetched(terms, pinned, "pack")
    assert fetched(offline, pinned, "pack").data == DATA


@pytest.mark.req("GRE-40.5")
def test_a_registry_that_does_not_answer_matters_only_for_what_is_not_kept(tmp_path: Path) -> None:
    folder = tmp_path / "registry"
    folder.mkdir()
    with ExitStack() as stack:
        store = stack.enter_context(running(folder))
        terms = store.terms(tmp_path)
        pinned = pushed(terms, named(store), "pack", DATA, title="desk.gtpack")
        fetched(terms, pinned, "pack")
    assert fetched(terms, pinned, "pack").data == DATA
    assert refused(terms, pinned.pinned("sha256:" + "0" * 64)).code == "pack_unreachable"


def flipped(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:]


def cut(data: bytes) -> bytes:
    return data[:-1]


@pytest.mark.req("GRE-40.6")
def test_a_byte_that_differs_in_the_registry_is_found_and_nothing_is_kept(store: Store, tmp_path: Path) -> None:
    terms = store.terms(tmp_path)
    for ending, spoil in ((b"flipped", flipped), (b"cut", cut)):
        data = DATA + ending
        pinned = pushed(terms, named(store, ending.decode()), "pack", data, title="desk.gtpack")
        blob = store.blob(digest_of(data))
        blob.write_bytes(spoil(blob.read_bytes()))
        assert refused(terms, pinned).code in ("oci_digest_differs", "pack_unreachable")
        assert list(Cache(terms.cache).entries()) == []
    pinned = pushed(terms, named(store, "manifest"), "pack", DATA + b"m", title="desk.gtpack")
    manifest = store.blob(pinned.digest)
    manifest.write_bytes(manifest.read_bytes().replace(b'"schemaVersion":2', b'"schemaVersion":3'))
    assert refused(terms, pinned).code in ("oci_digest_differs", "pack_unreachable")


@pytest.mark.req("GRE-40.7")
@pytest.mark.parametrize("name", ["pack.gtpack", "manifest.json", "metadata.json"])
def test_a_byte_that_differs_in_the_cache_is_fetched_anew_or_refused_offline(
    store: Store, tmp_path: Path, name: str
) -> None:
    terms = store.terms(tmp_path)
    pinned = pushed(terms, named(store, "spoilt-here"), "pack", DATA, title="desk.gtpack")
    fetched(terms, pinned, "pack")
    file = tmp_path / "cache" / pinned.digest.removeprefix("sha256:") / name
    whole = file.read_bytes()
    for spoilt in (flipped(whole), cut(whole), b""):
        file.write_bytes(spoilt)
        assert refused(msgspec.structs.replace(terms, is_offline=True), pinned).code == "pack_unreachable"
        again = fetched(terms, pinned, "pack")
        assert (again.data, again.is_cached, file.read_bytes()) == (DATA, False, whole)
    file.unlink()
    assert fetched(terms, pinned, "pack").data == DATA


@pytest.mark.req("GRE-40.7")
def test_an_entry_of_the_cache_with_another_packs_files_is_none(store: Store, tmp_path: Path) -> None:
    terms = store.terms(tmp_path)
    pins = [pushed(terms, named(store, "swapped", each), "pack", DATA + each.encode(), title="x") for each in "ab"]
    for pinned in pins:
        fetched(terms, pinned, "pack")
    mine, theirs = (tmp_path / "cache" / each.digest.removeprefix("sha256:") for each in pins)
    for file in theirs.iterdir():
        (mine / file.name).write_bytes(file.read_bytes())
    found = fetched(terms, pins[0], "pack")
    assert (found.data, found.is_cached) == (DATA + b"a", False)


@pytest.mark.req("GRE-40.8")
def test_the_cache_lets_go_of_what_was_not_read_for_longest(store: Store, tmp_path: Path) -> None:
    terms = store.terms(tmp_path)
    pins = [
        pushed(terms, named(store, "many", str(each)), "pack", DATA + bytes([each]), title="x") for each in range(4)
    ]
    for age, pinned in zip((10, 20, 30), pins[:3], strict=True):
        fetched(terms, pinned, "pack")
        old = tmp_path / "cache" / pinned.digest.removeprefix("sha256:") / "metadata.json"
        os.utime(old, (age, age))
    assert fetched(terms, pins[0], "pack").is_cached  # which makes it the newest
    small = msgspec.structs.replace(terms, cache_bytes_max=3 * (len(DATA) + 2_000))
    fetched(small, pins[3], "pack")
    left = {each.digest for each in Cache(terms.cache).entries()}
    assert left == {pins[0].digest, pins[2].digest, pins[3].digest}
    fetched(msgspec.structs.replace(terms, cache_bytes_max=1), pins[1], "pack")
    assert {each.digest for each in Cache(terms.cache).entries()} == {pins[1].digest}


_CHILD = """
import sys
from contextlib import suppress
from pathlib import Path
from lichen.packs.fetching.fetch import fetched
from lichen.packs.fetching.references import reference_in
from lichen.packs.fetching.terms import Terms
from lichen.settings.packs.registries import RegistryHost
reference = reference_in(sys.argv[1])
terms = Terms(Path(sys.argv[2]), registries=(RegistryHost(reference.host, insecure=True),))
for _ in range(6):
    assert len(fetched(terms, reference, "pack").data) == int(sys.argv[3])
    with suppress(FileNotFoundError):  # the other one is at it
        (terms.cache / reference.digest[7:] / "pack.gtpack").write_bytes(b"spoilt")
"""


@pytest.mark.req("GRE-40.8")
def test_two_processes_that_fetch_and_spoil_the_same_both_have_it_whole(store: Store, tmp_path: Path) -> None:
    pinned = pushed(store.terms(tmp_path), named(store, "both"), "pack", DATA, title="desk.gtpack")
    words = [sys.executable, "-c", _CHILD, str(pinned), str(tmp_path / "cache"), str(len(DATA))]
    both = [subprocess.Popen(words, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for each in both:
        _, told = each.communicate(timeout=60)
        assert each.returncode == 0 or "No such file" in told, told
    assert [each.name for each in (tmp_path / "cache").iterdir()] == [pinned.digest.removeprefix("sha256:")]


@pytest.mark.req("GRE-40.8")
def test_the_cache_lies_where_variables_say_and_else_in_the_accounts(tmp_path: Path) -> None:
    every = {"GREENTIC_PACK_CACHE_DIR": "/a", "LICHEN_CACHE": "/b", "XDG_CACHE_HOME": "/c", "HOME": "/d"}
    expected = ["/a", "/b", "/c/lichen/packs", "/d/.cache/lichen/packs"]
    for number, where in enumerate(expected):
        assert cache_root(dict(list(every.items())[number:]), tmp_path) == Path(where)
    assert cache_root({"GREENTIC_HOME": "/g"}, tmp_path) == Path("/g/cache/packs")
    assert cache_root({}, tmp_path) == tmp_path / "cache" / "packs"
    said = terms_of(None, {"GREENTIC_DIST_OFFLINE": "1", "GREENTIC_CACHE_MAX_BYTES": "7"})
    assert (said.is_offline, said.cache_bytes_max) == (True, 7)


# -- who we are ------------------------------------------------------------------------------------------------------


def known(store: Store, **more: Any) -> RegistryHost:
    return RegistryHost(store.host, NAME, "env:REGISTRY_PASSWORD", insecure=True, **more)


@pytest.mark.req("GRE-41.1")
def test_a_private_registry_takes_a_name_and_its_password_and_nobody_else(closed: Store, tmp_path: Path) -> None:
    terms = closed.terms(tmp_path, said=known(closed), environ=ENV)
    pinned = pushed(terms, named(closed), "pack", DATA, title="desk.gtpack")
    assert fetched(terms, pinned, "pack").data == DATA
    nobody = closed.terms(tmp_path / "other")
    assert refused(nobody, pinned).code == "oci_denied"
    wrong = msgspec.structs.replace(terms, cache=tmp_path / "none", environ={"REGISTRY_PASSWORD": "wrong-word"})
    told = refused(wrong, pinned)
    assert (told.code, "wrong-word" in str(told)) == ("oci_denied", False)
    unset = msgspec.structs.replace(terms, cache=tmp_path / "none", environ={})
    told = refused(unset, pinned)
    assert (told.code, "REGISTRY_PASSWORD" in told.next_step) == ("oci_credentials_missing", True)


@pytest.mark.req("GRE-41.1")
def test_what_docker_login_wrote_counts_where_the_settings_say_nothing(closed: Store, tmp_path: Path) -> None:
    auth = base64.b64encode(f"{NAME}:{PASSWORD}".encode()).decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {closed.host: {"auth": auth}}}))
    terms = closed.terms(tmp_path, environ={"DOCKER_CONFIG": str(tmp_path)})
    pinned = pushed(terms, named(closed, "by-docker"), "pack", DATA, title="desk.gtpack")
    assert fetched(terms, pinned, "pack").data == DATA
    for broken in ("{", "[]", '{"auths": 7}', json.dumps({"auths": {closed.host: {"auth": "="}}})):
        (tmp_path / "config.json").write_text(broken)
        assert refused(msgspec.structs.replace(terms, cache=tmp_path / "none"), pinned).code == "oci_denied"


@pytest.mark.req("GRE-41.2")
def test_a_registry_that_wants_tokens_is_shown_one_for_the_repository_alone(tmp_path: Path) -> None:
    folder = tmp_path / "registry"
    folder.mkdir()
    tokens = Tokens(folder)
    with answering(tokens.answer) as giving, running(folder, auth=tokens.auth(f"http://{giving.host}/token")) as store:
        said = known(store, realms=(giving.host,))
        terms = store.terms(tmp_path, said=said, environ=ENV)
        pinned = pushed(terms, named(store), "pack", DATA, title="desk.gtpack")
        assert fetched(terms, pinned, "pack").data == DATA
        scopes = [each.path.partition("scope=")[2].partition("&")[0] for each in giving.asked]
        assert scopes == ["repository%3Aacme%2Fdesk%3Apull%2Cpush", "repository%3Aacme%2Fdesk%3Apull"]
        wrong = msgspec.structs.replace(terms, cache=tmp_path / "none", environ={"REGISTRY_PASSWORD": "wrong-word"})
        assert refused(wrong, pinned).code == "oci_denied"
        renewing = {"auths": {store.host: {"identitytoken": tokens.RENEWAL}}}
        (tmp_path / "config.json").write_text(json.dumps(renewing))
        by_docker = RegistryHost(store.host, insecure=True, realms=(giving.host,))
        other = store.terms(tmp_path / "o", said=by_docker, environ={"DOCKER_CONFIG": str(tmp_path)})
        assert fetched(other, pinned, "pack").data == DATA
        given_before = msgspec.structs.replace(
            terms,
            cache=tmp_path / "given",
            registries=(RegistryHost(store.host, token="env:TOKEN", insecure=True),),
            environ={"TOKEN": tokens.made("repository", "acme/desk", ["pull"])},
        )
        assert fetched(given_before, pinned, "pack").data == DATA


# -- registries that mean harm ---------------------------------------------------------------------------------------


def front_terms(front: Front, folder: Path, **more: Any) -> Terms:
    said = RegistryHost(front.host, NAME, "env:REGISTRY_PASSWORD", insecure=True, **more)
    return Terms(folder / "cache", folder, registries=(said,), environ=ENV)


def secrets_in(front: Front) -> list[str]:
    """What of ours a server was shown."""
    return [each.headers["authorization"] for each in front.asked if "authorization" in each.headers]


@pytest.mark.req("GRE-41.3")
def test_a_password_is_shown_to_nobody_that_only_the_registry_names(tmp_path: Path) -> None:
    with answering(lambda _: Said(200, b'{"token": "x"}')) as attacker:
        challenge = ""
        with answering(lambda _: Said(401, headers={"WWW-Authenticate": challenge})) as registry:
            for realm in (
                f"http://{attacker.host}/token",
                f"http://{registry.host}@{attacker.host}/token",
                f"http://{attacker.host}#{registry.host}/token",
                f"http://localhost:{attacker.port}/",
                f"http://{attacker.host}\\@{registry.host}/",
                "https://evil.example/token",
                "file:///etc/passwd",
                "//evil.example",
            ):
                challenge = f'Bearer realm="{realm}",service="s",scope="repository:x:pull"'
                code = refused(front_terms(registry, tmp_path), named(registry).pinned("sha256:" + "0" * 64)).code
                assert code in ("oci_realm_refused", "oci_redirect_refused", "oci_denied"), realm
        assert attacker.asked == []


FAR, HERE = Endpoint("https", "registry.example", 443), Endpoint("http", "127.0.0.1", 5000)


@pytest.mark.req("GRE-41.3")
@pytest.mark.parametrize(
    ("endpoint", "realm", "is_taken"),
    [
        (FAR, "https://registry.example/token", True),
        (FAR, "https://auth.example:8443/token", True),
        (FAR, "https://auth.example/token", False),
        (FAR, "http://registry.example/token", False),
        (FAR, "http://registry.example:443/token", False),
        (FAR, "http://auth.example:8443/token", False),
        (FAR, "http://127.0.0.1:5000/token", False),
        (HERE, "http://127.0.0.1:5000/token", True),
        (HERE, "http://127.0.0.1:5001/token", False),
        (HERE, "http://auth.example:8443/token", False),
    ],
)
def test_a_realm_is_the_registrys_own_or_one_that_was_named_and_never_out_of_tls(
    endpoint: Endpoint, realm: str, is_taken: bool
) -> None:
    said = RegistryHost("registry.example", realms=("auth.example:8443",))
    if is_taken:
        check_realm(Challenge("bearer", realm), said, endpoint)
        return
    with pytest.raises(LichenError) as told:
        check_realm(Challenge("bearer", realm), said, endpoint)
    assert told.value.code == "oci_realm_refused"


@pytest.mark.req("GRE-41.3")
def test_a_redirect_is_followed_for_a_blob_without_our_word_and_not_for_a_manifest(tmp_path: Path) -> None:
    manifest = made_for("pack", DATA, "desk.gtpack")
    pinned_digest = digest_of(manifest)
    with answering(lambda _: Said(200, DATA)) as storage:

        def answer(asked: Asked) -> Said:
            if "authorization" not in asked.headers:
                return Said(401, headers={"WWW-Authenticate": 'Basic realm="x"'})
            if "/blobs/" in asked.path:
                return Said(307, headers={"Location": f"http://{storage.host}/data?signature=1"})
            return Said(200, manifest, {"Content-Type": IMAGE})

        with answering(answer) as registry:
            found = fetched(front_terms(registry, tmp_path), named(registry).pinned(pinned_digest), "pack")
            assert (found.data, secrets_in(storage)) == (DATA, [])

        def moved(_: Asked) -> Said:
            return Said(307, headers={"Location": f"http://{storage.host}/"})

        with answering(moved) as registry:
            before = len(storage.asked)
            told = refused(front_terms(registry, tmp_path / "o"), named(registry).pinned(pinned_digest))
            assert (told.code, len(storage.asked)) == ("pack_unreachable", before)


@pytest.mark.req("GRE-41.3")
@pytest.mark.parametrize("to", ["ftp://x/", "http://evil.example/x", "file:///etc/passwd", "http://[", "/v2/loop"])
def test_a_redirect_out_of_tls_or_to_nowhere_is_refused(tmp_path: Path, to: str) -> None:
    manifest = made_for("pack", DATA, "desk.gtpack")

    def answer(asked: Asked) -> Said:
        is_manifest = "/manifests/" in asked.path
        return Said(200, manifest, {"Content-Type": IMAGE}) if is_manifest else Said(302, headers={"Location": to})

    with answering(answer) as registry:
        told = refused(front_terms(registry, tmp_path), named(registry).pinned(digest_of(manifest)))
        assert told.code == "oci_redirect_refused"
        assert len(registry.asked) < 10


def serving(manifest: bytes, blob: Said, media: str = IMAGE) -> Callable[[Asked], Said]:
    """What a registry says that has one manifest and one blob."""

    def answer(asked: Asked) -> Said:
        return Said(200, manifest, {"Content-Type": media}) if "/manifests/" in asked.path else blob

    return answer


@pytest.mark.req("GRE-40.9")
@pytest.mark.parametrize(
    ("blob", "code"),
    [
        (Said(200, DATA[:-1]), "oci_digest_differs"),
        (Said(200, DATA + b"x" * 100_000), "oci_reply_invalid"),
        (Said(200, DATA[:10], says=len(DATA)), "pack_unreachable"),
        (Said(200, DATA, {"Content-Encoding": "gzip"}), "oci_reply_invalid"),
        (Said(404), "oci_unknown"),
        (Said(500, b"secret words"), "pack_unreachable"),
        (Said(403), "oci_denied"),
    ],
)
def test_a_blob_that_is_not_what_the_manifest_says_is_not_kept(tmp_path: Path, blob: Said, code: str) -> None:
    manifest = made_for("pack", DATA, "desk.gtpack")
    with answering(serving(manifest, blob)) as registry:
        terms = front_terms(registry, tmp_path)
        told = refused(terms, named(registry).pinned(digest_of(manifest)))
        assert (told.code, "secret words" in str(told)) == (code, False)
        assert list(Cache(terms.cache).entries()) == []


def layered(*layers: dict[str, Any], **more: Any) -> bytes:
    config = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest_of(b"{}"), "size": 2}
    return json.dumps({"schemaVersion": 2, "mediaType": IMAGE, "config": config, "layers": layers, **more}).encode()


LAYER = {"mediaType": PACK, "digest": digest_of(DATA), "size": len(DATA)}


@pytest.mark.req("GRE-40.9")
@pytest.mark.parametrize(
    ("manifest", "media", "code"),
    [
        (b'{"schemaVersion": 2, "manifests": []}', INDEX, "oci_manifest_list"),
        (b'{"schemaVersion": 2, "manifests": []}', IMAGE, "oci_manifest_list"),
        (layered(LAYER, manifests=[]), IMAGE, "oci_manifest_list"),
        (layered(LAYER), "application/vnd.docker.distribution.manifest.v1+json", "oci_manifest_invalid"),
        (layered(LAYER, mediaType="application/json"), IMAGE, "oci_manifest_invalid"),
        (layered(LAYER, schemaVersion=1), IMAGE, "oci_manifest_invalid"),
        (layered({**LAYER, "digest": "sha256:../../x"}), IMAGE, "oci_manifest_invalid"),
        (layered({**LAYER, "size": -1}), IMAGE, "oci_manifest_invalid"),
        (layered(*[LAYER] * 65), IMAGE, "oci_manifest_invalid"),
        (b"[" * 100_000, IMAGE, "oci_manifest_invalid"),
        (b"\xff\xfe", IMAGE, "oci_manifest_invalid"),
        (layered(), IMAGE, "oci_layer_missing"),
        (layered({**LAYER, "mediaType": "application/vnd.helm.chart.v1+tar"}), IMAGE, "oci_layer_missing"),
        (layered({**LAYER, "size": BYTES_MAX["pack"] + 1}), IMAGE, "oci_layer_too_large"),
        (b"x" * (4 * 1024 * 1024 + 1), IMAGE, "oci_reply_invalid"),
    ],
)
def test_a_manifest_that_is_none_is_refused_before_anything_more_is_asked(
    tmp_path: Path, manifest: bytes, media: str, code: str
) -> None:
    with answering(serving(manifest, Said(200, DATA), media)) as registry:
        told = refused(front_terms(registry, tmp_path), named(registry).pinned(digest_of(manifest)))
        assert (told.code, len(registry.asked)) == (code, 1)


@pytest.mark.req("GRE-40.9")
def test_the_layer_that_says_it_is_a_pack_is_taken_before_others(tmp_path: Path) -> None:
    other = {"mediaType": "application/octet-stream", "digest": digest_of(b"readme"), "size": 6}
    manifest = layered(other, LAYER)
    with answering(serving(manifest, Said(200, DATA))) as registry:
        found = fetched(front_terms(registry, tmp_path), named(registry).pinned(digest_of(manifest)), "pack")
        assert found.data == DATA


@pytest.mark.req("GRE-40.10")
def test_only_a_registry_of_this_machine_is_asked_without_tls_and_only_where_that_is_said(
    store: Store, tmp_path: Path
) -> None:
    far = Terms(tmp_path, registries=(RegistryHost("registry.example:5000", insecure=True),))
    assert refused(far, Reference("registry.example:5000", "desk", "", "sha256:" + "0" * 64)).code == (
        "oci_insecure_refused"
    )
    unsaid = store.terms(tmp_path, said=RegistryHost(store.host))
    pinned = pushed(store.terms(tmp_path), named(store), "pack", DATA, title="desk.gtpack")
    assert refused(unsaid, pinned).code == "pack_unreachable"
    variable = {"GREENTIC_DIST_ALLOW_INSECURE_LOCAL_HTTP": "1"}
    assert fetched(Terms(tmp_path / "o", environ=variable), pinned, "pack").data == DATA


@pytest.mark.req("GRE-40.10")
def test_a_registry_over_tls_is_believed_by_the_certificates_that_are_named_for_it(tmp_path: Path) -> None:
    (tmp_path / "registry").mkdir()
    tls, ca = with_tls(tmp_path / "registry")
    with running(tmp_path / "registry", tls=tls) as store:
        terms = store.terms(tmp_path, said=RegistryHost(store.host, ca=str(ca)))
        pinned = pushed(terms, named(store), "pack", DATA, title="desk.gtpack")
        assert fetched(terms, pinned, "pack").data == DATA
        others = (
            (RegistryHost(store.host), "pack_unreachable"),
            (RegistryHost(store.host, ca="no.pem"), "oci_ca_invalid"),
        )
        for said, code in others:
            assert refused(store.terms(tmp_path / "o", said=said), pinned).code == code


@pytest.mark.req("GRE-41.3")
@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "0.0.0.0", "169.254.169.254", "fe80::1"]
)
def test_no_registry_elsewhere_leads_us_into_this_machine(host: str) -> None:
    with pytest.raises(LichenError) as told:
        check_outside(host, 443)
    assert told.value.code == "oci_redirect_refused"
    check_outside("192.0.2.7", 443)


@pytest.mark.req("GRE-40.9")
@given(st.binary(max_size=400) | st.text(max_size=400).map(str.encode), st.sampled_from((IMAGE, INDEX, "")))
def test_whatever_a_registry_says_is_taken_or_refused_by_a_code(data: bytes, media: str) -> None:
    challenge_in(data.decode("latin-1"))
    challenge_in('Bearer realm="' + data.decode("latin-1"))
    with suppress(LichenError):
        read_artifact(data, media)


@pytest.mark.req("GRE-41.2")
@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('Bearer realm="https://a/t",service="s",scope="x"', Challenge("bearer", "https://a/t", "s")),
        ('bearer service=s, realm="https://a/t?x=1,2"', Challenge("bearer", "https://a/t?x=1,2", "s")),
        ('Basic realm="r", Bearer realm="https://a/t"', Challenge("bearer", "https://a/t", "")),
        ('Basic realm="r"', Challenge("basic", "r")),
        ("Negotiate", Challenge("")),
        ("", Challenge("")),
    ],
)
def test_a_challenge_is_read_as_registries_write_it(header: str, expected: Challenge) -> None:
    assert challenge_in(header) == expected


@pytest.mark.req("GRE-40.10")
def test_nothing_is_pushed_to_a_digest_or_beyond_the_bound_or_offline(store: Store, tmp_path: Path) -> None:
    terms = store.terms(tmp_path)
    for reference, more, code in (
        (named(store).pinned("sha256:" + "0" * 64), {}, "oci_push_by_digest"),
        (named(store), {"is_offline": True}, "pack_unreachable"),
    ):
        with pytest.raises(LichenError) as told:
            pushed(msgspec.structs.replace(terms, **more), reference, "pack", DATA, title="x")
        assert told.value.code == code
