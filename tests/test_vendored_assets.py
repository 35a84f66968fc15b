"""The front-end files kept in the repository are those that MANIFEST names, each with its licence."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import vendor_assets


def test_every_vendored_file_is_as_recorded() -> None:
    assert vendor_assets.differences() == []


def test_a_changed_or_added_file_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "uplot").mkdir()
    (tmp_path / "uplot" / "a.js").write_text("changed")
    (tmp_path / "uplot" / "b.js").write_text("new")
    manifest = tmp_path / "MANIFEST"
    manifest.write_text("00  uplot/a.js  uplot@1  MIT\n00  uplot/c.js  uplot@1  MIT\n")
    monkeypatch.setattr(vendor_assets, "VENDOR", tmp_path)
    monkeypatch.setattr(vendor_assets, "MANIFEST", manifest)
    assert vendor_assets.differences() == [
        "uplot/c.js: missing",
        "uplot/b.js: not in MANIFEST",
        "uplot/a.js: sha256 differs from MANIFEST",
    ]


@pytest.mark.parametrize("package", vendor_assets.PACKAGES, ids=lambda package: package.name)
def test_every_package_comes_with_its_licence(package: vendor_assets.Package) -> None:
    assert any("LICENSE" in name for name in package.files)
