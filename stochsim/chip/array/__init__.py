"""An analog array: cells, programming, ADCs, product."""
