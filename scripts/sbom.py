#!/usr/bin/env python3
"""Write what Vetting consists of, as CycloneDX 1.6: make sbom

    scripts/sbom.py [--output var/sbom] [--image var/image]

vetting.cdx.json has the locked Python packages with the hashes of their files, and the browser's files that are kept
in the repository. live-image.cdx.json has the Debian packages and the files of the image that hosts boot. The same
inputs make the same bytes: no time is in them, and the serial number is made from the content.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import sys
import tomllib
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from scripts import vendor_assets

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements/base.txt"
PIN = re.compile(r"^(?P<name>[a-z0-9._-]+)(?:\[[^]]*])?==(?P<version>[^\s;]+)", re.I)
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
NEEDED_BY = re.compile(r"^ +# +(?:via )?(-r .+|[a-z0-9._-]+)$")
DEBIAN = "debian-13"


@dataclass(frozen=True)
class Locked:
    """One package of a lock file, the hashes of its files, and who needs it: names, or "-r FILE"."""

    name: str
    version: str
    sha256: tuple[str, ...]
    needed_by: frozenset[str]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Write what Vetting consists of, as CycloneDX.")
    parser.add_argument("--output", type=Path, default=ROOT / "var/sbom", help="a directory; made where it is missing")
    parser.add_argument("--image", type=Path, default=ROOT / "var/image", help="where `make image` has put the image")
    asked = parser.parse_args(argv)
    asked.output.mkdir(parents=True, exist_ok=True)
    write(asked.output / "vetting.cdx.json", of_project(LOCK.read_text()))
    manifest = asked.image / "manifest.json"
    if not manifest.is_file():
        print(f"{manifest} is missing, so nothing is written about the live image: make image", file=sys.stderr)
        return 0
    write(asked.output / "live-image.cdx.json", of_image(json.loads(manifest.read_text())))
    return 0


def of_project(lock: str) -> Bom:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    root = Component(name="vetting", version=version, type=ComponentType.APPLICATION, bom_ref="vetting")
    root.licenses.add(DisjunctiveLicense(id="MIT"))
    packages = locked(lock)
    parts = {one: _python(one) for one in packages}  # one name can stand there twice, for two versions of Python
    kept = [_npm(package) for package in vendor_assets.PACKAGES if package.folder == vendor_assets.SHIPPED]
    bom = _bom(root, [*parts.values(), *kept])
    direct = [part for one, part in parts.items() if any(by.startswith("-r ") for by in one.needed_by)]
    bom.register_dependency(root, [*direct, *kept])
    for one, part in parts.items():
        bom.register_dependency(part, [needed for other, needed in parts.items() if one.name in other.needed_by])
    return bom


def of_image(manifest: dict[str, Any]) -> Bom:
    """iPXE is not installed in the image: its loaders lie beside it."""
    version = manifest["inputs_sha256"][:12]
    root = Component(name="vetting-live-image", version=version, type=ComponentType.OPERATING_SYSTEM, bom_ref="image")
    said = ("level", "archive_date", "reproducible", "kernel")
    root.properties.update(Property(name=f"vetting:{name}", value=str(manifest[name])) for name in said)
    packages = manifest["packages"] | {"ipxe": manifest["tools"]["ipxe"]}
    parts = [_debian(name, version) for name, version in packages.items()]
    parts += [_file(name, facts["sha256"]) for name, facts in manifest["files"].items()]
    bom = _bom(root, parts)
    bom.register_dependency(root, parts)
    return bom


def locked(text: str) -> list[Locked]:
    """The packages of a lock file as uv writes it: a pin, its hashes, and comments that say who needs it."""
    starts = [*(match.start() for match in re.finditer(r"^(?=[a-z0-9])", text, re.M | re.I)), len(text)]
    stanzas = [text[at:end] for at, end in itertools.pairwise(starts)]
    found = []
    for stanza in stanzas:
        pin = PIN.match(stanza)
        if pin is None:
            raise ValueError(f"not a pinned package: {stanza.splitlines()[0]}")
        by = (NEEDED_BY.match(line) for line in stanza.splitlines())
        names = frozenset(match[1] for match in by if match and match[1] != "via")
        found.append(Locked(pin["name"], pin["version"], tuple(HASH.findall(stanza)), names))
    return found


def write(path: Path, bom: Bom) -> None:
    """The serial number is one of the content that stands beside it."""
    bom.serial_number = uuid.UUID(int=0)
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_URL, _text(bom))
    path.write_text(_text(bom) + "\n")
    print(f"{path}: {len(bom.components)} components")


def _text(bom: Bom) -> str:
    return make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=1)


def _bom(root: Component, components: Iterable[Component]) -> Bom:
    bom = Bom(components=components)
    bom.metadata.component = root
    bom.metadata.timestamp = None  # type: ignore[assignment]  # left out of the document; the type knows no such bill
    return bom


def _python(one: Locked) -> Component:
    """A package has many files, one of which is installed: their hashes belong to where they are fetched."""
    files = ExternalReference(
        type=ExternalReferenceType.DISTRIBUTION,
        url=XsUri(f"https://pypi.org/project/{one.name}/{one.version}/"),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=sha256) for sha256 in one.sha256],
    )
    return _library(PackageURL("pypi", None, one.name, one.version), external_references=[files])


def _npm(package: vendor_assets.Package) -> Component:
    recorded = vendor_assets.recorded(package.folder)
    files = [_file(name, sha256) for name, sha256 in recorded.items() if name.startswith(f"{package.name}/")]
    licence = DisjunctiveLicense(id=package.licence)
    return _library(PackageURL("npm", None, package.name, package.version), components=files, licenses=[licence])


def _debian(name: str, version: str) -> Component:
    return _library(PackageURL("deb", "debian", name, version, {"distro": DEBIAN}))


def _library(url: PackageURL, **more: Any) -> Component:
    return Component(name=url.name, version=url.version, purl=url, bom_ref=url.to_string(), **more)


def _file(name: str, sha256: str) -> Component:
    hashes = [HashType(alg=HashAlgorithm.SHA_256, content=sha256)]
    return Component(name=name, type=ComponentType.FILE, hashes=hashes, bom_ref=f"file:{name}")


if __name__ == "__main__":
    sys.exit(main())
