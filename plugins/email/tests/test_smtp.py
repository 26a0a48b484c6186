"""Real SMTP conversations: what each answer, silence or broken line makes of a message."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from panel.sdk.channels import Deferred, Failed, Outgoing, Sent, Unknown
from panel.sdk.errors import Misconfigured, TryLater
from plugins.email.account import Account
from plugins.email.check import check_account
from plugins.email.smtp import Client
from plugins.email.wires import Connection, Timeouts
from tests.fixtures.smtp import SmtpSink

QUICK = Timeouts(connect=5, greeting=0.4, command=0.4, body=1, body_end=0.4)


def mails(count: int, body: bytes = b"Hi\r\n.dot\r\n..two\r\n") -> list[Outgoing]:
    head = "Message-ID: <m{0}@nava.test>\r\nSubject: x\r\n\r\n"
    return [
        Outgoing(n, f"m{n}@nava.test", f"c{n}@example.org", head.format(n).encode() + body) for n in range(1, count + 1)
    ]


def account_of(sink: SmtpSink, **more: object) -> Account:
    return Account(host=sink.host, port=sink.port, from_address="shalom@nava.test", is_mailbox=False, **more)  # type: ignore[arg-type]


@pytest.fixture
def client(smtp_sink: SmtpSink) -> Iterator[Client]:
    one = Client(account_of(smtp_sink), QUICK)
    yield one
    one.close()


def test_a_batch_arrives_byte_for_byte_over_one_connection(smtp_sink, client, wire):
    batch = mails(20)
    assert client.send(batch, wire) == [Sent(detail="250 2.0.0 accepted")] * 20
    assert [one.content for one in smtp_sink.accepted] == [one.payload for one in batch]
    assert [one.to for one in smtp_sink.accepted] == [(one.address,) for one in batch]
    assert {one.sender for one in smtp_sink.accepted} == {"shalom@nava.test"}
    assert smtp_sink.connections == 1
    assert wire.notes == [note for n in range(1, 21) for note in (f"begin {n}", f"accepted {n}")]


def test_the_connection_is_kept_for_the_next_batch(smtp_sink, client, wire):
    client.send(mails(2), wire)
    client.send(mails(2), wire)
    assert smtp_sink.connections == 1


@pytest.mark.parametrize("phase", ["mail", "rcpt", "data", "body"])
@pytest.mark.parametrize("line", ["450 4.2.0 later", "451 4.7.1 greylisted", "452 4.3.1 full"])
def test_a_temporary_refusal_is_deferred_in_every_phase_and_the_others_go_out(smtp_sink, client, wire, phase, line):
    smtp_sink.refuse(phase, line, times=1)
    results = client.send(mails(3), wire)
    assert isinstance(results[0], Deferred)
    assert line in results[0].detail
    assert [type(one) for one in results[1:]] == [Sent, Sent]
    assert len(smtp_sink.accepted) == 2


@pytest.mark.parametrize(
    ("phase", "line", "code", "suppress"),
    [
        ("rcpt", "550 5.1.1 no such user", "failed_address", True),
        ("rcpt", "550 5.1.10 null MX", "failed_address", True),
        ("rcpt", "550 no such user", "failed_address", False),
        ("rcpt", "552 5.2.2 mailbox full", "failed_address", False),
        ("rcpt", "550 5.7.1 relaying denied", "failed_provider", False),
        ("data", "554 5.3.0 no", "failed_provider", False),
        ("body", "550 5.1.1 no such user", "failed_address", True),
        ("body", "552 5.3.4 too big", "failed_provider", False),
        ("body", "554 5.7.1 looks like spam", "failed_provider", False),
    ],
)
def test_a_permanent_refusal_fails_this_message_only(smtp_sink, client, wire, phase, line, code, suppress):
    smtp_sink.refuse(phase, line, only="c2@" if phase != "data" else "", times=1)
    at = 0 if phase == "data" else 1
    results = client.send(mails(3), wire)
    assert results[at] == Failed(code, line, suppress)
    assert [type(one) for place, one in enumerate(results) if place != at] == [Sent, Sent]


def test_a_domain_that_may_not_send_is_our_own_fault_and_blocks_no_contact(smtp_sink, client, wire):
    smtp_sink.refuse("body", "550 5.7.515 Access denied, sending domain does not meet the requirements")
    with pytest.raises(Misconfigured) as caught:
        client.send(mails(3), wire)
    assert caught.value.field == "from_address"
    assert "5.7.515" in caught.value.detail


def test_our_own_fault_after_some_mails_went_out_defers_the_rest(smtp_sink, client, wire):
    smtp_sink.refuse("rcpt", "550 5.7.515 no", only="c3@")
    assert [type(one) for one in client.send(mails(4), wire)] == [Sent, Sent, Deferred, Deferred]


@pytest.mark.parametrize("accept", [True, False])
@pytest.mark.parametrize("action", ["hang", "drop"])
def test_silence_or_a_broken_line_after_the_body_is_unknown_and_never_repeated(smtp_sink, client, wire, action, accept):
    getattr(smtp_sink, action)("body", times=1, accept=accept)
    results = client.send(mails(3), wire)
    assert [type(one) for one in results] == [Unknown, Sent, Sent]
    assert len(smtp_sink.accepted) == 2 + accept
    assert wire.notes.count("begin 1") == 1
    assert "accepted 1" not in wire.notes


@pytest.mark.parametrize("phase", ["mail", "rcpt", "data"])
@pytest.mark.parametrize("action", ["hang", "drop"])
def test_a_line_broken_before_the_body_is_simply_tried_again(smtp_sink, client, wire, phase, action):
    getattr(smtp_sink, action)(phase, times=1)
    assert [type(one) for one in client.send(mails(3), wire)] == [Sent, Sent, Sent]
    assert [one.to[0] for one in smtp_sink.accepted] == ["c1@example.org", "c2@example.org", "c3@example.org"]


def test_a_server_that_always_breaks_before_the_body_raises_try_later(smtp_sink, client, wire):
    smtp_sink.drop("mail")
    with pytest.raises(TryLater):
        client.send(mails(3), wire)
    assert wire.notes == []


@pytest.mark.parametrize("phase", ["connect", "ehlo"])
@pytest.mark.parametrize("action", ["hang", "drop"])
def test_a_server_that_cannot_be_reached_raises_try_later(smtp_sink, client, wire, phase, action):
    getattr(smtp_sink, action)(phase)
    with pytest.raises(TryLater):
        client.send(mails(1), wire)
    assert wire.notes == []


def test_nothing_listening_says_so_in_words(wire):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(TryLater, match="nothing listens there"):
        Client(Account(port=port), QUICK).send(mails(1), wire)


def test_a_421_is_deferred_and_the_rest_goes_over_a_new_connection(smtp_sink, client, wire):
    smtp_sink.refuse("rcpt", "421 4.7.0 too many connections", times=1)
    assert [type(one) for one in client.send(mails(3), wire)] == [Deferred, Sent, Sent]
    assert smtp_sink.connections == 2


def test_a_server_that_hung_up_while_idle_is_noticed_before_a_body_is_at_stake(tmp_path, wire, monkeypatch):
    monkeypatch.setattr("plugins.email.smtp.IDLE", 0.0)
    with SmtpSink(tmp_path / "one.log") as first:
        client = Client(account_of(first), QUICK)
        client.send(mails(1), wire)
        port = first.port
    with SmtpSink(tmp_path / "two.log", port=port) as second:
        assert [type(one) for one in client.send(mails(2), wire)] == [Sent, Sent]
        assert len(second.accepted) == 2
    client.close()


# Servers that speak otherwise than the sink does.


@contextlib.contextmanager
def scripted(answer: Callable[[bytes], bytes | None], greeting: bytes = b"220 hi\r\n") -> Iterator[int]:
    """A server that answers each line with `answer(line)`; None closes. Bodies are one "line" ending with a dot."""
    ready = threading.Event()
    ports: list[int] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        in_body = False
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                line = await reader.readuntil(b"\r\n.\r\n" if in_body else b"\r\n")
                said = answer(b"<body>" if in_body else line)
                if said is None:
                    break
                writer.write(said)
                in_body = said.startswith(b"354")
        writer.close()

    async def serve() -> None:
        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
        ready.set()
        await stop.wait()
        server.close()

    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(5)
    try:
        yield ports[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(5)
        loop.run_until_complete(_rest())
        loop.close()


async def _rest() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def polite(line: bytes) -> bytes | None:
    if line == b"<body>":
        return b"250 taken\r\n"
    word = line[:4].upper()
    return {b"EHLO": b"250 plain\r\n", b"DATA": b"354 go\r\n", b"QUIT": None}.get(word, b"250 ok\r\n")


def test_a_server_without_pipelining_is_spoken_to_line_by_line(wire):
    with scripted(polite) as port:
        client = Client(Account(port=port), QUICK)
        assert [type(one) for one in client.send(mails(3), wire)] == [Sent, Sent, Sent]
        client.close()


def test_without_pipelining_a_refused_recipient_leaves_the_others_alone(wire):
    def answer(line: bytes) -> bytes | None:
        return b"550 5.1.1 nobody\r\n" if b"c2@" in line else polite(line)

    with scripted(answer) as port:
        client = Client(Account(port=port), QUICK)
        results = client.send(mails(3), wire)
        client.close()
    assert results[1] == Failed("failed_address", "550 5.1.1 nobody", suppress=True)
    assert [type(results[0]), type(results[2])] == [Sent, Sent]


def test_nonsense_after_the_body_is_unknown(wire):
    def answer(line: bytes) -> bytes | None:
        return b"what?\r\n" if line == b"<body>" else polite(line)

    with scripted(answer) as port:
        assert [type(one) for one in Client(Account(port=port), QUICK).send(mails(1), wire)] == [Unknown]


def test_a_server_that_wants_the_body_of_a_refused_recipient_gets_none(wire):
    """RFC 2920: after a refused RCPT a pipelined DATA may still be answered with 354."""
    seen: list[bytes] = []

    def answer(line: bytes) -> bytes | None:
        seen.append(line)
        if line.startswith(b"EHLO"):
            return b"250-x\r\n250 PIPELINING\r\n"
        return b"550 5.1.1 nobody\r\n" if b"c1@" in line else polite(line)

    with scripted(answer) as port:
        client = Client(Account(port=port), QUICK)
        results = client.send(mails(2), wire)
        client.close()
    assert [type(one) for one in results] == [Failed, Sent]
    assert wire.notes == ["begin 2", "accepted 2"]


def test_one_byte_per_eternity_does_not_hold_the_worker_for_ever(wire):
    with scripted(polite, greeting=b"2") as port, pytest.raises(TryLater):
        Client(Account(port=port), QUICK).send(mails(1), wire)


# Encryption and signing in.


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A certificate for 127.0.0.1, signed by itself: (PEM, file with certificate and key)."""
    import ipaddress

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.test")])
    start = datetime.now(UTC) - timedelta(days=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(pem + private)
    return pem.decode(), path


@pytest.fixture
def tls_sink(tmp_path: Path, certificate: tuple[str, Path]) -> Iterator[Callable[..., SmtpSink]]:
    with contextlib.ExitStack() as stack:

        def make(**more: object) -> SmtpSink:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate[1])
            return stack.enter_context(SmtpSink(tmp_path / "tls.log", tls=context, **more))  # type: ignore[arg-type]

        yield make


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_an_encrypted_and_signed_in_connection_delivers(tls_sink, certificate, wire, security):
    sink = tls_sink(implicit_tls=security == "tls", user="nava", password="סוד-רازی")
    client = Client(
        account_of(sink, security=security, user="nava", password="סוד-רازی", certificate=certificate[0]),
        Timeouts(greeting=5, command=5, body_end=5),
    )
    assert [type(one) for one in client.send(mails(3), wire)] == [Sent] * 3
    client.close()


def test_a_certificate_nobody_vouches_for_is_refused(tls_sink, wire):
    with pytest.raises(Misconfigured) as caught:
        Client(account_of(tls_sink(), security="starttls"), Timeouts(greeting=5)).send(mails(1), wire)
    assert caught.value.field == "security"


def test_a_server_without_starttls_gets_no_mail_in_clear(smtp_sink, wire):
    with pytest.raises(Misconfigured) as caught:
        Client(account_of(smtp_sink, security="starttls"), QUICK).send(mails(1), wire)
    assert caught.value.field == "security"
    assert smtp_sink.accepted == []


def test_a_wrong_password_stops_the_connection_and_names_the_field(tmp_path, wire):
    with SmtpSink(tmp_path / "auth.log", user="nava", password="right") as sink:
        with pytest.raises(Misconfigured) as caught:
            Client(account_of(sink, user="nava", password="wrong"), QUICK).send(mails(1), wire)
        assert caught.value.field == "password"
        assert "wrong" not in str(caught.value.detail).replace("wrong name or password", "")


def test_the_production_time_limit_after_the_body_is_ten_minutes():
    assert Timeouts().body_end >= 600


# The test button.


def settings(sink: SmtpSink, **more: object) -> dict[str, object]:
    return {
        "delivery": "smtp", "host": sink.host, "port": sink.port, "security": "none", "from_address": "a@b.test", **more
    }  # fmt: skip


def test_the_test_button_goes_all_the_way_without_sending_a_mail(smtp_sink):
    steps = check_account(settings(smtp_sink), {})
    assert [step.good for step in steps] == [True] * len(steps)
    assert [step.name for step in steps][-1] == "Sender accepted"
    assert smtp_sink.accepted == []


@pytest.mark.parametrize(
    ("change", "at"),
    [
        ({"port": 1}, "Reach the server"),
        ({"host": ""}, "Reach the server"),
        ({"security": "starttls"}, "Encrypt the connection"),
        ({"user": "x", "password": "y"}, "Sign in"),
        ({"from_address": "nobody"}, "Sender's address"),
    ],
)
def test_the_test_button_stops_at_what_is_wrong_and_says_what_to_do(tmp_path, change, at):
    with SmtpSink(tmp_path / "x.log", user="nava", password="right") as sink:
        steps = check_account(settings(sink, user="nava", password="right") | change, {})
    wrong = next(step for step in steps if not step.good)
    assert wrong.name == at
    assert wrong.fix


def test_connection_closes_itself_when_the_greeting_is_a_refusal(smtp_sink):
    smtp_sink.refuse("connect", "554 no service")
    with pytest.raises(TryLater, match="554"):
        Connection(account_of(smtp_sink), QUICK)


def test_after_a_hand_over_that_was_broken_off_the_connection_is_not_used_again(smtp_sink, client, wire, monkeypatch):
    """The server waits for a body at that moment: it would take the next envelope for it."""
    begin = wire.begin

    def full_disk(outgoing):
        raise OSError("no space left")

    monkeypatch.setattr(wire, "begin", full_disk)
    with pytest.raises(OSError, match="no space"):
        client.send(mails(2), wire)
    monkeypatch.setattr(wire, "begin", begin)
    assert [type(one) for one in client.send(mails(2), wire)] == [Sent, Sent]
    assert [one.content for one in smtp_sink.accepted] == [one.payload for one in mails(2)]
    assert smtp_sink.connections == 2
