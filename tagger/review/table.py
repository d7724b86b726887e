# throw-away
import time

from schemas.review import *
from tagger.errors import InputError


class NightTable:
    @classmethod
    def load(cls, index, snapshot, *, findings=None):
        self = cls()
        self.index = index
        self.snapshot = snapshot
        self.lines = 0
        self.findings = findings or {}

        self._rows = {}
        for part in snapshot.manifest.parts:
            for r in snapshot.read(part.file).to_pylist():
                self._rows[r["image_id"]] = r
        labels = snapshot.labels().to_pylist()
        mid = snapshot.manifest.model_id
        gs = {}
        for l in labels:
            if l["model_id"] == mid and not l["retired"]:
                gs.setdefault(l["group"], []).append(l["label"])
        self.groups = [
            GroupNow(name=g, exclusive=g in snapshot.manifest.groups, labels=x)
            for g, x in gs.items()
        ]
        self.statuses = dict(snapshot.manifest.statuses)
        self.rows = snapshot.manifest.rows
        self._end = 0
        self.said = []
        self.refresh()
        return self

    def refresh(self):
        part = self.index.corrections.read(self._end)
        self._end = part.end
        self.said += part.corrections
        self.lines = len(self.said)
        return bool(part.corrections)

    def _pic(self, r):
        ans = {}
        for g in self.snapshot.manifest.groups:
            last = [
                (i, c)
                for i, c in enumerate(self.said)
                if c.content_sha256 == r["content_sha256"] and c.group == g
            ]
            i, c = last[-1] if last else (-1, None)
            ans[g] = AnswerNow(
                label=c.label
                if c and c.answer == "is"
                else (None if c and c.answer == "none" else r[g]),
                score=None,
                model=r[g],
                sure=0.5,
                who=c.who if c else None,
                said=c.answer if c else None,
                last=i,
            )
        return Picture(
            image_id=r["image_id"],
            content=r["content_sha256"],
            status=r["status"],
            error=r["error"],
            width=r["width"],
            height=r["height"],
            answers=ans,
            tags=r["tags"],
            asks=[],
            finding=self.findings.get(r["content_sha256"]),
        )

    def _want(self, w):
        return [
            r
            for r in sorted(self._rows.values(), key=lambda r: r["image_id"])
            if w.path.lower() in r["image_id"].lower()
            and (not w.audit or r["content_sha256"] in self.findings)
            and w.status in (None, r["status"])
        ]

    def find(self, w, o, l):
        t = time.perf_counter()
        x = self._want(w)
        return Found(
            total=len(x),
            pictures=[self._pic(r) for r in x[o : o + l]],
            seconds=time.perf_counter() - t,
        )

    def all_of(self, w):
        return len(self._want(w))

    def ids(self, w, most):
        return [(r["image_id"], r["content_sha256"]) for r in self._want(w)][:most]

    def picture(self, i):
        if i not in self._rows:
            raise InputError(f"no such picture {i!r}")
        return self._pic(self._rows[i])

    def detail(self, i):
        return PictureDetail(
            picture=self.picture(i),
            labels=[],
            history=[c for c in self.said if c.content_sha256 == self._rows[i]["content_sha256"]],
            copies=[],
        )

    def content_of(self, i):
        return self._rows[i]["content_sha256"] if i in self._rows else None

    def proposals(self):
        return []

    def conflicts(self, said):
        out = []
        for it in said.items:
            last = [
                (i, c)
                for i, c in enumerate(self.said)
                if c.content_sha256 == it.content and c.group == it.group
            ]
            if last and last[-1][0] > it.last:
                out.append(last[-1][1])
        return out

    def corrected(self):
        return len({c.content_sha256 for c in self.said})

    def add_sample(self, *a):
        pass
