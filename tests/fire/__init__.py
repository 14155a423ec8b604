"""The bench under fire: whatever happens to it, the verdict is right, the evidence whole, and nothing left behind."""
