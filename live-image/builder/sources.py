"""Which archive the image is built from: derived from the build machine's own apt sources, or given."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from builder import BuildError

RELEASE = "trixie"
COMPONENTS = "main non-free-firmware"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
POCKETS = ("", "-updates", "-security")
DATE_PLACEHOLDER = "{date}"
_MOMENT = re.compile(r"(20[0-9]{6})(?:T[0-9]{6}Z)?")


@dataclass(frozen=True)
class Source:
    """One address of an apt source and the suites that it serves."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str | None


def from_machine(etc_apt: Path, codename: str) -> str:
    """The deb822 text for RELEASE from the sources of a Debian machine that runs `codename`.

    Raises BuildError if none of them is a Debian archive.
    """
    files = [etc_apt / "sources.list", *sorted((etc_apt / "sources.list.d").glob("*"))]
    found = [source for path in files if path.is_file() for source in read(path)]
    stanzas = [render(source.uri, moved) for source in found if (moved := moved_suites(source, codename))]
    if not stanzas:
        raise BuildError(
            f"no Debian archive for {codename!r} in {etc_apt}/sources.list*: give one with --apt-mirror "
            "(or VETTING_APT_MIRROR) or a whole list with --apt-sources"
        )
    return "\n".join(dict.fromkeys(stanzas))


def from_mirror(mirror: str) -> str:
    """The deb822 text for one mirror; {archive} in its address stands for debian and debian-security."""
    if "{archive}" not in mirror:
        return render(mirror, (RELEASE, f"{RELEASE}-updates"))
    plain = render(mirror.replace("{archive}", "debian"), (RELEASE, f"{RELEASE}-updates"))
    return plain + "\n" + render(mirror.replace("{archive}", "debian-security"), (f"{RELEASE}-security",))


def dated(text: str, archive_date: str | None) -> str:
    """The sources as they were on `archive_date` (YYYYMMDD), put where they say {date}."""
    if archive_date is None and DATE_PLACEHOLDER in text:
        raise BuildError(f"the apt sources say {DATE_PLACEHOLDER}: give --archive-date YYYYMMDD")
    return text.replace(DATE_PLACEHOLDER, archive_date or "")


def default_date(text: str, before: str | None, yesterday: str) -> str | None:
    """The archive date of sources that keep their past, as YYYYMMDD; None for others. Where they say {date} it is the
    one of the image that is there (`before`), so that a new day alone builds nothing, else yesterday, whose archive is
    complete. Where each address leads to the archive of one and the same day, it is that day."""
    if DATE_PLACEHOLDER in text:
        return before or yesterday
    days = [_day(uri) for fields in stanzas(text) for uri in fields.get("uris", "").split()]
    return days[0] if days and len(set(days)) == 1 else None


def _day(uri: str) -> str | None:
    """The day whose archive the address leads to."""
    found = [match[1] for part in urlsplit(uri).path.split("/") if (match := _MOMENT.fullmatch(part))]
    return found[0] if len(found) == 1 else None


def reproducible(text: str, archive_date: str | None) -> str:
    """What the manifest says of a build from these sources: `yes` only where each address in them leads to the archive
    of that day, else why not. A date that was only given pins nothing."""
    if archive_date is None:
        return "not reproducible: no archive date"
    used = [uri for fields in stanzas(text) for uri in fields.get("uris", "").split()]
    loose = list(dict.fromkeys(_without_login(uri) for uri in used if not is_snapshot(uri, archive_date)))
    if not used or loose:
        named = ", ".join(loose) or "no address"
        return f"not reproducible: the apt sources have {named}, which is not the archive of {archive_date}"
    return f"yes: the archive of {archive_date}"


def is_snapshot(uri: str, archive_date: str) -> bool:
    """Whether a directory of the address is that day, alone or with a time, as snapshot.debian.org writes it
    (/archive/debian/20261101T083000Z). A mirror list, a query or a host's name could lead to any day."""
    parts = urlsplit(uri)
    moment = re.compile(rf"{re.escape(archive_date)}(T[0-9]{{6}}Z)?")
    return parts.scheme in ("http", "https", "file") and any(map(moment.fullmatch, parts.path.split("/")))


def _without_login(uri: str) -> str:
    return re.sub(r"//[^/@]*@", "//", uri)


def render(uri: str, suites: Iterable[str]) -> str:
    return f"Types: deb\nURIs: {uri}\nSuites: {' '.join(suites)}\nComponents: {COMPONENTS}\nSigned-By: {KEYRING}\n"


def moved_suites(source: Source, codename: str) -> tuple[str, ...]:
    """The same pockets of RELEASE; none for an archive that isn't Debian's (other components, other key)."""
    if "main" not in source.components:
        return ()
    if source.signed_by and "debian-archive" not in source.signed_by:
        return ()
    names = (codename, "stable")
    pockets = (pocket for pocket in POCKETS if any(name + pocket in source.suites for name in names))
    return tuple(dict.fromkeys(RELEASE + pocket for pocket in pockets))


def read(path: Path) -> Iterator[Source]:
    if path.suffix == ".sources":
        yield from read_deb822(path.read_text(errors="replace"))
    elif path.suffix == ".list":
        yield from read_one_line(path.read_text(errors="replace"))


def read_deb822(text: str) -> Iterator[Source]:
    for fields in stanzas(text):
        for uri in addresses(fields.get("uris", "").split()):
            suites, components = fields.get("suites", "").split(), fields.get("components", "").split()
            yield Source(uri, tuple(suites), tuple(components), fields.get("signed-by"))


def stanzas(text: str) -> Iterator[dict[str, str]]:
    """The fields of each stanza of packages that is not switched off."""
    uncommented = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", uncommented):
        fields = stanza_fields(stanza)
        if "deb" in fields.get("types", "").split() and fields.get("enabled", "yes").lower() != "no":
            yield fields


def stanza_fields(stanza: str) -> dict[str, str]:
    """Field names in lower case; a line that begins with a space goes on with the field above it."""
    joined = re.sub(r"\n[ \t]+", " ", stanza)
    pairs = (line.split(":", 1) for line in joined.splitlines() if ":" in line)
    return {name.strip().lower(): value.strip() for name, value in pairs}


ONE_LINE = re.compile(r"^deb\s+(?:\[(?P<options>[^]]*)]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>[^#]+)")


def read_one_line(text: str) -> Iterator[Source]:
    for line in text.splitlines():
        if not (match := ONE_LINE.match(line.strip())):
            continue
        signed_by = re.search(r"signed-by=(\S+)", match["options"] or "")
        for uri in addresses([match["uri"]]):
            yield Source(uri, (match["suite"],), tuple(match["components"].split()), signed_by and signed_by[1])


def addresses(uris: Iterable[str]) -> Iterator[str]:
    """What mkosi's apt can reach: a mirror list of this machine is read here, a CD is left out."""
    for uri in uris:
        if uri.startswith("mirror+file:"):
            listed = Path(uri.removeprefix("mirror+file:").replace("//", "/", 1))
            yield from [line.split()[0] for line in listed.read_text().splitlines() if line.strip()][:1]
        elif uri.startswith(("http://", "https://")):
            yield uri
