"""Shell lines for common small jobs, and those that fit a task: what a small model knows, but not by heart.

They need only what every Debian has: coreutils, grep, sed, awk and Python, no jq, zip or bc.
"""

from __future__ import annotations

import functools
import math
import re

SHOWN = 2
"""Each costs the model about a second to read."""

ENOUGH = 4.0
"""A rare word that both have weighs 4 to 5, a common one 1 to 2."""

_BOOK = r"""
count how many lines in file
    wc -l < f
count how many words in file
    wc -w < f
count how many characters letters in file
    wc -m < f
size in bytes of file
    stat -c %s f
disk space size of folder in bytes
    du -sb d | cut -f1
count how many files in folder subfolders
    find d -type f -name '*.txt' | wc -l
count how many folders directories
    find d -mindepth 1 -type d | wc -l
list names of all files in folder, tree
    find d -type f | sort > out
largest biggest file in folder
    ls -S d | head -n 1
smallest file in folder
    ls -Sr d | head -n 1
newest latest most recently modified file
    ls -t d | head -n 1
oldest file
    ls -tr d | head -n 1
find files larger bigger than bytes
    find d -type f -size +1000c
find delete empty files
    find d -type f -empty -delete
find delete empty folders directories
    find d -mindepth 1 -type d -empty -delete
create nested folders directories inside structure
    mkdir -p a/b/c
create ten empty files file1 to file10
    mkdir -p d && touch d/file{1..10}.txt
copy whole folder directory
    cp -r a b
delete remove folder directory with everything
    rm -r d
move file into folder
    mkdir -p a/b && mv f a/b/
rename change extension of all files .txt to .md
    for f in *.txt; do mv "$f" "${f%.txt}.md"; done
rename files add prefix to names
    for f in *.jpg; do mv "$f" "old_$f"; done
rename files lower case names
    for f in *; do mv "$f" "$(echo "$f" | tr A-Z a-z)"; done
rename files replace spaces in names
    for f in *\ *; do mv "$f" "${f// /_}"; done
swap exchange two files contents
    mv a t && mv b a && mv t b
make script executable run permission
    chmod +x f && ./f
set change permissions mode readable only owner
    chmod 600 f && stat -c %a f
rename file
    mv a b
backup copy of file
    cp a b
symbolic link symlink pointing to
    ln -s target name
pack compress archive tar folder
    tar -czf a.tar.gz d
unpack extract tar archive
    mkdir -p d && tar -xzf a.tar.gz -C d
pack compress zip archive
    python3 -m zipfile -c a.zip f1 f2
unpack extract zip archive
    mkdir -p d && python3 -m zipfile -e a.zip d
compress gzip file
    gzip -k f
checksum hash sha256 sha-256
    sha256sum f | cut -d' ' -f1 > out
checksum hash md5
    md5sum f | cut -d' ' -f1 > out
encode base64
    base64 -w0 f > out
today current date
    date +%F > out
current time now
    date +%H:%M > out
weekday day of week of date
    date -d 2024-01-31 +%A
days between two dates
    python3 -c 'from datetime import date; print((date(2024,3,1)-date(2024,1,9)).days)' > out
join combine merge concatenate files in order
    cat a b c > out
paste merge files side by side columns
    paste -d, a b > out
compare difference between two files changed
    diff a b
lines common to both files
    sort a > s1; sort b > s2; comm -12 s1 s2 > out
lines only in first file, missing in second
    grep -vxFf b a > out
split file into parts pieces
    split -l 100 f part_
first top lines of file
    head -n 3 f > out
last bottom lines of file
    tail -n 2 f > out
lines from to, range, middle, nth line
    sed -n '5,8p' f > out
sort lines alphabetically
    sort f > out
sort numbers numerically ascending smallest
    sort -n f > out
sort numbers numerically descending largest highest first
    sort -rn f > out
reverse order of lines
    tac f > out
reverse characters text backwards
    rev f > out
shuffle random order
    shuf f > out
remove duplicate lines unique
    sort -u f -o f
remove duplicate lines keep order first appearance
    awk '!seen[$0]++' f > out
most frequent often common line word occurs
    sort f | uniq -c | sort -rn | head -n 1 | awk '{print $2}' > out
count how often each word occurs frequency
    tr -cs '[:alnum:]' '\n' < f | sort | uniq -c | sort -rn > out
count occurrences of word
    grep -o WORD f | wc -l > out
count lines that contain word
    grep -c WORD f > out
lines that contain word match
    grep WORD f > out
lines that do not contain word, exclude without
    grep -v WORD f > out
which files contain word text
    grep -rl WORD d > out
remove delete lines that start with contain
    sed -i '/^#/d' f
remove delete blank empty lines
    grep -v '^\s*$' f > out
remove delete line by number third last
    sed -i '3d' f
add append line at end of file
    echo 'TEXT' >> f
insert line at top beginning first of file
    sed -i '1i TEXT' f
insert line after another line
    sed -i '/PATTERN/a TEXT' f
add prefix beginning start of every each line
    sed -i 's/^/TEXT/' f
add suffix end of every each line
    sed -i 's/$/TEXT/' f
number the lines numbered 1. 2. 3.
    awk '{print NR". "$0}' f > out
replace change every occurrence of word text in file
    sed -i 's/old/new/g' f
replace change word text in several all files
    grep -rl old d | xargs sed -i 's/old/new/g'
replace change url path address with slash
    sed -i 's|http://old|http://new|g' f
upper case uppercase capital letters convert
    tr a-z A-Z < f > out.new && mv out.new out
lower case lowercase letters convert
    tr A-Z a-z < f > out.new && mv out.new out
trim strip trailing leading spaces whitespace
    sed -i 's/^ *//; s/ *$//' f
replace tabs spaces commas separator
    tr '\t' ',' < f > out
windows line endings crlf
    sed -i 's/\r$//' f
comma separated list to one per line
    tr ',' '\n' < f > out
lines joined into one line with commas
    paste -sd, f > out
longest line
    awk '{if (length($0) > length(m)) m = $0} END {print m}' f > out
longest word
    tr -cs '[:alpha:]' '\n' < f | awk '{if (length($0) > length(m)) m = $0} END {print m}' > out
extract e-mail email addresses
    grep -oE '[A-Za-z0-9._+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+' f > out
extract numbers digits from text
    grep -oE '[0-9]+(\.[0-9]+)?' f > out
extract urls links web addresses
    grep -oE 'https?://[^ "<>]+' f > out
extract dates
    grep -oE '[0-9]{4}-[0-9]{2}-[0-9]{2}' f > out
extract words by pattern regular expression
    grep -oE 'ID-[0-9]+' f > out
sum total of numbers
    awk '{s+=$1} END {print s}' f > out
add up numbers
    awk '{s+=$1} END {print s}' f > out
average mean of numbers
    awk '{s+=$1} END {print s/NR}' f > out
median of numbers
    python3 -c 'import statistics as s; print(s.median(map(float, open("f"))))' > out
largest highest maximum number
    sort -n f | tail -n 1 > out
smallest lowest minimum number
    sort -n f | head -n 1 > out
even odd numbers from file
    awk '$1 % 2 == 0' f > out
numbers greater less than above below
    awk '$1 > 50' f > out
compute calculate each line convert multiply
    awk '{print $1*9/5+32}' f > out
numbers from 1 to 10, one per line
    seq 1 10 > out
compute calculate result times plus power percent
    python3 -c 'print(2**16)' > out
multiplication table, loop
    for i in {1..10}; do echo "7 x $i = $((7*i))"; done > out
csv total sum of column
    awk -F, 'NR>1 {s+=$3} END {print s}' f.csv > out
csv average mean of column
    awk -F, 'NR>1 {s+=$3; n++} END {print s/n}' f.csv > out
csv keep filter rows where column, with header
    awk -F, 'NR==1 || $2=="Sales"' f.csv > out.csv
csv names rows where column greater less than
    awk -F, 'NR>1 && $2>30 {print $1}' f.csv > out
csv row with highest largest maximum value
    tail -n +2 f.csv | sort -t, -k2,2 -rn | head -n 1 | cut -d, -f1 > out
csv row with lowest smallest minimum value
    tail -n +2 f.csv | sort -t, -k2,2 -n | head -n 1 | cut -d, -f1 > out
csv sort rows by column keep header
    (head -n 1 f.csv; tail -n +2 f.csv | sort -t, -k2,2 -n) > out.csv
csv extract only one column
    cut -d, -f2 f.csv > out
csv swap reorder columns
    awk -F, '{print $2","$1}' f.csv > out.csv
csv count rows per value group
    tail -n +2 f.csv | cut -d, -f2 | sort | uniq -c > out
csv sum per value group total each
    awk -F, 'NR>1 {s[$1]+=$2} END {for (k in s) print k","s[k]}' f.csv | sort > out
csv count number of rows without header
    tail -n +2 f.csv | wc -l > out
convert csv to json
    python3 -c 'import csv,json; json.dump(list(csv.DictReader(open("f.csv"))), open("f.json","w"), indent=1)'
convert json list to csv
    python3 -c 'import json; d=json.load(open("f.json")); [print(*r,sep=",") for r in [d[0],*map(dict.values,d)]]' > out
json value of key field
    python3 -c 'import json; print(json.load(open("f.json"))["key"])' > out
json list names of objects where field is true
    python3 -c 'import json; [print(x["name"]) for x in json.load(open("f.json")) if x["active"]]' > out
json list sum total of field
    python3 -c 'import json; print(sum(x["qty"] for x in json.load(open("f.json"))))' > out
json count objects items in list
    python3 -c 'import json; print(len(json.load(open("f.json"))))' > out
json change set add value of key
    python3 -c 'import json; d=json.load(open("f.json")); d["key"]=1; json.dump(d, open("f.json","w"), indent=2)'
run python program script save store output
    python3 s.py > out; cat out
run script with argument
    python3 s.py ARG > out; cat out
run bash shell script save store output
    bash s.sh > out; cat out
"""

LINES = tuple(re.findall(r"^(\S.*)\n    (.+)$", _BOOK, re.MULTILINE))
"""What each line is for, in the words that people use, and the line."""


def fitting(task: str) -> list[tuple[str, str]]:
    """The jobs whose words are in the task, best first, with their lines."""
    words = _stems(re.sub(r"[\w-]+\.(?=\w)(txt|md)?", " ", task))
    weights = _weights()
    scores = []
    for place, (job, _) in enumerate(LINES):
        whole = sum(weights[stem] for stem in _stems(job))
        hits = sum(weights[stem] for stem in _stems(job) if stem in words)
        if hits >= ENOUGH and hits >= 0.4 * whole:
            scores.append((0.12 * whole - 1.12 * hits, place))
    scores.sort()
    return [LINES[place] for score, place in scores[:SHOWN] if score <= 0.6 * scores[0][0]]


@functools.cache
def _weights() -> dict[str, float]:
    """Rare words tell more."""
    jobs = [_stems(job) for job, _ in LINES]
    every = set().union(*jobs)
    return {stem: math.log(len(jobs) / sum(stem in job for job in jobs)) for stem in every}


_IDLE = frozenset(
    re.findall(
        r"\w+",
        "a i in of to is it on by as be or at an so do the and for with its this that into from are has all put make "
        "new one per",
    )
)


_SAME = {
    word: group.split()[0]
    for group in (
        "remove delete strip erase drop",
        "largest biggest highest maximum greatest higher greater larger",
        "smallest lowest minimum less smaller",
        "join combine merge concatenate",
        "folder directory directories subfolder",
        "sum total",
        "average mean",
        "unpack extract unzip",
        "compress pack zip",
        "empty blank",
        "calculate compute",
        "append add",
        "save store",
        "newest latest",
        "symlink symbolic link",
        "email e-mail mail",
        "uppercase upper capital",
        "first top beginning start",
        "last bottom",
        "often frequent frequently common",
        "many count",
        "whole everything",
        "python program",
        "duplicate duplicates unique",
    )
    for word in group.split()
}
"""Words that say the same here."""


def _stems(text: str) -> frozenset[str]:
    words = re.findall(r"[^\W_]+", text.lower())
    words = [_SAME.get(word, _SAME.get(word.rstrip("s"), word.rstrip("s"))) for word in words if word not in _IDLE]
    return frozenset(word[:7] for word in words if len(word) > 1)
