"""The checkout that these tests belong to."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
