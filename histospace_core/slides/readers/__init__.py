"""The libraries behind one small interface: regions of 8-bit RGB from a pyramid level.

OpenSlide reads scanner formats, tifffile the OME-TIFF pyramids that OpenSlide does not see, zarr
OME-Zarr, wsidicom the DICOM slides that OpenSlide refuses, and libvips flat images (PNG, JPEG,
striped TIFF), which it decodes once to a temporary file, so that no image is ever held in memory in
full. Nothing is imported here; see `slides.__init__`.
"""
