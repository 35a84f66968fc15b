"""`netbox` of vetting.yaml: where hosts and expected parts are read from, and what is written back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from vetting.loginconfig import is_safe_url
from vetting.section import Section

Short = Annotated[str, Field(max_length=200)]
Slugs = Annotated[list[Annotated[str, Field(min_length=1, max_length=100)]], Field(max_length=100)]


class Parts(Section):
    """Which inventory items and modules are which kind of part: patterns of the slug of an item's role, or of its
    name."""

    dimms: Slugs = ["dimm*", "memory*"]
    disks: Slugs = ["disk*", "ssd*", "hdd*", "nvme*"]
    psus: Slugs = []


class VerdictTags(Section):
    """The slug of a tag for each verdict; empty: none."""

    passed: Short = ""
    failed: Short = ""
    incomplete: Short = ""
    error: Short = ""


class NetBox(Section):
    """Without `url` there is none."""

    url: Short = Field(default="", description="Its address, without /api.")
    token_env: Short = Field(default="", description="The variable of secrets.env that has the API token.")
    token_file: Path | None = Field(default=None, description="Or the file that has it, and nothing else.")
    verify_tls: bool = True
    tags: Slugs = Field(default=[], description="Devices that have all of these tags.")
    sites: Slugs = Field(default=[], description="Devices at one of these sites.")
    roles: Slugs = Field(default=[], description="Devices that have one of these roles.")
    parts: Parts = Parts()
    write_back: bool = Field(default=False, description="Write to NetBox after each run.")
    verdict_field: Short = Field(default="", description="A custom field of devices, of type text or selection.")
    verdict_tags: VerdictTags = VerdictTags()

    @property
    def is_on(self) -> bool:
        return bool(self.url)

    @model_validator(mode="after")
    def _complete(self) -> NetBox:
        if not self.is_on:
            if self.write_back:
                raise ValueError("write_back needs url")
            return self
        if not is_safe_url(self.url):
            raise ValueError(f"{self.url} must begin with https:// (http:// is allowed on this machine only)")
        if "@" in urlsplit(self.url).netloc:
            raise ValueError("url must hold no name or password: it is written into the notes of hosts")
        if bool(self.token_env) == bool(self.token_file):
            raise ValueError("give token_env or token_file: one of them")
        if not (self.tags or self.sites or self.roles):
            raise ValueError("give tags, sites or roles: NetBox also has devices that are no hosts")
        return self
