"""The grammars that `simaccel help TOPIC` prints: timing models, faults and traces. The pages in docs/ say more."""

from __future__ import annotations

TIMING = """\
A timing model says how long the device takes for a request, whatever the work
takes on this machine. --latency takes one:

  none | preset:NAME | SERVICE [+LATENCY]

SERVICE keeps a unit busy. LATENCY passes after it, and keeps nothing busy.
Each of them is a model, or one model for each operation:

  MODEL | per-op:OPERATION=MODEL;...;*=MODEL

  fixed:DURATION                  always the same
  uniform:LOW,HIGH                any duration in between, all equally likely
  lognormal:MEDIAN,SIGMA          a skewed distribution, like measured times
  exponential:MEAN                memoryless, as in queueing theory
  bytes:BASE,BANDWIDTH            BASE, and the time of the payload
  tail:p=NUMBER,x=NUMBER,MODEL    with probability p, x times as long
  tail:p=NUMBER,add=DURATION,MODEL  with probability p, longer by DURATION
  values:DURATION,DURATION,...    these in order, then from the first again
  trace:PATH                      the same, from a file with one on each line
  csv:PATH,column=NAME,unit=UNIT  the same, from a column of a CSV file

DURATION is a number with ns, us, ms or s; BANDWIDTH one with B/s, kB/s, MB/s,
GB/s, Mbit/s or Gbit/s. The presets:
{presets}.

For example: preset:qat-dh895xcc, lognormal:50us,0.3, fixed:10us+fixed:40us.
The page: docs/timing.md
"""

FAULTS = """\
A fault rule says what goes wrong, and with which requests. --fault takes one,
as does simaccel inject:

  KIND[:KEY=VALUE,...][;KIND...]

  fail             it completes with an error: status=WORD
  corrupt          bits of its result are flipped: bytes=N+N, bits=0x01
  lose             it never completes, and keeps its slot
  hold             it completes when it is released
  delay            it completes late: by=TIME
  reorder          it completes after later requests: past=N, within=TIME
  duplicate        it completes twice: after=TIME
  spurious-wake    its waiter is woken for nothing: after=TIME
  early-wake       its waiter is woken before the completion: by=TIME
  lose-interrupt   its owner hears of the completion at the next interrupt
  stick-doorbell   the device sees it at a later doorbell: rings=N
  partial-batch    requests fetched after it must wait: for=TIME
  reject           it is refused: as=eagain or as=fatal
  stall            a unit starts nothing for a while: for=TIME, unit=N
  reset            all in flight fails, and the device goes on: after=TIME
  remove           the device is gone, and everything fails: after=TIME

For every kind, these say which requests meet the fault. All of them must hold:

  op=NAME          of this operation
  session=N        with this session
  depth=N          submitted while at least N are in flight
  from=TIME, until=TIME   submitted in this window, from the rule's start
  nth=N, every=N   the Nth that matches, or every Nth
  p=NUMBER         with this probability
  count=N          at most N times

TIME is a number with ns, us, ms or s.
For example: corrupt:op=sha256,every=100 or lose:p=0.01,count=3.
The page: docs/faults.md
"""

TRACE = """\
A trace is a recorded run. simaccel run --trace FILE writes one, and simaccel
replay FILE runs it again and prints the first event that differs. A FILE that
ends in .pftrace is for https://ui.perfetto.dev instead. Any other is text:

  a line with the format and its version
  a line of JSON that says what was run
  a line for each event: NS WORD REQUEST [DETAIL]
  a line with the number of events and the SHA-256 of all lines before it

NS is the virtual time in ns. REQUEST is the number of the request, 0 for none.

  submit, full, reject       it got a slot; there was none; a fault refused it
  fault                      it will meet this fault
  fetch, start               the device has read it; a unit works on it
  corrupt                    these bits of its result were flipped
  complete                   it is on the completion ring
  interrupt, wake            completions are handed out; its owner is told
  orphaned, spurious         its owner no longer wanted it; had it already
  duplicate, false-wake      its owner is told again; is woken for nothing
  doorbell-stuck, reset, remove, plug-in   what happened to the whole device

The page: docs/faults.md
"""

TOPICS = {"timing": TIMING, "faults": FAULTS, "trace": TRACE}
"""Each topic and its text."""


def topic_text(topic: str) -> str:
    """The text of a topic, of lines of at most 80 columns. Raises KeyError for an unknown one."""
    from sim.timing import preset_names

    return TOPICS[topic].replace("{presets}", ", ".join(preset_names()))
