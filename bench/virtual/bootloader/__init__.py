"""The second-stage bootloader of ESP-IDF, working from the bytes in flash alone and in ESP-IDF's words."""
