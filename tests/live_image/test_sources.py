"""The archive that the image is built from, out of what Debian machines have in /etc/apt."""

from __future__ import annotations

from pathlib import Path

import pytest
from builder import BuildError, sources

from scripts import build_twice


def etc_apt(tmp_path: Path, **files: str) -> Path:
    """A directory like /etc/apt; a file's name is given with __ for the dot."""
    (tmp_path / "sources.list.d").mkdir()
    for name, text in files.items():
        place = tmp_path if name == "sources__list" else tmp_path / "sources.list.d"
        (place / name.replace("__", ".")).write_text(text)
    return tmp_path


DEB822 = """\
Types: deb
# the day of the container's image
URIs: http://archive.test/debian
Suites: bookworm bookworm-updates bookworm-backports
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://archive.test/debian-security
Suites: bookworm-security
Components: main
"""


def test_it_moves_deb822_sources_to_the_image_s_release(tmp_path: Path) -> None:
    text = sources.from_machine(etc_apt(tmp_path, debian__sources=DEB822), "bookworm")
    assert "URIs: http://archive.test/debian\nSuites: trixie trixie-updates\n" in text
    assert "URIs: http://archive.test/debian-security\nSuites: trixie-security\n" in text
    assert "backports" not in text
    assert text.count("Components: main non-free-firmware\n") == 2


def test_it_moves_one_line_sources(tmp_path: Path) -> None:
    lines = (
        "deb [arch=amd64] https://archive.test/debian bookworm main contrib  # comment\n"
        "deb-src https://archive.test/debian bookworm main\n"
        "# deb https://old.test/debian bookworm main\n"
    )
    text = sources.from_machine(etc_apt(tmp_path, sources__list=lines), "bookworm")
    assert text == sources.render("https://archive.test/debian", ["trixie"])


def test_on_a_machine_of_the_same_release_the_suites_stay(tmp_path: Path) -> None:
    lines = "deb http://archive.test/debian trixie main\ndeb http://archive.test/debian trixie-updates main\n"
    text = sources.from_machine(etc_apt(tmp_path, sources__list=lines), "trixie")
    assert "Suites: trixie\n" in text
    assert "Suites: trixie-updates\n" in text


def test_it_reads_the_mirror_list_that_cloud_images_point_to(tmp_path: Path) -> None:
    listed = tmp_path / "mirrors.list"
    listed.write_text("http://first.test/debian priority:1\nhttp://second.test/debian\n")
    text = DEB822.replace("http://archive.test/debian\n", f"mirror+file://{listed}\n")
    assert "URIs: http://first.test/debian\n" in sources.from_machine(
        etc_apt(tmp_path, debian__sources=text), "bookworm"
    )


@pytest.mark.parametrize(
    "line",
    [
        "deb [signed-by=/usr/share/keyrings/vendor.gpg] http://vendor.test/apt bookworm main",
        "deb http://vendor.test/pve bookworm pve-no-subscription",
        "deb http://archive.test/debian bookworm-backports main",
        "deb cdrom:[Debian]/ bookworm main",
    ],
)
def test_it_leaves_out_what_is_not_debian_s_own_archive(tmp_path: Path, line: str) -> None:
    with pytest.raises(BuildError, match="--apt-mirror"):
        sources.from_machine(etc_apt(tmp_path, sources__list=line + "\n"), "bookworm")


def test_it_leaves_out_a_source_that_is_switched_off(tmp_path: Path) -> None:
    text = DEB822.replace("Types: deb\nURIs", "Enabled: no\nTypes: deb\nURIs")
    assert "security" not in sources.from_machine(etc_apt(tmp_path, debian__sources=text), "bookworm")


def test_a_mirror_may_serve_both_archives(tmp_path: Path) -> None:
    text = sources.from_mirror("http://mirror.test/{archive}")
    assert "URIs: http://mirror.test/debian\nSuites: trixie trixie-updates\n" in text
    assert "URIs: http://mirror.test/debian-security\nSuites: trixie-security\n" in text


def test_the_date_goes_where_the_sources_ask_for_it() -> None:
    text = sources.from_mirror("http://past.test/{archive}/{date}T000000Z")
    assert "http://past.test/debian/20261101T000000Z" in sources.dated(text, "20261101")
    with pytest.raises(BuildError, match="--archive-date"):
        sources.dated(text, None)


# --- what the manifest says ---------------------------------------------------------------------------------------

DAY = "20261101"
SNAPSHOT = "http://snapshot.test/archive/{archive}/{date}T000000Z"


def said(mirror: str, date: str | None = DAY) -> str:
    return sources.reproducible(sources.dated(sources.from_mirror(mirror), date), date)


def test_a_build_from_the_archive_of_a_day_is_reproducible() -> None:
    assert said(SNAPSHOT) == "yes: the archive of 20261101"
    assert said("https://mirror.test/{date}/{archive}") == "yes: the archive of 20261101"


@pytest.mark.parametrize(
    "mirror",
    [
        "http://mirror.test/{archive}",
        "http://mirror.test/{archive}?date={date}",
        "http://{date}.mirror.test/{archive}",
        "http://mirror.test/{archive}/20261102T000000Z",
        "http://mirror.test/{archive}/{date}-latest",
        "http://mirror.test/{archive}/1{date}",
        "mirror+http://mirror.test/{date}/{archive}",
    ],
)
def test_a_date_that_is_only_given_makes_no_build_reproducible(mirror: str) -> None:
    first = mirror.replace("{archive}", "debian").replace("{date}", DAY)
    assert said(mirror).startswith(f"not reproducible: the apt sources have {first}")
    assert said(mirror).endswith("which is not the archive of 20261101")


def test_one_ordinary_source_among_snapshots_is_enough_and_is_named() -> None:
    text = sources.from_mirror(SNAPSHOT.replace("{date}", DAY))
    text += "\nTypes: deb deb-src\nURIs: http://user:word@own.test/debian\nSuites: trixie\nComponents: main\n"
    assert sources.reproducible(text, DAY) == (
        "not reproducible: the apt sources have http://own.test/debian, which is not the archive of 20261101"
    )
    switched_off = text.replace("Types: deb deb-src", "Enabled: no\nTypes: deb")
    assert sources.reproducible(switched_off, DAY).startswith("yes")
    assert sources.reproducible(text.replace("deb deb-src", "deb-src"), DAY).startswith("yes")


def test_without_a_date_or_without_an_address_nothing_is_reproducible() -> None:
    assert said("http://mirror.test/{archive}/20261101", None) == "not reproducible: no archive date"
    assert "no address" in sources.reproducible("# nothing\n", DAY)


# --- the date that nobody has given -------------------------------------------------------------------------------


def default(mirror: str, before: str | None = None) -> str | None:
    return sources.default_date(sources.from_mirror(mirror), before, "20261031")


def test_sources_that_keep_their_past_have_a_date_without_being_asked() -> None:
    assert default(SNAPSHOT) == "20261031"
    assert default(SNAPSHOT, "20261001") == "20261001", "a new day alone builds no new image"
    assert default("http://snapshot.test/archive/{archive}/20261101T120000Z") == DAY
    assert said("http://snapshot.test/archive/{archive}/20261101T120000Z").startswith("yes")


@pytest.mark.parametrize("mirror", ["http://mirror.test/{archive}", "http://mirror.test/20261101/20261102/{archive}"])
def test_an_ordinary_mirror_has_none_and_the_manifest_claims_nothing(mirror: str) -> None:
    assert default(mirror, "20261001") is None
    assert said(mirror, default(mirror)) == "not reproducible: no archive date"


def test_two_archives_of_two_days_have_no_common_date() -> None:
    one, other = (sources.from_mirror(f"http://s.test/debian/{day}") for day in (DAY, "20261102"))
    assert sources.default_date(f"{one}\n{other}", None, DAY) is None


def test_two_builds_are_compared_by_every_file() -> None:
    first = {"files": {"vmlinuz": {"sha256": "a"}, "initrd.zst": {"sha256": "b"}}, "packages": {"x": "1"}, "tools": {}}
    assert build_twice.differences(first, first) == []
    second = {**first, "files": {"vmlinuz": {"sha256": "a"}, "initrd.zst": {"sha256": "c"}}}
    assert build_twice.differences(first, second) == [
        "files: initrd.zst: {'sha256': 'b'} and {'sha256': 'c'}",
    ]
