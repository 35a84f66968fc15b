"""The archive file, the digest of the inputs, and the step by which a new image takes the old one's place."""

from __future__ import annotations

import io
import json
import os
import subprocess
from pathlib import Path

import pytest
from builder import BuildError, cpio, inputs, output, tree


def sample_tree(root: Path) -> Path:
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/tool").write_bytes(b"#!/bin/sh\n")
    (root / "usr/bin/tool").chmod(0o755)
    os.link(root / "usr/bin/tool", root / "usr/bin/tool-too")
    (root / "bin").symlink_to("usr/bin")
    (root / "empty").touch()
    return root


def packed(root: Path, mtime: int = 1) -> bytes:
    out = io.BytesIO()
    cpio.write_tree(root, out, mtime)
    return out.getvalue()


def test_cpio_unpacks_what_was_packed(tmp_path: Path) -> None:
    archive = packed(sample_tree(tmp_path / "tree"))
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    subprocess.run(["cpio", "--extract", "--quiet", "--directory", unpacked], input=archive, check=True)
    assert os.readlink(unpacked / "bin") == "usr/bin"
    tool = unpacked / "usr/bin/tool"
    assert (tool.read_bytes(), tool.stat().st_mode & 0o777) == (b"#!/bin/sh\n", 0o755)
    assert tool.samefile(unpacked / "usr/bin/tool-too")
    assert (unpacked / "empty").read_bytes() == b""


def test_the_same_tree_gives_the_same_bytes_wherever_and_whenever_it_was_made(tmp_path: Path) -> None:
    one, other = sample_tree(tmp_path / "one"), sample_tree(tmp_path / "other")
    os.utime(other / "empty", (0, 0))
    assert packed(one) == packed(other)
    assert packed(one, mtime=1) != packed(one, mtime=2)


def test_the_root_directory_has_an_entry_of_its_own(tmp_path: Path) -> None:
    root = sample_tree(tmp_path / "tree")
    root.chmod(0o755)
    archive = packed(root)
    mode, name = archive[14:22], archive[110:112]
    assert (int(mode, 16), name) == (0o40755, b".\0")


def test_a_directory_comes_before_what_it_holds(tmp_path: Path) -> None:
    root = sample_tree(tmp_path / "tree")
    names = [str(path.relative_to(root)) for path in cpio.walk(root)]
    assert names == ["bin", "empty", "usr", "usr/bin", "usr/bin/tool", "usr/bin/tool-too"]


def test_any_change_of_an_input_changes_the_digest(tmp_path: Path) -> None:
    root = sample_tree(tmp_path / "tree")
    seen = {inputs.digest(root, "fast", ""), inputs.digest(root, "small", ""), inputs.digest(root, "fas", "t")}
    (root / "empty").write_text("x")
    seen.add(inputs.digest(root, "fast", ""))
    (root / "empty").chmod(0o755)
    seen.add(inputs.digest(root, "fast", ""))
    (root / "bin").unlink()
    (root / "bin").symlink_to("usr")
    seen.add(inputs.digest(root, "fast", ""))
    assert len(seen) == 6


def test_byte_code_is_no_input(tmp_path: Path) -> None:
    root = sample_tree(tmp_path / "tree")
    before = inputs.digest(root)
    (root / "__pycache__").mkdir()
    (root / "__pycache__/x.pyc").touch()
    assert inputs.digest(root) == before


@pytest.mark.parametrize("size", range(4))
def test_another_archive_can_follow_at_a_multiple_of_four(tmp_path: Path, size: int) -> None:
    archive = tmp_path / "initrd.zst"
    archive.write_bytes(b"x" * (400 + size))
    output.align(archive)
    assert archive.read_bytes() == b"x" * (400 + size) + bytes((4 - size) % 4)


def finished_image(directory: Path, inputs_sha256: str, level: str = "fast") -> Path:
    directory.mkdir()
    (directory / "initrd.zst").write_bytes(b"image")
    output.write_manifest(
        directory, {"inputs_sha256": inputs_sha256, "level": level, "files": output.file_facts(directory)}
    )
    return directory


def test_an_image_is_current_if_whole_and_made_from_these_inputs(tmp_path: Path) -> None:
    image = finished_image(tmp_path / "image", "abc")
    assert output.is_current(image, "abc", "fast")
    assert not output.is_current(image, "abd", "fast")
    (image / "initrd.zst").write_bytes(b"cut")
    assert not output.is_current(image, "abc", "fast")


def test_a_small_image_does_where_a_fast_one_is_asked_for(tmp_path: Path) -> None:
    small = finished_image(tmp_path / "small", "abc", level="small")
    fast = finished_image(tmp_path / "fast", "abc", level="fast")
    assert output.is_current(small, "abc", "fast")
    assert not output.is_current(fast, "abc", "small")


@pytest.mark.parametrize("manifest", ["", "[]", "{}", '{"inputs_sha256": "abc", "files": {}}'])
def test_a_broken_manifest_means_a_new_build(tmp_path: Path, manifest: str) -> None:
    (tmp_path / output.MANIFEST).write_text(manifest)
    assert not output.is_current(tmp_path, "abc", "fast")


def test_a_new_image_takes_the_old_one_s_place_whole(tmp_path: Path) -> None:
    image = finished_image(tmp_path / "image", "old")
    still_open = os.open(image / "initrd.zst", os.O_RDONLY)
    output.put_in_place(finished_image(tmp_path / ".image.new", "new"), image)
    assert json.loads((image / output.MANIFEST).read_text())["inputs_sha256"] == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["image"]
    assert os.read(still_open, 5) == b"image", "who was reading the old image goes on"
    os.close(still_open)


def test_the_first_image_needs_no_old_one(tmp_path: Path) -> None:
    output.put_in_place(finished_image(tmp_path / ".image.new", "new"), tmp_path / "image")
    assert output.is_current(tmp_path / "image", "new", "fast")


REGISTRY = "PREAMBLE\n\nDecimal\n| Organization\n0\n  Reserved\n    someone\n2\n  IBM\n    a\n      b\n343\n  Intel\n"


def image(folder: Path, unpacked: int | None = None) -> Path:
    """A quick one, with a manifest that says so."""
    folder.mkdir()
    real = output.pack(sample_tree(folder.parent / "tree"), folder / output.INITRD, "fast", 1)
    facts = {"level": "fast", "unpacked_bytes": unpacked or real, "files": output.file_facts(folder), "kernel": "6.12"}
    output.write_manifest(folder, facts)
    return folder


def test_an_image_is_made_smaller_with_the_same_bytes_inside(tmp_path: Path) -> None:
    made = image(tmp_path / "image")
    before = unpacked(made / output.INITRD)
    assert "level small" in output.recompress(made, "small")
    manifest = json.loads((made / output.MANIFEST).read_text())
    assert (manifest["level"], manifest["kernel"]) == ("small", "6.12")
    assert manifest["files"] == output.file_facts(made)
    assert (made / output.INITRD).stat().st_size % 4 == 0 and unpacked(made / output.INITRD) == before
    assert output.is_current(made, "", "fast") is False, "of other inputs"
    assert "already" in output.recompress(made, "small")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["image", "tree"]


def test_an_archive_that_is_not_the_manifest_s_stays_as_it_is(tmp_path: Path) -> None:
    made = image(tmp_path / "image", unpacked=1)
    before = (made / output.INITRD).read_bytes()
    with pytest.raises(BuildError, match="build it again"):
        output.recompress(made, "small")
    assert (made / output.INITRD).read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["image", "tree"]


def unpacked(archive: Path) -> bytes:
    return subprocess.run(["zstd", "-qdc", archive], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


def test_the_maker_list_keeps_the_makers_and_the_preamble(tmp_path: Path) -> None:
    registry = tmp_path / "usr/share/misc/enterprise-numbers.txt"
    registry.parent.mkdir(parents=True)
    registry.write_text(REGISTRY)
    makers = tmp_path / "makers"
    makers.write_text("# comment 0\n343 2\n")
    tree.shorten_maker_list(tmp_path, makers)
    assert registry.read_text() == REGISTRY.replace("0\n  Reserved\n    someone\n", "")
    makers.write_text("343 2 99999\n")
    with pytest.raises(BuildError, match="2 of the 3"):
        tree.shorten_maker_list(tmp_path, makers)


def test_two_builds_leave_the_same_identity(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/machine-id").write_text("uninitialized\n")
    (tmp_path / "etc/shadow").write_text("root:*:20780:0:99999:7:::\nsshd:!*:20781::::::\n")
    (tmp_path / "etc/passwd-").touch()
    tree.clear_identity(tmp_path)
    assert (tmp_path / "etc/machine-id").read_text() == ""
    assert (tmp_path / "etc/shadow").read_text() == "root:*:1:0:99999:7:::\nsshd:!*:1::::::\n"
    assert not (tmp_path / "etc/passwd-").exists()
