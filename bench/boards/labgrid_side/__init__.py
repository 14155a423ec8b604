"""Scripts that run in the Python that has labgrid; they import nothing of the bench, which may not be there."""
