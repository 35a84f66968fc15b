"""What a host may add to the kernel's command line, and how long that line may be. Pure functions."""

from __future__ import annotations

import re

from django.core.exceptions import ValidationError

COMMAND_LINE_MOST = 2047
"""Characters that the kernel of x86 takes. [arch/x86/include/asm/setup.h, COMMAND_LINE_SIZE with its end]"""
KERNEL_ARGS_MOST = 400
# iPXE's own syntax; control characters and what is no ASCII.
_OF_IPXE = re.compile(r"\|\||&&|\$\{|(?:^|\s)#|[^\x20-\x7e]")
# What the boot script gives itself.
_OURS = re.compile(r"(?:^|\s)(?:initrd=|vetting\.)")
_CONSOLE = re.compile(r"(?:tty[A-Z]{0,4}\d{0,3}|hvc\d{1,2})(?:,\d{2,7}(?:[noe](?:[5-8]r?)?)?)?")


def problem_of_args(text: str) -> str:
    """Why these are no kernel arguments that a boot script can carry; empty if they are."""
    if _OF_IPXE.search(text):
        return "holds ||, &&, ${, # or a control character: kernel arguments on one line, e.g. nomodeset pci=noaer"
    if _OURS.search(text):
        return "initrd= and vetting. are given by the boot script"
    return ""


def validate_kernel_args(text: str) -> None:
    if problem := problem_of_args(text):
        raise ValidationError(f"The text {problem}" if problem.startswith("holds") else problem)


def validate_console(text: str) -> None:
    if not _CONSOLE.fullmatch(text):
        raise ValidationError("Not a console such as ttyS1,115200n8 or tty0")


def of_host(kernel_args: str, console: str) -> tuple[str, ...]:
    """A host's own arguments. The last console is the one that the agent's lines go to."""
    return (*kernel_args.split(), *([f"console={console}"] if console else []))
