"""What a search finds: a depth and one op per edge of the cell, and its JSON forms. No torch in here.

Notation (AdaBERT, arXiv:2001.04246, section 2.2): K depth, N intermediate nodes. States 0 and 1 are the
cell's inputs, 2..N+1 its nodes; edge ``"i_j"`` leads from state i to node j, i < j.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FORMAT = "adabert-architecture"
VERSION = 1
MOST = {"depth": 24, "nodes": 8}  # as in SpaceConfig; beyond that a file could ask for all memory
ZERO = "zero"
# Ops that map zeros to zeros: reading a node without inputs through them gives nothing.
KEEPS_ZERO = frozenset({"avg_pool_3", "max_pool_3", "skip_connect", ZERO})


class ArchitectureError(ValueError):
    """An architecture that is not well formed; the message names the key and what is allowed."""


def edge_names(nodes: int) -> tuple[str, ...]:
    """Names of all edges of a cell with ``nodes`` intermediate nodes: ``("0_2", "1_2", "0_3", ...)``."""
    return tuple(f"{i}_{j}" for j in range(2, nodes + 2) for i in range(j))


@dataclass(frozen=True)
class Architecture:
    """One point of the architecture space, equation (2) of the paper.

    Attributes:
        depth: number of stacked cells K, 1 to 24.
        nodes: number of intermediate nodes N, 1 to 8.
        edges: op name for every edge of the cell, ``{"0_2": "std_conv_3", ...}``.
    """

    depth: int
    nodes: int
    edges: Mapping[str, str]

    def __post_init__(self) -> None:
        """Check that depth and nodes are in range and that exactly the cell's edges have an op."""
        for key, most in MOST.items():
            value = getattr(self, key)
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
                raise ArchitectureError(
                    f"architecture: {key} is {value!r}; it must be a whole number from 1 to {most}"
                )
        if not isinstance(self.edges, Mapping):
            raise ArchitectureError(
                f"architecture: edges is {self.edges!r}; it must map edge names to op names"
            )
        expected = edge_names(self.nodes)
        missing = [name for name in expected if name not in self.edges]
        surplus = [str(name) for name in self.edges if name not in expected]
        if missing or surplus:
            raise ArchitectureError(
                f"architecture: edges lack {missing} and have unknown {surplus}; "
                f"a cell with {self.nodes} nodes has exactly {', '.join(expected)}"
            )
        for name in expected:
            if not isinstance(self.edges[name], str):
                raise ArchitectureError(
                    f"architecture: edge {name}: op is {self.edges[name]!r}, not a name"
                )
        object.__setattr__(self, "edges", {name: self.edges[name] for name in expected})

    def live_edges(self) -> dict[str, str]:
        """Edges that carry something: not ``zero``, and not a pool or skip out of a node that is always zero.

        A convolution out of an empty node stays: its BatchNorm turns zeros into a learned constant.
        """
        filled, live = {0, 1}, {}
        for name, op in self.edges.items():  # in topological order, see edge_names
            source, target = map(int, name.split("_"))
            if op != ZERO and (source in filled or op not in KEEPS_ZERO):
                live[name] = op
                filled.add(target)
        return live

    def reached(self) -> set[int]:
        """The states that depend on the text: the inputs, and what edges lead to from them."""
        reached = {0, 1}
        for name, op in self.edges.items():  # in topological order
            source, target = map(int, name.split("_"))
            if op != ZERO and source in reached:
                reached.add(target)
        return reached

    def reads_input(self) -> bool:
        """Whether a node depends on the text; else all texts have the same logits."""
        return max(self.reached()) > 1

    def inputs_read(self) -> set[int]:
        """Those of a cell's two inputs, 0 and 1, that an edge leads from.

        Without 1, the layer before, a layer is read by the one after the next alone, so that every second one
        does nothing. Of a pair whose texts are one input each, a student without 0 or without 1 reads one text.
        """
        return {int(name.split("_")[0]) for name in self.live_edges()} & {0, 1}

    def to_dict(self) -> dict[str, Any]:
        """The versioned envelope that ``from_dict`` reads."""
        body = {"depth": self.depth, "nodes": self.nodes, "edges": dict(self.edges)}
        return {"format": FORMAT, "version": VERSION, **body}

    @classmethod
    def from_dict(cls, data: Any) -> "Architecture":
        """Read the envelope written by ``to_dict``.

        Args:
            data: what ``json.loads`` gave; anything but a mapping is refused.

        Returns:
            The architecture; whether its ops exist is for ``check_ops`` to say.

        Raises:
            ArchitectureError: if a key is missing, unknown or out of range.
        """
        if not isinstance(data, Mapping):
            raise ArchitectureError(f"architecture: got {type(data).__name__}, not a JSON object")
        allowed = {"format", "version", "depth", "nodes", "edges"}
        if data.get("format") != FORMAT or data.get("version") != VERSION:
            raise ArchitectureError(
                f"architecture: format {data.get('format')!r} version {data.get('version')!r}; "
                f"this release reads {FORMAT!r} version {VERSION}"
            )
        if set(data) != allowed:
            raise ArchitectureError(
                f"architecture: keys are {sorted(map(str, data))}; they must be {sorted(allowed)}"
            )
        return cls(depth=data["depth"], nodes=data["nodes"], edges=data["edges"])

    def to_sample(self) -> dict[str, Any]:
        """NNI's flat sample: ``{"edge_0_2": op, ..., "depth": [K - 1]}``."""
        return {
            **{f"edge_{name}": op for name, op in self.edges.items()},
            "depth": [self.depth - 1],
        }

    @classmethod
    def from_sample(cls, sample: Mapping[str, Any]) -> "Architecture":
        """Read NNI's flat sample; the inverse of ``to_sample``.

        Args:
            sample: an op per ``"edge_<i_j>"``, and ``"depth"``, the index K - 1 >= 0, bare or in a list of one.

        Returns:
            The architecture, with as many nodes as the edges lead to.

        Raises:
            ArchitectureError: if the depth is missing or the edges are not those of a cell.
        """
        edges = {
            str(key).removeprefix("edge_"): op
            for key, op in sample.items()
            if str(key).startswith("edge_")
        }
        chosen = sample.get("depth")
        depth = chosen[0] if isinstance(chosen, list | tuple) and len(chosen) == 1 else chosen
        if isinstance(depth, bool) or not isinstance(depth, int) or depth < 0:
            raise ArchitectureError(
                f"sample: depth is {chosen!r}; it must be [index] with index >= 0"
            )
        targets = [name.partition("_")[2] for name in edges]
        last = max((int(j) for j in targets if j.isdecimal() and len(j) < 4), default=2)
        return cls(depth=depth + 1, nodes=last - 1, edges=edges)

    def save(self, path: Path) -> None:
        """Write the envelope as JSON."""
        Path(path).write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Architecture":
        """Read a file written by ``save``.

        Args:
            path: the JSON file.

        Returns:
            The architecture.

        Raises:
            ArchitectureError: if the file is missing, is not JSON, or is not an architecture.
        """
        try:
            return cls.from_dict(json.loads(Path(path).read_text(encoding="utf-8")))
        except OSError as error:
            raise ArchitectureError(
                f"{path}: cannot be read ({error.strerror}); give an architecture.json"
            ) from error
        except ArchitectureError as error:
            raise ArchitectureError(f"{path}: {error}") from error
        except (ValueError, RecursionError) as error:
            raise ArchitectureError(
                f"{path}: not JSON ({error}); give an architecture.json"
            ) from error
