"""The largest size that numbers of a simulation may have."""

LARGEST = 1e15
"""What stimuli, responses, weights and scales are at most in size: squares of their products stay
far from the end of float64, and a scale far below it has nothing to say of a chip.
"""

MOST_RHO = 16
"""The largest exponent of a price of reliability."""
