"""DICOM whole slides, written with pydicom after PS3.3 A.32.8 (VL Whole Slide Microscopy)."""

from pathlib import Path

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

TILE = 256
WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"


def frames_of(pixels: np.ndarray) -> list[tuple[int, int, np.ndarray]]:
    """Return column and row (from 1) and pixels of each tile, padded with black, row by row."""
    height, width = pixels.shape[:2]
    padded = np.pad(pixels, ((0, -height % TILE), (0, -width % TILE), (0, 0)))
    return [
        (x + 1, y + 1, padded[y : y + TILE, x : x + TILE])
        for y in range(0, height, TILE)
        for x in range(0, width, TILE)
    ]


def write_slide(
    folder: Path,
    pixels: np.ndarray,
    *,
    levels: int = 2,
    mpp: float = 0.69,
    planes: int = 1,
    skipped: tuple[int, ...] | None = None,
    parts: int = 1,
    profile: bytes | None = None,
    suffix: str = ".dcm",
) -> list[Path]:
    """Write a slide with one file per level, or `parts` files of the first level.

    Parameters
    ----------
    planes
        Focal planes; plane k is `pixels // (k + 1)`.
    skipped
        Tiles of the first level that are not stored; not None makes it TILED_SPARSE.
    """
    folder.mkdir(parents=True, exist_ok=True)
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    files = []
    for level in range(levels):
        small = np.asarray(Image.fromarray(pixels).reduce(2**level))
        tiles = [
            (x, y, plane, tile)
            for plane in range(planes)
            for x, y, tile in frames_of(small // (plane + 1))
        ]
        sparse = level == 0 and skipped is not None
        if sparse and skipped:
            tiles = [tile for i, tile in enumerate(tiles) if i not in skipped]
        cuts = np.array_split(np.arange(len(tiles)), parts if level == 0 else 1)
        whole = generate_uid()
        for number, part in enumerate(cuts, 1):
            data = _header(small.shape, mpp * 2**level, level, planes, profile)
            data.StudyInstanceUID, data.SeriesInstanceUID = study, series
            data.FrameOfReferenceUID = frame
            data.SOPInstanceUID = generate_uid()
            data.InstanceNumber = str(len(files) + 1)
            data.NumberOfFrames = len(part)
            data.DimensionOrganizationType = "TILED_SPARSE" if sparse else "TILED_FULL"
            if sparse:
                data.PerFrameFunctionalGroupsSequence = Sequence(
                    [_position(*tiles[i][:2], mpp) for i in part]
                )
            if len(cuts) > 1:
                data.ConcatenationUID = whole
                data.SOPInstanceUIDOfConcatenationSource = whole
                data.ConcatenationFrameOffsetNumber = int(part[0])
                data.InConcatenationNumber = number
                data.InConcatenationTotalNumber = len(cuts)
            data.PixelData = b"".join(tiles[i][3].tobytes() for i in part)
            files.append(folder / f"{level}_{number}{suffix}")
            _save(data, files[-1])
    return files


def _header(
    shape: tuple[int, ...], mpp: float, level: int, planes: int, profile: bytes | None
) -> Dataset:
    data = Dataset()
    data.SOPClassUID = WHOLE_SLIDE
    data.Modality = "SM"
    data.ImageType = (
        ["DERIVED", "PRIMARY", "VOLUME", "RESAMPLED"]
        if level
        else ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    )
    data.SamplesPerPixel, data.PhotometricInterpretation = 3, "RGB"
    data.PlanarConfiguration, data.PixelRepresentation = 0, 0
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit = 7
    data.Rows = data.Columns = TILE
    data.TotalPixelMatrixRows, data.TotalPixelMatrixColumns = shape[:2]
    data.TotalPixelMatrixFocalPlanes = planes
    data.ImagedVolumeWidth, data.ImagedVolumeHeight = (
        float(shape[1] * mpp / 1000),
        float(shape[0] * mpp / 1000),
    )
    data.ImagedVolumeDepth = 1.0
    data.VolumetricProperties, data.FocusMethod = "VOLUME", "AUTO"
    data.ExtendedDepthOfField = "NO"
    data.SpecimenLabelInImage, data.BurnedInAnnotation = "NO", "NO"
    data.LossyImageCompression = "00"
    data.ImageOrientationSlide = [0, -1, 0, -1, 0, 0]
    origin = Dataset()
    origin.XOffsetInSlideCoordinateSystem, origin.YOffsetInSlideCoordinateSystem = "20", "40"
    data.TotalPixelMatrixOriginSequence = Sequence([origin])
    path = Dataset()
    path.OpticalPathIdentifier = "0"
    if profile:
        path.ICCProfile = profile
    data.NumberOfOpticalPaths = 1
    data.OpticalPathSequence = Sequence([path])
    measures = Dataset()
    measures.PixelSpacing = [mpp / 1000, mpp / 1000]
    measures.SliceThickness = 0.001
    if planes > 1:
        measures.SpacingBetweenSlices = 0.001
    shared, kind = Dataset(), Dataset()
    kind.FrameType = data.ImageType
    shared.PixelMeasuresSequence = Sequence([measures])
    shared.WholeSlideMicroscopyImageFrameTypeSequence = Sequence([kind])
    which = Dataset()
    which.OpticalPathIdentifier = "0"
    shared.OpticalPathIdentificationSequence = Sequence([which])
    data.SharedFunctionalGroupsSequence = Sequence([shared])
    return data


def _position(x: int, y: int, mpp: float) -> Dataset:
    place = Dataset()
    place.ColumnPositionInTotalImagePixelMatrix = x
    place.RowPositionInTotalImagePixelMatrix = y
    place.XOffsetInSlideCoordinateSystem = f"{20 - (y - 1) * mpp / 1000:.6f}"
    place.YOffsetInSlideCoordinateSystem = f"{40 - (x - 1) * mpp / 1000:.6f}"
    place.ZOffsetInSlideCoordinateSystem = "0"
    frame = Dataset()
    frame.PlanePositionSlideSequence = Sequence([place])
    return frame


def _save(data: Dataset, path: Path) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = data.SOPClassUID
    meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = FileDataset(str(path), data, file_meta=meta, preamble=bytes(128))
    file.save_as(path, enforce_file_format=True)
