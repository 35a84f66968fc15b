"""The bills of materials: valid CycloneDX, the same bytes each time, and nothing of the inputs left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cyclonedx.schema
import jsonschema_rs
import pytest

from scripts import sbom

SCHEMAS = Path(cyclonedx.schema.__file__).parent / "_res"
LOCK = """\
channels==4.3.2 \\
    --hash=sha256:{one} \\
    --hash=sha256:{two}
    # via -r requirements/base.in
tablib[yaml]==3.10.0 ; sys_platform == 'linux' \\
    --hash=sha256:{one}
    # via
    #   -r requirements/base.in
    #   channels
""".format(one="1" * 64, two="2" * 64)
MANIFEST = {
    "inputs_sha256": "cc5740d5140420c0",
    "level": "fast",
    "archive_date": None,
    "reproducible": "not reproducible: no archive date",
    "kernel": "6.12.118+deb13-amd64",
    "tools": {"mkosi": "25.3-7", "ipxe": "1.21.1+git20250501"},
    "files": {"vmlinuz": {"bytes": 1, "sha256": "3" * 64}},
    "packages": {"usbutils": "1:018-2", "zstd": "1.5.7+dfsg-1+deb13u1"},
}


def written(path: Path, bom: Any) -> dict[str, Any]:
    sbom.write(path, bom)
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def schema() -> jsonschema_rs.Validator:
    names = ("spdx.SNAPSHOT.schema.json", "jsf-0.82.SNAPSHOT.schema.json", "cryptography-defs.SNAPSHOT.schema.json")
    parts = [(f"http://cyclonedx.org/schema/{name}", json.loads((SCHEMAS / name).read_text())) for name in names]
    rules = json.loads((SCHEMAS / "bom-1.6.SNAPSHOT.schema.json").read_text())
    return jsonschema_rs.validator_for(rules, registry=jsonschema_rs.Registry(parts))


def test_both_are_valid_and_the_same_bytes_each_time(tmp_path: Path, schema: jsonschema_rs.Validator) -> None:
    for make in (lambda: sbom.of_project(sbom.LOCK.read_text()), lambda: sbom.of_image(MANIFEST)):
        told = written(tmp_path / "one", make())
        schema.validate(told)
        written(tmp_path / "other", make())
        assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_another_content_has_another_serial_number(tmp_path: Path) -> None:
    one = written(tmp_path / "one", sbom.of_image(MANIFEST))
    other = written(tmp_path / "other", sbom.of_image(MANIFEST | {"packages": {"zstd": "1.5.8"}}))
    assert one["serialNumber"] != other["serialNumber"]


def test_every_pin_of_the_lock_file_is_listed_with_its_hashes_and_who_needs_it(tmp_path: Path) -> None:
    told = written(tmp_path / "bom", sbom.of_project(LOCK))
    parts = {part["bom-ref"]: part for part in told["components"]}
    assert {"pkg:pypi/channels@4.3.2", "pkg:pypi/tablib@3.10.0"} <= parts.keys()
    [files] = parts["pkg:pypi/channels@4.3.2"]["externalReferences"]
    assert [one["content"] for one in files["hashes"]] == ["1" * 64, "2" * 64]
    needs = {one["ref"]: one.get("dependsOn", []) for one in told["dependencies"]}
    assert needs["pkg:pypi/channels@4.3.2"] == ["pkg:pypi/tablib@3.10.0"]
    assert {"pkg:pypi/channels@4.3.2", "pkg:pypi/tablib@3.10.0", "pkg:npm/uplot@1.6.32"} == set(needs["vetting"])


def test_no_package_of_our_own_lock_file_is_without_hash_or_reason() -> None:
    text = sbom.LOCK.read_text()
    packages = sbom.locked(text)
    assert all(one.sha256 and one.needed_by for one in packages)
    pins = sum(not line.startswith((" ", "#")) for line in text.splitlines() if line)
    assert len(sbom.of_project(text).components) == len(packages) + 1 == pins + 1  # and uPlot


def test_a_line_that_pins_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="not a pinned package: channels>=4"):
        sbom.locked("channels>=4\n")


def test_the_image_s_packages_and_files_are_listed(tmp_path: Path) -> None:
    told = written(tmp_path / "bom", sbom.of_image(MANIFEST))
    assert {part["name"]: part.get("version", "") for part in told["components"]} == {
        "ipxe": "1.21.1+git20250501",
        "usbutils": "1:018-2",
        "vmlinuz": "",
        "zstd": "1.5.7+dfsg-1+deb13u1",
    }
    assert told["components"][0]["hashes"] == [{"alg": "SHA-256", "content": "3" * 64}]


def test_without_an_image_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sbom.main(["--output", str(tmp_path / "out"), "--image", str(tmp_path)]) == 0
    assert "make image" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["vetting.cdx.json"]
