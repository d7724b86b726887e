"""Drawn things that are no garment: walls, tiles, faces, boxes, pages of text, balls."""

import cv2
import numpy as np

from tagger.arrays import Pixels

SIDE = 240
KINDS = ("wall", "bricks", "face", "boxes", "page", "ball")


def draw_non_garment(kind: str, random: np.random.Generator) -> Pixels:
    """Return one picture, uint8 (240, 240, 3) RGB, of `kind`."""
    tone = random.uniform(90, 250, 3) if kind == "wall" else np.full(3, random.uniform(190, 255))
    picture = np.ones((SIDE, SIDE, 3)) * tone
    picture *= 1 + random.uniform(-0.2, 0.2) * np.linspace(-1, 1, SIDE)[:, None, None]
    picture = np.ascontiguousarray(np.clip(picture, 0, 255).astype(np.uint8))
    colour = tuple(int(c) for c in random.integers(20, 230, 3))
    middle = (int(SIDE / 2 + random.normal(0, 8)), int(SIDE / 2 + random.normal(0, 8)))
    if kind == "bricks":
        height = int(random.integers(14, 30))
        for k, y in enumerate(range(0, SIDE, height)):
            for x in range(-2 * height * (k % 2), SIDE, 4 * height):
                shade = tuple(int(np.clip(c * random.uniform(0.85, 1.15), 0, 255)) for c in colour)
                cv2.rectangle(picture, (x, y), (x + 4 * height - 3, y + height - 3), shade, -1)
    elif kind == "face":
        skin = tuple(int(c) for c in np.array([225, 180, 150]) * random.uniform(0.4, 1.05))
        hair = tuple(int(c) for c in random.integers(10, 120, 3))
        cv2.ellipse(
            picture, (middle[0], middle[1] - 20), (70, 85), 0, 180, 360, hair, -1, cv2.LINE_AA
        )
        cv2.ellipse(picture, middle, (58, 80), 0, 0, 360, skin, -1, cv2.LINE_AA)
        for side in (-22, 22):
            cv2.ellipse(
                picture,
                (middle[0] + side, middle[1] - 15),
                (9, 5),
                0,
                0,
                360,
                (250, 250, 250),
                -1,
                cv2.LINE_AA,
            )
            cv2.circle(picture, (middle[0] + side, middle[1] - 15), 4, hair, -1, cv2.LINE_AA)
        cv2.ellipse(
            picture, (middle[0], middle[1] + 38), (20, 8), 0, 0, 180, (170, 60, 70), -1, cv2.LINE_AA
        )
    elif kind == "boxes":
        for _ in range(int(random.integers(2, 5))):
            x, y = (int(v) for v in random.integers(30, 130, 2))
            shade = tuple(int(c) for c in random.integers(20, 230, 3))
            cv2.rectangle(
                picture,
                (x, y),
                (x + int(random.integers(30, 80)), y + int(random.integers(30, 80))),
                shade,
                -1,
            )
    elif kind == "page":
        for y in range(24, SIDE - 20, 14):
            cv2.line(
                picture,
                (24, y),
                (int(random.integers(120, 216)), y),
                (40, 40, 40),
                int(random.integers(1, 4)),
            )
    elif kind == "ball":
        radius = int(random.integers(40, 90))
        for r in range(radius, 0, -4):
            shade = tuple(int(min(255, c * (1.4 - 0.7 * r / radius))) for c in colour)
            cv2.circle(picture, middle, r, shade, -1, cv2.LINE_AA)
    noisy = picture + random.normal(0, 4, picture.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)
