"""What names and labels say of what a group is judged by: sure words decide, all others do not."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.labels.color_words import AMBIGUOUS, COLORS, MODIFIERS
from tagger.labels.evidence_words import (
    GROUP_NAMES,
    kind_of_label,
    kind_of_labels,
    kind_of_name,
    table,
)
from tagger.labels.garment_words import GARMENTS

BASIC = {  # black, white, red, blue, green, yellow
    "ar": "أسود أبيض أحمر أزرق أخضر أصفر",
    "cs": "černá bílá červená modrá zelená žlutá",
    "da": "sort hvid rød blå grøn gul",
    "de": "schwarz weiß rot blau grün gelb",
    "en": "black white red blue green yellow",
    "es": "negro blanco rojo azul verde amarillo",
    "fr": "noir blanc rouge bleu vert jaune",
    "hi": "काला सफेद लाल नीला हरा पीला",
    "it": "nero bianco rosso blu verde giallo",
    "ja": "黒 白 赤 青 緑 黄色",
    "ko": "검정 흰색 빨강 파랑 초록 노랑",
    "nl": "zwart wit rood blauw groen geel",
    "pl": "czarny biały czerwony niebieski zielony żółty",
    "pt": "preto branco vermelho azul verde amarelo",
    "ru": "чёрный белый красный синий зелёный жёлтый",
    "sv": "svart vit röd blå grön gul",
    "tr": "siyah beyaz kırmızı mavi yeşil sarı",
    "uk": "чорний білий червоний синій зелений жовтий",
    "zh": "黑色 白色 红色 蓝色 绿色 黄色",
}
each_language = pytest.mark.parametrize("language", sorted(BASIC))


def test_the_tables_speak_the_same_languages() -> None:
    assert set(COLORS) == set(GARMENTS) == set(BASIC)


@each_language
def test_a_language_has_the_basic_colors_and_they_decide(language: str) -> None:
    words = BASIC[language].split()
    assert len(words) == 6
    assert [kind_of_label(word) for word in words] == ["color"] * 6
    spoken = kind_of_labels(dict.fromkeys(words, 10))
    assert spoken is not None
    assert spoken.kind == "color"


@each_language
def test_garments_of_a_language_decide(language: str) -> None:
    words = GARMENTS[language].split()
    assert [word for word in words if kind_of_label(word) != "garment"] == []
    spoken = kind_of_labels(dict.fromkeys(words[:4], 10))
    assert spoken is not None
    assert spoken.kind == "garment"


def test_no_word_stands_for_two_kinds() -> None:
    kinds = {
        "color": table(COLORS.values()),
        "ambiguous": table(AMBIGUOUS),
        "modifier": table(MODIFIERS),
        "garment": table(GARMENTS.values()),
    }
    for one, other in combinations(kinds, 2):
        assert not kinds[one] & kinds[other], (one, other)
    assert not table(GROUP_NAMES["color"]) & table(GROUP_NAMES["garment"])


@pytest.mark.parametrize(
    "label",
    [
        "dunkel-blau",
        "Navy Blue",
        "NavyBlue",
        "hellgrau meliert",
        "schwarz/weiß",
        "GRUEN",
        "bleu marine",
        "vert foncé",
        "тёмно-синий",
        "mörkblå",
        "深蓝色",
        "ダークブルー",
        "진한 파란색",
        "أزرق داكن",
        "weinrot",
        "Off White",
        "lacivert",
        "Bordeaux",
        "écru",
        "Anthrazit",
    ],
)
def test_a_color_with_what_stands_beside_it_is_a_color(label: str) -> None:
    assert kind_of_label(label) == "color"


@pytest.mark.parametrize("label", ["orange", "Rose", "mint", "OLIVE", "gold"])
def test_a_word_that_is_a_thing_too_is_ambiguous(label: str) -> None:
    assert kind_of_label(label) == "ambiguous"


@pytest.mark.parametrize(
    "label",
    ["", "-", "cotton", "striped", "XL", "dark", "black jeans", "rotes Kleid", "Levi's", "2012"],
)
def test_other_labels_say_nothing(label: str) -> None:
    assert kind_of_label(label) is None


@given(
    st.sampled_from(sorted({word for words in COLORS.values() for word in words.split()})),
    st.sampled_from(["", *sorted(MODIFIERS.split())]),
    st.sampled_from([" ", "-", "_", " / "]),
    st.sampled_from([str, str.upper, str.title, str.capitalize]),
)
def test_neither_case_nor_modifiers_make_a_color_something_else(
    color: str, modifier: str, between: str, case: object
) -> None:
    assert callable(case)
    assert kind_of_label(case(modifier + between + color)) == "color"
    assert kind_of_label(case(color + between + modifier)) == "color"


@given(st.dictionaries(st.sampled_from(AMBIGUOUS.split()), st.integers(1, 99), max_size=9))
def test_ambiguous_words_alone_decide_nothing(counts: dict[str, int]) -> None:
    assert kind_of_labels(counts) is None


@pytest.mark.parametrize(
    ("counts", "kind"),
    [
        ({"red": 50, "blue": 30, "black": 1}, "color"),
        ({"red": 50, "blue": 30}, None),  # of wines, say
        ({"red": 40, "blue": 30, "black": 10, "striped": 20}, "color"),
        ({"red": 40, "blue": 30, "black": 9, "striped": 21}, None),
        ({"red": 90, "blue": 90, "black": 90, "a": 1, "b": 1, "c": 1}, None),  # no most of them
        ({"red": 40, "blue": 30, "black": 9, "orange": 21}, "color"),
        ({"red": 10, "blue": 10, "black": 10, "dress": 30}, None),
        ({"dress": 10, "shirt": 10, "jeans": 10, "red": 1}, "garment"),
        ({}, None),
    ],
)
def test_most_pictures_most_labels_and_three_of_them_must_agree(
    counts: dict[str, int], kind: str | None
) -> None:
    spoken = kind_of_labels(counts)
    assert (spoken.kind if spoken else None) == kind


def test_the_commonest_labels_are_named() -> None:
    spoken = kind_of_labels({"rot": 5, "blau": 9, "grün": 7, "gelb": 1, "kariert": 2})
    assert spoken is not None
    assert spoken.examples == ("blau", "grün", "rot")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("color", "color"),
        ("hauptfarbe", "color"),
        ("base_colour", "color"),
        ("kleur", "color"),
        ("tsvet", "color"),  # as a column цвет can be called
        ("renk", "color"),
        ("warengruppe", "garment"),
        ("type", "garment"),
        ("categorie", "garment"),
        ("kategoriya", "garment"),
        ("fabric_type", None),
        ("color_type", None),
        ("label", None),
        ("muster", None),  # a sample, too
        ("dessin", "pattern"),
        ("main", None),
        ("brand", None),
        ("style", None),
    ],
)
def test_a_groups_name_decides_where_it_is_sure(name: str, kind: str | None) -> None:
    assert kind_of_name(name) == kind
