"""Consoles written line by line in the words of ESP-IDF, for stories that no recorded console tells."""

from __future__ import annotations

from bench.console import Boot, ConsoleReader, Event, Item, Judgement, judge

SLOTS = {"factory": 0x10000, "ota_0": 0x110000, "ota_1": 0x210000}
SUBTYPES = {"factory": 0, "ota_0": 16, "ota_1": 17}
ADVANCED = "advanced_https_ota_example"


def read(console: bytes) -> list[Item]:
    """All items of a whole console."""
    reader = ConsoleReader()
    return reader.feed(console) + reader.close()


def boots(items: list[Item]) -> list[Boot]:
    """The boots among items."""
    return [item for item in items if isinstance(item, Boot)]


def events(items: list[Item]) -> list[tuple[str, int | None]]:
    """Names, without what they have in common, and payloads of the events among items."""
    return [(i.name.removeprefix("ESP_HTTPS_OTA_"), i.payload) for i in items if isinstance(i, Event)]


class Device:
    """Writes what a device writes: `console` grows, times go on, a reset sets them back."""

    def __init__(self, *, colour: bool = True, tag: str = ADVANCED) -> None:
        self.console = b""
        self.colour = colour
        self.tag = tag
        self.ms = 0

    def raw(self, text: str) -> Device:
        """Lines without any form, as printf writes them."""
        self.console += text.encode().replace(b"\n", b"\r\n")
        return self

    def log(self, level: str, tag: str, message: str) -> Device:
        """One log record."""
        self.ms += 10
        text = f"{level} ({self.ms}) {tag}: {message}"
        code = {"E": "31", "W": "33", "I": "32"}.get(level)
        if self.colour and code:
            text = f"\x1b[0;{code}m{text}\x1b[0m"
        return self.raw(text + "\n")

    def say(self, *messages: str, level: str = "I") -> Device:
        """Records of the application."""
        for message in messages:
            self.log(level, self.tag, message)
        return self

    def rom(self, reason: str = "0x1 (POWERON)", boot: str = "0x8 (SPI_FAST_FLASH_BOOT)") -> Device:
        """The ROM's banner up to where it leaves for flash."""
        self.ms = 0
        return self.raw(
            f"ESP-ROM:esp32c3-api1-20210207\nBuild:Feb  7 2021\nrst:{reason},boot:{boot}\nSPIWP:0xee\n"
            "mode:DIO, clock div:1\nload:0x3fcd5820,len:0x1704\nentry 0x403cc710\n"
        )

    def bootloader(self, slot: str, *, failing: str = "") -> Device:
        """The second-stage bootloader up to the application that it loads; `failing`: it could not take this one."""
        self.log("I", "boot", "ESP-IDF v5.1.4 2nd stage bootloader").log("I", "boot", "Partition Table:")
        self.log("I", "boot", "## Label            Usage          Type ST Offset   Length")
        for number, (label, offset) in enumerate(SLOTS.items()):
            usage = "factory app" if label == "factory" else "OTA app"
            row = f"{number:2d} {label:<16} {usage:<16} 00 {SUBTYPES[label]:02x} {offset:08x} 00100000"
            self.log("I", "boot", row)
        self.log("I", "boot", "End of partition table")
        if failing:
            self.log("E", "esp_image", f"image at 0x{SLOTS[failing]:x} has invalid magic byte (nothing flashed here?)")
            self.log("E", "boot", "OTA app partition slot 0 is not bootable")
        return self.log("I", "boot", f"Loaded app from partition at offset 0x{SLOTS[slot]:x}")

    def description(self, version: str, *, secure: int | None = None, elf: str | None = None) -> Device:
        """The application's description of itself."""
        self.log("I", "cpu_start", "Unicore app").log("I", "app_init", "Application information:")
        self.log("I", "app_init", "Project name:     advanced_https_ota")
        self.log("I", "app_init", f"App version:      {version}")
        if secure is not None:
            self.log("I", "app_init", f"Secure version:   {secure}")
        self.log("I", "app_init", f"ELF file SHA256:  {elf or version.encode().hex():0>9.9}...")
        return self.log("I", "app_init", "ESP-IDF:          v5.3.1").log("I", "heap_init", "Initializing.")

    def main(self) -> Device:
        """From the scheduler to where the example waits for its URL."""
        self.log("I", "main_task", "Calling app_main()")
        return self.say("Starting Advanced OTA example").log("I", "main_task", "Returned from app_main()")

    def boot(self, slot: str, version: str, reason: str = "0x1 (POWERON)") -> Device:
        """A whole boot."""
        return self.rom(reason).bootloader(slot).description(version).main()

    def download(self, slot: str) -> Device:
        """An attempt up to the middle of the download."""
        self.say("OTA started", "Connected to server").log("I", "esp_https_ota", "Starting OTA...")
        self.log("I", "esp_https_ota", f"Writing to <{slot}> partition at offset 0x{SLOTS[slot]:x}")
        return self.say("Reading Image Description", "Verifying chip id of new image: 5")

    def switch(self, slot: str) -> Device:
        """The end of a download that succeeded."""
        self.say(f"Boot partition updated. Next Partition: {SUBTYPES[slot]}", "OTA finish")
        return self.say("ESP_HTTPS_OTA upgrade successful. Rebooting ...")

    def refuse(self) -> Device:
        """The end of a download that was refused for its version."""
        self.say("Current running version is the same as a new. We will not continue the update.", level="W")
        self.say("image header verification failed", level="E").say("OTA abort")
        return self.say("ESP_HTTPS_OTA upgrade failed", level="E")

    def panic(self) -> Device:
        """abort() on RISC-V."""
        return self.raw(
            "\nabort() was called at PC 0x420080f5 on core 0\nCore  0 register dump:\n"
            "MEPC    : 0x403805e6  RA      : 0x4038541c  SP      : 0x3fc93590  GP      : 0x3fc8d000  \n"
            "\nStack memory:\n3fc93590: 0x00000005 0x00000001\n\n\nELF file SHA256: 8c3adc48d2460b11\n\nRebooting...\n"
        )

    def judged(self) -> Judgement:
        """The judgement of what was written so far."""
        return judge(read(self.console))
