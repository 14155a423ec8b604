"""It works however it is served: in chunks, after redirections, by other certificates, behind a door with a lock."""

from __future__ import annotations

import pytest

from bench.ota import Draft, Ota
from bench.ota.words import DOWNLOADED
from bench.server import (
    Abrupt,
    Chunked,
    Credentials,
    CrossSigned,
    Detour,
    Drip,
    Fault,
    Intermediate,
    Late,
    ManyHeaders,
    NoLength,
    RsaCertificate,
    Status,
    TlsOnly,
    Token,
)
from bench.timeline import ABORT, FINISH, UPDATE_BOOT_PARTITION, forbid, happened, said


def installs(ota: Ota, draft: Draft) -> None:
    """The whole way from START to the new version, with nothing that says ABORT."""
    ota.start(draft)
    ota.expect(*DOWNLOADED, UPDATE_BOOT_PARTITION(slot=ota.other_slot), FINISH, forbid(ABORT))
    ota.expect_updated(version="2")
    assert ota.slots[ota.other_slot].version == "2"
    assert ota.slots[ota.first_slot].version == "1"


SERVED = {
    "chunked": (Chunked(),),
    "dripping": (Drip(piece=1000),),
    "late_by_less_than_the_timeout": (Late(seconds=0.1),),
    "many_headers": (ManyHeaders(size=8192),),
    "tls_1_2": (TlsOnly("1.2"),),
    "rsa": (RsaCertificate(),),
    "intermediate": (Intermediate(),),
    "cross_signed": (CrossSigned(),),
}


@pytest.mark.covers("advanced_https_ota: chunked")
@pytest.mark.parametrize("faults", SERVED.values(), ids=SERVED.keys())
def test_an_update_served_in_another_way_is_installed(ota: Ota, release: Draft, faults: tuple[Fault, ...]) -> None:
    """What a server may rightly do does not keep an update from being installed, and is no error to the board."""
    installs(ota, release.version("2").served(*faults))

    ota.expect_fault(faults[0].name)
    ota.expect_absent(said(level="E"))


@pytest.mark.firmware(app="native_ota")
def test_native_ota_installs_an_image_that_comes_in_chunks(ota: Ota, release: Draft) -> None:
    """Where the application reads the body itself, chunks make no difference either."""
    ota.start(release.version("2").served(Chunked()))

    ota.expect_updated(version="2")
    ota.expect_fault("chunked")
    ota.expect_absent(said(level="E"))


@pytest.mark.firmware(config=("MBEDTLS_SSL_PROTO_TLS1_3",))
def test_a_server_of_tls_1_3_alone_serves_firmware_that_speaks_it(ota: Ota, release: Draft) -> None:
    """Firmware with TLS 1.3 compiled in updates itself from a server that speaks nothing else."""
    installs(ota, release.version("2").served(TlsOnly("1.3")))

    ota.expect_seen(happened("server", "tls", ok=True, version="TLSv1.3"))


@pytest.mark.covers("simple_ota: tls1_3", "simple_ota: tls1_2_dynamic")
@pytest.mark.firmware(app="simple_ota", config=("MBEDTLS_SSL_PROTO_TLS1_3",))
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_simple_ota_speaks_both_versions_of_tls(ota: Ota, release: Draft, version: str) -> None:
    """The smallest example, with TLS 1.3 compiled in, updates itself from a server of either version."""
    ota.start(release.version("2").served(TlsOnly(version)))

    ota.expect_updated(version="2")
    ota.expect_seen(happened("server", "tls", ok=True, version=f"TLSv{version}"))
    ota.expect_absent(said(level="E"))


@pytest.mark.firmware(until="v6.0")  # v6.0 and v6.0.1 open a new connection whenever they ask again
@pytest.mark.covers("advanced_https_ota: redirect_url")
@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed(ota: Ota, release: Draft, code: int) -> None:
    """Every kind of redirection leads to the image, on the connection that is open already."""
    installs(ota, release.version("2").served(Detour(code=code)))

    assert ota.answers() == [code, 200]
    assert ota.connections() == 1


@pytest.mark.parametrize("form", ["url", "path"])
def test_two_redirects_are_followed(ota: Ota, release: Draft, form: str) -> None:
    """Two hops, named by whole URLs or by paths, lead to the image."""
    installs(ota, release.version("2").served(Detour(hops=2, form=form)))

    assert ota.answers() == [302, 302, 200]


@pytest.mark.parametrize("end", [(NoLength(),), (NoLength(), Abrupt())], ids=["closed", "cut"])
def test_an_image_without_a_length_is_installed(ota: Ota, release: Draft, end: tuple[Fault, ...]) -> None:
    """A body that ends with its connection is whole, whether TLS says goodbye or not."""
    installs(ota, release.version("2").served(*end))

    ota.expect_fault("no-length")


def test_a_good_image_is_installed_although_tls_does_not_say_goodbye(ota: Ota, release: Draft) -> None:
    """All bytes that were announced have come: that no close_notify follows is no loss."""
    installs(ota, release.version("2").served(Abrupt()))

    ota.expect_fault("abrupt")


@pytest.mark.parametrize("scheme", ["Basic", "Digest"])
@pytest.mark.firmware(config=("ESP_HTTP_CLIENT_ENABLE_BASIC_AUTH", "ESP_HTTP_CLIENT_ENABLE_DIGEST_AUTH"))
def test_credentials_in_the_url_open_the_door(ota: Ota, release: Draft, scheme: str) -> None:
    """Firmware with HTTP authentication answers the challenge with what its URL holds, and tells it nobody else."""
    door = Credentials(scheme)
    installs(ota, release.version("2").served(door))

    assert ota.answers() == [401, 200]
    ota.expect_untold(door.password)


def test_a_token_in_the_url_is_sent_as_it_stands(ota: Ota, release: Draft) -> None:
    """The query of the URL is part of what the board asks for."""
    installs(ota, release.version("2").served(Token()))

    assert ota.answers() == [200]


def test_an_update_succeeds_after_the_server_was_unavailable(ota: Ota, release: Draft) -> None:
    """503 once, and the next attempt, after a reset, finds the same URL good."""
    put_up = ota.start(release.version("2").served(Status(503, times=1)))
    ota.expect_refused("Server error (503)")

    ota.start_again(put_up)
    ota.expect_boot_after_update(version="2")
