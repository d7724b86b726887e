"""Rows as the page shows them: in the grid, and one of them large."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from schemas.corrections import Answer, Correction
from schemas.review import AnswerNow, LabelNow, Picture, PictureDetail, TagSaid
from tagger.arrays import Int64Array
from tagger.index.night_labels import MISSING, SCALE, NightLabels
from tagger.review.contents import texts_of
from tagger.review.lines import Log
from tagger.review.products import NightProducts
from tagger.review.rows import STATUS_NAMES, NightRows
from tagger.review.standing import ANSWER_CODES, IS, IS_NOT, NONE, UNKNOWN
from tagger.review.words import Words

_ANSWERS: dict[int, Answer] = {code: answer for answer, code in ANSWER_CODES.items()}


class Shown:
    """What is shown of rows.

    Parameters
    ----------
    rows : NightRows
    labels : NightLabels
    log : Log
    words : Words
    findings : mapping of str to str
        Digest of a content to what the audit found.
    products : NightProducts or None
        None: nothing says which product a row shows.
    """

    def __init__(
        self,
        rows: NightRows,
        labels: NightLabels,
        log: Log,
        words: Words,
        findings: Mapping[str, str],
        products: NightProducts | None,
    ) -> None:
        self._rows = rows
        self._labels = labels
        self._log = log
        self._words = words
        self._findings = findings
        self._products = products

    def pictures(self, places: Int64Array) -> list[Picture]:
        """Return rows as the grid shows them."""
        rows = self._rows
        ids = rows.ids.take(pa.array(places)).to_pylist()
        tags = self._tags(places)
        said_tags = self._said_tags(places)
        asks = self._asks(places)
        skus = self._products.of(places) if self._products is not None else [None] * len(places)
        found = []
        contents = texts_of(rows.digests[places])
        each = zip(ids, contents, skus, places.tolist(), strict=True)
        for image_id, content, sku, place in each:
            found.append(
                Picture(
                    image_id=image_id,
                    content=content,
                    status=STATUS_NAMES[rows.status[place]],
                    error=rows.error(place),
                    width=int(rows.width[place]) or None,
                    height=int(rows.height[place]) or None,
                    answers={
                        group: self._answer(i, place)
                        for i, group in enumerate(self._labels.exclusive)
                    },
                    tags=tags[place],
                    said_tags=said_tags.get(place, []),
                    asks=asks.get(place, []),
                    finding=self._findings.get(content) if content else None,
                    sku=sku,
                )
            )
        return found

    def detail(self, place: int) -> PictureDetail:
        """Return a row as it is shown large."""
        rows = self._rows
        digest = rows.digests[place]
        picture = self.pictures(np.array([place]))[0]
        said = self._log.all_of(digest) if digest.any() else np.zeros(0, np.int64)
        copies = rows.contents.find(digest[None]).row if digest.any() else said
        others = np.sort(copies[copies != place])
        return PictureDetail(
            picture=picture,
            labels=self._all_labels(place, picture),
            history=self._log.said_in(said.tolist()),
            copies=rows.ids.take(pa.array(others)).to_pylist(),
        )

    def _answer(self, group: int, place: int) -> AnswerNow:
        """Return what a row answers for an exclusive group."""
        words = self._words
        own = int(self._rows.own[group, place])
        now = int(words.now[group, place])
        said = int(words.said[group, place])
        last = int(words.last[group, place])
        sure = _probability(self._rows.sure[group, place])
        names = self._log.names[group]
        person = said in (IS, NONE)
        label = names[now] if now >= 0 else None
        known = label is None or self._labels.knows(self._labels.exclusive[group], label)
        return AnswerNow(
            label=label,
            score=None if person or own < 0 else sure,
            model=names[own] if own >= 0 else None,
            sure=sure,
            who=self._who(last) if person else None,
            said=_ANSWERS[said] if person or said == UNKNOWN else None,
            proposed=person and not known,
            last=last,
        )

    def _who(self, line: int) -> str:
        return self._log.persons[int(self._log.lines["who"][line])]

    def _tags(self, places: Int64Array) -> dict[int, list[str]]:
        """Return, of each row, the labels of other groups that it has now: the model's in its
        order, then proposed ones."""
        tags: dict[int, dict[str, None]] = {place: {} for place in places.tolist()}
        removed: set[tuple[int, str]] = set()
        added: list[tuple[int, str]] = []
        words = self._words.about_labels()
        mine = np.flatnonzero(np.isin(words.row, places))
        for word in mine.tolist():
            group, name = self._log.questions[words.question[word]]
            pair = (int(words.row[word]), f"{group}:{name}")
            if words.answer[word] == IS:
                added.append(pair)
            elif words.answer[word] == IS_NOT:
                removed.add(pair)
        for i, label in enumerate(self._labels.all):
            if label.exclusive:
                continue
            holds = self._words.model_holds(i, places)
            has = set(places[holds].tolist())
            has |= {place for place, key in added if key == label.key}
            for place in has:
                if (place, label.key) not in removed:
                    tags[place][label.key] = None
        for place, key in added:
            tags[place][key] = None
        return {place: list(keys) for place, keys in tags.items()}

    def _said_tags(self, places: Int64Array) -> dict[int, list[TagSaid]]:
        """Return, of each row, what persons said of its labels of other groups."""
        words = self._words.about_labels()
        found: dict[int, list[TagSaid]] = {}
        for word in np.flatnonzero(np.isin(words.row, places)).tolist():
            group, name = self._log.questions[words.question[word]]
            line = int(words.line[word])
            said = TagSaid(
                group=group,
                label=str(name),
                said=_ANSWERS[int(words.answer[word])],
                who=self._who(line),
                last=line,
            )
            found.setdefault(int(words.row[word]), []).append(said)
        return found

    def _asks(self, places: Int64Array) -> dict[int, list[Correction]]:
        """Return what was said about other bytes under the names of rows."""
        asking = self._words.asking(places)
        said = dict(
            zip(
                sorted(set(asking.line.tolist())),
                self._log.said_in(asking.line.tolist()),
                strict=True,
            )
        )
        asks: dict[int, list[Correction]] = {}
        for row, line in zip(asking.row.tolist(), asking.line.tolist(), strict=True):
            asks.setdefault(row, []).append(said[line])
        return asks

    def _all_labels(self, place: int, picture: Picture) -> list[LabelNow]:
        """Return all labels that are not retired, with what holds now and what was said last."""
        digest = self._rows.digests[place]
        last = self._last_words(place) if digest.any() else {}
        model = int(self._rows.model[place])
        found = []
        for i, label in enumerate(self._labels.all):
            if label.retired:
                continue
            if label.exclusive:
                now = picture.answers[label.group]
                holds = now.label == label.name
                facts: dict[str, Any] = {"last": now.last}
            else:
                holds = label.key in picture.tags
                facts = last.get(label.key, {})
            found.append(
                LabelNow(
                    group=label.group,
                    label=label.name,
                    exclusive=label.exclusive,
                    score=_probability(self._rows.scores[i, place]),
                    threshold=self._labels.threshold(model, i),
                    holds=holds,
                    **facts,
                )
            )
        return found

    def _last_words(self, place: int) -> dict[str, dict[str, Any]]:
        """Return the last words about a row's labels of groups that are not exclusive."""
        lines = self._log.lines
        found: dict[str, dict[str, Any]] = {}
        if not self._rows.ok[place]:
            return found
        for line in self._log.standing_of(self._rows.digests[place][None]).tolist():
            group, name = self._log.questions[lines["question"][line]]
            answer = int(lines["answer"][line])
            counts = answer in (IS, IS_NOT, UNKNOWN)
            found[f"{group}:{name}"] = {
                "last": line,
                "said": _ANSWERS[answer] if counts else None,
                "who": self._who(line) if counts else None,
            }
        return found


def _probability(stored: np.uint16) -> float | None:
    return None if stored == MISSING else round(float(stored) / SCALE, 4)
