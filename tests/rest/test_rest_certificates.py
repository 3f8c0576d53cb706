"""Certificates of operators: made once, for clients only, and refused when they are expired, revoked, foreign or for another use. The
client is the real curl."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from crowbar_tui.cli import main
from engine.api.http_client import HttpApiError, HttpClient
from engine.api.http_client import Refusal as Refused
from engine.files.key_file import KeyFileError
from engine.files.paths import keys_beside
from engine.rehearsal.session import _free_lane
from engine.rest.calls import Refusal
from engine.rest.logins import Logins
from engine.runtime.config import Config
from engine.runtime.engine import Engine
from engine.serve import ServiceError
from engine.trust.certificates import MOST, Certificates, Credential, certificates, make_certificate, revoke_certificates
from engine.trust.operators import Operators, make_token
from engine.wire.reach import Reach

ENDED = (35, 52, 55, 56)
"""Exit codes of curl for a connection that ends without an answer."""
curl = pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")


@pytest.fixture()
def engine(store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine whose API is on the admin network, by TLS."""
    monkeypatch.setenv("CROWBAR_BMC_PASSWORD", "rehearsal")
    lane = _free_lane("10.0.0.1", str(store))
    made = Engine(Config(store=store, keys=keys_beside(store), api="10.0.0.5:8443", reach=Reach(lane)))
    made.start()
    yield made
    made.stop()


def site(engine: Engine) -> str:
    host, port = engine.config.reach("10.0.0.5", 8443)
    return f"https://{host}:{port}"


def certified(store: Path, folder: Path, name: str = "alice", days: int = 30) -> tuple[Path, Path]:
    assert main(["--store", str(store), "api", "certificate", name, "--days", str(days), "-o", str(folder)]) == 0
    return folder / f"{name}.crt", folder / f"{name}.key"


def answer(engine: Engine, *options: str) -> tuple[int, dict[str, object]]:
    """curl's exit code and the body. ENDED: the handshake failed."""
    ca = engine.config.keys / "ca.crt"
    command = ["curl", "-sS", "--max-time", "60", "--cacert", str(ca), *options, f"{site(engine)}/api/v1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return done.returncode, json.loads(done.stdout) if done.stdout else {}


def shown(pair: tuple[Path, Path]) -> tuple[str, ...]:
    return "--cert", str(pair[0]), "--key", str(pair[1])


@curl
def test_curl_shows_a_certificate_until_it_is_revoked(engine: Engine, store: Path, tmp_path: Path) -> None:
    pair = certified(store, tmp_path / "out")
    code, body = answer(engine, *shown(pair))
    assert (code, body["user"]) == (0, "alice")
    assert answer(engine)[1]["code"] == "no_token"
    assert main(["--store", str(store), "api", "revoke", "alice"]) == 0
    assert answer(engine, *shown(pair))[1]["code"] == "certificate_revoked"
    token = tmp_path / "token"
    token.write_text(f'header = "Authorization: Bearer {make_token(keys_beside(store), "alice", 1.0)}"\n')
    assert answer(engine, "--config", str(token))[1]["user"] == "alice"
    assert answer(engine, "--config", str(token), *shown(pair))[1]["code"] == "certificate_revoked", "a good token does not help"


@curl
def test_an_expired_certificate_gets_a_reason(engine: Engine, store: Path, tmp_path: Path) -> None:
    keys, files = keys_beside(store), tmp_path / "out"
    files.mkdir()

    def keep(made: Credential) -> None:
        (files / "old.crt").write_bytes(made.certificate)
        (files / "old.key").write_bytes(made.key)

    make_certificate(keys, "alice", 1, time.time() - 3 * 86400, keep)
    told = subprocess.run(
        ["openssl", "x509", "-checkend", "0", "-noout", "-in", str(files / "old.crt")], capture_output=True, text=True, timeout=60
    )
    assert "will expire" in told.stdout, "openssl too says that it has expired"
    _, body = answer(engine, *shown((files / "old.crt", files / "old.key")))
    assert (body["code"], body["fields"]["operator"]) == ("certificate_expired", "alice")  # type: ignore[index]


def forged(folder: Path, keys: Path | None, usage: x509.ObjectIdentifier, name: str) -> tuple[Path, Path]:
    """A certificate by the authority in `keys` (`operators` or `ca`), or by an authority of its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer, issuer = key, subject
    if keys is not None:
        found = serialization.load_pem_private_key(keys.with_suffix(".key").read_bytes(), None)
        assert isinstance(found, ec.EllipticCurvePrivateKey)
        signer, issuer = found, x509.load_pem_x509_certificate(keys.with_suffix(".crt").read_bytes()).subject
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=True)
        .sign(signer, hashes.SHA256())
    )
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / f"{name}.crt", folder / f"{name}.key"


@curl
def test_what_the_operators_authority_did_not_sign_for_a_client_ends_the_handshake(engine: Engine, store: Path, tmp_path: Path) -> None:
    keys, client, server = keys_beside(store), ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
    foreign = forged(tmp_path / "f", None, client, "alice")
    of_site = forged(tmp_path / "f", keys / "ca", client, "bob")
    for_servers = forged(tmp_path / "f", keys / "operators", server, "carol")
    unlisted = forged(tmp_path / "f", keys / "operators", client, "dave")
    engines_own = (keys / "api.pem", keys / "api.pem")
    for pair in (foreign, of_site, for_servers, engines_own):
        code, body = answer(engine, *shown(pair))
        assert code in ENDED, (pair, code)
        assert body == {}
    assert answer(engine, *shown(unlisted))[1]["code"] == "certificate_revoked", "the list decides, not the signature"
    counters = engine.api.shown()["counters"]
    assert (counters["refused_certificate_foreign"], counters["refused_certificate_use"]) == (3, 1)


def test_an_operators_certificate_is_no_servers(store: Path, engine: Engine, tmp_path: Path) -> None:
    """A node that trusts the site's authority would never take an operator's certificate for the engine."""
    pair = certified(store, tmp_path / "out")
    site_ca, theirs = engine.config.keys / "ca.crt", engine.config.keys / "operators.crt"
    for ca, purpose in ((site_ca, "sslclient"), (site_ca, "sslserver"), (theirs, "sslserver")):
        told = subprocess.run(["openssl", "verify", "-purpose", purpose, "-CAfile", str(ca), str(pair[0])], capture_output=True, timeout=60)
        assert told.returncode != 0
    good = subprocess.run(
        ["openssl", "verify", "-purpose", "sslclient", "-CAfile", str(theirs), str(pair[0])], capture_output=True, timeout=60
    )
    assert good.returncode == 0
    loaded = ssl.create_default_context(cafile=site_ca)
    loaded.load_cert_chain(*pair)


def test_the_python_client_takes_a_certificate(engine: Engine, store: Path, tmp_path: Path) -> None:
    pair, ca = certified(store, tmp_path / "out"), tmp_path / "out" / "ca.crt"
    with HttpClient(site(engine), ca=ca, certificate=pair) as client:
        assert client.about()["user"] == "alice"
        revoke_certificates(keys_beside(store), "alice")
        with pytest.raises(Refused) as error:
            client.about()  # the same connection
        assert (error.value.status, error.value.reason.code) == (401, "certificate_revoked")
    foreign = forged(tmp_path / "f", None, ExtendedKeyUsageOID.CLIENT_AUTH, "eve")
    with HttpClient(site(engine), ca=ca, certificate=foreign) as client, pytest.raises(HttpApiError, match="may not accept the client"):
        client.about()
    with pytest.raises(HttpApiError, match="takes no certificate"):
        HttpClient("http://127.0.0.1:1", certificate=pair)


def test_the_command_writes_a_private_key_for_its_owner_and_replaces_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, out = tmp_path / "store", tmp_path / "out"

    def crowbar(*words: str) -> tuple[int, str, str]:
        code = main(["--store", str(store), *words])
        return code, *capsys.readouterr()

    assert "start an engine on this store first" in crowbar("api", "certificate", "alice", "-o", str(out))[2]
    keys_beside(store).mkdir(0o700)
    code, told, note = crowbar("api", "certificate", "alice", "-o", str(out))
    assert code == 0
    assert (out / "alice.key").stat().st_mode & 0o777 == 0o600
    secret = (out / "alice.key").read_text().splitlines()[1]
    assert secret not in told + note
    assert all(secret not in one.read_text() for one in keys_beside(store).iterdir())
    code, _, error = crowbar("api", "certificate", "alice", "-o", str(out))
    assert (code, "exists: move it away" in error) == (2, True)
    assert len(certificates(keys_beside(store))) == 1, "what was not written does not count"
    for words, said in (
        (("../x",), "cannot name an operator"),
        (("bob", "--days", "0"), "1 to 3650"),
        (("bob", "--days", "9999"), "1 to 3650"),
    ):
        code, _, error = crowbar("api", "certificate", *words, "-o", str(out))
        assert (code, said in error) == (2, True)
    (tmp_path / "file").write_text("")
    assert "cannot write into" in crowbar("api", "certificate", "bob", "-o", str(tmp_path / "file"))[2]
    assert crowbar("api", "token", "alice")[0] == 0
    _, listed, _ = crowbar("api", "list")
    assert [line.split()[:2] for line in listed.splitlines()] == [["alice", "token"], ["alice", "certificate"]]
    rows = [json.loads(line) for line in crowbar("api", "list", "--json")[1].splitlines()]
    assert [(row["kind"], row["name"]) for row in rows] == [("token", "alice"), ("certificate", "alice")]
    assert not rows[1]["expired"]
    assert crowbar("api", "revoke", "alice")[1] == "revoked the token of alice\nrevoked 1 certificate of alice\n"
    assert crowbar("api", "revoke", "alice")[0] == 1


def status(logins: Logins, *headers: str, certificate: bytes = b"") -> str:
    try:
        return logins.caller("a", headers, certificate)
    except Refusal as refusal:
        return refusal.reason.code


def made(folder: Path, name: str, days: int = 1, now: float = 1000.0) -> bytes:
    out: list[Credential] = []
    make_certificate(folder, name, days, now, out.append)
    return x509.load_pem_x509_certificate(out[0].certificate).public_bytes(serialization.Encoding.DER)


def test_which_proofs_are_enough(tmp_path: Path) -> None:
    alice, bob = made(tmp_path, "alice"), made(tmp_path, "bob", days=2)
    token = f"Bearer {make_token(tmp_path, 'alice', 1.0)}"
    wall = [1000.0]

    def logins(both: bool) -> Logins:
        return Logins(Operators(tmp_path), Certificates(tmp_path), both, wall=lambda: wall[0])

    either, both = logins(False), logins(True)
    assert status(either, token) == status(either, certificate=alice) == status(either, token, certificate=alice) == "alice"
    assert status(either, certificate=bob) == "bob"
    assert status(either, token, certificate=bob) == "two_operators"
    assert status(either, "Bearer crowbar_x", certificate=alice) == "no_token", "what is shown must be good"
    assert status(either, certificate=b"x") == "certificate_revoked"
    assert status(both, token, certificate=alice) == "alice"
    assert {status(both, token), status(both, certificate=alice)} == {"needs_both"}
    assert status(both) == "no_token"
    wall[0] += 86400.0
    assert status(either, certificate=alice) == status(either, token, certificate=alice) == "certificate_expired"
    assert status(either, certificate=bob) == "bob"
    assert status(either, token) == "alice"


def test_a_failed_certificate_counts_as_a_failed_login(tmp_path: Path) -> None:
    logins = Logins(Operators(tmp_path), Certificates(tmp_path), clock=lambda: 1.0)
    assert [status(logins, certificate=b"%d" % i) for i in range(12)] == ["certificate_revoked"] * 10 + ["failed_logins"] * 2


def test_expired_certificates_take_no_place_from_valid_ones(tmp_path: Path) -> None:
    rows = [{"name": "old", "sha256": f"{i:064}", "made": 1.0, "until": 500.0 if i else 5000.0} for i in range(MOST)]
    file = tmp_path / "api-certificates.json"
    file.write_text(json.dumps(rows))
    file.chmod(0o600)
    made(tmp_path, "new")
    assert sorted(one.name for one in certificates(tmp_path)) == ["new", "old"]
    full = [row | {"until": 5000.0} for row in rows]
    file.write_text(json.dumps(full))
    with pytest.raises(KeyFileError, match="limit"):
        made(tmp_path, "more")


def test_a_command_that_is_killed_before_the_files_are_there_leaves_nothing_valid(tmp_path: Path) -> None:
    def dies(_: Credential) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_certificate(tmp_path, "alice", 1, 1000.0, dies)
    assert certificates(tmp_path) == ()


def test_both_cannot_be_required_without_tls(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROWBAR_BMC_PASSWORD", "rehearsal")
    reach = Reach(_free_lane("10.0.0.1", str(store)))
    engine = Engine(Config(store=store, keys=keys_beside(store), api="127.0.0.1:0", api_requires_both=True, reach=reach))
    with pytest.raises(ServiceError, match="without TLS"):
        engine.start()


def test_a_resumed_session_of_a_revoked_certificate_is_refused(engine: Engine, store: Path, tmp_path: Path) -> None:
    pair = certified(store, tmp_path / "out")
    context = ssl.create_default_context(cafile=engine.config.keys / "ca.crt")
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # its session is there after the handshake
    context.load_cert_chain(*pair)
    host, port = engine.config.reach("10.0.0.5", 8443)

    def ask(session: ssl.SSLSession | None) -> tuple[bytes, ssl.SSLSession | None, bool | None]:
        with context.wrap_socket(socket.create_connection((host, port), 60), server_hostname=host, session=session) as client:
            client.sendall(b"GET /api/v1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            return client.recv(65536), client.session, client.session_reused

    body, session, _ = ask(None)
    assert b'"alice"' in body + ask(session)[0]
    revoke_certificates(keys_beside(store), "alice")
    body, _, reused = ask(session)
    assert reused
    assert b" 401 " in body.splitlines()[0]
