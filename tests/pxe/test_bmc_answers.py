"""Whatever a BMC answers, waking ends in time, within its memory, with a sentence that says who must do what."""

from __future__ import annotations

import gzip
import json
import re
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hosts.models import Host
from pxe import wake
from pxe.wake import bounds, tool
from pxe.wake.drivers import ipmi, redfish
from pxe.wake.shape import WakeProblem
from runs.models import WakeRequest
from tests.pxe import bmc as plays
from tests.pxe.bmc import ROOT, SYSTEM, SYSTEMS, Bmc, Play, serving
from tests.rows import a_host, a_run

pytestmark = pytest.mark.django_db
DEEP = b"[" * 100_000
NULLS = {"error": {"@Message.ExtendedInfo": [None], "message": None}}


@pytest.fixture
def bmc(settings: Any) -> Iterator[Bmc]:
    settings.BMC_PASSWORDS = {"VETTING_BMC_NODE1": "sesame"}
    with serving() as server:
        yield server


def host_of(bmc: Bmc, **options: Any) -> Host:
    wanted = {"url": bmc.url, "user": "admin", "password_env": "VETTING_BMC_NODE1"} | options
    return a_host(wake_method="redfish", wake_options=wanted)


def problem(host: Host) -> str:
    with pytest.raises(WakeProblem) as caught:
        wake.wake(host)
    said = str(caught.value)
    assert said.startswith(f"{host.name}: ") and "sesame" not in said
    assert len(said) <= 300, "the page shows no more of it"
    return said


def system(**changes: Any) -> Play:
    """A sound system but for these members."""
    return lambda answering: answering.say(200, answering.server.body(SYSTEM) | changes)


def told(message: str) -> dict[str, Any]:
    """A refusal as DSP0266 has it, with the BMC's own words."""
    return {"error": {"code": "Base.1.8.GeneralError", "@Message.ExtendedInfo": [{"Message": message}]}}


RESET = f"{SYSTEM}/Actions/ComputerSystem.Reset"
GET_ROOT, GET_SYSTEMS, GET_SYSTEM, PATCH = f"GET {ROOT}", f"GET {SYSTEMS}", f"GET {SYSTEM}", f"PATCH {SYSTEM}"
ANSWERS: list[tuple[str, Play, str]] = [
    (GET_SYSTEM, plays.status(401), "answered 401: .* check `user` and the variable"),
    (GET_SYSTEM, plays.status(403), "answered 403: .* role Operator"),
    (PATCH, plays.status(403), "answered 403: .* role Operator"),
    (GET_ROOT, plays.status(404), "answered 404: .* check `url`"),
    (GET_ROOT, plays.page(404), "answered 404: .* check `url`"),
    (GET_SYSTEM, plays.status(500), "answered 500: restart the BMC"),
    (PATCH, plays.status(503, NULLS), "restart the BMC|is not as Redfish says"),
    (GET_SYSTEM, plays.status(400, NULLS), "firmware"),
    (GET_SYSTEM, plays.status(400, []), "firmware"),
    (GET_SYSTEM, plays.status(400, {"error": None}), "firmware"),
    (PATCH, plays.status(405), "answered 405: update the BMC's firmware"),
    (GET_ROOT, plays.page(), "a web page, not with Redfish: check `url`"),
    (GET_SYSTEM, plays.page(), "a web page"),
    (GET_SYSTEM, plays.raw(b"\x00\xff\xfe"), "what is no JSON"),
    (GET_SYSTEM, plays.raw(DEEP), "what is no JSON"),
    (GET_SYSTEM, plays.body([1, 2]), "a list, not with a JSON object"),
    (GET_SYSTEM, plays.body("text"), "a str, not with a JSON object"),
    (GET_SYSTEM, plays.raw(b""), "an answer without what Redfish says"),
    (GET_ROOT, plays.body({}), "an answer without what Redfish says"),
    (GET_SYSTEMS, plays.body({"Members": None}), "has 0 systems|not as Redfish says"),
    (GET_SYSTEMS, plays.body({"Members": [None]}), "not as Redfish says"),
    (GET_SYSTEMS, plays.body({"Members": [{"@odata.id": None}]}), "has 0 systems"),
    (GET_SYSTEMS, plays.body({"Members": [{"@odata.id": 7}]}), "not as Redfish says|without what"),
    (GET_SYSTEMS, plays.body({"Members": "many"}), "not as Redfish says|without what"),
    (GET_SYSTEMS, plays.body({"Members": []}), "has 0 systems: name one as `system`"),
    (GET_SYSTEMS, plays.body({"Members": [{"@odata.id": f"/s/{n}"} for n in range(3)]}), "3 systems: .*: /s/0, /s/1"),
    (GET_SYSTEMS, plays.body({"Members": [{"@odata.id": "http://127.0.0.1:1/x"}]}), "a place that is not its own"),
    (GET_SYSTEM, system(Actions=None), "no #ComputerSystem.Reset"),
    (GET_SYSTEM, system(Actions={}), "no #ComputerSystem.Reset"),
    (GET_SYSTEM, system(Actions=[]), "not as Redfish says"),
    (GET_SYSTEM, system(Actions={"#ComputerSystem.Reset": {"target": None}}), "a place that is not its own"),
    (
        GET_SYSTEM,
        system(Boot={"BootSourceOverrideTarget@Redfish.AllowableValues": ["Hdd"]}),
        "no boot from the network",
    ),
    (GET_SYSTEM, system(PowerState="On"), "is on already; nothing was sent"),
    (GET_SYSTEM, system(PowerState="PoweringOn"), "is on already; nothing was sent"),
    (PATCH, plays.moved(303, SYSTEM), "answered 303 and sends elsewhere"),
    (f"POST {RESET}", plays.moved(301, f"{RESET}/"), "answered 301 and sends elsewhere"),
    (GET_SYSTEM, plays.status(401, NULLS), "answered 401: .* check `user` and the variable"),
    (GET_SYSTEM, plays.status(401, []), "answered 401: .* check `user` and the variable"),
    (PATCH, plays.status(400, told("Supply BootSourceOverrideMode.")), 'it says: "Supply BootSourceOverrideMode."'),
    (PATCH, plays.status(400, told("no sesame")), 'it says: "no …"'),
    (GET_SYSTEM, plays.elsewhere("http://127.0.0.1:1/"), "answered 302 and sends elsewhere.*as `url`"),
    (GET_SYSTEM, plays.flood(400), "more than 1 MiB in one answer"),
    (GET_SYSTEM, plays.reset, "broke the connection off: restart"),
]


@pytest.mark.parametrize(("place", "play", "words"), ANSWERS, ids=[f"{a[0]}: {a[2][:30]}" for a in ANSWERS])
def test_every_failure_says_who_must_do_what(bmc: Bmc, place: str, play: Play, words: str) -> None:
    bmc.plays[place] = play
    assert re.search(words, problem(host_of(bmc)))
    assert not any(sent[0] == "POST" for sent in bmc.sent), "it was turned on all the same"


@pytest.mark.parametrize("place", [GET_ROOT, GET_SYSTEM, PATCH])
@pytest.mark.parametrize(
    "play", [plays.drip("body"), plays.drip("header"), plays.silence], ids=["body", "header", "no"]
)
def test_an_answer_that_drips_or_never_comes_ends_with_the_time_for_all(
    bmc: Bmc, place: str, play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However slowly each byte comes, and whichever request it is."""
    bmc.plays[place] = play
    monkeypatch.setattr(redfish, "TOTAL_S", 0.4)
    assert "not done within 0 s, it answers too slowly" in problem(host_of(bmc))


def test_a_small_answer_that_unpacks_to_a_large_one_is_cut(bmc: Bmc) -> None:
    packed = gzip.compress(b" " * (8 << 20))
    bmc.plays[GET_SYSTEM] = lambda answering: answering.raw(200, packed, {"Content-Encoding": "gzip"})
    assert "more than 1 MiB" in problem(host_of(bmc))


def test_an_address_where_nothing_listens_says_so(bmc: Bmc) -> None:
    assert "refuses the connection: check `url`" in problem(host_of(bmc, url="http://127.0.0.1:9"))


@pytest.mark.parametrize(
    "url",
    [
        "10.0.0.9", "ftp://10.0.0.9", "https://", "https://[::1", "http://admin:sesame@bmc",
        "https://10.0.0.9/redfish/v1/Systems/1",
    ],
)  # fmt: skip
def test_an_url_that_is_none_is_named(bmc: Bmc, url: str) -> None:
    assert "`url`" in problem(host_of(bmc, url=url))


# --- what BMCs of several makers do otherwise, as they were reported ----------------------------------------------


def etags(*accepted: str | None) -> Play:
    """Takes a PATCH with one of these as If-Match, and answers 412 or 428 to any other."""

    def play(bmc: Any) -> None:
        given = bmc.headers["If-Match"]
        if given not in accepted:
            return bmc.say(428 if given is None else 412, {})
        bmc._take()

    return play


def wants_mode(bmc: Any) -> None:
    body = json.loads(bmc.rfile.read(int(bmc.headers["Content-Length"])))
    bmc.server.sent.append((bmc.command, bmc.path, bmc.headers["If-Match"], body))
    bmc.say(200 if "BootSourceOverrideMode" in body["Boot"] else 400, {})


OTHERS: dict[str, tuple[dict[str, Play], dict[str, Any]]] = {
    "a redirect to the same place with a slash": ({GET_SYSTEMS: plays.moved(308, f"{SYSTEMS}/")}, {}),
    "a redirect of a change, which stays one": (
        {PATCH: plays.moved(307, f"{SYSTEM}/"), f"PATCH {SYSTEM}/": etags('W/"7"')}, {},
    ),
    "a weak ETag is refused, and taken as a strong one": ({PATCH: etags('"7"')}, {}),
    "a weak ETag is refused, and taken without": ({PATCH: etags(None)}, {}),
    "an ETag is demanded, which stands in the header only": ({PATCH: etags('W/"7"')}, {}),
    "the mode must be sent along": ({PATCH: wants_mode}, {"boot_mode": "UEFI"}),
    "it knows UefiHttp only": (
        {GET_SYSTEM: system(Boot={"BootSourceOverrideTarget@Redfish.AllowableValues": ["Hdd", "UefiHttp"]})}, {},
    ),
    "its boot options are set in a resource of their own": (
        {
            GET_SYSTEM: system(**{"@Redfish.Settings": {"SettingsObject": {"@odata.id": f"{SYSTEM}/SD"}}}),
            f"GET {SYSTEM}/SD": plays.body({"Boot": {"BootSourceOverrideTarget": "None"}}),
        },
        {},
    ),
    "the reset is answered by a page": ({f"POST {RESET}": plays.status(204)}, {}),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_a_bmc_that_does_otherwise_is_understood(bmc: Bmc, name: str) -> None:
    bmc.plays, options = dict(OTHERS[name][0]), OTHERS[name][1]
    bmc.body = lambda path: Bmc.body(bmc, path.rstrip("/"))  # type: ignore[method-assign]
    assert wake.wake(host_of(bmc, **options)).endswith("boot from the network once, power on (Redfish)")
    targets = [sent[3]["Boot"].get("BootSourceOverrideTarget") for sent in bmc.sent if sent[0] == "PATCH"]
    assert next(filter(None, targets)) == ("UefiHttp" if "UefiHttp" in name else "Pxe")


def test_a_bmc_that_redirects_for_ever_is_left(bmc: Bmc) -> None:
    bmc.plays[GET_SYSTEM] = plays.moved(308, SYSTEM)
    assert "firmware" in problem(host_of(bmc)) and len(bmc.asked) < 60


def test_plain_http_behind_https_says_what_to_check(bmc: Bmc) -> None:
    said = problem(host_of(bmc, url=bmc.url.replace("http:", "https:")))
    assert "no TLS connection: does `url` begin with https where it should?" in said


def test_a_certificate_of_its_own_making_is_refused_unless_the_host_says_so(bmc: Bmc, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    if subprocess.run([*made, "-subj", "/CN=bmc", "-keyout", key, "-out", certificate], capture_output=True).returncode:
        pytest.skip("openssl is not installed")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    bmc.socket = context.wrap_socket(bmc.socket, server_side=True)
    url = bmc.url.replace("http:", "https:")
    host = host_of(bmc, url=url)
    assert "its certificate is not trusted (self-signed certificate)" in problem(host)
    host.wake_options["verify_tls"] = False
    wake.wake(host)
    assert bmc.sent[-1][3] == {"ResetType": "On"}


def test_a_bmc_that_takes_sessions_only_gets_one_and_it_is_closed(bmc: Bmc) -> None:
    bmc.sessions_only = True
    wake.wake(host_of(bmc))
    assert bmc.sent[-1][3] == {"ResetType": "On"}
    assert bmc.asked[-1] == "DELETE /redfish/v1/SessionService/Sessions/1"


@pytest.mark.parametrize("offered", ["ForceOn", "PushPowerButton"])
def test_a_bmc_that_turns_on_by_another_word_is_told_that_word(bmc: Bmc, offered: str) -> None:
    reset = {"target": bmc.reset_path, "ResetType@Redfish.AllowableValues": ["ForceOff", offered]}
    bmc.plays[GET_SYSTEM] = system(Actions={"#ComputerSystem.Reset": reset})
    wake.wake(host_of(bmc))
    assert bmc.sent[-1][3] == {"ResetType": offered}


def test_nothing_that_a_bmc_says_reaches_the_log(bmc: Bmc, caplog: pytest.LogCaptureFixture) -> None:
    bmc.plays[GET_SYSTEM] = plays.status(500, {"error": {"message": "x" * 5000 + "sesame"}})
    problem(host_of(bmc))
    assert "sesame" not in caplog.text and len(caplog.text) < 1000


def test_sushy_is_imported_by_a_wake_and_not_with_a_module() -> None:
    """It costs 4 MB and half a second in every process of the server."""
    root = Path(__file__).parents[2]
    apps = ("agentapi", "hosts", "notifications", "pxe", "restapi", "runs", "vetting")
    sources = {path: path.read_text() for app in apps for path in (root / app).rglob("*.py")}
    importing = [path.name for path, text in sources.items() if re.search(r"^ *(import|from) sushy", text, re.M)]
    at_once = [path.name for path, text in sources.items() if re.search(r"^(import|from) sushy", text, re.M)]
    assert (importing, at_once) == (["redfish.py"], [])


# --- IPMI ---------------------------------------------------------------------------------------------------------


def ipmi_host(monkeypatch: pytest.MonkeyPatch, settings: Any, directory: Path, script: str) -> Host:
    """With an ipmitool that does this."""
    settings.BMC_PASSWORDS = {"VETTING_BMC_NODE1": "sesame"}
    fake = directory / "ipmitool"
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    monkeypatch.setattr(ipmi, "which", lambda name: str(fake))
    wanted = {"address": "127.0.0.1", "user": "admin", "password_env": "VETTING_BMC_NODE1"}
    return a_host(wake_method="ipmi", wake_options=wanted)


SAID: list[tuple[str, str]] = [
    ("yes | head -c 400000000", "said too much"),
    ("while :; do echo x; sleep 0.05; done", "no answer within"),
    ("sleep 20", "no answer within"),
    ("echo 'Error: Unable to establish IPMI v2 / RMCP+ session' >&2; exit 1", "IPMI over LAN is switched on"),
    ("echo 'RAKP 2 HMAC is invalid' >&2; exit 1", "wrong password: check the variable"),
    ("echo 'Error in open session response message : no matching cipher suite' >&2; exit 1", "write `cipher`"),
    ("echo 'Set Session Privilege Level to OPERATOR failed: Insufficient privilege'; exit 1", "the role Operator"),
    ("echo 'RAKP 2 message indicates an error : unauthorized role'; exit 1", "check `privilege`"),
    ("echo 'RAKP 2 message indicates an error : unauthorized name'; exit 1", "does not know `user`"),
    ("echo 'Could not open socket!'; exit 1", "`address` is wrong or can't be reached"),
    ("printf '\\377\\376'; exit 1", "check the BMC by hand"),
    ('echo "$IPMI_PASSWORD"; exit 1', "check the BMC by hand"),
    ("exit 1", "it failed and said nothing"),
    ("echo 'Chassis Power is on'", "is on already"),
]


@pytest.mark.parametrize(("script", "words"), SAID, ids=[words for _, words in SAID])
def test_every_failure_of_ipmitool_says_who_must_do_what(
    script: str, words: str, monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path
) -> None:
    monkeypatch.setattr(ipmi, "TIMEOUT_S", 0.8)
    with pytest.raises(WakeProblem) as caught:
        wake.wake(ipmi_host(monkeypatch, settings, tmp_path, script))
    assert words in str(caught.value) and "sesame" not in str(caught.value)
    assert len(str(caught.value)) <= 300


def test_a_tool_is_ended_with_its_time(tmp_path: Path) -> None:
    done = tool.run(["sleep", "60"], {"PATH": "/usr/bin:/bin"}, time.monotonic() + 0.1)
    assert (done.status, done.too_long) == (None, True)


def test_the_bounds_are_those_of_the_job() -> None:
    """A job is killed after 90 s: both ways must have said what is wrong before."""
    from django.conf import settings

    assert max(bounds.TOTAL_S, ipmi.TOTAL_S) + ipmi.TIMEOUT_S < settings.Q_CLUSTER["timeout"]


def test_a_problem_that_no_database_takes_is_made_readable(bmc: Bmc) -> None:
    """A BMC's names stand in the sentence: PostgreSQL takes no NUL, and nobody takes half a character."""
    members = [{"@odata.id": f"{SYSTEMS}/{name}"} for name in ("a\0b", "\ud800")]
    bmc.plays[GET_SYSTEMS] = lambda answering: answering.say(200, answering.server.body(SYSTEMS) | {"Members": members})
    request = WakeRequest.objects.create(run=a_run(host_of(bmc), state="WaitingWoL"))
    wake.send(request.pk)
    request.refresh_from_db()
    assert f"{SYSTEMS}/ab, {SYSTEMS}/\\ud800" in request.problem
    assert request.run.events.get(kind="wake_problem").text == request.problem
