"""A Dask scheduler and workers in processes of their own, as an operator starts them."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

TESTS = Path(__file__).resolve().parents[1]


def make_certificate(folder: Path) -> dict[str, Path]:
    """Write a certificate that is its own authority; return the settings that name its files."""
    folder.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "histospace")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    cert = folder / "cert.pem"
    return {"tls_ca": cert, "tls_cert": cert, "tls_key": folder / "key.pem"}


def free_port() -> int:
    """Return a port of the loopback that nobody listens at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def scheduler(tls: dict[str, Path] | None = None) -> Iterator[str]:
    """Run a scheduler; yield its address."""
    port = free_port()
    address = f"{'tls' if tls else 'tcp'}://127.0.0.1:{port}"
    options = ["--host", address, "--no-dashboard", "--dashboard-address", "127.0.0.1:0"]
    with _process("distributed.cli.dask_scheduler", *options, *_tls_options(tls)):
        yield address


@contextmanager
def worker(address: str, name: str, **resources: float) -> Iterator[None]:
    """Run a worker with these resources, without TLS."""
    options = ["--nthreads", "1", "--no-dashboard", "--name", name, "--host", "127.0.0.1"]
    if resources:
        options += ["--resources", " ".join(f"{key}={n}" for key, n in resources.items())]
    with _process("distributed.cli.dask_worker", address, *options):
        yield


@contextmanager
def histospace_worker(address: str, tls: dict[str, Path]) -> Iterator[None]:
    """Run `histospace worker` with certificates in its environment."""
    environment = {f"HISTOSPACE_{name.upper()}": str(file) for name, file in tls.items()}
    with _process("histospace_core", "worker", address, **environment):
        yield


def _tls_options(tls: dict[str, Path] | None) -> list[str]:
    if tls is None:
        return []
    options = {"ca-file": "tls_ca", "cert": "tls_cert", "key": "tls_key"}
    return [part for o, name in options.items() for part in (f"--tls-{o}", str(tls[name]))]


@contextmanager
def _process(module: str, *arguments: str, **environment: str) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        env={**os.environ, "PYTHONPATH": f"{TESTS.parent}:{TESTS}", **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)
