"""Write `seccomp.json`, the list of system calls that a box may make: `python scripts/make_seccomp.py [--check]`.

Everything that is not named is refused with EPERM. The list is our own, for a container without capabilities, and
stricter than what a container engine allows by default, but for two things: the calls that user, mount and pid
namespaces need are allowed, for the user land of the box and for Chromium's own sandbox; and so are memory policies,
process_madvise and pidfd_getfd, which reach no further than ptrace does. `clone3` answers ENOSYS, so that the C library
uses `clone`, whose flags a filter can see.

Left out on purpose, apart from what only root could use: the kernel's keyrings (not namespaced), bpf and
perf_event_open, userfaultfd and io_uring (a large surface, few users), open_by_handle_at (escapes by inode number),
process_vm_* and kcmp (ptrace covers debuggers), the mount API of file descriptors (`mount` is enough), swap, reboot,
modules, kexec, quotas, the clock. 32-bit entry points have no architecture entry, so the kernel kills who uses them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "sandbox_manager/agentscope_runtime/sandbox_manager/backends/seccomp.json"

ENOSYS = 38
AF_VSOCK = 40
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWTIME = 0x00000080

FILES = """
    access chdir chmod chown close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2 fadvise64
    fallocate fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl fdatasync fgetxattr flistxattr flock fremovexattr
    fsetxattr fstat fstatfs fsync ftruncate futimesat getcwd getdents getdents64 getxattr inotify_add_watch
    inotify_init inotify_init1 inotify_rm_watch ioctl lchown lgetxattr link linkat listxattr llistxattr lremovexattr
    lseek lsetxattr lstat mkdir mkdirat mknod mknodat newfstatat open openat openat2 pipe pipe2 pread64 preadv preadv2
    pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv removexattr rename renameat renameat2 rmdir
    sendfile setxattr splice stat statfs statx symlink symlinkat sync sync_file_range syncfs tee truncate umask unlink
    unlinkat utime utimensat utimes vmsplice write writev
"""
WAITING = """
    epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd
    eventfd2 io_cancel io_destroy io_getevents io_pgetevents io_setup io_submit poll ppoll pselect6 select signalfd
    signalfd4 timerfd_create timerfd_gettime timerfd_settime
"""
MEMORY = """
    brk cachestat get_mempolicy getrandom madvise map_shadow_stack mbind membarrier memfd_create memfd_secret mincore
    mlock mlock2 mlockall mmap mprotect mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free
    pkey_mprotect process_madvise process_mrelease remap_file_pages set_mempolicy set_mempolicy_home_node
"""
PROCESSES = """
    capget capset execve execveat exit exit_group fork futex futex_requeue futex_wait futex_waitv futex_wake
    get_robust_list get_thread_area getcpu getegid geteuid getgid getgroups getpgid getpgrp getpid getppid getpriority
    getresgid getresuid getrlimit getrusage getsid gettid getuid ioprio_get ioprio_set kill landlock_add_rule
    landlock_create_ruleset landlock_restrict_self pidfd_getfd pidfd_open pidfd_send_signal prctl prlimit64 ptrace
    restart_syscall rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend
    rt_sigtimedwait rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr
    sched_getparam sched_getscheduler sched_rr_get_interval sched_setaffinity sched_setattr sched_setparam
    sched_setscheduler sched_yield seccomp set_robust_list set_thread_area set_tid_address setfsgid setfsuid setgid
    setgroups setpgid setpriority setregid setresgid setresuid setreuid setrlimit setsid setuid sigaltstack sysinfo
    tgkill time times tkill uname vfork wait4 waitid arch_prctl modify_ldt
"""
TIME = """
    adjtimex alarm clock_adjtime clock_getres clock_gettime clock_nanosleep getitimer gettimeofday nanosleep pause
    setitimer timer_create timer_delete timer_getoverrun timer_gettime timer_settime
"""
NETWORK = """
    accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg recvmsg sendmmsg sendmsg
    sendto setsockopt shutdown socketpair
"""
SYSTEM_V = """
    mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink msgctl msgget msgrcv msgsnd semctl semget
    semop semtimedop shmat shmctl shmdt shmget
"""
NAMESPACES = "chroot mount pivot_root setns umount2"
"""Each still needs a capability, which a process has in a user namespace of its own at most."""

PERSONALITIES = (0x0, 0x0008, 0x20000, 0x20008, 0xFFFFFFFF)
"""Linux, Linux with the short stack layout, the two with an old uname, and "which is it?"; ADDR_NO_RANDOMIZE is not."""


def allow(names: str) -> dict[str, Any]:
    """Allow these calls whatever their arguments are."""
    return {"names": sorted(names.split()), "action": "SCMP_ACT_ALLOW"}


def allow_if(name: str, index: int, value: int, op: str, value_two: int = 0) -> dict[str, Any]:
    """Allow one call where the comparison of one argument holds."""
    argument = {"index": index, "value": value, "valueTwo": value_two, "op": op}
    return {"names": [name], "action": "SCMP_ACT_ALLOW", "args": [argument]}


def profile() -> dict[str, Any]:
    """Build the profile in the container engine's own format."""
    # A cgroup namespace of one's own lets a user namespace's root mount cgroup v1 and write its release agent;
    # a time namespace is of use to nobody here.
    forbidden = CLONE_NEWCGROUP | CLONE_NEWTIME
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "archMap": [
            {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": []},
            {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": []},
        ],
        "syscalls": [
            *(allow(group) for group in (FILES, WAITING, MEMORY, PROCESSES, TIME, NETWORK, SYSTEM_V, NAMESPACES)),
            # The low byte of clone's flags is the exit signal, so CLONE_NEWTIME cannot be asked for there.
            allow_if("clone", 0, CLONE_NEWCGROUP, "SCMP_CMP_MASKED_EQ"),
            allow_if("unshare", 0, forbidden, "SCMP_CMP_MASKED_EQ"),
            {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": ENOSYS},
            # Virtual machine sockets reach the hypervisor past every network rule.
            allow_if("socket", 0, AF_VSOCK, "SCMP_CMP_NE"),
            *(allow_if("personality", 0, value, "SCMP_CMP_EQ") for value in PERSONALITIES),
        ],
    }


def main() -> int:
    """Write the file, or with `--check` say whether it is up to date."""
    text = json.dumps(profile(), indent=1) + "\n"
    if "--check" in sys.argv[1:]:
        current = TARGET.read_text() if TARGET.exists() else ""
        if current != text:
            print(f"{TARGET.name} is not what {Path(__file__).name} makes: run it", file=sys.stderr)
            return 1
        return 0
    TARGET.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
