"""The system calls that a container may make: an allow-list by families, put together as an engine takes it.

Whatever is not named here fails with EPERM. Left out on purpose, beyond what needs a capability that no container has:
io_uring and Linux's own asynchronous I/O, the kernel's key rings, bpf, userfaultfd and perf, every call that makes or
enters a namespace or mounts, ptrace and reading another's memory (debuggers and strace do not work inside; so be it),
System V and POSIX message queues, handles of files, memfd_secret, and all calls of 32-bit programs, whose arguments no
filter could see. Calls newer than what stands here are unknown to the filter and fail as well.

`python -m aether_jupyter.sandboxes.seccomp` prints it, for whoever wants it as a file.
"""

from __future__ import annotations

import functools
import json
import sys
from typing import Any

FILES = """
access chdir chmod chown close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2 fadvise64
fallocate fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl fdatasync fgetxattr flistxattr flock fremovexattr
fsetxattr fstat fstatfs fsync ftruncate futimesat getcwd getdents getdents64 getxattr inotify_add_watch inotify_init
inotify_init1 inotify_rm_watch ioctl lchown lgetxattr link linkat listxattr llistxattr lremovexattr lseek lsetxattr
lstat memfd_create mkdir mkdirat mknod mknodat newfstatat open openat openat2 pread64 preadv preadv2 pwrite64 pwritev
pwritev2 read readahead readlink readlinkat readv removexattr rename renameat renameat2 rmdir sendfile setxattr splice
stat statfs statx symlink symlinkat sync sync_file_range syncfs tee truncate umask unlink unlinkat utime utimensat
utimes write writev
"""
MEMORY = """
brk get_mempolicy madvise membarrier mincore mlock mlock2 mlockall mmap mprotect mremap mseal msync munlock munlockall
munmap pkey_alloc pkey_free pkey_mprotect
"""
PROCESSES = """
arch_prctl capget capset execve execveat exit exit_group fork get_robust_list getcpu getegid geteuid getgid getgroups
getpgid getpgrp getpid getppid getpriority getresgid getresuid getrlimit getrusage getsid gettid getuid ioprio_get
ioprio_set kill pidfd_open pidfd_send_signal prctl prlimit64 restart_syscall rseq sched_get_priority_max
sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval
sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield set_robust_list set_tid_address setfsgid
setfsuid setgid setgroups setpgid setpriority setregid setresgid setresuid setreuid setrlimit setsid setuid tgkill
times tkill vfork wait4 waitid
"""
SIGNALS = """
alarm getitimer pause rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend
rt_sigtimedwait rt_tgsigqueueinfo setitimer sigaltstack signalfd signalfd4
"""
TIME = """
clock_getres clock_gettime clock_nanosleep gettimeofday nanosleep time timer_create timer_delete timer_getoverrun
timer_gettime timer_settime timerfd_create timerfd_gettime timerfd_settime
"""
WAITING = """
epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 futex futex_requeue
futex_wait futex_waitv futex_wake pipe pipe2 poll ppoll pselect6 select
"""
SOCKETS = """
accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg recvmsg sendmmsg sendmsg sendto
setsockopt shutdown
"""
SHARED_MEMORY = "semctl semget semop semtimedop shmat shmctl shmdt shmget"
"""Of System V: what X and its clients share pictures by."""
SYSTEM = "getrandom sysinfo uname"
TIGHTENING = "landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp"
"""What a program may forbid itself; it can only become stricter."""

UNIX, INET, INET6, NETLINK = 1, 2, 10, 16
TCP, UDP = 6, 17
NETLINK_ROUTE = 0
"""The one netlink that C libraries ask (which interfaces and addresses there are)."""
NAMESPACES = 0x7E020000
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET."""
PERSONALITIES = (0, 0xFFFFFFFF)
"""Linux itself, and the question which one it is."""
_ENOSYS = 38

Rule = dict[str, Any]


def profile() -> Rule:
    """The profile as Docker, Podman and containerd read it."""
    allowed = " ".join((FILES, MEMORY, PROCESSES, SIGNALS, TIME, WAITING, SOCKETS, SHARED_MEMORY, SYSTEM, TIGHTENING))
    rules: list[Rule] = [
        _allow(*sorted(allowed.split())),
        # Where flags are the second argument (s390x) nothing is let through: the mask would look at another.
        _allow("clone", where=[(0, "SCMP_CMP_MASKED_EQ", NAMESPACES, 0)]) | {"excludes": {"arches": ["s390", "s390x"]}},
        # Its flags lie in memory, where no filter sees them; told that there is none, C libraries take clone.
        {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": _ENOSYS},
        *(_allow("personality", where=[(0, "SCMP_CMP_EQ", each, 0)]) for each in PERSONALITIES),
        _allow("socketpair", where=[(0, "SCMP_CMP_EQ", UNIX, 0)]),
        _allow("socket", where=[(0, "SCMP_CMP_EQ", UNIX, 0)]),
        _allow("socket", where=[(0, "SCMP_CMP_EQ", NETLINK, 0), (2, "SCMP_CMP_EQ", NETLINK_ROUTE, 0)]),
        *(
            _allow("socket", where=[(0, "SCMP_CMP_EQ", family, 0), (2, "SCMP_CMP_EQ", protocol, 0)])
            for family in (INET, INET6)
            for protocol in (0, TCP, UDP)
        ),
    ]
    architectures = ("X86_64", "AARCH64", "PPC64LE", "RISCV64")
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "archMap": [{"architecture": f"SCMP_ARCH_{name}", "subArchitectures": []} for name in architectures],
        "syscalls": rules,
    }


@functools.cache
def profile_json() -> str:
    """The profile in the words in which an engine takes it with a container."""
    return json.dumps(profile(), separators=(",", ":"))


def _allow(*names: str, where: list[tuple[int, str, int, int]] | None = None) -> Rule:
    arguments = [{"index": i, "op": op, "value": value, "valueTwo": other} for i, op, value, other in where or ()]
    return {"names": list(names), "action": "SCMP_ACT_ALLOW", "args": arguments}


if __name__ == "__main__":
    json.dump(profile(), sys.stdout, indent=2)
    sys.stdout.write("\n")
