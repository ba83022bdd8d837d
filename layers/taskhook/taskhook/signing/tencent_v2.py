"""Tencent Cloud API 2.0: HmacSHA1 or HmacSHA256 over the sorted parameters.

With ``Version`` among the parameters and ``/`` for the path the same is version 1 of API 3.0, so it works there too.
Source: qcloudapi-sdk-python 2.0.15, ``Sign.make``.
"""

import base64
import hmac
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Literal
from urllib.parse import urlencode

from requests import PreparedRequest
from requests.auth import AuthBase

from taskhook.signing import parts


@dataclass(frozen=True, slots=True, eq=False)
class TencentV2Auth(AuthBase):
    """Adds SecretId, Timestamp, Nonce, SignatureMethod, Token and Signature to the query, or for POST to the form body.

    Action, Region and the rest are ordinary parameters of the request, each name once; lists are already flattened to
    ``name.0``. ``clock`` gives seconds since the epoch, ``nonce`` a positive integer that is new for every request.
    ``method=None`` leaves SignatureMethod out, which means HmacSHA1. ``ValueError`` when a name comes twice or a POST
    carries something other than a form.
    """

    secret_id: str = field(repr=False)
    secret_key: str = field(repr=False)
    _: KW_ONLY
    token: str | None = field(default=None, repr=False)
    method: Literal["HmacSHA256", "HmacSHA1"] | None = "HmacSHA256"
    clock: Callable[[], float] = field(repr=False)
    nonce: Callable[[], int] = field(repr=False)

    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        if r.method == "POST":
            r.body = self._signed(r, parts.pin_body(r).decode()).encode()
            r.headers["Content-Type"] = parts.FORM
        else:
            url = parts.split_url(r)
            r.url = url._replace(query=self._signed(r, url.query)).geturl()
        return r

    def _signed(self, r: PreparedRequest, encoded: str) -> str:
        """The encoded parameters with ours and the signature added."""
        given, own = parts.form_items(encoded), self._own()
        params = dict(given) | own
        if len(params) != len(given) + len(own) or "Signature" in params:
            raise ValueError("a parameter of a Tencent API 2.0 request comes once, those of the signature not at all")
        text = string_to_sign(str(r.method), parts.pin_host(r), parts.split_url(r).path or "/", params)
        return urlencode({**params, "Signature": self._signature(text)})

    def _own(self) -> dict[str, str]:
        own = {"SecretId": self.secret_id, "Timestamp": str(int(self.clock())), "Nonce": str(self.nonce())}
        optional = {"SignatureMethod": self.method, "Token": self.token}
        return own | {name: value for name, value in optional.items() if value}

    def _signature(self, text: str) -> str:
        digest = "sha256" if self.method == "HmacSHA256" else "sha1"
        return base64.b64encode(hmac.digest(self.secret_key.encode(), text.encode(), digest)).decode()


def string_to_sign(method: str, host: str, path: str, params: Mapping[str, str]) -> str:
    """Method, host, path and the parameters sorted by name, values raw.

    Only in this text ``_`` in a name becomes ``.``, and a POST leaves out values that begin with ``@`` (once: files).
    """
    named = {k.replace("_", "."): v for k, v in params.items() if not (method == "POST" and v.startswith("@"))}
    return f"{method}{host}{path}?" + "&".join(f"{name}={named[name]}" for name in sorted(named))
