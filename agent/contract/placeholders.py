"""The texts that firmware gives for a serial number, part number or name that nobody entered. This is the only such
list. The agent and the orchestrator both use it."""

from __future__ import annotations

import re

# Words that stand for no name: dmidecode's own (dmi_string and the *_SPEC of dmidecode.c) and those of board makers,
# seen in place of serial numbers, part numbers and slot names.
_NO_NAMES = frozenset(
    {
        "", "-", "--", "n/a", "na", "none", "null", "unknown", "unspecified", "not specified", "not provided",
        "not available", "not applicable", "not present", "not set", "not settable", "not installed", "not defined",
        "not support", "not supported",
        "no dimm", "no module", "no module installed", "no asset information", "no asset tag", "no serial number",
        "empty", "[empty]", "<empty>", "undefined", "unset", "invalid", "<out of spec>", "out of spec", "<bad index>",
        "bad index", "default", "default string", "default_string", "default value", "to be filled by o.e.m.",
        "to be filled by o.e.m", "to be filled by oem", "to be filled", "to be set by o.e.m.", "to be set by oem",
        "to be defined by o.e.m.", "to be defined by oem", "tbd", "tbd by oem", "fill by oem", "filled by oem",
        "o.e.m.", "oem", "other",
    }
)  # fmt: skip
# Texts in place of a serial number, from the reference firmware of AMI, Phoenix and Insyde, and from ASUS, Gigabyte,
# MSI and others.
_DUMMIES = _NO_NAMES | {
    "system serial number", "system product name", "system manufacturer", "system version", "system uuid",
    "serial number", "serial", "serialnumber", "serial_number", "serial no", "s/n", "part number", "partnum",
    "chassis serial number", "chassis manufacturer", "base board serial number", "baseboard serial number",
    "board serial number", "board-serial", "type2 - board serial number", "oem_serial", "default_serial",
    "sample", "test", "eval", "asset-1234567890", "mb-1234567890", "bsn12345678901234567", "ssn12345678901234567",
    "csn12345678901234567", "03000200-0400-0500-0006-000700080009",
    "00020003-0004-0005-0006-000700080009", "123456789abc",
}  # fmt: skip
# Zeros, all bits set, crosses or dots; or any other character repeated four times or more. With or without the dashes
# of a UUID.
_ONE_CHARACTER = re.compile(r"[0 .:_-]+|0x(0+|f+)|[f:-]+|x+|\*+|\?+|(.)\2{3,}")
# Digits that count up from 0 or 1, in decimal (repeatedly) or hexadecimal: 0123456789, 12345678, 123456789abcdef.
_COUNTED_MIN = 5
_COUNTS = ("0123456789" * 4, "123456789" + "0123456789" * 3, "0123456789abcdef" * 2, "123456789abcdef")
# The name of the field with the slot's name or number before or behind it: SerNum0, A1_SerNum0, Dimm0_SerNum,
# Array1_PartNumber0, ModulePartNumber00, Dimm3_Manufacturer, A1_AssetTagNum0.
_FIELD_NAME = re.compile(
    r"(?:(?:[a-z]{1,8}\d{0,3})[ _-]?){0,2}"
    r"(?:ser(?:ial)?[ _-]?(?:num(?:ber)?|no)|part[ _-]?(?:num(?:ber)?|no)|manufacturer|asset[ _-]?tag(?:num)?)"
    r"[ _-]?\d{0,3}"
)


def is_placeholder(text: str) -> bool:
    """Whether this text identifies no particular part: it is empty, a maker's placeholder, one character repeated, or a
    count."""
    folded = _folded(text)
    return (
        folded in _DUMMIES
        or _ONE_CHARACTER.fullmatch(folded) is not None
        or _FIELD_NAME.fullmatch(folded) is not None
        or (len(folded) >= _COUNTED_MIN and any(count.startswith(folded) for count in _COUNTS))
    )


def is_no_name(text: str) -> bool:
    """Whether this text is no name of a slot. A slot may be called 0 or 1234; a serial number may not."""
    return _folded(text) in _NO_NAMES


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()
