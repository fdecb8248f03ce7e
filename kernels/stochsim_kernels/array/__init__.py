"""Bit-sliced analog arrays with a noisy ADC on every column."""
