"""What others need to verify our tokens themselves: the key as a certificate and as a JSON Web Key Set (RFC 7517)."""

from __future__ import annotations

import asyncio

from entrepot.auth.tokens import Tokens
from entrepot.messages import Reply, Request, Row, json_reply, text_reply


class TrustApi:
    """The handlers; open to all, as the key is public."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._pem = ""  # made when it is first wanted, in a thread: it takes 80 ms, and anybody may ask
        self._making = asyncio.Lock()

    def rows(self) -> tuple[Row, ...]:
        """Return the rows."""
        base = "/access/api/v1"
        return (
            Row("GET", f"{base}/cert/root", "trust.certificate", "public", self.certificate, "access",
                response="text/plain", summary="The certificate of the key that signs tokens"),
            Row("GET", f"{base}/oidc/jwks", "trust.keys", "public", self.keys, "access", response=dict,
                summary="The key that signs tokens, as a JSON Web Key Set"),
        )  # fmt: skip

    async def certificate(self, _: Request) -> Reply:
        """GET the PEM."""
        async with self._making:
            if not self._pem:
                self._pem = await asyncio.to_thread(self._tokens.key.certificate, self._tokens.issuer)
        return text_reply(self._pem)

    async def keys(self, _: Request) -> Reply:
        """GET the set."""
        return json_reply({"keys": [self._tokens.key.public_jwk()]})
