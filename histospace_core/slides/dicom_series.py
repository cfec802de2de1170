"""The DICOM instances of a slide, as their headers describe them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from histospace_core.errors import SlideError
from histospace_core.slides.content import dicom_files
from histospace_core.slides.series import refuse_series

_WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
_TAGS = [
    *("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "ImageType", "NumberOfFrames"),
    *("TotalPixelMatrixColumns", "TotalPixelMatrixRows", "TotalPixelMatrixFocalPlanes"),
    *("NumberOfOpticalPaths", "DimensionOrganizationType", "ExtendedDepthOfField"),
    *("ConcatenationUID", "InConcatenationNumber", "InConcatenationTotalNumber"),
    *("ReferencedSeriesSequence", "Rows", "Columns", "SamplesPerPixel", "BitsStored"),
]


@dataclass(frozen=True)
class Instance:
    """A file of the image pyramid: its header, without pixels."""

    path: Path
    header: Any

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of its level, px."""
        return int(self.header.TotalPixelMatrixColumns), int(self.header.TotalPixelMatrixRows)

    @property
    def is_plain(self) -> bool:
        """Whether it is what OpenSlide reads: all tiles of one plane, in order, in one file."""
        header = self.header
        return (
            header.get("DimensionOrganizationType", "") != "TILED_SPARSE"
            and int(header.get("TotalPixelMatrixFocalPlanes", 1) or 1) == 1
            and int(header.get("NumberOfOpticalPaths", 1) or 1) == 1
            and header.get("ExtendedDepthOfField", "NO") != "YES"
            and "ConcatenationUID" not in header
        )


def read_series(path: Path, series: str | None) -> tuple[str, list[Instance]]:
    """Return the series that a path names, "" if it is the only one, and its pyramid's instances.

    Parameters
    ----------
    path
        A folder, or one instance, which stands for its series.
    series
        SeriesInstanceUID.

    Raises
    ------
    SlideError
        There is no pyramid, a part of it is missing, or there are several and none is chosen.
    """
    found: dict[str, list[Instance]] = {}
    for instance in _instances(path if path.is_dir() else path.parent):
        found.setdefault(str(instance.header.SeriesInstanceUID), []).append(instance)
    own = "" if path.is_dir() else _uid(path)
    if own:
        found = {own: found[own]} if own in found else {}
    if not found:
        raise SlideError(
            "holds no image pyramid of a whole slide in DICOM",
            path=path,
            remedy="give the folder with all files of the slide",
        )
    refuse_series(series, found, path)
    if not series and len(found) > 1:
        raise SlideError.several("series", found, path)
    chosen = series if series in found else next(iter(found))
    _refuse_missing_parts(found[chosen], path)
    return chosen if len(found) > 1 else "", found[chosen]


def notes_on(instances: list[Instance]) -> Iterator[str]:
    """Yield sentences about instances that are missing."""
    largest = max(instances, key=lambda i: i.size)
    kind = list(largest.header.get("ImageType", []))
    if len(kind) > 3 and kind[3] == "RESAMPLED":
        yield (
            f"Its largest level ({largest.size[0]} x {largest.size[1]} px) is a resampled one: "
            "the file of the full resolution is missing."
        )
    present = {str(i.header.SOPInstanceUID) for i in instances}
    uid = str(largest.header.SeriesInstanceUID)
    absent = {
        str(item.ReferencedSOPInstanceUID)
        for i in instances
        for series in i.header.get("ReferencedSeriesSequence", None) or []
        if str(series.get("SeriesInstanceUID", "")) == uid
        for item in series.get("ReferencedInstanceSequence", None) or []
    } - present
    if absent:
        yield f"{len(absent)} file(s) of the series are missing, the first {min(absent)}."


def _instances(folder: Path) -> Iterator[Instance]:
    import pydicom

    for file in dicom_files(folder):
        try:
            header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=_TAGS)
            kind = list(header.ImageType)
        except Exception:  # noqa: S112 - not a whole slide; pydicom raises many kinds
            continue
        if header.get("SOPClassUID") == _WHOLE_SLIDE and kind[2:3] == ["VOLUME"]:
            yield Instance(file, header)


def _uid(path: Path) -> str:
    import pydicom

    header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SeriesInstanceUID"])
    return str(header.get("SeriesInstanceUID", ""))


def _refuse_missing_parts(instances: list[Instance], path: Path) -> None:
    parts: dict[str, list[Instance]] = {}
    for instance in instances:
        if "ConcatenationUID" in instance.header:
            parts.setdefault(str(instance.header.ConcatenationUID), []).append(instance)
    for group in parts.values():
        first = group[0]
        total = int(first.header.get("InConcatenationTotalNumber", 0) or 0)
        there = {int(i.header.get("InConcatenationNumber", 0)) for i in group}
        total = total or max(there)
        missing = sorted(set(range(1, total + 1)) - there)
        if missing:
            raise SlideError(
                f"part {missing[0]} of {total} of its level of {first.size[0]} x {first.size[1]} "
                "px is missing",
                path=path,
                remedy="copy all files of the series into one folder",
            )
