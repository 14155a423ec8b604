"""How advanced_https_ota remembers, since ESP-IDF v5.5, how far an update came (CONFIG_EXAMPLE_ENABLE_OTA_RESUMPTION).

Source: main/advanced_https_ota_example.c, example_ota_res_*.
"""

from __future__ import annotations

from bench.images import Defect
from bench.virtual.idf.nvs import NvsHandle
from bench.virtual.log import Log
from bench.virtual.running import Running

__all__ = ["KEY", "Resumption"]

_NAMESPACE = "ota_resumption"
KEY = "nvs_ota_wr_len"
"""The key of the length, a literal that stands in every image with this option."""
_URL_KEY = "nvs_ota_url"


class Resumption:
    """The place that was reached in the update from one URL.

    Args:
        url: of the update that is begun
    """

    def __init__(self, running: Running, tag: str, url: str) -> None:
        self._log: Log = running.log
        self._tag = tag
        self._url = url
        self._nvs = NvsHandle(running, _NAMESPACE)
        self._defect = running.defect
        self.start = self._written()
        """Bytes that an earlier attempt wrote, whole KiB; 0 where there was none from this URL."""
        found = "OTA write length fetched successfully" if self.start is not None else "Starting OTA from beginning"
        self._log.debug(tag, found)
        self.start = self.start or 0

    def _written(self) -> int | None:
        """example_ota_res_get_ota_written_len_from_nvs."""
        saved = self._nvs.get_str(_URL_KEY)
        if saved is None or self._defect is Defect.RESUME_FROM_START:
            self._log.debug(self._tag, "Saved URL is not initialized yet!")
            return None
        if saved != self._url and self._defect is not Defect.RESUME_ANY_URL:
            self._log.debug(self._tag, "URLs do not match. Restarting OTA from beginning.")
            return None
        length = self._nvs.get_u16(KEY)
        if length is None:
            self._log.debug(self._tag, "The write length is not initialized yet!")
            return None
        return (length + (self._defect is Defect.RESUME_TOO_FAR)) * 1024

    def save(self, written: int) -> None:
        """example_ota_res_save_ota_cfg_to_nvs: so many bytes of the image are in flash."""
        self._nvs.set_u16(KEY, written // 1024)
        if written and self._nvs.get_str(_URL_KEY) != self._url:
            self._nvs.set_str(_URL_KEY, self._url)
        self._log.debug(self._tag, f"Saving state in NVS. Total image written so far : {written // 1024} KB")

    def forget(self) -> None:
        """example_ota_res_cleanup_ota_cfg_from_nvs: the image is there whole."""
        if self._defect is not Defect.RESUME_REMEMBERED:
            self._nvs.erase_all()
