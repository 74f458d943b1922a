"""What runs beside a container that has the machine's network, before anything of an agent does, and closes addresses.

It is handed in as text and needs Python's standard library and `nft`. In the machine's network it is asked which
addresses the machine has (`addresses`, told as a JSON list); in the container's it closes them (`close ADDRESS…`), and
with them metadata services, whatever is link-local and the neighbours on the container's own bridge. Routes would not
do: who binds a socket to a device goes around them.
"""

from __future__ import annotations

import ipaddress
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

ALWAYS = (
    # Azure's, Alibaba's, Oracle's and the rest of the clouds' metadata services; 169.254.0.0/16 has most of them.
    "168.63.129.16/32",
    "100.100.100.200/32",
    "192.0.0.192/32",
    "169.254.0.0/16",
    "fd00:ec2::/32",
    "fd20:ce::254/128",
    "fe80::/10",
)
FENCED = "fenced"
"""The last word of `close`."""
PROBE = """import socket
for family, place in ((socket.AF_INET, "169.254.169.254"), (socket.AF_INET6, "fd00:ec2::254")):
    try:
        socket.socket(family, socket.SOCK_DGRAM).sendto(b"", (place, 9))
    except PermissionError:
        continue
    except OSError:
        if family == socket.AF_INET6: continue
    exit(1)"""
"""What ends with 0 where the fence stands. Only a fence refuses permission; without IPv6 there is no way at all."""

_NAT64 = int(ipaddress.IPv6Address("64:ff9b::"))


def addresses(proc: Path = Path("/proc/net")) -> list[str]:
    """The addresses of this network, without loopback, as the kernel tells."""
    told = re.findall(r"\|-- (\S+)\n\s+/32 host LOCAL", (proc / "fib_trie").read_text())
    found: set[ipaddress.IPv4Address | ipaddress.IPv6Address] = {ipaddress.IPv4Address(each) for each in told}
    if (proc / "if_inet6").exists():
        lines = (proc / "if_inet6").read_text().splitlines()
        found |= {ipaddress.IPv6Address(int(line.split()[0], 16)) for line in lines}
    return sorted(str(each) for each in found if not each.is_loopback)


def neighbours(proc: Path = Path("/proc/net")) -> list[Network]:
    """The networks that are reached without a gateway."""
    found: list[Network] = []
    for line in (proc / "route").read_text().splitlines()[1:]:
        _, to, gateway, *_, mask = line.split()[:8]
        if int(gateway, 16) == 0 and int(to, 16):
            parts = (socket.inet_ntoa(int(each, 16).to_bytes(4, sys.byteorder)) for each in (to, mask))
            found.append(ipaddress.IPv4Network("/".join(parts)))
    if (proc / "ipv6_route").exists():
        for line in (proc / "ipv6_route").read_text().splitlines():
            words = line.split()
            if int(words[4], 16) == 0 and 0 < int(words[1], 16) < 128 and words[-1] != "lo":
                found.append(ipaddress.IPv6Network((int(words[0], 16), int(words[1], 16))))
    return found


def rules(closed: Iterable[Network], resolvers: Iterable[str]) -> str:
    """What `nft` is told: names may be asked for at the resolvers, nothing else may be had at what is closed."""
    four = list(ipaddress.collapse_addresses(each for each in closed if isinstance(each, ipaddress.IPv4Network)))
    six = [each for each in closed if isinstance(each, ipaddress.IPv6Network)]
    # What a translator of addresses would carry there.
    six += [ipaddress.IPv6Network((_NAT64 | int(each.network_address), 96 + each.prefixlen)) for each in four]
    lines = [
        'oifname "lo" accept',
        "icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } accept",
    ]
    for text in resolvers:
        family = "ip6" if ":" in text else "ip"
        lines.append(f"{family} daddr {ipaddress.ip_address(text)} meta l4proto {{ tcp, udp }} th dport 53 accept")
    for family, networks in (("ip", four), ("ip6", list(ipaddress.collapse_addresses(six)))):
        listed = ", ".join(str(each) for each in networks)
        lines.append(f"{family} daddr {{ {listed} }} reject with icmpx type admin-prohibited")
    body = "\n".join(lines)
    return f"table inet aether {{\nchain out {{\ntype filter hook output priority 0; policy accept;\n{body}\n}}\n}}\n"


def resolvers(file: Path = Path("/etc/resolv.conf")) -> list[str]:
    """Who is asked for names here."""
    words = [line.split() for line in file.read_text().splitlines()] if file.exists() else []
    return [each[1].partition("%")[0] for each in words if len(each) > 1 and each[0] == "nameserver"]


def main(wish: str, *own: str) -> None:
    """Do what the first word says."""
    if wish == "addresses":
        sys.stdout.write(json.dumps(addresses()))
        return
    closed = [ipaddress.ip_network(each) for each in (*ALWAYS, *own)] + neighbours()
    subprocess.run(["nft", "-f", "-"], input=rules(closed, resolvers()).encode(), check=True)
    sys.stdout.write(FENCED)


if __name__ == "__main__":
    main(*sys.argv[1:])
