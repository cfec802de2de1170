"""Gene map: the slide under predicted expression, regions and their statistics."""
