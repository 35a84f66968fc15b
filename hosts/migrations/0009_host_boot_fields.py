import django.core.validators
from django.db import migrations, models

import hosts.bootwords


class Migration(migrations.Migration):
    """What a host boots with: kernel arguments, console, deadline, and how it goes on to its own disk."""

    dependencies = [("hosts", "0008_host_power")]
    operations = [
        migrations.AddField(
            model_name="host",
            name="kernel_args",
            field=models.CharField(
                blank=True,
                default="",
                help_text="Added to the kernel's command line of this host, such as nomodeset or pci=noaer.",
                max_length=400,
                validators=[hosts.bootwords.validate_kernel_args],
            ),
        ),
        migrations.AddField(
            model_name="host",
            name="console",
            field=models.CharField(
                blank=True,
                default="",
                help_text="Where the agent's lines go, such as ttyS1,115200n8 for a BMC's serial console. Empty: ttyS0.",
                max_length=40,
                validators=[hosts.bootwords.validate_console],
            ),
        ),
        migrations.AddField(
            model_name="host",
            name="boot_deadline_s",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="Seconds from waking to the agent's claim, if its self test takes long. Empty: deadlines.boot_s.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(60),
                    django.core.validators.MaxValueValidator(14400),
                ],
            ),
        ),
        migrations.AddField(
            model_name="host",
            name="local_boot",
            field=models.CharField(
                choices=[
                    ("auto", "Automatic (UEFI: exit; BIOS: sanboot)"),
                    ("exit", "exit: the firmware goes on with its next boot entry"),
                    ("sanboot", "sanboot: the first disk, by iPXE"),
                    ("drive", "drive: the disk of the number below, by iPXE"),
                ],
                default="auto",
                help_text="How it goes on to its own disk when it boots from the network and no run is due.",
                max_length=8,
            ),
        ),
        migrations.AddField(
            model_name="host",
            name="local_drive",
            field=models.PositiveSmallIntegerField(
                default=128,
                help_text="For drive: the BIOS's number of the disk; 128 (0x80) is the first.",
                validators=[
                    django.core.validators.MinValueValidator(128),
                    django.core.validators.MaxValueValidator(143),
                ],
            ),
        ),
        migrations.AlterField(
            model_name="host",
            name="boot_binary",
            field=models.CharField(
                choices=[
                    ("auto", "Automatic (snponly.efi, undionly.kpxe)"),
                    ("snponly.efi", "snponly.efi (UEFI's own network driver)"),
                    ("ipxe.efi", "ipxe.efi (iPXE's own drivers)"),
                    ("undionly.kpxe", "undionly.kpxe (BIOS; a UEFI gets snponly.efi)"),
                ],
                default="auto",
                max_length=16,
            ),
        ),
    ]
