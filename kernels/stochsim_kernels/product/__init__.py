"""Integer products and accumulators, and weights that are read wrongly."""
