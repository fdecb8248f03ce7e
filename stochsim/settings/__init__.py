"""Settings: frozen values, validated where they are built; errors that explain a broken rule."""

from stochsim._lazy import door

__getattr__, __dir__, __all__ = door(__name__, __file__)
