"""Which row of a table is its header, and which headers name pictures in the larger languages."""

import re
from collections.abc import Collection, Sequence
from statistics import median

from tagger.labels.columns import AS_TYPED, latin
from tagger.labels.folding import folded
from tagger.labels.vocabulary import canonical_name

_PICTURE_WORDS = """
image, images, image file, image name, image path, img, picture, pictures, pic, photo, photos, file,
photo file, file name, filename, file path, path, url, image url
bild, bilder, bilddatei, bildname, bildpfad, datei, dateiname, dateipfad, pfad, foto, fotos
fichier, nom du fichier, chemin, archivo, nombre de archivo, imagen, ruta
immagine, file immagine, nome file, percorso, arquivo, imagem, ficheiro, nome do arquivo
afbeelding, bestand, bestandsnaam, zdjęcie, plik, nazwa pliku, obraz, obrazek, soubor, fotka
bildfil, fil, filnavn, billede, kuva, tiedosto, fénykép, kép, fájl, imagine, fișier
εικόνα, φωτογραφία, αρχείο, изображение, фото, файл, картинка, зображення
resim, görsel, dosya, fotoğraf, صورة, ملف, תמונה, קובץ
画像, 写真, ファイル, 图片, 圖片, 照片, 文件, 文件名
이미지, 사진, 파일, चित्र, फोटो, ảnh, hình ảnh, gambar
"""

_ARTICLE_WORDS = """
sku, id, image id, article, article number, item, item number, product id
artikel, artikelnummer, artikelnr, artikel nr, art nr, art.-nr., bestellnummer, produktnummer
référence, ref, réf, code article, codice, codice articolo, codigo, código, referencia
varenummer, číslo, kod, артикул, ürün kodu, 商品番号, 品番, 货号, 상품번호
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(folded(word) for word in re.split(r"[,\n]", text) if word.strip())


PICTURES = _words(_PICTURE_WORDS)
"""Headers of columns that name pictures."""

ARTICLES = _words(_ARTICLE_WORDS)
"""Headers of columns whose cells may be names of pictures without their endings."""

_SEARCHED = 20
"""Rows above a header, at most."""

_ABOUT = 0.8


def is_known_header(header: str) -> bool:
    """Return whether a header names pictures."""
    return folded(header) in PICTURES


def header_at(rows: Sequence[Sequence[str]], keys: Collection[str]) -> int | None:
    """Return the number of the row that is the header, None if there is none.

    It is the first row with one of `keys`; else of those with about as many filled cells as most
    rows have the first with a known header of pictures; else any of several cells with one; else
    the first with as many filled cells. Titles and dates above a table fill fewer.
    """
    wanted = {canonical_name(key) for key in keys}
    for at, row in enumerate(rows[:_SEARCHED]):
        if not wanted.isdisjoint(map(canonical_name, row)):
            return at
    filled = [sum(bool(canonical_name(cell)) for cell in row) for row in rows]
    enough = max(2, _ABOUT * median(filled)) if filled else 2
    wide = [at for at, n in enumerate(filled[:_SEARCHED]) if n >= enough]
    several = [at for at, n in enumerate(filled[:_SEARCHED]) if n > 1]
    known = (at for at in [*wide, *several] if any(map(is_known_header, rows[at])))
    return next(known, wide[0] if wide else None)


def group_names(header: str) -> list[str]:
    """Return the names that a group of this header may have, the likeliest first.

    >>> group_names("Größe (EU)")
    ['groesse_eu', 'grosse_eu']
    """
    text = folded(header)
    names = (_name(text.translate(AS_TYPED)), _name(text))
    return list(dict.fromkeys(name for name in names if name))


def _name(text: str) -> str:
    letters = latin(text)
    return letters if letters[:1].isalpha() else f"column_{letters}" if letters else ""
