"""Which of ICE's files belong together, by what is in them: a target's answers, its loose and its strict rows."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jobs.imports.ice_files import Holds, IceFile, Key
from prompts.input_error import InputError


@dataclass(slots=True)
class TargetFiles:
    """The files of one target; `loose` and `strict` are None where they were not given."""

    name: str
    raw: IceFile
    loose: IceFile | None = None
    strict: IceFile | None = None


def pair_files(files: Sequence[IceFile], names: Mapping[Path, str]) -> list[TargetFiles]:
    """Each raw file with its CSVs, whose rows are all in it, as often as they are in the CSV. Raises InputError.

    A target is called as `names` says (by raw file), else as its CSVs' names do, else as the raw file's name does.
    """
    raw = {file.path: Counter(row.key for row in file.rows) for file in files if file.holds is Holds.RAW}
    targets = {file.path: TargetFiles("", file) for file in files if file.holds is Holds.RAW}
    if not targets:
        what = "no raw file is among these: the CSVs have only some of a target's rows, so that no share can be told"
        raise InputError(what, file=files[0].path)
    _refuse_equal(raw)
    for file in files:
        if file.holds is not Holds.RAW:
            _give(targets[_owner(file, raw, targets)], file)
    for target in targets.values():
        target.name = _name(target, names)
    _refuse_namesakes(targets.values())
    return list(targets.values())


def _refuse_equal(raw: Mapping[Path, Counter[Key]]) -> None:
    paths = list(raw)
    for place, path in enumerate(paths):
        for earlier in paths[:place]:
            if raw[path] == raw[earlier]:
                raise InputError(f"has the same rows as {earlier}", file=path)


def _owner(file: IceFile, raw: Mapping[Path, Counter[Key]], targets: Mapping[Path, TargetFiles]) -> Path:
    """The raw file that a CSV is of; where several have its rows (or it has none), the one of the same name."""
    own = Counter(row.key for row in file.rows)
    whole = [path for path, keys in raw.items() if own <= keys]
    if len(whole) > 1:
        named = [path for path in whole if _plain(targets[path].raw.target) == _plain(file.target)]
        if len(named) == 1:
            return named[0]
        what = "has no rows" if not file.rows else "has rows that several raw files have"
        raise InputError(f"{what}, and its name is not that of one of them", file=file.path)
    if whole:
        return whole[0]
    best = max(raw, key=lambda path: (own & raw[path]).total())
    shared = (own & raw[best]).total()
    strange = next((row.line for row in file.rows if raw[best][row.key] < own[row.key]), None)
    if not shared:
        raise InputError("not one of its rows is in a raw file that was given", file=file.path)
    what = f"{shared} of its {own.total()} rows are in {best}, but not this one"
    raise InputError(what, file=file.path, line=strange)


def _give(target: TargetFiles, file: IceFile) -> None:
    kind = file.holds.value
    before: IceFile | None = getattr(target, kind)
    if before is not None:
        what = f"a second {kind} file of {target.raw.path}, beside {before.path}"
        raise InputError(what, file=file.path)
    setattr(target, kind, file)


def _name(target: TargetFiles, names: Mapping[Path, str]) -> str:
    if target.raw.path in names:
        return names[target.raw.path]
    return next(file.target for file in (target.loose, target.strict, target.raw) if file is not None)


def _refuse_namesakes(targets: Iterable[TargetFiles]) -> None:
    seen: dict[str, Path] = {}
    for target in targets:
        if target.name in seen:
            what = f"is of {target.name!r}, as is {seen[target.name]}: give one another name with --target NAME=FILE"
            raise InputError(what, file=target.raw.path)
        seen[target.name] = target.raw.path


def _plain(name: str) -> str:
    """A name without what people write differently: phi-4 is Phi4."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
