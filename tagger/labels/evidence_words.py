"""What a group's name and labels say of what it is judged by.

Words are compared without case, accents and the signs between them. What is not surely a color or
a garment says nothing: a group that is judged by the wrong thing learns worse than one judged by
all.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Literal, NamedTuple

from schemas.vocabulary import Evidence
from tagger.labels.color_words import AMBIGUOUS, COLORS, MODIFIERS
from tagger.labels.garment_words import GARMENTS, JOINING

Kind = Literal["color", "garment", "pattern"]

EVIDENCE_OF: dict[Kind, Evidence] = {"color": "pixels", "garment": "shape", "pattern": "texture"}
"""What groups of these kinds are judged by. Words for patterns have no table: a group's name alone
says that it is one."""

GROUP_NAMES: dict[Kind, str] = {
    "color": """
        color colors colour colours farbe farben couleur couleurs colore colori cor cores kleur
        kleuren kolor kolory barva barvy färg farve цвет цвета колір renk لون اللون 颜色 顏色
        色 색상 색깔 カラー रंग
        """,
    "garment": """
        garment garments type types category categories subcategory kleidungsstück kleidungsart
        kategorie kategorien warengruppe produktgruppe produktart artikel artikelart
        artikelgruppe vêtement catégorie categorie categoría categoria prenda tipo typ
        producttype capo kledingstuk kategoria druh oděv plagg kategori тип категория одежда
        категорія тип одяг kategorisi giysi فئة النوع الفئة 类别 類別 品类 カテゴリー カテゴリ
        카테고리 종류 श्रेणी
        """,
    "pattern": """
        pattern patterns texture textures musterung dessin dessins motif motifs fantasia
        estampado padrão patroon wzór wzory vzor mönster mønster узор принт візерунок desen نقش
        نمط 图案 圖案 花纹 柄 模様 무늬 पैटर्न
        """,
}
"""Names of groups that surely are of one kind, in the larger languages."""

OTHER_NAMES = """
    material materials fabric fabrics stoff stoffe gewebe matière tissu tessuto materiale tela
    tejido tecido materiaal stof materiał tkanina materiál látka stoffer materialet ткань
    материал тканина kumaş malzeme قماش المادة 材料 面料 材質 素材 소재 कपड़ा
    brand brands marke marken marque marca merk marka značka märke mærke merke бренд марка
    ماركة 品牌 ブランド 브랜드 ब्रांड designer supplier vendor manufacturer lieferant hersteller
    fournisseur fornitore proveedor leverancier producent dostawca
    """
"""Names of groups that are about something else, whose labels may be words for colors or garments
all the same: a fabric may be called jeans, and a designer Schwarz."""

PERHAPS_PATTERNS = "muster"
"""Names of groups that are patterns if their labels are: German Muster is a sample, too, and a
group of ja and nein must not be judged by texture."""

PATTERNS = """
    uni unifarben einfarbig bedruckt gedruckt gemustert gestreift streifen nadelstreifen geringelt
    ringel kariert karo karos gepunktet punkte tupfen geblümt blumen blumenmuster floral
    geometrisch paisley leopard leo zebra animal tarnmuster camouflage hahnentritt fischgrat batik
    """
"""Words for patterns, in the language of these names."""

LEAST_LABELS = 3
"""So many labels of a group must surely be of one kind."""

LEAST_SHARE = 0.8
"""So large a share of its pictures' labels must be of it, and more than half of all its labels."""

_BESIDE = "main base basic primary name haupt grund"  # may stand beside a group's name
_BETWEEN = re.compile(r"[\s_\-‐–/|\\,;.:+&×()\[\]'\"’·・•0-9]+")  # \W would cut Hindi words apart
_LETTERS = str.maketrans({"ø": "o", "æ": "ae", "ł": "l", "ı": "i", "œ": "oe", "đ": "d"})
_CAMEL = re.compile(r"(?<=[a-zà-ÿ])(?=[A-ZÀ-Þ])")
_ENDINGS = ("색", "色", "系", "い")  # of words for colors in Korean, Chinese and Japanese
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u1100-\u11ff]")
_SHORTEST = 3  # letters of a word that is found within another; one in CJK


class Spoken(NamedTuple):
    """What a group's labels say.

    Attributes
    ----------
    kind : color or garment
    examples : tuple of str
        The commonest labels that say so.
    """

    kind: Kind
    examples: tuple[str, ...]


def kind_of_name(name: str) -> Kind | None:
    """Return what a group of this name surely is; None if the name does not say.

    >>> kind_of_name("hauptfarbe"), kind_of_name("fabric_type")
    ('color', None)
    """
    words = _words(name)
    names = _group_names()
    for kind, known in names.items():
        own = [_without_beside(word, known) for word in words]
        if any(word in known for word in own) and all(not word or word in known for word in own):
            return kind
    return None


def is_of_something_else(name: str) -> bool:
    """Return whether a group of this name is about neither colors nor garments nor patterns.

    >>> [is_of_something_else(x) for x in ("stoff", "fabric_type", "fabric_color")]
    [True, True, False]
    """
    other = _other_names()
    words = set(_words(name))
    return bool(words & other) and words <= other | _group_names()["garment"]


def pattern_labels(name: str, counts: Mapping[str, int]) -> tuple[str, ...]:
    """Return the commonest labels for which a group that may be one of patterns is one, if it is.

    More than half of its labels have a word for a pattern, and two at least.

    >>> pattern_labels("muster", {"uni": 6, "gestreift": 8}), pattern_labels("muster", {"ja": 9})
    (('gestreift', 'uni'), ())
    """
    if set(_words(name)) != table(PERHAPS_PATTERNS):
        return ()
    patterns = table(PATTERNS)
    found = [label for label in counts if patterns.intersection(_words(label))]
    if len(found) < 2 or 2 * len(found) <= len(counts):
        return ()
    return _commonest(found, counts)


def kind_of_labels(counts: Mapping[str, int]) -> Spoken | None:
    """Return what a group's labels surely are; None if they do not say.

    Parameters
    ----------
    counts : mapping from label to int
        How many pictures have it.
    """
    kinds = {name: kind_of_label(name) for name in counts}
    total = sum(counts.values())
    for kind in ("color", "garment"):
        sure = [name for name in counts if kinds[name] == kind]
        perhaps = [name for name in counts if kinds[name] == "ambiguous"]
        also = [*sure, *perhaps] if kind == "color" else sure
        if (
            len(sure) >= LEAST_LABELS
            and 2 * len(also) > len(counts)
            and sum(counts[name] for name in also) >= LEAST_SHARE * total
        ):
            return Spoken(kind, _commonest(sure, counts))
    return None


def _commonest(labels: Iterable[str], counts: Mapping[str, int]) -> tuple[str, ...]:
    """Return three labels at most, to show what speaks."""
    return tuple(sorted(labels, key=lambda label: (-counts[label], label))[:3])


def kind_of_label(name: str) -> Kind | Literal["ambiguous"] | None:
    """Return what one label says; ambiguous is a word that is a color and something else too.

    >>> [kind_of_label(x) for x in ("dunkel-blau", "Navy Blue", "orange", "T-Shirts", "cotton")]
    ['color', 'color', 'ambiguous', 'garment', None]
    """
    words = _words(name)
    found = {_kind_of_word(word) for word in words}
    if "garment" in found:
        return "garment" if not found & {"color", "ambiguous"} else None
    if not found or None in found or found == {"modifier"}:
        return None
    return "color" if "color" in found else "ambiguous"


def without_accents(text: str) -> str:
    """Return text without case and accents.

    >>> without_accents("Écru"), without_accents("WEISS") == without_accents("weiß")
    ('ecru', True)
    """
    apart = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    plain = "".join(letter for letter in apart if not unicodedata.combining(letter))
    return unicodedata.normalize("NFC", plain)


def table(text: str | Iterable[str]) -> frozenset[str]:
    """Return the words of a table, as they are compared."""
    texts = [text] if isinstance(text, str) else text
    return frozenset(without_accents(word) for each in texts for word in each.split())


def _words(text: str) -> list[str]:
    apart = _CAMEL.sub(" ", text)
    return [word for word in _BETWEEN.split(without_accents(apart)) if word]


@cache
def _group_names() -> dict[Kind, frozenset[str]]:
    return {kind: _as_groups_are_called(names) for kind, names in GROUP_NAMES.items()}


@cache
def _other_names() -> frozenset[str]:
    return _as_groups_are_called(OTHER_NAMES)


def _as_groups_are_called(names: str) -> frozenset[str]:
    """Return names as they are compared; also in Latin letters, which a group's name must have."""
    from anyascii import anyascii

    return table(names) | table(anyascii(names).lower())


def _without_beside(word: str, known: frozenset[str]) -> str:
    """Return a word without what may stand beside a group's name, in front of it or apart."""
    if word in known:
        return word
    for beside in _BESIDE.split():
        if word == beside or word.removeprefix(beside) in known:
            return word.removeprefix(beside)
    return word


@cache
def _tables() -> tuple[frozenset[str], frozenset[str], frozenset[str], frozenset[str]]:
    """Return colors, ambiguous ones, modifiers and garments as they are compared."""
    colors, garments = table(COLORS.values()), table(GARMENTS.values())
    return colors, table(AMBIGUOUS), table(MODIFIERS), garments


@cache
def _endings() -> tuple[str, ...]:
    """Return the garments that longer words of their language end with."""
    joining = table(GARMENTS[language] for language in JOINING)
    return tuple(word for word in joining if len(word) > _SHORTEST)


@cache
def _kind_of_word(word: str) -> Literal["color", "ambiguous", "modifier", "garment"] | None:
    colors, ambiguous, modifiers, garments = _tables()
    if word in colors:
        return "color"
    if word in ambiguous:
        return "ambiguous"
    if word in modifiers:
        return "modifier"
    if word in garments or _ends_with_garment(word, garments):
        return "garment"
    return _kind_of_compound(word)


def _ends_with_garment(word: str, garments: frozenset[str]) -> bool:
    if _CJK.search(word):
        return any(word[i:] in garments for i in range(1, len(word)))
    return word.endswith(_endings())


def _kind_of_compound(word: str) -> Literal["color", "ambiguous"] | None:
    """Return color for `dunkelblau` or `深蓝色`: a color behind a modifier or another color."""
    colors, ambiguous, modifiers, _ = _tables()
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) > len(ending) and word[: -len(ending)] in colors:
            return "color"
    shortest = 1 if _CJK.search(word) else _SHORTEST
    for i in range(shortest, len(word) - shortest + 1):
        front, back = word[:i], word[i:]
        if front in modifiers or front in colors or front in ambiguous:
            rest = back if back in colors else _kind_of_compound(back)
            if rest in (back, "color"):
                return "color"
            if back in ambiguous:
                return "ambiguous"
    return None
