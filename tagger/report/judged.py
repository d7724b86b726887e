"""Which pictures of two nights persons' answers do not judge, though they spoke of them."""

from schemas.comparison import NightRows


def judged_once(rows: NightRows) -> list[str]:
    """Return, a sentence each, what of persons' answers counts once or not at all."""
    words = []
    if n := rows.copies:
        copies = "1 row is a copy" if n == 1 else f"{n:,} rows are copies"
        words.append(f"{copies} of a picture of which persons spoke: what they said counts once")
    if n := rows.unheard:
        pictures = "1 picture" if n == 1 else f"{n:,} pictures"
        words.append(
            f"of {pictures} persons spoke when a label that one night alone knows was no choice: "
            "their answer is not counted where that label would decide"
        )
    return words
