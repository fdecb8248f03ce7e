"""The version of stochsim."""

__version__ = "0.1.0"
