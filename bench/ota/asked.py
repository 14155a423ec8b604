"""What the board asked the server in one attempt, and what it was answered."""

from __future__ import annotations

from bench.ota.following import Following
from bench.timeline import Deadline, Entry, happened

__all__ = ["Asked"]


class Asked:
    """The requests since the update was started.

    What any other start of the firmware asked for is withheld from it, and no part of the attempt.
    """

    def __init__(self, following: Following) -> None:
        self._following = following

    def answers(self) -> list[int]:
        """The HTTP statuses.

        The server notes an answer once it has left, and the board may have told what it makes of it by then.
        """
        for request in self._entries("request"):
            answer = happened("server", "response", request=request.get("request"))
            self._following.timeline.wait(answer, Deadline(self._following.patience), after=request.index)
        return [int(str(entry.get("status"))) for entry in self._entries("response")]

    def requests(self) -> list[str]:
        """In order: ``"HEAD"``, ``"GET bytes=0-4095"``."""
        asked = [(entry.get("method"), entry.get("range")) for entry in self._entries("request")]
        return [f"{method!s} {wanted or ''!s}".rstrip() for method, wanted in asked]

    def connections(self) -> int:
        """On how many connections."""
        return len({entry.get("connection") for entry in self._entries("request")})

    def _entries(self, kind: str) -> list[Entry]:
        of_server = [entry for entry in self._following.attempt() if entry.source == "server"]
        withheld = {entry.get("request") for entry in of_server if entry.get("withheld")}
        return [entry for entry in of_server if entry.kind == kind and entry.get("request") not in withheld]
