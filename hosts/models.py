"""The inventory: machines that may be vetted, what each should be made of, and how to wake it."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.urls import reverse

from hosts import bootwords, bounds, tags, wakemethods
from hosts.fields import MacField, validate_past
from hosts.readable import readable
from hosts.spec_columns import Product


class Health(models.TextChoices):
    GOOD = "good", "Good"
    BAD = "bad", "Bad"
    UNKNOWN = "unknown", "Unknown"


class IdleBoot(models.TextChoices):
    """What a registered host without a run does when it boots from the network."""

    LOCAL = "local", "Boot from its local disk"
    POWER_OFF = "poweroff", "Power off"


class BootBinary(models.TextChoices):
    AUTO = "auto", "Automatic (snponly.efi, undionly.kpxe)"
    SNPONLY = "snponly.efi", "snponly.efi (UEFI's own network driver)"
    IPXE = "ipxe.efi", "ipxe.efi (iPXE's own drivers)"
    UNDIONLY = "undionly.kpxe", "undionly.kpxe (BIOS; a UEFI gets snponly.efi)"


class LocalBoot(models.TextChoices):
    """How a host goes on to its own disk after iPXE."""

    AUTO = "auto", "Automatic (UEFI: exit; BIOS: sanboot)"
    EXIT = "exit", "exit: the firmware goes on with its next boot entry"
    SANBOOT = "sanboot", "sanboot: the first disk, by iPXE"
    DRIVE = "drive", "drive: the disk of the number below, by iPXE"


# The columns of a host that a list does not show. The first is large.
DOCUMENTS = ("expected", "notes", "wake_options")


class Host(models.Model):
    """A registered machine. `expected` is the expected spec (hosts.expectations), None when there is none yet; it
    never says which disks may be written: that is `WritableDisk`, disk by disk."""

    name = models.SlugField(max_length=63, unique=True, help_text="Short name, as in the cluster.")
    enabled = models.BooleanField(default=True, help_text="Off: its MACs get no DHCP answer and no run can start.")
    notes = models.TextField(blank=True)
    tags = models.CharField(
        max_length=tags.COLUMN_CHARACTERS,
        blank=True,
        default="",
        help_text="Words with spaces between them, such as rack3 prod: filters of the list, and routes of messages.",
    )
    profile_name = models.CharField(max_length=64, default="quick")
    wake_method = models.CharField(max_length=16, choices=wakemethods.choices, default=wakemethods.DEFAULT)
    wake_options = models.JSONField(
        default=dict, blank=True, help_text="Address and user of the BMC, where one wakes it."
    )
    idle_boot = models.CharField(max_length=16, choices=IdleBoot.choices, default=IdleBoot.LOCAL)
    boot_binary = models.CharField(max_length=16, choices=BootBinary.choices, default=BootBinary.AUTO)
    cycle_hung = models.BooleanField(
        "power-cycle it if it hangs",
        default=False,
        help_text="A host that goes silent under test is power-cycled once by its BMC, so that it can be held and "
        "looked at. The run has failed all the same. Leave it off where the host could boot its own disk meanwhile: "
        "what runs on it would lose its power.",
    )
    kernel_args = models.CharField(
        max_length=bootwords.KERNEL_ARGS_MOST,
        blank=True,
        default="",
        validators=[bootwords.validate_kernel_args],
        help_text="Added to the kernel's command line of this host, such as nomodeset or pci=noaer.",
    )
    console = models.CharField(
        max_length=40,
        blank=True,
        default="",
        validators=[bootwords.validate_console],
        help_text="Where the agent's lines go, such as ttyS1,115200n8 for a BMC's serial console. Empty: ttyS0.",
    )
    boot_deadline_s = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(60), MaxValueValidator(14400)],
        help_text="Seconds from waking to the agent's claim, if its self test takes long. Empty: deadlines.boot_s.",
    )
    local_boot = models.CharField(
        max_length=8,
        choices=LocalBoot.choices,
        default=LocalBoot.AUTO,
        help_text="How it goes on to its own disk when it boots from the network and no run is due.",
    )
    local_drive = models.PositiveSmallIntegerField(
        default=128,
        validators=[MinValueValidator(128), MaxValueValidator(143)],
        help_text="For drive: the BIOS's number of the disk; 128 (0x80) is the first.",
    )
    expected = models.JSONField(null=True, blank=True)
    compared_since = models.DateTimeField(
        null=True,
        blank=True,
        validators=[validate_past],
        help_text="Runs before it are no measure for later ones: set it where a counter that grew, or a part that has "
        "become slower or hotter, was accepted or its cause repaired. Only what changes after it is told again. Empty: "
        "all earlier runs count.",
    )
    destructive_allowed = models.BooleanField(
        default=False, help_text="Allows profiles that write, on the disks confirmed one by one below."
    )
    health = models.CharField(max_length=8, choices=Health.choices, default=Health.UNKNOWN)
    dmi_uuid = models.CharField(
        max_length=36, blank=True, help_text="Learnt at the first claim; later ones must match."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    # MACs that an import wants; None where it says nothing of them. In memory only.
    new_macs: list[str] | None = None

    class Meta:
        ordering = ("name",)
        indexes = [
            # All that the dashboard selects and counts hosts by.
            models.Index(fields=["name", "health", "profile_name", "wake_method"], name="hosts_listed"),
            models.Index(Product("expected"), name="hosts_product"),
        ]
        permissions = [
            ("import_host", "Can import hosts, with the permissions to add and to change them"),
            ("export_host", "Can export hosts"),
            ("wake_host", "Can change how a host is woken, and so where a BMC's password is sent"),
            ("allow_writing", "Can allow a disk to be written"),
            ("power_host", "Can turn a host off and on, and restart it, whatever runs on it"),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("host", args=[self.name])

    def clean(self) -> None:
        if too_long := bounds.NOTES.refusal(self.notes):
            raise ValidationError({"notes": too_long})
        self.notes = readable(self.notes)
        try:
            self.tags = tags.joined(tags.parsed(self.tags))
        except ValueError as error:
            raise ValidationError({"tags": str(error)}) from None
        if self.compared_since is not None and not 1970 <= self.compared_since.year <= 9000:
            # Within these years the time is valid in every time zone.
            raise ValidationError({"compared_since": "not between the years 1970 and 9000"})

    @property
    def mac_list(self) -> list[str]:
        return [row.mac for row in self.macs.all()]

    @property
    def tag_list(self) -> list[str]:
        return self.tags.split()

    @property
    def power_verbs(self) -> tuple[wakemethods.Verb, ...]:
        """What can be done with its power, by the way it is woken and its wake options."""
        return wakemethods.verbs(self.wake_method, self.wake_options)

    @property
    def own_boot_words(self) -> list[str]:
        """What of its boot is its own, in words."""
        drive = f" {self.local_drive:#x}" if self.local_boot == LocalBoot.DRIVE else ""
        return [
            *([f"kernel arguments {self.kernel_args}"] if self.kernel_args else []),
            *([f"console {self.console}"] if self.console else []),
            *([self.boot_binary] if self.boot_binary != BootBinary.AUTO else []),
            *([f"{self.boot_deadline_s} s until the claim"] if self.boot_deadline_s else []),
            *([f"{self.local_boot}{drive} to its own disk"] if self.local_boot != LocalBoot.AUTO else []),
        ]

    @property
    def model(self) -> str:
        """The expected model, as its maker calls it; empty if the spec does not say."""
        return str(((self.expected or {}).get("system") or {}).get("product") or "")

    def withdraw_permissions(self) -> None:
        """Take back the permission to write from every disk that the spec no longer names."""
        serials = [disk.get("serial") or "" for disk in (self.expected or {}).get("disks") or []]
        self.writable_disks.exclude(serial__in=serials).delete()


class HostMac(models.Model):
    """One MAC address of a host, lower case with colons. A magic packet goes to each, the first one first."""

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="macs")
    mac = MacField(unique=True)

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return self.mac


class WritableDisk(models.Model):
    """An operator typed this disk's serial to say that destructive tests may write on it. No import, adoption or
    derivation of a spec makes or moves such a row."""

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="writable_disks")
    serial = models.CharField(max_length=128)
    allowed_by = models.CharField(max_length=150)
    allowed_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("serial",)
        constraints = [models.UniqueConstraint(fields=["host", "serial"], name="one_permission_per_disk")]

    def __str__(self) -> str:
        return self.serial
