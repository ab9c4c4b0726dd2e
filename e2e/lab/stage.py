"""How the demo speaks: commands as typed, what they printed, what was checked, and the end."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console
from rich.syntax import Syntax
from rich.table import Table


@dataclass(frozen=True)
class Check:
    """One thing the demo promises, whether it held, and the figure that shows it."""

    promise: str
    held: bool
    figure: str


class Stage:
    """A console that remembers what was promised."""

    def __init__(self) -> None:
        """Speak to standard output."""
        self.console = Console(highlight=False)
        self.checks: list[Check] = []

    def act(self, title: str) -> None:
        """Begin a part of the story."""
        self.console.print()
        self.console.rule(f"[bold]{title}", align="left")

    def say(self, text: str) -> None:
        """Tell something."""
        self.console.print(text)

    def command(self, line: str, output: str) -> None:
        """Show a command and what it printed."""
        # A table of kubectl's has its own width.
        self.console.print(f"[bold cyan]$ {line}", soft_wrap=True)
        if output.strip():
            self.console.print(output.rstrip(), markup=False, soft_wrap=True)

    def yaml(self, text: str) -> None:
        """Show a manifest."""
        self.console.print(Syntax(text.strip(), "yaml", background_color="default"))

    def table(self, columns: list[str], rows: list[list[str]]) -> None:
        """Show rows under headings."""
        table = Table(*columns, box=None, pad_edge=False, header_style="dim")
        for row in rows:
            table.add_row(*row)
        self.console.print(table)

    def check(self, promise: str, held: bool, figure: str) -> None:
        """Say whether a promise held, and remember it for the summary."""
        self.checks.append(Check(promise, held, figure))
        self.console.print(f"{_mark(held)} {promise}: [bold]{figure}")

    def summary(self) -> bool:
        """Show all promises; return whether every one held."""
        self.act("Summary")
        table = Table("", "promise", "seen", header_style="dim")
        for check in self.checks:
            table.add_row(_mark(check.held), check.promise, check.figure)
        self.console.print(table)
        return bool(self.checks) and all(check.held for check in self.checks)


def _mark(held: bool) -> str:
    return "[green]ok[/]" if held else "[bold red]NO[/]"
