"""What a spec's words stand for: its prompts, and the files that it names.

A spec that is read from its file looks at both; one that a run folder recorded has its prompts' texts and no files, for
the run's items are in the folder too.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from prompts.input_error import InputError
from prompts.template import Prompt, load_prompt, parse_prompt, read_prompt
from prompts.toml_text import near_miss


@dataclass(slots=True)
class Materials:
    """`source` names the spec in errors, `providers` are the names in the catalog, `seed` is the spec's.

    `folder` is the spec's own, which its paths start from; None for a recorded spec. `prompts_folder` has the user's
    prompts, which go over the shipped ones; `recorded` the texts of a recorded spec's prompts, by name. `media_root` is
    where pictures and clips lie, where the user says so. `first` cuts every dataset to its first items. `used` collects
    the prompts by name.
    """

    source: Path | str
    providers: Collection[str] = ()
    folder: Path | None = None
    seed: int = 0
    prompts_folder: Path | None = None
    recorded: Mapping[str, str] = field(default_factory=dict)
    media_root: Path | None = None
    first: int | None = None
    used: dict[str, Prompt] = field(default_factory=dict)

    def prompt(self, name: str, key: str = "prompt") -> Prompt:
        """The prompt that the spec's `key` names. Raises InputError.

        A name is one of the user's prompts or a shipped one; what has a slash or ends in `.md` is a path, relative to
        the spec.
        """
        found = self._recorded_prompt(name, key) if self.folder is None else self._find_prompt(name, key, self.folder)
        before = self.used.setdefault(found.name, found)
        if before.sha256 != found.sha256:
            what = f"two prompts of the spec are called {found.name!r}: {before.source} and {found.source}"
            raise InputError(what, file=self.source, field=key)
        return found

    def require_own_prompts(self) -> None:
        """Raise InputError where the user gave a folder of prompts, and the spec uses none of them."""
        folder = self.prompts_folder
        if folder is None or any(Path(prompt.source).parent == folder for prompt in self.used.values()):
            return
        there = ", ".join(sorted(path.name for path in folder.glob("*.md"))) or "none"
        used = ", ".join(f"{name}.md" for name in sorted(self.used)) or "no prompt"
        raise InputError(
            f"has no prompt that {self.source} uses ({used}); it has: {there}", file=folder, field="--prompts"
        )

    def file(self, name: str, key: str, *, or_folder: bool = False) -> Path:
        """The file that the spec's `key` names, or the folder where that will do; a recorded spec reads none.

        Raises InputError where there is none.
        """
        path = (self.folder or Path()) / name
        if self.folder is not None and not path.is_file() and not (or_folder and path.is_dir()):
            raise InputError(f"no such file: {path}", file=self.source, field=key)
        return path

    def require_files(self) -> None:
        """Raise InputError where the spec is a recorded one, which has no files to read items from."""
        if self.folder is None:
            raise InputError("a recorded spec has no dataset: the run's items.jsonl has its items", file=self.source)

    def _find_prompt(self, name: str, key: str, folder: Path) -> Prompt:
        if "/" in name or name.endswith(".md"):
            return read_prompt(folder / name)
        try:
            return load_prompt(name, self.prompts_folder)
        except InputError as error:
            place = error.field if error.file is not None or key == "prompt" else key
            raise InputError(error.message, file=error.file or self.source, line=error.line, field=place) from None

    def _recorded_prompt(self, name: str, key: str) -> Prompt:
        known = Path(name).stem
        if known not in self.recorded:
            what = f"the record has no prompt {known!r}{near_miss(known, self.recorded)}"
            raise InputError(what, file=self.source, field=key)
        return parse_prompt(self.recorded[known], f"prompt {known} (as recorded)")
