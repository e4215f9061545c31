"""Which models from elsewhere may run code at this site: their SHA-256, named by the site and by nobody else.

Some model files are programs: a TorchScript file, a MONAI configuration, a checkpoint that was pickled with more than
weights in it. Whoever loads one runs it. Such files load only if their hash is

    in the setting AGENT_ALLOWED_MODELS (hashes, separated by commas or spaces),
    in the file `allowed_models` of the agent's data folder (a hash a line; # begins a comment), or
    given on the command line with --allow.

The bytes that are hashed are the bytes that are loaded: a file is read once.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from hospital_agent.analysis.errors import ModelMismatch
from hospital_agent.errors import ModelNotAllowed
from shared.errors import SettingsError

FILE_NAME = "allowed_models"
SETTING = "AGENT_ALLOWED_MODELS"
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class AllowList:
    """The SHA-256 of models that may run code here, in small letters."""

    hashes: frozenset[str] = frozenset()

    @classmethod
    def of(cls, told: Iterable[str], source: str = "--allow") -> Self:
        """From hashes, each possibly in capitals, several in a string separated by commas or spaces.

        Args:
            source: where they come from, for the message.

        Raises:
            SettingsError: something in it is not a SHA-256.
        """
        words = [word.lower() for text in told for word in re.split(r"[\s,]+", text) if word]
        if not all(map(_HASH.fullmatch, words)):
            raise SettingsError(f"{source} holds something that is not a SHA-256 (64 digits 0-9 and a-f).")
        return cls(frozenset(words))

    @classmethod
    def of_site(cls, setting: str, data_dir: Path | None) -> Self:
        """From the site's setting and the file in its data folder, where there is one.

        Raises:
            SettingsError: the file cannot be read, or something in either is not a SHA-256.
        """
        lines: list[str] = []
        path = None if data_dir is None else data_dir / FILE_NAME
        if path is not None and path.exists():
            try:
                lines = [line.partition("#")[0] for line in path.read_text(encoding="utf-8").splitlines()]
            except (OSError, UnicodeDecodeError):
                raise SettingsError(f"The file {FILE_NAME} in AGENT_DATA_DIR cannot be read.") from None
        in_file = cls.of(lines, f"The file {FILE_NAME} in AGENT_DATA_DIR")
        return cls(cls.of([setting], SETTING).hashes | in_file.hashes)

    def __or__(self, other: "AllowList") -> "AllowList":
        return AllowList(self.hashes | other.hashes)

    def __contains__(self, digest: str) -> bool:
        return digest in self.hashes


NOBODY = AllowList()


@dataclass(frozen=True, eq=False)
class ModelFiles:
    """The files of a model from elsewhere, read once.

    Args:
        name: of the folder or file, for messages.
        content: path relative to it -> bytes.
    """

    name: str
    content: Mapping[str, bytes] = field(repr=False)

    @classmethod
    def read(cls, root: Path, names: Sequence[str]) -> Self:
        """Read files below a folder.

        Raises:
            ModelMismatch: one is missing or cannot be read.
        """
        content = {}
        for name in names:
            try:
                content[name] = (root / name).read_bytes()
            except OSError:
                raise ModelMismatch(f"The model '{root.name}' lacks the file {name}, or it cannot be read.") from None
        return cls(root.name, content)

    @property
    def digest(self) -> str:
        """SHA-256 of the one file; of several, of what `sha256sum` prints for them in the order of their names."""
        each = {name: hashlib.sha256(part).hexdigest() for name, part in self.content.items()}
        if len(each) == 1:
            return next(iter(each.values()))
        return hashlib.sha256("".join(f"{each[name]}  {name}\n" for name in sorted(each)).encode()).hexdigest()

    def check(self, expected: str | None) -> None:
        """Refuse files that are not those which a manifest was made for.

        Raises:
            ModelMismatch: another hash than the expected one.
        """
        if expected is not None and self.digest != expected:
            raise ModelMismatch(
                f"The files of '{self.name}' are not those this model folder was made for (SHA-256 {self.digest}, "
                f"expected {expected})."
            )

    def refusal(self, reason: str) -> ModelNotAllowed:
        """What to say, and what to do, where the files may not run."""
        return ModelNotAllowed(
            f"{reason} Nobody at this site has allowed that for '{self.name}', so it was not loaded.\n"
            f"SHA-256 {self.digest}\n"
            f"If you know who made it and that these are their bytes, allow it with --allow {self.digest}, with a line "
            f"in the file {FILE_NAME} of AGENT_DATA_DIR, or with {SETTING}."
        )
