"""The version of stochsim."""

__version__ = "0.1.0"

ANSWERS_VERSION = 2
"""Raised where equal settings have other answers than before: stored tasks are then done anew.

2: evidence bounds, noise-aware training, biases of rounded networks, wires, off-current, ranges of
ADCs, widths of accumulators behind them.
"""
