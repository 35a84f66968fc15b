"""One POST request with JSON, for channels such as ntfy and Discord."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import requests

from notifications.channel import DeliveryFailed


def post(url: str, body: dict[str, Any] | bytes, timeout_s: float, headers: dict[str, str] | None = None) -> None:
    """`body` is sent as JSON, bytes as they are. Raises DeliveryFailed unless the answer is 2xx. A redirect is not
    followed: the body and the token are for the configured host alone. The text of a requests exception holds the whole
    URL, so it is never passed on."""
    given: dict[str, Any] = {"data": body} if isinstance(body, bytes) else {"json": body}
    where = urlsplit(url).netloc.rpartition("@")[2]
    try:
        with requests.post(
            url, headers=headers, timeout=timeout_s, allow_redirects=False, stream=True, **given
        ) as answer:
            status = answer.status_code
    except requests.Timeout:
        raise DeliveryFailed(f"{where}: no answer within {timeout_s:g} s") from None
    except requests.exceptions.SSLError:
        raise DeliveryFailed(f"{where}: its TLS certificate is not accepted") from None
    except (requests.RequestException, ValueError) as error:
        raise DeliveryFailed(f"{where}: cannot be reached ({type(error).__name__})") from None
    if not 200 <= status < 300:
        raise DeliveryFailed(f"{where}: answered {status}")
