"""A test bench for over-the-air updates of ESP32 firmware: see docs/architecture.md for its rooms."""
