"""demo_pick.py EVAL.json TEST - three photos to show: one that was told rightly from each of two classes, and the surest
mistake, or a third right one where there is none. Prints a path a line. EVAL.json is `whisker eval --json`."""
import json
import os
import sys

with open(sys.argv[1], encoding="utf-8") as f:
    mistakes = json.load(f)["mistakes"]
wrong = {os.path.normpath(m["file"]) for m in mistakes}
right = {}  # class -> photos
for folder, _, names in sorted(os.walk(sys.argv[2], followlinks=True)):
    label = os.path.relpath(folder, sys.argv[2]).split(os.sep)[0]
    for name in sorted(names):
        path = os.path.join(folder, name)
        if not name.startswith(".") and label != "." and os.path.normpath(path) not in wrong:
            right.setdefault(label, []).append(path)

# The middle of each list, so that the first of every folder does not always stand for all of it.
classes = sorted(right)
picked = [right[c][len(right[c]) // 2] for c in classes[:2]]
if mistakes:
    picked.append(max(mistakes, key=lambda m: m["p"] or 0)["file"])
else:
    picked += [p for c in classes[2:] + classes for p in right[c] if p not in picked][:1]
print("\n".join(picked))
