"""Random integers: the counter generator, the chip's own sources, bits that flip."""
