"""Studies of a user's own parts: a network or sampler, data, reference and measures, over axes."""
