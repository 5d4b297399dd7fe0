"""Shows an exported model's card."""

from __future__ import annotations

from rich.table import Table

from sa2vp.cli.terminal import console
from sa2vp.cli.use import CardOptions
from sa2vp.use.card import Card, read_card


def show(options: CardOptions) -> int:
    """Print a card; give the exit code.

    Raises:
        UseError: the file holds none.
    """
    print_card(read_card(options.model))
    return 0


def print_card(card: Card) -> None:
    """Lay a card out for the terminal."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in card.described().items():
        table.add_row(name, value)
    console.print(table, soft_wrap=True)
