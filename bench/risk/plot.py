"""The curves as an SVG file: how many attacks are caught for how many people asked again."""

from collections.abc import Mapping, Sequence
from html import escape
from math import log10

WIDTH, HEIGHT = 720, 440
LEFT, RIGHT, TOP, BOTTOM = 70, 200, 46, 60
LEAST = 0.001
COLOURS = ("#2563eb", "#0f766e", "#b45309", "#be123c")
Points = Sequence[tuple[float, float]]


def draw(curves: Mapping[str, Points], dashed: Mapping[str, Points], *, title: str) -> str:
    """curves, dashed: by attacker, in the same order; (share of people, share of attacks)."""
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
            f'font-family="system-ui, sans-serif" font-size="13"><title>{escape(title)}</title>'
        ),
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        (
            f'<text x="{LEFT}" y="24" font-size="15" font-weight="600" fill="#111827">'
            f"{escape(title)}</text>"
        ),
        *_grid(),
    ]
    for style, family in (
        ('stroke-dasharray="5 4" stroke-width="1.5"', dashed),
        ('stroke-width="2.5"', curves),
    ):
        parts += [
            f'<polyline fill="none" stroke="{colour}" {style} points="{_path(points)}"/>'
            for colour, points in zip(COLOURS, family.values(), strict=False)
        ]
    parts += _legend(list(curves))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _grid() -> list[str]:
    parts = []
    for share in (0.001, 0.01, 0.1, 1.0):
        x = _x(share)
        parts.append(
            f'<line x1="{x}" y1="{TOP}" x2="{x}" y2="{HEIGHT - BOTTOM}" stroke="#e5e7eb"/>'
            f'<text x="{x}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle" fill="#374151">'
            f"{share * 100:g} %</text>"
        )
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = _y(share)
        parts.append(
            f'<line x1="{LEFT}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}" stroke="#e5e7eb"/>'
            f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end" fill="#374151">'
            f"{share * 100:g} %</text>"
        )
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(
        f'<text x="{middle}" y="{HEIGHT - 16}" text-anchor="middle" fill="#374151">'
        "sign-ins of people asked again</text>"
        f'<text transform="translate(18 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" '
        'text-anchor="middle" fill="#374151">attacks caught</text>'
    )
    return parts


def _legend(names: Sequence[str]) -> list[str]:
    x = WIDTH - RIGHT + 16
    parts = []
    for index, name in enumerate(names):
        y = TOP + 16 + index * 24
        parts.append(
            f'<line x1="{x}" y1="{y - 4}" x2="{x + 26}" y2="{y - 4}" stroke="{COLOURS[index]}" '
            f'stroke-width="2.5"/><text x="{x + 34}" y="{y}" fill="#111827">{escape(name)}</text>'
        )
    y = TOP + 16 + len(names) * 24 + 12
    for offset, words in enumerate(
        ("solid: as shipped, with", "the browser's cookie", "dashed: likelihood alone")
    ):
        parts.append(f'<text x="{x}" y="{y + offset * 18}" fill="#374151">{words}</text>')
    return parts


def _path(points: Points) -> str:
    """Only corners that can be told apart; people's share on a logarithmic axis."""
    corners: list[tuple[float, float]] = []
    for share, caught in points:
        corner = (_x(max(share, LEAST)), _y(caught))
        if not corners or abs(corner[0] - corners[-1][0]) + abs(corner[1] - corners[-1][1]) >= 1:
            corners.append(corner)
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)


def _x(share: float) -> float:
    wide = WIDTH - LEFT - RIGHT
    return round(LEFT + wide * (log10(share) - log10(LEAST)) / -log10(LEAST), 1)


def _y(share: float) -> float:
    return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share, 1)
