#!/usr/bin/env bash
# What the slow suites drive, from Debian's packages, where missing: a browser, a container engine, bubblewrap, OCR.
set -eu
command -v apt-get >/dev/null && [ "$(id -u)" = 0 ] || exit 0
missing=()
need() { command -v "$1" >/dev/null || missing+=("$2"); }
need chromium chromium
need bwrap bubblewrap
need dash dash
need bash bash
need dockerd docker.io
need iptables iptables
need debootstrap debootstrap
need tesseract tesseract-ocr
[ ${#missing[@]} = 0 ] && exit 0
echo "Installing ${missing[*]} …"
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" ca-certificates </dev/null >/dev/null
