"""An analog array: cells, programming, converters, product."""
