"""The front-end files kept in the repository are those that MANIFEST names, each with its licence."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import vendor_assets


@pytest.mark.parametrize("folder", vendor_assets.FOLDERS, ids=lambda folder: folder.parent.name)
def test_every_vendored_file_is_as_recorded(folder: Path) -> None:
    assert vendor_assets.recorded(folder)
    assert vendor_assets.differences(folder) == []


def test_a_changed_or_added_file_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "uplot").mkdir()
    (tmp_path / "uplot" / "a.js").write_text("changed")
    (tmp_path / "uplot" / "b.js").write_text("new")
    (tmp_path / "MANIFEST").write_text("00  uplot/a.js  uplot@1  MIT\n00  uplot/c.js  uplot@1  MIT\n")
    assert vendor_assets.differences(tmp_path) == [
        "uplot/c.js: missing",
        "uplot/b.js: not in MANIFEST",
        "uplot/a.js: sha256 differs from MANIFEST",
    ]


@pytest.mark.parametrize("package", vendor_assets.PACKAGES, ids=lambda package: package.name)
def test_every_package_comes_with_its_licence(package: vendor_assets.Package) -> None:
    assert any("LICENSE" in name for name in package.files)
