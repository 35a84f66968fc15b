"""Model fields: MAC addresses (any notation is accepted, stored as lower case with colons), texts of bounded length,
and a validator for times in the past."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone

from hosts import bounds

if TYPE_CHECKING:  # Django's own classes accept no type parameters at run time
    _CharField = models.CharField[str, str]
    _TextField = models.TextField[str, str]
else:
    _CharField, _TextField = models.CharField, models.TextField

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DIGITS = re.compile(r"[0-9a-f]{12}")
_NOTATION = re.compile(r"[0-9A-Fa-f]{1,4}(?:[:.\- ]?[0-9A-Fa-f]{1,4}){2,11}")


def normalise_mac(text: str) -> str:
    """`5254.0012.3456`, `52-54-00-12-34-56` or `525400123456` as `52:54:00:12:34:56`.

    Raises ValidationError for anything else, for a multicast address and for all zeros.
    """
    digits = re.sub(r"[:.\- ]", "", text.strip()).lower()
    if not _NOTATION.fullmatch(text.strip()) or not _DIGITS.fullmatch(digits):
        raise ValidationError(
            f"{bounds.quoted(text)} is no MAC address: twelve hexadecimal digits, e.g. 52:54:00:12:34:56"
        )
    if int(digits, 16) == 0:
        raise ValidationError("00:00:00:00:00:00 is no machine's address")
    if int(digits[:2], 16) & 1:
        raise ValidationError(f"{text} is a multicast address: a network card's own has an even first byte")
    return ":".join(digits[n : n + 2] for n in range(0, 12, 2))


class MacField(_CharField):
    """A CharField that holds one normalised MAC address."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["max_length"] = 17
        super().__init__(*args, **kwargs)

    def to_python(self, value: Any) -> Any:
        return normalise_mac(value) if isinstance(value, str) and value else value

    def get_prep_value(self, value: Any) -> Any:
        return super().get_prep_value(self.to_python(value))


class BoundedText(_TextField):
    """A TextField that stores and returns no more than its bound, so that no page, report or message is longer, also
    for rows of an older version. Migrations see a plain TextField."""

    def __init__(self, *args: Any, bound: bounds.Bound = bounds.SENTENCE, **kwargs: Any) -> None:
        self.bound = bound
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.TextField", args, kwargs

    def clone(self) -> BoundedText:
        _, _, args, kwargs = self.deconstruct()
        return type(self)(*args, bound=self.bound, **kwargs)

    def get_prep_value(self, value: Any) -> Any:
        text = super().get_prep_value(value)
        return self.bound.cut(text) if isinstance(text, str) else text

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return self.bound.cut(value) if isinstance(value, str) else value


def validate_past(moment: datetime) -> None:
    if moment > timezone.now():
        raise ValidationError(f"{moment:%Y-%m-%d %H:%M} is not past")
