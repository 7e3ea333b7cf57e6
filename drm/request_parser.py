"""How the polled server reads a request: as waitress does, but for one whose length is said in two ways.

A proxy in front of us may believe the other of the two, and take what we answer for the answer to somebody else's request (RFC 9112, 6.1).
"""

from __future__ import annotations

from waitress.parser import HTTPRequestParser, ParsingError


class RequestParser(HTTPRequestParser):  # type: ignore[misc]  # waitress has no types
    """Refuses with 400, and the connection ends: waitress answers such a request, and then reads on."""

    def parse_header(self, header_plus: bytes) -> None:
        """The request line and the headers."""
        super().parse_header(header_plus)
        has_length = "CONTENT_LENGTH" in self.headers
        # Taken out of the headers where it is known: HTTP/1.0 does not know it.
        if (self.chunked and has_length) or "TRANSFER_ENCODING" in self.headers:
            raise ParsingError("Content-Length and Transfer-Encoding are not for one request")
