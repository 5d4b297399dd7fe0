"""A trained model in one safetensors file: the learned arrays, the head included, and the card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from sa2vp.use.card import CARD_KEY, Card, read_card
from sa2vp.use.errors import UseError
from sa2vp.use.files import check_target, whole_file

SUFFIX = ".safetensors"


@dataclass(frozen=True, slots=True)
class Export:
    """All of a trained model but its backbone.

    Attributes:
        card: where it comes from.
        arrays: learned arrays by name, as ``model.load_trainable_state_dict`` takes them.
        source: the file or run, for messages.
    """

    card: Card
    arrays: Mapping[str, Tensor]
    source: str

    def save(self, path: Path, *, overwrite: bool = False) -> None:
        """Write the file, whole or not at all.

        Raises:
            UseError: the file exists, has another suffix or cannot be written.
        """
        check_target(path, [SUFFIX], overwrite=overwrite)
        with whole_file(path) as partial:
            try:
                save_file(dict(self.arrays), partial, metadata={CARD_KEY: self.card.to_json()})
            except SafetensorError as error:  # also where the disk is full
                raise OSError(str(error)) from error


def read_export(path: Path) -> Export:
    """Read an exported model.

    Raises:
        UseError: there is no such file, it is damaged, or no export of this project.
    """
    card = read_card(path)
    try:
        with safe_open(path, framework="pt") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dict
    except (OSError, SafetensorError) as error:
        raise UseError(f"{path}: damaged; export the model again ({error})") from error
    return Export(card, arrays, str(path))
