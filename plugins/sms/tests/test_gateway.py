"""Any gateway by settings alone; an answer decides only when it is certain."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from panel.sdk.channels import Deferred, Failed, Sent, Unknown
from panel.sdk.errors import Misconfigured, TryLater
from panel.sdk.outbound import is_public
from plugins.sms.gateway import number, retry_after
from plugins.sms.tests.conftest import outgoing

pytestmark = pytest.mark.databases("sqlite")


def test_json_is_filled_in_without_anything_breaking_out(configure, gateway, wire):
    channel = configure(sender="נאווה", secret="s3", headers={"Authorization": "Bearer [[secret]]"})
    text = 'He said "hi"}, \\ \n[[to]] שלום'
    (result,) = channel.send([outgoing(text=text)], wire)
    assert result == Sent("g1")
    (request,) = gateway.requests
    assert json.loads(request["body"]) == {
        "to": "+972521234567", "text": text, "from": "נאווה", "reference": "k1",
    }  # fmt: skip
    assert request["headers"]["Authorization"] == "Bearer s3"
    assert request["headers"]["Content-Type"] == "application/json"
    assert (wire.begun, wire.yes) == (["k1"], [("k1", "g1")])


def test_form_fields_and_basic_authorisation(configure, gateway, wire):
    configure(
        format="form",
        user="dana",
        secret="p:w",
        headers={"Authorization": "Basic [[basic]]"},
        body="phone: [[to]]\nmessage: [[text]]\nid: [[reference]]",
        number_form="national",
    ).send([outgoing(text="a&b=c ש")], wire)
    (request,) = gateway.requests
    assert parse_qs(request["body"].decode()) == {"phone": ["0521234567"], "message": ["a&b=c ש"], "id": ["k1"]}
    assert base64.b64decode(request["headers"]["Authorization"].removeprefix("Basic ")) == b"dana:p:w"


def test_parameters_in_the_address(configure, gateway, wire):
    configure(
        method="GET",
        address=gateway.address + "?v=2",
        format="query",
        body="to: [[to]]\ntext: [[text]]",
        number_form="digits",
    ).send([outgoing(text="שלום & goodbye")], wire)
    (request,) = gateway.requests
    assert request["method"] == "GET"
    assert parse_qs(urlsplit(request["path"]).query) == {
        "v": ["2"], "to": ["972521234567"], "text": ["שלום & goodbye"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("form", "written"),
    [("plus", "+989123456789"), ("digits", "989123456789"), ("double_zero", "00989123456789"),
     ("national", "09123456789")],
)  # fmt: skip
def test_numbers_are_written_as_the_gateway_wants(form, written):
    assert number("+989123456789", form) == written


OK = "status = ok, 0"


@pytest.mark.parametrize(
    ("status", "body", "rule", "kind"),
    [
        (200, '{"status": "OK", "messages": [{"id": 7}]}', OK, Sent),
        (202, "", "", Sent),
        (200, "garbage", "", Sent),
        (200, "garbage", OK, Unknown),
        (200, '{"status": "o', OK, Unknown),
        (200, '{"other": 1}', OK, Unknown),
        (200, '{"status": "error", "error": "no credit"}', OK, Failed),
        (400, '{"error": "text too long"}', OK, Failed),
        (404, "", OK, Failed),
        (409, "", OK, Unknown),
        (422, '{"error": "x"}', "", Failed),
        (303, "", "", Unknown),
        (500, '{"error": "x"}', "", Unknown),
        (502, "", "", Unknown),
        (504, "", "", Unknown),
        (408, "", "", Deferred),
        (429, "", "", Deferred),
        (503, "", "", Deferred),
    ],
)
def test_only_a_clear_answer_decides(status, body, rule, kind, configure, gateway, wire):
    gateway.say(status, body)
    (result,) = configure(good_when=rule).send([outgoing()], wire)
    assert isinstance(result, kind), result
    assert len(gateway.requests) == 1, "never a second try by itself"
    assert wire.begun == ["k1"]
    assert bool(wire.yes) == (kind is Sent)


@pytest.mark.parametrize(
    ("status", "body"), [(400, '{"error": "Invalid Number"}'), (200, '{"status": "1", "error": "UNKNOWN SUBSCRIBER"}')]
)
def test_a_number_that_does_not_work_is_told_from_other_refusals(status, body, configure, gateway, wire):
    gateway.say(status, body)
    (result,) = configure(good_when=OK).send([outgoing()], wire)
    assert isinstance(result, Failed)
    assert (result.code, result.suppress) == ("failed_address", True)


@pytest.mark.parametrize(("status", "field"), [(401, "secret"), (403, "secret"), (301, "address"), (308, "address")])
def test_what_is_wrong_with_us_pauses_the_connection(status, field, configure, gateway, wire):
    gateway.say(status, "", Location="http://127.0.0.1:1/elsewhere")
    channel = configure()
    with pytest.raises(Misconfigured) as caught:
        channel.send([outgoing()], wire)
    assert caught.value.field == field
    assert len(gateway.requests) == 1, "a redirect is not followed"


def test_in_the_middle_of_a_batch_the_rest_waits(configure, gateway, wire):
    channel = configure()
    first = gateway.answer

    def answer(handler):
        gateway.say(200, '{"messages": [{"id": "1"}]}') if len(gateway.requests) == 1 else gateway.say(401)
        gateway.answer(handler)
        gateway.answer = answer

    assert first is None
    gateway.answer = answer
    results = channel.send([outgoing("a"), outgoing("b"), outgoing("c")], wire)
    assert [type(one) for one in results] == [Sent, Deferred, Deferred]
    assert len(gateway.requests) == 2


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("120", timedelta(seconds=120)),
        ("Sun, 22 Nov 2026 12:05:00 GMT", timedelta(minutes=5)),
        ("Sun, 22 Nov 2026 11:00:00 GMT", timedelta(0)),
        ("99999999999", timedelta(hours=6)),
        ("soon", None),
        ("-5", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_obeyed_in_both_forms(value, wait):
    assert retry_after(value, datetime(2026, 11, 22, 12, tzinfo=UTC)) == wait


def test_the_wait_that_was_asked_for_is_handed_on(configure, gateway, wire):
    gateway.say(429, "", Retry_After="90")
    assert configure().send([outgoing()], wire) == [Deferred("429", timedelta(seconds=90))]


def test_a_connection_cut_after_the_request_is_a_doubt(configure, gateway, wire):
    gateway.drop()
    (result,) = configure().send([outgoing()], wire)
    assert isinstance(result, Unknown)


def test_an_answer_that_never_comes_is_a_doubt(configure, gateway, wire):
    done = threading.Event()
    gateway.answer = lambda handler: done.wait(20)
    try:
        (result,) = configure(timeout=2).send([outgoing()], wire)
    finally:
        done.set()
    assert isinstance(result, Unknown)


def test_an_answer_of_one_byte_at_a_time_does_not_hold_the_worker(configure, gateway, wire):
    done = threading.Event()

    def drip(handler):
        while not done.wait(0.2):
            handler.wfile.write(b"H")
            handler.wfile.flush()

    gateway.answer = drip
    began = time.monotonic()
    try:
        (result,) = configure(timeout=2).send([outgoing()], wire)
    finally:
        done.set()
    assert isinstance(result, Unknown)
    assert time.monotonic() - began < 30


def test_an_endless_answer_is_read_only_so_far(configure, gateway, wire):
    gateway.say(200, b'{"status": "ok", "x": "' + b"x" * 500_000)
    (result,) = configure(good_when=OK).send([outgoing()], wire)
    assert isinstance(result, Unknown)


def test_nobody_there_is_certainly_not_sent(configure, wire):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    channel = configure(address=f"http://127.0.0.1:{port}/")
    with pytest.raises(TryLater):
        channel.send([outgoing()], wire)
    assert wire.begun == []


def test_an_unknown_name_is_certainly_not_sent(configure, wire):
    channel = configure(address="http://no-such-gateway.invalid/")
    with pytest.raises(TryLater):
        channel.send([outgoing()], wire)
    assert wire.begun == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"body": '{"to": "[[too]]"}'}, "body"),
        ({"body": "{not json"}, "body"),
        ({"format": "form", "body": "no colon"}, "body"),
        ({"address": ""}, "address"),
        ({"address": "http://user@host/"}, "address"),
    ],
)
def test_settings_that_cannot_work_are_named_before_anything_leaves(changes, field, configure, gateway, wire):
    channel = configure(**changes)
    with pytest.raises(Misconfigured) as caught:
        channel.send([outgoing()], wire)
    assert caught.value.field == field
    assert gateway.requests == []


def test_an_address_inside_our_network_is_refused_unless_allowed(configure, gateway, wire):
    channel = configure(local_network=False)
    with pytest.raises(Misconfigured) as caught:
        channel.send([outgoing()], wire)
    assert caught.value.field == "local_network"
    assert gateway.requests == []


@pytest.mark.parametrize(
    "spelling", ["127.0.0.1", "localhost", "127.1", "0177.0.0.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]",
                 "0.0.0.0", "①②⑦.⓪.⓪.①", "127。0。0。1", "[64:ff9b::7f00:1]", "[2002:7f00:1::]"]
)  # fmt: skip
def test_no_spelling_of_our_own_machine_gets_through(spelling, configure, gateway, wire):
    port = urlsplit(gateway.address).port
    channel = configure(local_network=False, address=f"http://{spelling}:{port}/send")
    with pytest.raises((Misconfigured, TryLater)):
        channel.send([outgoing()], wire)
    assert gateway.requests == []


@pytest.mark.parametrize(
    ("address", "public"),
    [("8.8.8.8", True), ("2606:4700::1111", True), ("10.0.0.1", False), ("172.16.0.1", False), ("192.168.1.1", False),
     ("169.254.169.254", False), ("100.64.0.1", False), ("127.0.0.1", False), ("0.0.0.0", False), ("224.0.0.1", False),
     ("255.255.255.255", False), ("::1", False), ("fe80::1%eth0", False), ("fd00::1", False),
     ("::ffff:10.0.0.1", False),
     ("64:ff9b::a00:1", False), ("2002:a00:1::", False), ("::", False)],
)  # fmt: skip
def test_public_addresses_are_told_from_all_others(address, public):
    assert is_public(address) is public


def test_the_connection_test_says_what_to_do(configure, gateway, plugins):
    def steps(**changes):
        channel = configure(**changes)
        assert channel is not None
        return plugins.invoke("sms", "test_connection", ctx=plugins.context("sms"), settings=plugins.settings("sms"))

    assert all(step.good for step in steps())
    assert gateway.requests == [], "a test sends nothing"
    for changes, name in (
        ({"local_network": False}, "Address"),
        ({"address": "http://no-such-gateway.invalid/"}, "Address"),
        ({"body": "{"}, "Settings"),
        ({"address": "http://127.0.0.1:9/"}, "Connection"),
    ):
        last = steps(**changes)[-1]
        assert (last.name, last.good) == (name, False)
        assert last.fix


def test_a_certificate_that_nobody_vouches_for_is_refused_before_anything_leaves(configure, wire, tmp_path):
    port, stop = _serve_with_own_certificate(tmp_path)
    try:
        with pytest.raises(Misconfigured) as caught:
            configure(address=f"https://127.0.0.1:{port}/").send([outgoing()], wire)
    finally:
        stop()
    assert caught.value.field == "address"
    assert "certificate" in caught.value.detail.lower()
    assert wire.begun == []


def _serve_with_own_certificate(folder):
    """A TLS server on loopback whose certificate is signed by itself; gives its port and how to stop it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gateway.example")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path = folder / "own.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), client:
                context.wrap_socket(client, server_side=True).close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()

    def stop():
        # Closing alone does not wake a thread that waits in accept().
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)

    return listener.getsockname()[1], stop
