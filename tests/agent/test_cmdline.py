from __future__ import annotations

import pytest

from agent.link.cmdline import BadCommandLine, parse

GIVEN = (
    "BOOT_IMAGE=vmlinuz initrd=initrd.zst vetting.url=http://192.0.2.1:8000 vetting.run=12 "
    "vetting.token=vt1.12.1.abc.def vetting.mac=52:54:00:12:34:56 console=ttyS0,115200n8 quiet\n"
)


def test_it_reads_what_the_boot_script_writes() -> None:
    target = parse(GIVEN)
    assert (target.url, target.run, target.token) == ("http://192.0.2.1:8000", 12, "vt1.12.1.abc.def")


def test_the_token_does_not_show_in_a_traceback() -> None:
    assert "vt1" not in repr(parse(GIVEN))


def test_of_a_word_given_twice_the_last_stands() -> None:
    assert parse(f"{GIVEN.strip()} vetting.run=13").run == 13


def test_an_ipv6_address_keeps_its_brackets_and_a_missing_port_is_80() -> None:
    assert parse(GIVEN.replace("192.0.2.1:8000", "[2001:db8::1]:8000/")).url == "http://[2001:db8::1]:8000"
    assert parse(GIVEN.replace("192.0.2.1:8000", "192.0.2.1")).url == "http://192.0.2.1:80"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has no vetting.url, vetting.run, vetting.token"),
        (GIVEN.replace("vetting.run=12 ", ""), "has no vetting.run"),
        (GIVEN.replace("vetting.token=vt1.12.1.abc.def", "vetting.token="), "has no vetting.token"),
        (GIVEN.replace("run=12", "run=twelve"), "vetting.run=twelve is not a number"),
        (GIVEN.replace("run=12", "run=-1"), "vetting.run=-1 is not a number"),
        (GIVEN.replace("run=12", "run=١٢"), "is not a number"),
        (GIVEN.replace("http://", "ftp://"), "not of the form"),
        (GIVEN.replace("http://192.0.2.1", "http://a:b@192.0.2.1"), "not of the form"),
        (GIVEN.replace(":8000", ":port"), "no valid port"),
        (GIVEN.replace(":8000", ":99999"), "no valid port"),
        ('vetting.url="http://192', "has no"),
    ],
)
def test_anything_else_is_refused_by_name(text: str, says: str) -> None:
    with pytest.raises(BadCommandLine, match=says.replace("(", r"\(")):
        parse(text)
