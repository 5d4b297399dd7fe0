"""Text that others may put into names, reasons and cards."""

ESCAPES = "\x1b[31mred\x1b]0;title\x07"
TEXTS = (
    "[/a/pair.cc:575] Connection closed by peer",  # as gloo says it; a closing tag of Rich's
    "[red]x[/red] [link=http://x]y[/link] :smile:",
    f"a{ESCAPES}\r\nsecond line\u2028third\x85fourth",
    "rtl \u202egnp.exe\u202c \u2066iso\u2069 zero\u200bwidth \x9b31m",
    "not UTF-8: \udcff",
    "p|ipe `tick` <b onclick='x'>&amp; *star* $x$ ~",
    "=HYPERLINK(1)",
    "@SUM(A1)",
    "+1+cmd|' /C calc'!A0",
    "-2+3+A1",
)
NASTY = r"a_b|c & 50% <b>$x$</b> [red]"
FORBIDDEN = "\x1b\r\x07\x85\x9b\u2028\u200b\u202e\u202c\u2066\u2069\udcff"
"""What must not reach a terminal."""


def controls(text: str) -> set[str]:
    """Find what must not reach a terminal, line ends apart."""
    return set(text).intersection(FORBIDDEN)
