"""Samplers of a posterior: the references that chips are compared with."""
