"""From a slide file to tiles: open, probe, tissue, tiles, stain.

Nothing is imported here, so that the probe's child process starts in a fraction of a second.
"""
