#!/bin/sh
# The studio's page: what is taken from others is unchanged, both languages say the same, no word stands outside of them, and it stays small.
set -eu
command -v python3 >/dev/null 2>&1 || { echo "skipped: no python3"; exit 77; }
python3 - <<'END'
import glob, gzip, hashlib, json, re, sys

faults = []

readme = open("web/vendor/README.md").read()
for file in sorted(glob.glob("web/vendor/*.js")):
    name, sha = file.rsplit("/", 1)[1], hashlib.sha256(open(file, "rb").read()).hexdigest()
    if not re.search(rf"`{re.escape(name)}`.*{sha}", readme):
        faults.append(f"{file}: its SHA-256 is {sha}, which web/vendor/README.md does not say")

def words(language):
    def once(pairs):
        for key in {k for k, _ in pairs if [p[0] for p in pairs].count(k) > 1}:
            faults.append(f"{language}: {key} stands there twice")
        return dict(pairs)
    return json.load(open(f"web/i18n/{language}.json"), object_pairs_hook=once)

english, chinese = words("en"), words("zh-TW")
for key in sorted(set(english) ^ set(chinese)):
    faults.append(f"{key}: only in one language")
for key in sorted(set(english) & set(chinese)):
    blanks = {tuple(sorted(set(re.findall(r"\{(\w+)\}", form)))) for text in (english[key], chinese[key]) for form in text.split("|")}
    if len(blanks) > 1:
        faults.append(f"{key}: different blanks: {blanks}")
    if len(english[key].split("|")) > 2 or "|" in chinese[key]:
        faults.append(f"{key}: English has one form or two, Chinese one")

code = {file: open(file).read() for file in sorted(glob.glob("web/app/*.js"))}
for file, text in code.items():
    for key in re.findall(r"\bt\('([\w.-]+)'", text):
        if key not in english:
            faults.append(f"{file}: {key}: no such words")
    # Text between tags, and attributes that are read to people, come from t(...).
    for said in re.findall(r"<\w[^<>`]*>\s*([A-Za-z][^<>`$}]*)<", text):
        if said.strip() not in ("whisker studio", "X"):  # the name, and a key's
            faults.append(f"{file}: {said.strip()!r} is not in web/i18n")
    for said in re.findall(r'(?:aria-label|alt|title|placeholder|aria-valuetext)="([^"]+)"', text):
        faults.append(f"{file}: {said!r} is not in web/i18n")

used = " ".join(code.values())
for key in english:
    stem = key.rsplit(".", 1)[0]
    if f"'{key}'" not in used and f"`{stem}." not in used and f"`{stem.split('.')[0]}." not in used:
        faults.append(f"{key}: nothing says it")

files = ["web/index.html", "web/icon.svg", "web/studio.css", *code, *glob.glob("web/vendor/*.js")]
size = sum(len(gzip.compress(open(f, "rb").read(), mtime=0)) for f in files)
size += max(len(gzip.compress(open(f"web/i18n/{n}.json", "rb").read(), mtime=0)) for n in ("en", "zh-TW"))
if size > 40 * 1024:
    faults.append(f"the page has {size} bytes gzipped, more than 40 KB")

for fault in faults:
    print(fault)
sys.exit(bool(faults))
END
