"""The bounds of each text and list that comes from outside: from a host, a BMC, a file, a person. This is the only
table. Code that reads such input cuts it to a bound of this table or refuses it.

A bound on a text is in characters, on a list in entries. A text that was cut says by how much.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bound:
    """At most `most` of what `about` names."""

    most: int
    about: str

    def cut(self, text: str) -> str:
        """The text, or its beginning and a note of how much was left out; never longer than `most`."""
        if len(text) <= self.most:
            return text
        note = f" … [{len(text) - self.most:,} characters more]"
        return text[: max(0, self.most - len(note))] + note[: self.most]

    def cut_middle(self, text: str) -> str:
        """Keep the beginning and the end: the end of a tool's output says how the tool ended."""
        if len(text) <= self.most:
            return text
        note = f"\n[… {len(text) - self.most:,} characters more …]\n"
        half = max(0, self.most - len(note)) // 2
        return text[:half] + note + text[len(text) - half :]

    def refusal(self, text: str) -> str:
        """The message for a person whose text is too long; empty if it is not."""
        return f"{len(text):,} characters: at most {self.most:,} are taken" if len(text) > self.most else ""


def quoted(value: object) -> str:
    """The beginning of what somebody sent, in quotes, for an error message."""
    return QUOTE.cut(repr(value[: QUOTE.most] if isinstance(value, str) else value))


# --- texts -------------------------------------------------------------------------------------------------------

SENTENCE = Bound(2_000, "a message: of a finding, a check, an event, a failed stage, why a run stopped")
NAME = Bound(128, "a name: a serial number, a part, a check, a counter, a key number")
WORD = Bound(256, "any other text of an agent")
LOG_LINE = Bound(4_000, "a line of a host's log")
QUOTE = Bound(80, "what somebody sent, quoted in the error that answers it")
ANSWER = Bound(600, "the reason in the answer to a call that was refused")
NOTES = Bound(10_000, "an operator's notes on a host")
TAGS = Bound(20, "tags of a host")
PHOTOS = Bound(10, "photos that operators add to a run")
PHOTO = Bound(6 * 1024 * 1024, "bytes of a photo")
WAKE_OPTION = Bound(500, "one of the options by which a host is woken")
EVIDENCE_TEXT = Bound(64 * 1024, "the output of one tool, kept as evidence")
HOST_KEY = Bound(1_000, "the SSH host key of a held host")

# A sum of twenty million such numbers, or one times a percentage, does not overflow.
FIGURE = Bound(10**18, "a number of an agent that may have a fraction, on either side of 0; beyond, it is set to that")

# --- what one result may bring -----------------------------------------------------------------------------------

EVIDENCE = Bound(1024 * 1024, "characters of evidence of one attempt of a stage")
EVIDENCE_TEXTS = Bound(1_024, "tools' outputs of one attempt")
FINDINGS = Bound(500, "findings of one attempt, the critical ones first")
CHECKS = Bound(5_000, "checks of one attempt, those that did not pass first")
NUMBERS = Bound(2_000, "key numbers of one attempt")
COUNTERS = Bound(1_000, "error counters that moved in one attempt")
REFUSALS = Bound(256, "disks of one attempt that were not written, those with data on them first")
SIGNATURES = Bound(64, "things that the wipe probe found on one disk")
PARTS = Bound(512, "parts of one kind in an inventory")
INVENTORY = Bound(512 * 1024, "characters of an inventory")

# --- what a run may bring in all ---------------------------------------------------------------------------------

RUN_FINDINGS = Bound(2_000, "findings of a run; of each attempt at least 20 are kept")
RUN_EVIDENCE = Bound(8 * 1024 * 1024, "characters of evidence of a run")
RUN_LOG = Bound(256 * 1024 * 1024, "bytes of a run's log")
RUN_SERIES = Bound(5_000, "curves of a run; limits are checked for all that is measured")
RUN_MEASUREMENTS = Bound(20_000_000, "measurements of a run, in full batches")
RUN_BOOTS = Bound(200, "boots of a run; after that its host boots from its own disk")
RUN_ATTEMPTS = Bound(100, "attempts of a run, all stages together")
LEAST_FINDINGS = Bound(20, "findings of an attempt in a run that has reached its bound")

# --- other calls -------------------------------------------------------------------------------------------------

DIFFERENCES = Bound(1_000, "differences to the expected spec, the critical ones first")
RUN_NOTES = Bound(1_000, "events of one kind in a run that change no state, such as refused tokens")
PROGRESS = Bound(200, "things whose progress one heartbeat tells")
MACS = Bound(1_024, "MAC addresses of a host")
USERS = Bound(50, "people who are logged in to a held host")
ITEMS = Bound(256, "entries of any other list of an agent")

# --- what one page shows -----------------------------------------------------------------------------------------

SHOWN_FINDINGS = Bound(200, "findings on a page")
SHOWN_CHECKS = Bound(150, "checks, and key numbers, of one attempt on a page")
SHOWN_EARLIER_CHECKS = Bound(20, "the same of an earlier attempt")
SHOWN_ATTEMPTS = Bound(5, "earlier attempts of one stage on a page")
SHOWN_TRENDS = Bound(100, "key numbers of one stage over the runs of a host")
SHOWN_REFUSALS = Bound(20, "disks on a page that were not written, those without an override first")
SHOWN_SIGNATURES = Bound(10, "things found on one disk, on a page")
SHOWN_ROWS = Bound(150, "rows of any other table on a page")
SHOWN_EVENTS = Bound(300, "events of a run on its page, the newest")
SHOWN_TEXT = Bound(300, "a message or a value in a table")
SHOWN_LINE = Bound(1_000, "a line of the log on a page")
REPORT_LIST = Bound(2**18, "characters of one kind of list in report.html, the worst entries first")
REPORT_EVIDENCE = Bound(2**14, "characters of one tool's output in report.html")
