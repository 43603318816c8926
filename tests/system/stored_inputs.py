"""What a results folder holds, and what is submitted to one: each kind made once, damaged at will, and looked at."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
from hand_made import erring, make_cell, make_outputs, scored_record

from mmda_bench.store import Store
from tests.system import mutations
from tests.system.kinds import Kind

LABELS = np.arange(40) % 4


def fill(folder: Path) -> Store:
    """Two methods, two anchors, two seeds and a submission."""
    store, rng = Store(folder), np.random.default_rng(0)
    for method in ("dt", "dann"):
        for anchor in "AL":
            for seed in range(2):
                predicted = erring(rng, LABELS, 0.7)
                cell = make_cell(method, anchor, seed)
                store.write(cell, scored_record(cell, LABELS, predicted), make_outputs(LABELS, predicted))
    return store


def numbers(boards: Any) -> dict[tuple[str, ...], Any]:
    """Every number of the tables that rests on a record: score and F1 by class, of each cell."""
    found = {}
    for board in boards:
        for row in board.rows:
            for record in row.records:
                if record["status"] == "ok":
                    key, scores = record["key"], record["metrics"]["target_test"]
                    where = (board.signature.split("|seeds")[0], row.method, key["anchor"], str(key["seed"]))
                    found[where] = [round(v, 4) for v in (scores["weighted_f1"], *scores.get("per_class_f1", ()))]
    return found


class Stored(Kind):
    """Files of a store, which every report reads."""

    moved = False  # whether the record is now that of another cell, as its key, hash and place say

    def make(self) -> None:
        from mmda_bench.report.load import load_boards

        self.before = numbers(load_boards(fill(self.whole), tests=False)[0])

    def look(self) -> str:
        from mmda_bench.cli import console
        from mmda_bench.report.formats import markdown
        from mmda_bench.report.load import load_boards

        store = Store(self.damaged)
        console.show_status(store, as_json=False)
        console.show_status(store, as_json=True)
        boards, damaged = load_boards(store, tests=False)
        markdown.json_text(boards, damaged)
        found = numbers(boards)
        changed = [where for where, value in found.items() if self.before.get(where, value)[: len(value)] != value]
        if changed:
            return f"{changed[0]}: {self.before[changed[0]]} became {found[changed[0]]}"
        lost = [where for where in self.before if where not in found]
        if lost and not damaged and not _failed(boards, lost[0]) and not self.moved:
            return f"{lost[0]} is not shown, and nothing is named"
        return ""


def _failed(boards: Any, where: tuple[str, ...]) -> bool:
    return any((f.label, f.anchor, str(f.seed)) == where[1:] for board in boards for f in board.failures)


class Records(Stored):
    name, share = "records", 20

    def targets(self, files: list[Path]) -> list[Path]:
        return [path for path in files if path.name == "record.json"]

    def change(self, path: Path, rng: random.Random) -> None:
        """Six of ten are signed again, with the hash of the key that they then have, and lie where they belong."""
        from mmda_bench.protocol import Cell

        self.moved = False
        if rng.random() < 0.2:
            super().change(path, rng)
            return
        record = mutations.of_json(json.loads(path.read_text()), rng)
        if rng.random() < 0.75 and isinstance(record, dict):
            try:
                cell = Cell.from_key(record["key"])
                record |= {"hash": cell.hash, "signature": cell.signature}
                folder = Store(self.damaged).folder(cell)
                if folder != path.parent and self.damaged in folder.parents and ".." not in folder.parts:
                    folder.mkdir(parents=True, exist_ok=True)
                    path = path.parent.rename(folder) / path.name
                    self.moved = True
            except Exception:  # a key that is none
                pass
        path.write_bytes(mutations.text_of(record))


class Predictions(Stored):
    name, share = "predictions", 12

    def targets(self, files: list[Path]) -> list[Path]:
        return [path for path in files if path.name == "predictions.npz"]

    def change(self, path: Path, rng: random.Random) -> None:
        if rng.random() < 0.5:
            super().change(path, rng)
            return
        arrays = dict(np.load(path))
        name = rng.choice(sorted(arrays))
        arrays[name] = mutations.of_array(arrays[name], rng, self.canary)
        np.savez_compressed(path, **arrays)


class Sweeps(Kind):
    name, share = "sweep files", 6

    def make(self) -> None:
        from dataclasses import asdict

        from mmda_bench.sweep import heartbeat

        sweep = heartbeat.Sweep(9, 1, "mmda-bench run", make_cell().signature, running=("dt anchor=A seed=0",))
        (self.whole / heartbeat.FOLDER).mkdir()
        (self.whole / heartbeat.FOLDER / "here-1.json").write_text(json.dumps(asdict(sweep)))

    def change(self, path: Path, rng: random.Random) -> None:
        if rng.random() < 0.3:
            super().change(path, rng)
        else:
            path.write_bytes(mutations.text_of(mutations.of_json(json.loads(path.read_text()), rng)))

    def look(self) -> str:
        from mmda_bench.cli import console

        console.show_status(Store(self.damaged), as_json=False)
        console.show_status(Store(self.damaged), as_json=True)
        return ""


class Kept(Stored):
    """What is kept between two looks: the second look must answer as the first."""

    name, share = "kept findings", 5

    def make(self) -> None:
        from mmda_bench import report

        super().make()
        store = Store(self.whole)
        self.boards = report.load_boards(store, kept=report.Kept(store))

    def targets(self, files: list[Path]) -> list[Path]:
        return [path for path in files if path.parent.name == ".kept"]

    def look(self) -> str:
        from mmda_bench import report

        store = Store(self.damaged)
        return "" if report.load_boards(store, kept=report.Kept(store)) == self.boards else "another board"


class Submissions(Kind):
    name, share = "submissions", 14

    def make(self) -> None:
        fill(self.whole / "results")
        rows = [f"u{i:04d},{'0.7,0.1,0.1,0.1' if label == 0 else '0.1,0.7,0.1,0.1'}" for i, label in enumerate(LABELS)]
        head = "id," + ",".join(f"class {i}" for i in range(4))
        (self.whole / "mine.csv").write_text("\n".join([head, *rows]) + "\n")
        probabilities = np.full((40, 4), 0.1)
        probabilities[np.arange(40), LABELS] = 0.7
        np.savez(self.whole / "mine.npz", ids=[f"u{i:04d}" for i in range(40)], probabilities=probabilities)

    def targets(self, files: list[Path]) -> list[Path]:
        return [path for path in files if path.stem == "mine"]

    def change(self, path: Path, rng: random.Random) -> None:
        if path.suffix == ".npz" and rng.random() < 0.5:
            arrays = dict(np.load(path))
            name = rng.choice(sorted(arrays))
            arrays[name] = mutations.of_array(arrays[name], rng, self.canary)
            np.savez(path, **arrays)
        else:
            super().change(path, rng)

    def look(self) -> str:
        from sklearn.metrics import f1_score

        from mmda_bench.store import submissions, weighted_f1

        store = Store(self.damaged / "results")
        scenario = submissions.find_scenario(store, dataset="avatars", anchor="A")
        record = submissions.submit(store, self.file, scenario, name="mine")
        stored = store.predictions(record)
        if stored is None:
            return "what was accepted is not stored"
        given, labels = stored["target_test/probabilities"], stored["target_test/labels"]
        score = f1_score(labels, given.argmax(1), average="weighted")
        if not np.array_equal(labels, LABELS) or abs(score - weighted_f1(record)) > 1e-6:
            return f"scored {weighted_f1(record)} instead of {score}"
        return ""
