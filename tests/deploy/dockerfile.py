"""A Dockerfile as instructions by stage."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_VARIABLE = re.compile(r"\$\{(\w+)\}|\$(\w+)")


@dataclass(frozen=True, slots=True)
class Instruction:
    """`COPY --from=build a b` is keyword COPY, flags {from: build}, arguments "a b"."""

    keyword: str
    flags: dict[str, str]
    arguments: str

    def exec_form(self) -> list[str]:
        """The words of an instruction in exec form; `ValueError` where a shell would have to read it."""
        words: list[str] = json.loads(self.arguments)
        return words


@dataclass(slots=True)
class Stage:
    name: str
    base: str
    instructions: list[Instruction] = field(default_factory=list)

    def all(self, keyword: str) -> list[Instruction]:
        return [each for each in self.instructions if each.keyword == keyword]


@dataclass(frozen=True, slots=True)
class Dockerfile:
    stages: dict[str, Stage]

    def lineage(self, name: str) -> list[Stage]:
        """A stage and what it is built on, nearest first."""
        stage = self.stages.get(name)
        return [stage, *self.lineage(stage.base)] if stage else []

    def image(self, name: str) -> str:
        """The image from outside that a stage stands on."""
        return self.lineage(name)[-1].base

    def last(self, name: str, keyword: str) -> Instruction:
        """The instruction that is in force: the nearest stage's last one."""
        return next(each for stage in self.lineage(name) for each in reversed(stage.all(keyword)))


def parse(text: str) -> Dockerfile:
    """Arguments declared before the first stage are put in where FROM uses them."""
    stages: dict[str, Stage] = {}
    defaults: dict[str, str] = {}
    current: Stage | None = None
    for instruction in _instructions(text):
        if instruction.keyword == "FROM":
            base, _, name = re.split(r"\s+(as)\s+", instruction.arguments, maxsplit=1, flags=re.IGNORECASE)
            current = Stage(name, _filled(base, defaults))
            stages[name] = current
        elif current is None:
            name, _, default = instruction.arguments.partition("=")
            defaults[name] = default
        else:
            current.instructions.append(instruction)
    return Dockerfile(stages)


def _filled(text: str, defaults: dict[str, str]) -> str:
    return _VARIABLE.sub(lambda found: defaults[found[1] or found[2]], text)


def _instructions(text: str) -> Iterator[Instruction]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        keyword, _, rest = line.strip().partition(" ")
        words = rest.split()
        flags = {}
        while words and words[0].startswith("--"):
            name, _, value = words.pop(0).removeprefix("--").partition("=")
            flags[name] = value
        yield Instruction(keyword.upper(), flags, rest if not flags else " ".join(words))
