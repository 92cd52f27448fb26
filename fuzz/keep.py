#!/usr/bin/env python3
"""Keeps at most 200 inputs for each target named: fuzz/keep.py TARGET FOLDER

FOLDER holds what a run has found; corpus/TARGET keeps the inputs that have a name, and of all others those that reach
most code together. `cargo fuzz cmin` keeps every input that repeats a piece of code more often, which are thousands.
"""
import heapq, re, shutil, subprocess, sys, tempfile
from pathlib import Path

MOST, BYTES = 200, 280_000
target, found = sys.argv[1], Path(sys.argv[2]).resolve()
here = Path(__file__).resolve().parent
corpus = here / "corpus" / target
with tempfile.TemporaryDirectory() as scratch:
    into, control = Path(scratch, "into"), Path(scratch, "control")
    into.mkdir()
    binary = here / "target/x86_64-unknown-linux-gnu/release" / target
    merge = ["-set_cover_merge=1", "-use_counters=0", f"-merge_control_file={control}"]
    subprocess.run([binary, *merge, into, corpus, found], check=True, stderr=subprocess.DEVNULL)
    lines = control.read_text().split("\n")
    count = int(lines[0])
    files = [Path(line) for line in lines[2 : 2 + count]]
    reached = {index: set() for index in range(count)}
    for kind, index, *what in (line.split() for line in lines[2 + count :] if line.startswith(("FT ", "COV "))):
        reached[int(index)].update((kind, one) for one in what)

named = [i for i, file in enumerate(files) if file.parent == corpus and not re.fullmatch("[0-9a-f]{40}", file.name)]
kept, have = list(named), set().union(*(reached[i] for i in named))
size = sum(files[i].stat().st_size for i in kept)
heap = [(-len(reached[i]), files[i].stat().st_size, i) for i in range(count) if i not in named]
heapq.heapify(heap)
while heap and len(kept) < MOST:
    gain, length, index = heapq.heappop(heap)
    new = len(reached[index] - have)
    if new == 0 or size + length > BYTES:
        continue
    if new != -gain:
        heapq.heappush(heap, (-new, length, index))
        continue
    kept.append(index)
    have |= reached[index]
    size += length
contents = {files[i].name: files[i].read_bytes() for i in kept}
shutil.rmtree(corpus)
corpus.mkdir()
for name, content in contents.items():
    (corpus / name).write_bytes(content)
print(f"{target}: {len(kept)} of {count} inputs, {size} bytes, {len(have)} of {len(set().union(*reached.values()))} covered")
