"""Settings of an installation, read from HISTOSPACE_* environment variables or a `.env` file."""

from functools import lru_cache
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from histospace_core.shipped import SHIPPED, default_store


class Settings(BaseSettings):
    """Settings for the operator. Every default works on a laptop."""

    # a .env file may also hold settings of other programs
    model_config = SettingsConfigDict(env_prefix="HISTOSPACE_", env_file=".env", extra="ignore")

    store: Path = Field(
        default_factory=default_store, description="folder of slides, runs and catalog"
    )
    models: Path = Field(SHIPPED / "models", description="folder of the model packages that ship")
    default_model: str = Field(
        "histospace-plus-her2st", description="model that the app proposes, if it is installed"
    )
    database_url: str | None = Field(None, description="SQLAlchemy URL; SQLite in `store` if unset")
    scheduler: str | None = Field(
        None, description="address of a Dask scheduler, tls://host:port; embedded if unset"
    )
    tls_ca: Path | None = Field(None, description="PEM file: authority that the scheduler trusts")
    tls_cert: Path | None = Field(None, description="PEM file: certificate shown to the scheduler")
    tls_key: Path | None = Field(None, description="PEM file: private key of that certificate")
    workers: int = Field(1, ge=1, description="worker processes of the embedded cluster")
    upload_max_gb: float = Field(
        20.0, gt=0, description="size of the largest upload that is accepted, GB"
    )
    slides_quota_gb: float | None = Field(
        None, gt=0, description="limit on the total size of all slides, GB; none if unset"
    )
    import_dir: Path | None = Field(
        None, description="folder of slides that users can import; the app only reads it"
    )
    features_gb: float = Field(
        20.0, ge=0, description="limit on the stored features of trunks, GB; 0 stores none"
    )
    heartbeat_s: float = Field(5.0, gt=0, description="seconds between two heartbeats of a run")
    her2st_url: str = Field(
        "https://raw.githubusercontent.com/almaan/her2st/master/data",
        description="base URL from which her2st is downloaded",
    )

    @property
    def slides_dir(self) -> Path:
        return self.store / "slides"

    @property
    def runs_dir(self) -> Path:
        return self.store / "runs"

    @property
    def trained_dir(self) -> Path:
        """Folder of the model packages trained in this installation."""
        return self.store / "models"

    @property
    def trunks_dir(self) -> Path:
        """Folder of the trunks of HistoSPACE+ that were installed."""
        return self.store / "trunks"

    @property
    def features_dir(self) -> Path:
        """Folder of the features that trunks gave in trainings; it may be deleted at any time."""
        return self.store / "features"

    @property
    def uploads_dir(self) -> Path:
        """Folder of unfinished uploads; its content may be deleted when no upload is running."""
        return self.store / "uploads"

    @property
    def upload_max_bytes(self) -> int:
        """Size of the largest accepted upload, bytes."""
        return int(self.upload_max_gb * 1e9)

    @property
    def catalog_url(self) -> str:
        return self.database_url or f"sqlite:///{(self.store / 'catalog.db').as_posix()}"


@lru_cache
def get_settings() -> Settings:
    """Return the settings, which are read once per process."""
    return Settings()
