"""The words of a scenario: what is released, what the board must do about it, and what it must look like afterwards.

A scenario holds no plumbing; this room holds the plumbing's verbs: `Draft` (an image on its way to becoming a
release), `Ota` (one board, one server, one timeline) and `Slot` (what lies in flash).
"""
