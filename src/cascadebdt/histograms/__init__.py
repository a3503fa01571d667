"""Histograms: what regions contain, their bins, and how events migrate between them."""
