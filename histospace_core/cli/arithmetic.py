"""What this machine computes with: processor, instruction set the form of each model."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from histospace_core.networks import ModelPackage, list_packages
from histospace_core.networks.predictor import FORMS
from histospace_core.remembered import flags, kept, machine
from histospace_core.settings import Settings

_SETS = {"AVX512": "AVX-512", "DEFAULT": "no wide instructions that PyTorch uses"}
_MORE = {
    "AVX512": {"avx512_vnni": "VNNI", "avx512_bf16": "bf16", "amx_int8": "AMX"},
    "AVX2": {"avx_vnni": "VNNI"},
}
"""What speeds up 8-bit integers and bf16 beyond the instruction set."""
_FORMS = {"int8 and f32": "int8 and fp32", "compiled": "bf16, compiled"}

Choice = tuple[dict[str, Any], date]


def arithmetic(settings: Settings) -> str:
    """Describe what computes a prediction on this machine, and what measurements have chosen."""
    choices = kept(settings.store, FORMS)
    mine = [choice for choice in choices if choice[0].get("machine") == machine()]
    found = [
        f"{package.name}: {chosen}"
        for package in list_packages([settings.models, settings.trained_dir])
        if (chosen := _chosen(package, mine))
    ]
    said = [f"{machine()['processor']}, {_instruction_set()}", *found]
    if not found:
        said.append("the first prediction with a model measures which form of it is fastest")
    if others := len(choices) - len(mine):
        which = "1 choice of another machine or version is"
        if others > 1:
            which = f"{others} choices of other machines or versions are"
        said.append(f"{which} kept and not used")
    return "; ".join(said)


def _instruction_set() -> str:
    name, limits = machine()["instruction_set"], machine()["limits"]
    said: str = _SETS.get(name, name)
    limited = [f"{key}={value}" for key, value in limits.items() if key != "OMP_NUM_THREADS"]
    if limited:  # then the processor's flags say more than it may use
        return f"{said} (limited by {', '.join(limited)})"
    has = flags()
    more = [word for flag, word in _MORE.get(name, {}).items() if flag in has]
    return f"{said} with {', '.join(more)}" if more else said


def _chosen(package: ModelPackage, choices: Sequence[Choice]) -> str:
    """Return the fastest form of a model on each device; "" if nothing was measured."""
    said: dict[str, str] = {}
    for stored, measured in choices:
        order = stored["found"]
        if stored.get("model") != package.sha256 or not isinstance(order, list) or not order:
            continue
        form = _FORMS.get(str(order[0]), str(order[0]))
        on_gpu = stored.get("device") != "cpu"
        where = "GPU" if on_gpu else f"{stored.get('threads')} threads"
        said[where] = f"{form if on_gpu else f'OpenVINO, {form}'} (measured {measured})"
    if len(said) == 1:
        return next(iter(said.values()))
    return ", ".join(f"{text} on {where}" for where, text in sorted(said.items()))
