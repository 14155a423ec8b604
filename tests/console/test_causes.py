"""Error codes by name, and numbers that are none."""

from __future__ import annotations

import pytest

from bench.console.causes import explain


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ("ESP_HTTPS_OTA upgrade failed 0x1503", "0x1503 is ESP_ERR_OTA_VALIDATE_FAILED"),
        ("esp_ota_set_boot_partition failed! err=0x1504", "0x1504 is ESP_ERR_OTA_SMALL_SEC_VER"),
        ("Error: esp_ota_write failed! err=0x104", "0x104 is ESP_ERR_INVALID_SIZE"),
        ("http_client_init_cb returned 0x7002", "0x7002 is ESP_ERR_HTTP_CONNECT"),
        ("ESP_ERROR_CHECK failed: esp_err_t 0x1102 at 0x400d", "0x1102 is ESP_ERR_NVS_NOT_FOUND"),
        ("mbedtls_ssl_handshake returned -0x2700", "-0x2700 is MBEDTLS_ERR_X509_CERT_VERIFY_FAILED"),
        ("mbedtls_ssl_setup returned -0x7f00", "-0x7f00 is MBEDTLS_ERR_SSL_ALLOC_FAILED"),
        ("read error :-0x004C:", "-0x004C is MBEDTLS_ERR_NET_RECV_FAILED"),
        (
            "mbedtls_pk_decrypt returned -0x4304",
            "-0x4304 is MBEDTLS_ERR_RSA_PRIVATE_FAILED + MBEDTLS_ERR_MPI_BAD_INPUT_DATA",
        ),
        ("psa_aead_verify failed: -149", "-149 is PSA_ERROR_INVALID_SIGNATURE"),
        ("data read -1, errno 128", "errno 128 is ENOTCONN"),
        ("esp_transport_read returned:-1 and errno:104 ", "errno 104 is ECONNRESET"),
        ("Connection closed, errno = 116", "errno 116 is ETIMEDOUT"),
        ("Mismatch chip id, expected 5, found 9", "an image for ESP32-S3 on ESP32-C3"),
        ("mismatch chip ID, expected 0, found 4660", "an image for an unknown chip (4660) on ESP32"),
    ],
)
def test_a_code_is_named(message: str, cause: str) -> None:
    assert explain(message) == cause


@pytest.mark.parametrize(
    "message",
    [
        "",
        "OTA started",
        "invalid segment length 0xffffffff",
        "Loaded app from partition at offset 0x1503",
        "image at 0x7002 has invalid magic byte",
        "File not found(404)",
        "mbedtls_ssl_handshake returned -0x2733",
        "errno 0",
        "failed 0x9999",
        "Decrypt callback failed -1",
    ],
)
def test_a_number_that_is_no_code_is_left_alone(message: str) -> None:
    assert explain(message) is None
