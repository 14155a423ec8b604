"""The defects that firmware written by the bench can be given: each one line at the place where sound code is right.

The name of one stands in the read-only data of an image, 96 bytes behind a marker; real firmware and sound builds have
no such field. What each promise is that a defect breaks, and which scenarios must notice it, is said in
tests/scenarios/gallery.
"""

from __future__ import annotations

from enum import Enum, unique
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from bench.images.image import Image

__all__ = ["BootDefect", "Defect", "defect_field", "read_defect"]

_MARKER = b"OTABENCH\0DEFECT="
_FIELD_SIZE = 96


@unique
class Defect(Enum):
    """Of an application, or of the ESP-IDF libraries in it; the value says what it does wrong."""

    # esp_ota_ops
    SPOIL_OTADATA = "erases both otadata entries when an update is begun"
    FORGET_TO_ERASE = "does not erase a sector before it writes to it"
    WRITE_PAST_SLOT = "does not look whether what it writes is still within the slot"
    FULL_SLOT_REFUSED = "takes an image that fills its slot to the last byte for too large"
    PLAIN_IN_FLASH = "writes an update to flash as it came, where the chip encrypts"
    LAST_BYTES_LOST = "loses the last bytes of an image that do not fill a block of 16"
    ANY_MAGIC = "does not look at the first byte of what it writes"
    UPDATE_WHILE_PENDING = "begins an update while the running image is not confirmed"
    LAST_SLOT_ALWAYS = "takes the last slot of the table for every update"
    TRUST_ANY_IMAGE = "switches to what was written without verifying it"
    SKIP_CHECKSUM = "does not compare the checksum of a new image"
    SKIP_HASH = "does not compare the SHA-256 of a new image"
    TRUST_ANY_CHIP = "does not compare the chip id of a new image"
    TRUST_LATER_REVISION = "does not compare the lowest chip revision of a new image with the chip's"
    TRUST_EARLIER_REVISION = "does not compare the highest chip revision of a new image with the chip's"
    ANY_REVISION_REFUSED = "takes the mark of an unlimited chip revision for a limit"
    REPORT_WITHOUT_SWITCH = "reports the switch of the boot partition and success, and leaves otadata as it is"
    SWITCH_BEFORE_DOWNLOAD = "switches the boot partition before the image is there"
    SWITCH_AS_VALID = "marks a new image as valid when it switches to it"
    SEQUENCE_NOT_RAISED = "writes the lowest sequence number that selects the slot, not the next"
    ACTIVE_ENTRY_OVERWRITTEN = "writes the switch over the active otadata entry, not the other"
    BOTH_ENTRIES_ERASED = "erases both otadata entries before it writes the switch"
    CONFIRM_FIRST = "confirms itself before it has checked anything"
    CONFIRM_IN_WORDS = "prints that it is confirmed, and writes nothing"
    NEVER_CONFIRMS = "never confirms itself"
    RETURNS_SILENTLY = "restarts where it should confirm itself, so that the old version is back without a word"
    GIVE_UP_IN_WORDS = "says that it gives itself up, and restarts without having marked itself invalid"
    GIVE_UP_ANYWAY = "gives itself up without looking whether there is anything to return to"
    TOO_OLD_KEPT = "refuses an image that is too old, and leaves it in its slot"
    BURN_EARLY = "raises the secure version before the new image has confirmed itself"
    BURN_NEVER = "does not raise the secure version when an image has confirmed itself"
    BURN_TOO_LITTLE = "raises the secure version to one less than the image's"

    # esp_https_ota and the examples
    EVENT_LOST = "posts no event for the chip id of a new image"
    OWN_CHIP_TOLD = "tells the chip's own id instead of the image's"
    WRONG_SLOT_TOLD = "tells the running slot as the one that boots next"
    FINISH_WHATEVER_HAPPENED = "tells an attempt that was given up as finished"
    SUCCESS_WHATEVER_HAPPENED = "prints success and restarts, whatever came of the update"
    SILENT_FAILURE = "gives up without a word"
    FORGET_ON_FAILURE = "erases both otadata entries when an attempt has failed"
    SHORT_HEADER = "does not look whether an image's headers came whole"
    ANY_DESCRIPTION = "does not look for the description of an application in an image"
    EQUAL_SECURE_VERSION_REFUSED = "refuses an image of the secure version that the eFuse holds"
    VERSION_BY_BUILD = "compares the builds' time instead of their versions"
    OLDER_REFUSED = "refuses a version that sorts before its own"
    OWN_VERSION_REFUSED = "refuses the version that runs, which nobody asked it to compare"
    VERSION_CHECK_LOST = "does not compare the version of a new image with its own"
    INVALID_VERSION_FORGOTTEN = "forgets which version it was rolled back from"
    NO_DIAGNOSTICS = "confirms itself without its diagnostics"
    NO_WATCHDOG = "hangs without a word from any watchdog"

    # esp_http_client and how esp_https_ota asks
    ANY_STATUS = "takes the body of any answer for an image, whatever its status"
    SHORT_BODY = "takes a body for whole when its connection has ended"
    CHUNKS_AS_CONTENT = "takes the framing of chunks for content"
    LENGTH_REQUIRED = "refuses an image whose length is not announced"
    SMALL_HEADERS = "refuses an answer whose headers do not fit into its buffer of 512 bytes"
    REDIRECT_IGNORED = "follows no redirection"
    LATER_REDIRECTS_UNKNOWN = "knows the redirections 301, 302 and 303, and no other"
    ONE_REDIRECT = "follows one redirection, and no second"
    REDIRECT_RECONNECTS = "opens a new connection for every redirection"
    REDIRECT_TO_ITSELF = "asks again where a redirection does not say where to"
    BARE_NAME_TAKEN = "takes a redirection to a bare name for one to a path"
    LONG_REQUEST = "sends a request whose first line does not fit into its buffer of 512 bytes"
    CONNECT_FOR_EVER = "waits without a bound where nobody listens"
    HTTP_REFUSED = "refuses a URL without TLS although it has a certificate"
    GOODBYE_REQUIRED = "takes a body for cut where TLS does not say goodbye behind it"
    QUERY_DROPPED = "leaves out the query of a URL"
    CREDENTIALS_WITHHELD = "does not send the credentials of its URL"
    CREDENTIALS_TOLD = "prints the credentials of its URL to the console"
    AUTHORIZE_FOR_EVER = "asks without a bound where its credentials are refused"
    RETRY_FOR_EVER = "waits without a bound for an answer that does not come"
    HANDSHAKE_FOR_EVER = "waits without a bound for a TLS handshake that does not end"
    SILENCE_IS_FATAL = "gives a download up when nothing came for the receive timeout"
    READ_FOR_EVER = "reads on where its time-out was to end a stalled download"
    NO_KEEP_ALIVE = "does not notice that the other side is gone"

    # partial download and resumption
    RANGE_TWICE = "asks for every range twice"
    LAST_RANGE_FORGOTTEN = "does not ask for a last range of one byte"
    RANGE_ALWAYS = "asks for a range even where one request holds the whole image"
    RANGES_REQUIRED = "refuses an answer to a range that holds the whole file"
    CONTENT_RANGE_REQUIRED = "refuses a part whose Content-Range is not what was asked for"
    HEAD_IGNORED = "does not look at the status of the answer to HEAD"
    HEAD_ONLY = "knows no other way to a file's length than HEAD"
    CONNECTION_NOT_KEPT = "opens a new connection for every range"
    PART_ASKED_AGAIN = "asks again without end for a part that was cut short"
    LENGTHLESS_SUCCESS = "reports success for an image without a length, and does not switch to it"
    RESUME_TOO_FAR = "resumes one KiB behind what was written"
    RESUME_FROM_START = "begins afresh whatever was written"
    RESUME_ANY_URL = "resumes what was written from another URL"
    RESUME_REMEMBERED = "does not forget the place of an update that is finished"
    RESUME_TRUSTS_200 = "takes a whole file for the rest of it"
    RESUME_WITHOUT_FALLBACK = "has no way back from a range that could not be had"
    RESUME_UNASKED = "does not ask for a range where there is nothing to resume"

    # TLS
    TRUST_ANY_SERVER = "does not verify the server's certificate"
    TRUST_ANY_NAME = "does not compare the names of the server's certificate with its host's"
    TRUST_ANY_DATE = "does not look at the dates of the server's certificate"
    DATES_REQUIRED = "refuses certificates by a clock that nobody has set"
    BUNDLE_EMPTY = "finds no authority in its certificate bundle"

    # esp_encrypted_img
    TRUST_ANY_TAG = "does not compare the authentication tag of a pre-encrypted image"
    PLAIN_TOO = "takes an image that was not encrypted as it is"
    SIZE_NOT_COMPARED = "does not compare the size of the content with the one in the header"
    RESERVED_COUNTS = "refuses a header whose reserved bytes are not zero"
    KEY_OF_ZEROS = "decrypts with a key of zeros where it cannot open the image's"
    ANY_CONTENT = "takes whatever a key gave for an image, and does not look at its header"
    WRONG_KEY_BLOCK = "derives its key from another eFuse block than the one that holds it"
    HEADER_NOT_COUNTED = "does not count the header of a pre-encrypted image where it asks for the next range"

    # signatures
    ANY_SIGNER = "takes a good signature of any key"
    SIGNER_ONLY = "compares the signing key, and does not verify what it signed"
    ANY_BLOCK = "takes any of several signatures"
    UNSIGNED_TOO = "takes an image without a signature"
    DAMAGE_NOT_TOLD = "does not look whether an image with a bad signature is damaged"

    # serial_ota
    ANY_ORDER = "takes the chunks in any order"
    ANY_CHUNK = "does not compare the CRC of a chunk"
    ANY_SUM = "does not compare the SHA-256 of the whole image"
    ANY_SIZE = "does not compare the announced size with the slot's"
    STUCK = "takes no other update after a refused one"
    MIXED = "goes on with the update that is under way when another begins"


@unique
class BootDefect(Enum):
    """Of a second-stage bootloader, or of the ROM that starts it; the value says what it does wrong."""

    ANY_BOOTLOADER = "ROM: starts a bootloader whatever its first byte"
    ANY_TABLE = "does not compare the MD5 of the partition table"
    ANY_IMAGE = "starts what is in the slot without verifying it"
    SKIP_HASH = "does not compare the SHA-256 of the image that it starts"
    ANY_CRC = "does not compare the CRC of an otadata entry"
    LOWEST_SEQUENCE = "boots the slot with the lower sequence number"
    NO_FALL_BACK = "tries the selected slot and no other"
    NO_FACTORY = "never returns to the factory image once an update has left it"
    FIRST_ENTRY_FORGOTTEN = "does not write the first otadata entry"
    PENDING_BOOTED_AGAIN = "boots an image again that did not confirm itself"
    PENDING_CONFIRMED = "marks an image as valid that did not confirm itself"
    ABORTED_BOOTED = "boots an image that was given up"
    VALID_ABORTED = "gives up an image that has confirmed itself"
    ABORT_NOT_ERASED = "writes a state over the last one without erasing it"
    FALL_BACK_FORGETS = "erases otadata when it falls back to another slot"
    BURN_PENDING = "raises the secure version for an image that has not confirmed itself"
    BURN_NEVER = "does not raise the secure version for an image that has confirmed itself"
    EMULATED_EFUSES_KEPT = "boots with the chip's eFuses where the emulated ones are lost"
    SILENT = "does not say why it boots nothing"


def defect_field(defect: Defect | BootDefect) -> bytes:
    """The 96 bytes of the field."""
    return (_MARKER + defect.name.encode("ascii")).ljust(_FIELD_SIZE, b"\0")


_Kind = TypeVar("_Kind", bound=Enum)


def read_defect(image: Image, kind: type[_Kind]) -> _Kind | None:
    """The defect of that kind in an image; None where there is no such field, or none that is known."""
    for segment in image.segments:
        at = segment.data.find(_MARKER)
        if at >= 0:
            name = segment.data[at + len(_MARKER) : at + _FIELD_SIZE].partition(b"\0")[0]
            return next((one for one in kind if one.name.encode("ascii") == name), None)
    return None
