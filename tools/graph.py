"""DVC's graph of stages: loaded once, asked what is stale."""

import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.lock import LockError, make_lock
from dvc.repo import Repo, lock_repo
from dvc.repo.reproduce import get_active_graph, plan_repro
from dvc.rwlock import RWLOCK_FILE, RWLOCK_LOCK
from dvc_data.hashfile.hash_info import HashInfo

from pipeline.files.errors import UserError


class Graph:
    """The stages of dvc.yaml by name, in the order in which DVC runs them.

    ``needs`` has the stages that each one depends on directly. Raises :class:`UserError` where DVC cannot load them.
    """

    def __init__(self) -> None:
        # Otherwise DVC logs each stage that could come from the run cache.
        logging.getLogger("dvc").setLevel(logging.WARNING)
        try:
            self._repo = Repo(_wait_for_lock=True)
            self._mend_files_in_use()
            with self.locked():
                graph = get_active_graph(self._repo.index.graph)
                order = plan_repro(graph)
        except DvcException as error:
            raise UserError(f"dvc.yaml: {' '.join(str(error).split())}") from None
        self._stages: dict[str, Any] = {stage.addressing: stage for stage in order}
        self.needs: Mapping[str, frozenset[str]] = {
            stage.addressing: frozenset(needed.addressing for needed in graph.successors(stage)) for stage in order
        }

    def _mend_files_in_use(self) -> None:
        """Remove DVC's list of the files in use where a killed process left it half-written: DVC itself would stop."""
        guard = make_lock(
            str(self.temporary / RWLOCK_LOCK),
            tmp_dir=self._repo.tmp_dir,
            hardlink_lock=self._repo.config["core"].get("hardlink_lock", False),
            wait=True,
        )
        path = self.temporary / RWLOCK_FILE
        with guard:
            try:
                json.loads(path.read_text(encoding="utf-8"))
            except FileNotFoundError:
                return
            except ValueError:
                path.unlink()

    @property
    def root(self) -> Path:
        """The project's folder."""
        return Path(self._repo.root_dir)

    @property
    def temporary(self) -> Path:
        """The folder of DVC's own temporary files, which git ignores."""
        return Path(self._repo.tmp_dir)

    @property
    def cache(self) -> Path:
        """The folder of DVC's cache, where its run cache lies too."""
        return Path(self._repo.cache.legacy.path)

    @cached_property
    def followers(self) -> Mapping[str, frozenset[str]]:
        """The stages that depend on each one directly."""
        return {name: frozenset(other for other in self.needs if name in self.needs[other]) for name in self.needs}

    def after(self, names: set[str]) -> set[str]:
        """``names`` and all stages that depend on them, directly or not."""
        found, waiting = set(names), list(names)
        while waiting:
            new = self.followers[waiting.pop()] - found
            found |= new
            waiting += new
        return found

    def locked(self) -> AbstractContextManager[None]:
        """Hold DVC's lock for several questions in turn, each of which would take it, and read the work tree anew."""
        held: AbstractContextManager[None] = lock_repo(self._repo)
        return held

    def changed(self, name: str) -> bool:
        """Whether DVC would run the stage, by what lies in the work tree now.

        Raises :class:`BusyError` while another process writes what the stage reads or makes.
        """
        try:
            with self.locked():
                return bool(self._stages[name].changed())
        except LockError as error:
            raise BusyError(error) from None

    def reasons(self, name: str) -> list[str]:
        """Why the stage itself is stale, a phrase each; none where it is not, or only follows another that is.

        Raises :class:`BusyError` as :meth:`changed`.
        """
        try:
            with self.locked():
                entries = self._stages[name].status().get(name, [])
        except LockError as error:
            raise BusyError(error) from None
        if entries and not any(out.hash_info for out in self._stages[name].outs):
            return ["has not run yet"]
        return list(dict.fromkeys(phrase for entry in entries for phrase in self._phrases(entry)))

    def _phrases(self, entry: Any) -> Iterator[str]:
        """What DVC says: a word, or by kind of change how each path changed, or each parameter of a file."""
        if not isinstance(entry, dict):
            yield "its definition in dvc.yaml changed" if entry == "changed checksum" else str(entry)
            return
        for path, how in entry.get("changed outs", {}).items():
            yield {"deleted": "its outputs are missing", "not in cache": "its outputs are not in DVC's cache"}.get(
                how, f"{path} {how}"
            )
        for path, how in entry.get("changed deps", {}).items():
            if isinstance(how, dict):
                yield from (f"{parameter} {change}" for parameter, change in how.items())
            elif how != "deleted":
                yield f"{path} {how}"
            elif not any(Path(path) in (made, *made.parents) or made in Path(path).parents for made in self._made):
                yield f"{path} is missing"

    @cached_property
    def _made(self) -> list[Path]:
        """The outputs of all stages."""
        return [Path(str(out)) for stage in self._stages.values() for out in stage.outs]

    def cached(self, name: str) -> bool:
        """Whether DVC would take what the stage gives from its run cache, by its dependencies as they are now."""
        stage = copy(self._stages[name])
        stage.deps, stage.outs = ([copy(entry) for entry in entries] for entries in (stage.deps, stage.outs))
        # What dvc.lock says belongs to other dependencies, which are about to be replaced.
        for out in stage.outs:
            out.hash_info = HashInfo()
        try:
            with self.locked():
                stage.save_deps()
                self._repo.stage_cache.restore(stage, dry=True)
        except DvcException:
            # Its dependencies do not exist yet, it has never run so, or its outputs have left the cache.
            return False
        return True

    def words(self, name: str) -> list[str]:
        """What the stage calls after ``python -m pipeline.``: its kind, then its run and seed."""
        return str(self._stages[name].cmd).removeprefix("python -m pipeline.").split()

    def in_run_cache(self, name: str) -> bool:
        """Whether DVC can keep what the stage gives in its run cache: all its plain outputs are in the cache."""
        return all(out.use_cache or out.metric or out.plot for out in self._stages[name].outs)

    def recorded_bytes(self, name: str) -> int | None:
        """The size of what the stage gave last, by dvc.lock; None where it has not run."""
        sizes = [out.meta.size if out.meta else None for out in self._stages[name].outs]
        return None if None in sizes else sum(size or 0 for size in sizes)


class BusyError(Exception):
    """Another process of DVC uses the same files; the message says in one line which process and which files."""

    def __init__(self, error: LockError) -> None:
        text = " ".join(str(error).split())
        found = re.match(r"'(.+?)' is busy, .*?\(PID (\d+)\)", text)
        super().__init__(f"process {found[2]} uses {os.path.relpath(found[1])}" if found else text)
