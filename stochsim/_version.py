"""The version of stochsim."""

__version__ = "0.1.0"

ANSWERS_VERSION = 3
"""Raised where equal settings have other answers than before: stored tasks are then done anew.

2: evidence bounds, noise-aware training, biases of rounded networks, wires, off-current, ranges.
3: widths of accumulators behind ADCs, gains of ADCs behind cells of many bits.
"""
