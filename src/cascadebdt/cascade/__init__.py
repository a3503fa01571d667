"""From selected events to a trained cascade."""
