"""Noisy neurons: the channel from drive to code, and many ways to draw from it."""
