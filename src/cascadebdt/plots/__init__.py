"""Results -> figures."""
