"""One file for each way to wake a host, named as `Host.wake_method` has it. Each is found by being here;
docs/adding-a-wake-driver.md says how to add one."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import cast

from pxe.wake.shape import Driver

DRIVERS: dict[str, Driver] = {
    found.name: cast(Driver, import_module(f"{__name__}.{found.name}")) for found in pkgutil.iter_modules(__path__)
}
