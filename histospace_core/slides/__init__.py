"""From a slide file to tiles: open, probe, find tissue, cut tiles, normalise stain.

Nothing is imported here, so that the child process of the probe starts in a fraction of a second.
"""
