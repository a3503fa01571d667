"""Studies: questions asked of whole pipelines, on expected data alone."""
