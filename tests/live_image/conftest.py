"""Puts the image's builder on the path, and boots the built image once for all tests that look at it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from django.conf import settings

LIVE_IMAGE = Path(__file__).resolve().parents[2] / "live-image"
sys.path.insert(0, str(LIVE_IMAGE))

from tests.live_image.machine import Booted, boot  # noqa: E402

QEMU = "qemu-system-x86_64"


@pytest.fixture(scope="session")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Booted:
    """The image after one boot on a machine with five disks that all hold something."""
    image = Path(settings.IMAGE_DIR)
    if not (image / "manifest.json").exists():
        pytest.skip(f"no live image in {image}: make image")
    if shutil.which(QEMU) is None:
        pytest.skip(f"no {QEMU}: apt-get install qemu-system-x86")
    return boot(image, tmp_path_factory.mktemp("live-image"))
