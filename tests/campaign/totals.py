"""The campaign's sum: every count of all its runs, and the table that it prints."""

from collections import Counter
from dataclasses import dataclass, field

from tests.campaign.judging import Told
from tests.campaign.playing import Outcome

KILLS = "kills: "


@dataclass
class Totals:
    """The outcomes of many runs, added up."""

    runs: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    told: Told = field(default_factory=Told)
    verdicts: int = 0
    """Runs whose verdict was another than undisturbed."""
    longest_s: float = 0.0
    failed: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Add one more run."""
        self.runs += 1
        self.counts.update(outcome.counts)
        self.told.add(outcome.told)
        self.verdicts += any(text.startswith("verdict: ") for text in outcome.wrong)
        self.longest_s = max(self.longest_s, outcome.took_s)
        if outcome.wrong:
            self.failed.append(outcome)

    @property
    def kills(self) -> int:
        return self.counts["kills"]

    def as_dict(self) -> dict[str, object]:
        """Return the totals for a program."""
        wrong = [
            {"seed": one.plan.seed, "folder": str(one.folder), "wrong": one.wrong} for one in self.failed
        ]
        return {
            "runs": self.runs,
            "counts": dict(sorted(self.counts.items())),
            "told": vars(self.told),
            "verdicts_different": self.verdicts,
            "longest_s": round(self.longest_s, 1),
            "failed": wrong,
        }

    def table(self) -> str:
        """Return the totals for a person."""
        kinds = sorted(name for name in self.counts if name.startswith(KILLS))
        others = sorted(
            name for name in self.counts if name not in kinds and name not in ("kills", "restarts")
        )
        told = self.told
        rows: list[tuple[str, object]] = [
            ("runs", self.runs),
            ("kills", self.kills),
            *((f"  {name.removeprefix(KILLS)}", self.counts[name]) for name in kinds),
            *((name, self.counts[name]) for name in others),
            ("restarts", self.counts["restarts"]),
            ("messages due", told.due),
            ("posts that a reader saw", told.seen),
            ("  unmarked", told.unmarked),
            ("  marked as a possible duplicate", told.marked),
            ("messages left to a person, and repeated by hand", told.left),
            ("messages lost", told.lost),
            ("posts doubled without a mark", told.doubled),
            ("verdicts different", self.verdicts),
            ("runs with anything wrong", len(self.failed)),
            ("longest run, s", f"{self.longest_s:.1f}"),
        ]
        width = max(len(name) for name, _ in rows)
        lines = [f"{name:<{width}}  {value:>7}" for name, value in rows]
        for outcome in self.failed:
            lines.append(f"\nseed {outcome.plan.seed}, kept in {outcome.folder}: {outcome.plan}")
            lines += [f"  {text}" for text in outcome.wrong[:10]]
        return "\n".join(lines)
