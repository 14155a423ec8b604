"""Boards: boards.yaml, choosing among them, the drivers that reach them, and the pyserial URL of the virtual one."""
