"""examples/common_components/protocol_examples_common: example_connect, over Ethernet or Wi-Fi.

Sources: eth_connect.c, wifi_connect.c, connect.c, and the lines of esp_eth and esp_netif on the way. Which of the
two a firmware uses, and whether it asks for Wi-Fi credentials, is read from the log lines in its image.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.virtual.running import Running

__all__ = ["example_connect"]

_ADDRESS = "10.0.2.15"
_MASK = "255.255.255.0"
_GATEWAY = "10.0.2.2"
_FIXED_MAC = "02:00:00:12:34:56"  # eth_connect.c before v5.3


@dataclass(frozen=True)
class _Words:
    """How a release names things."""

    eth_tag: str
    eth_waiting: str
    eth_interface: str
    sta_interface: str
    common_tag: str
    after_address: str


_V4 = _Words(
    "example_connect",
    "Waiting for IP(s)",
    "example_connect: eth",
    "example_connect: sta",
    "example_connect",
    "",
)
_V5 = _Words("ethernet_connect", "Waiting for IP(s).", "example_netif_eth", "example_netif_sta", "example_common", ",")


def example_connect(running: Running) -> None:
    """Bring the network up; with no network it waits for ever, as the device does."""
    words = _V5 if running.release.at_least(5) else _V4
    if running.log.has("Please input ssid password:") or (
        running.log.has("Start example_connect.") and not running.log.has(words.eth_waiting)
    ):
        _wifi(running, words)
    else:
        _ethernet(running, words)


def _ethernet(running: Running, words: _Words) -> None:
    log, clock = running.log, running.machine.clock
    clock.sleep(20)
    if running.release.before(5):
        log.info("system_api", "Base MAC address is not set")
        log.info("system_api", "read default base MAC address from EFUSE")
    clock.sleep(10)
    log.info("esp_eth.netif.netif_glue", _ethernet_mac(running))
    log.info("esp_eth.netif.netif_glue", "ethernet attached to netif")
    clock.sleep(100)
    log.info(words.eth_tag, words.eth_waiting)
    _got_address(running, words.eth_tag, words.eth_interface)
    _print_addresses(running, words, words.eth_interface)


def _ethernet_mac(running: Running) -> str:
    """Since v5.3 that of esp_read_mac(ESP_MAC_ETH): the base address plus three."""
    if running.release.before(5, 3):
        return _FIXED_MAC
    address = int.from_bytes(running.machine.efuse.mac, "big") + 3
    return ":".join(f"{byte:02x}" for byte in address.to_bytes(7, "big")[1:])


def _wifi(running: Running, words: _Words) -> None:
    log, machine = running.log, running.machine
    tag = "example_connect"
    log.info(tag, "Start example_connect.")
    machine.clock.sleep(100)
    ssid = "myssid"
    if log.has("Please input ssid password:"):
        log.info(tag, "Please input ssid password:")
        credentials = machine.uart.read_line().decode("utf-8", "replace").split(" ")
        ssid = next((part for part in credentials if part), "")
    log.info(tag, f"Connecting to {ssid}...")
    machine.clock.sleep(5)
    log.info(tag, "Waiting for IP(s)")
    _got_address(running, tag, words.sta_interface)
    _print_addresses(running, words, words.sta_interface)


def _got_address(running: Running, tag: str, interface: str) -> None:
    machine = running.machine
    if not machine.network.up:
        machine.idle()
    machine.clock.sleep(1000)
    running.log.info("esp_netif_handlers", f"{interface} ip: {_ADDRESS}, mask: {_MASK}, gw: {_GATEWAY}")
    running.log.info(tag, f'Got IPv4 event: Interface "{interface}" address: {_ADDRESS}')


def _print_addresses(running: Running, words: _Words, interface: str) -> None:
    running.log.info(words.common_tag, f"Connected to {interface}")
    running.log.info(words.common_tag, f"- IPv4 address: {_ADDRESS}{words.after_address}")
