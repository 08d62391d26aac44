/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words that each process may say to the kernel, each with its reason. What is not here gets
 * EPERM; what is in fatal_calls kills. Words are grouped by what they serve, and a profile is a
 * list of groups.
 */
#include <assert.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "sandbox/rule.h"

#define SOCKET_TYPE_MASK 0xfu
#define CLONE_NAMESPACES                                                                           \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |             \
	 CLONE_NEWPID | CLONE_NEWNET)

/* Every process, down to the one that parses a single file. */
static const struct sandbox_rule base[] = {
	RULE(read, "its channel"),
	RULE(readv, "its channel"),
	RULE(write, "its channel; the log on stderr"),
	RULE(writev, "the log on stderr"),
	RULE(close, "descriptors come with messages"),
	RULE(lseek, "size of a file that was handed over"),
	RULE(pread64, "a file that was handed over is read from its start"),
	RULE(fstat, "size and kind of a file that was handed over"),
	RULE_MASKED(newfstatat, 3, AT_EMPTY_PATH, AT_EMPTY_PATH, "glibc's fstat"),
	RULE(brk, "memory"),
	RULE(munmap, "memory"),
	RULE(mremap, "memory"),
	RULE(madvise, "memory; secrets stay out of cores"),
	RULE_MASKED(mmap, 2, PROT_EXEC, 0, "memory that is never code"),
	RULE_MASKED(mprotect, 2, PROT_EXEC, 0, "memory that is never code"),
	RULE(mlock, "secrets are not swapped"),
	RULE(mlock2, "secrets are not swapped"),
	RULE(munlock, "secrets that are gone"),
	RULE(futex, "locks of libraries; LMDB's writer lock"),
	RULE(set_robust_list, "LMDB's writer lock survives its holder"),
	RULE(rseq, "glibc after fork"),
	RULE(exit, "end"),
	RULE(exit_group, "end"),
	RULE(rt_sigaction, "signal handlers"),
	RULE(rt_sigprocmask, "signal masks"),
	RULE(rt_sigreturn, "the end of a signal handler"),
	RULE(sigaltstack, "signal handlers"),
	RULE(restart_syscall, "the kernel after SIGCONT"),
	RULE(getpid, "GnuTLS and sd-event notice a fork"),
	RULE(gettid, "sd-event, abort"),
	RULE(tgkill, "abort"),
	RULE(clock_gettime, "time"),
	RULE(clock_getres, "time"),
	RULE(gettimeofday, "time; dates of certificates"),
	RULE(time, "time; dates of certificates"),
	RULE(getrandom, "nonces and keys"),
	RULE(getrusage, "GnuTLS reseeds its generator"),
	RULE(sched_yield, "locks of libraries"),
	RULE(sysinfo, "glibc's qsort asks how much memory there is"),
	RULE(uname, "libraries ask for the kernel's version"),
	RULE(getuid, "libraries ask whether they are set-user-ID"),
	RULE(geteuid, "libraries ask whether they are set-user-ID"),
	RULE(getgid, "libraries ask whether they are set-user-ID"),
	RULE(getegid, "libraries ask whether they are set-user-ID"),
	RULE_EQ(prctl, 0, PR_SET_NAME, "its name in ps"),
	RULE_EQ(prctl, 0, PR_GET_SECCOMP, "tests ask whether the walls stand"),
	RULE_EQ(prctl, 0, PR_GET_DUMPABLE, "tests ask whether the walls stand"),
	RULE_EQ(prctl, 0, PR_GET_NO_NEW_PRIVS, "tests ask whether the walls stand"),
	RULE_EQ(fcntl, 1, F_GETFL, "non-blocking descriptors"),
	RULE_EQ(fcntl, 1, F_SETFL, "non-blocking descriptors"),
	RULE_EQ(fcntl, 1, F_GETFD, "close-on-exec"),
	RULE_EQ(fcntl, 1, F_SETFD, "close-on-exec"),
	RULE_EQ(fcntl, 1, F_DUPFD_CLOEXEC, "a queued message keeps its descriptors"),
};

/* An sd-event loop with message channels on it. */
static const struct sandbox_rule loop[] = {
	/* Fast Open would connect where connect(2) is not allowed. */
	RULE_MASKED(sendmsg, 2, MSG_FASTOPEN, 0, "its channels, with descriptors; the journal"),
	RULE(recvmsg, "its channels, which carry descriptors"),
	RULE_MASKED(sendto, 3, MSG_FASTOPEN, 0, "its channels"),
	RULE_OPTION(SOL_SOCKET, SO_LINGER, "a descriptor that is dropped is closed at once"),
	RULE(recvfrom, "its channels"),
	RULE(poll, "waiting for one descriptor"),
	RULE(ppoll, "waiting for one descriptor"),
	RULE(epoll_create1, "the loop"),
	RULE(epoll_ctl, "the loop"),
	RULE(epoll_wait, "the loop"),
	RULE(epoll_pwait, "the loop"),
	RULE(epoll_pwait2, "the loop"),
	RULE(timerfd_create, "the loop's timers"),
	RULE(timerfd_settime, "the loop's timers"),
	RULE(signalfd4, "the loop's signals"),
	RULE(eventfd2, "the loop"),
	RULE(getrlimit, "size of the descriptor table"),
	RULE_EQ(prlimit64, 0, 0, "size of its own descriptor table"),
	RULE(sched_getaffinity, "glibc counts processors"),
	RULE(dup, "descriptors that are handed on"),
	RULE_EQ(ioctl, 1, FIONREAD, "sd-event's signals and timers"),
	RULE_EQ(ioctl, 1, TCGETS, "isatty on stderr"),
};

/* TCP and UDP sockets of its own. */
static const struct sandbox_rule internet[] = {
	RULE_EQ(socket, 0, AF_INET, "listener, failover link"),
	RULE_EQ(socket, 0, AF_INET6, "listener, failover link"),
	RULE(bind, "its own addresses"),
	RULE(listen, "incoming connections"),
	RULE(accept, "incoming connections"),
	RULE(accept4, "incoming connections"),
	RULE(getsockopt, "SO_ERROR, SO_PEERCRED"),
	RULE(getsockname, "which address a client spoke to"),
	RULE(getpeername, "who is at the other end"),
	RULE(shutdown, "an orderly end of a connection"),
	RULE(recvmmsg, "a burst of datagrams in one call"),
	RULE_MASKED(sendmmsg, 3, MSG_FASTOPEN, 0, "a burst of datagrams in one call"),
};

static const struct sandbox_rule engine[] = {
	RULE(setsockopt, "freebind, timeouts, device, filters of packets"),
	RULE(connect, "the failover link to the mate"),
	RULE_EQ(socket, 0, AF_NETLINK, "addresses, links, neighbours, connection state"),
	RULE_EQ(socket, 0, AF_PACKET, "gratuitous ARP"),
	RULE(getcpu, "the end of a lease is rounded by the processor that renews it"),
	RULE_TWO(socket, AF_UNIX, SOCKET_TYPE_MASK, SOCK_DGRAM, "if_nametoindex; the journal"),
	RULE_EQ(ioctl, 1, SIOCGIFINDEX, "if_nametoindex"),
	RULE_EQ(ioctl, 1, SIOCGIFNAME, "if_indextoname"),
	RULE_EQ(ioctl, 1, SIOCGIFHWADDR, "sender of a gratuitous ARP"),
	RULE_EQ(ioctl, 1, SIOCGIFADDR, "has an interface an IPv4 address of its own"),
	RULE_EQ(ioctl, 1, SIOCGIFFLAGS, "carrier of a monitored interface"),
	RULE_EQ(ioctl, 1, SIOCGIFMTU, "size of a hello"),
	RULE_EQ(ioctl, 1, TUNSETIFF, "the devices of VPN sessions"),
	RULE_EQ(fcntl, 1, F_GET_SEALS, "is what came on the control socket a memory file"),
	RULE_EQ(fcntl, 1, F_GETPIPE_SZ, "... or a pipe"),
	RULE(sched_setscheduler, "hellos in time on a busy machine"),
	RULE(sched_getscheduler, "hellos in time on a busy machine"),
	RULE(sched_setparam, "hellos in time on a busy machine"),
	RULE(sched_getparam, "hellos in time on a busy machine"),
	RULE(sched_get_priority_min, "hellos in time on a busy machine"),
	RULE(sched_get_priority_max, "hellos in time on a busy machine"),
	RULE(setpriority, "hellos in time on a busy machine"),
	RULE(mlockall, "hellos in time on a machine that swaps"),
	RULE(munlockall, "the reverse of mlockall"),
};

/* Its listening sockets outlive it: nothing may be attached to one that chooses among clients. */
static const struct sandbox_rule front[] = {
	RULE_OPTION(SOL_SOCKET, SO_RCVTIMEO, "a signature is waited for by the read itself"),
	RULE_OPTION(SOL_SOCKET, SO_REUSEADDR, "listener"),
	RULE_OPTION(SOL_SOCKET, SO_REUSEPORT, "fronts share an address"),
	RULE_OPTION(SOL_SOCKET, SO_BINDTODEVICE, "a link-local address is one of a device"),
	RULE_OPTION(IPPROTO_IP, IP_FREEBIND, "an address that is not there yet"),
	RULE_OPTION(IPPROTO_IPV6, IPV6_FREEBIND, "an address that is not there yet"),
	RULE_OPTION(IPPROTO_IPV6, IPV6_V6ONLY, "each family has a listener of its own"),
	RULE_OPTION(IPPROTO_TCP, TCP_NODELAY, "answers go at once"),
	RULE_OPTION(IPPROTO_TCP, TCP_NOTSENT_LOWAT, "a tunnel's packets do not wait in the kernel"),
	RULE(sendfile, "pages"),
	RULE(mincore, "GnuTLS checks memory of its caller"),
};

/* Files below the folders that Landlock leaves. */
static const struct sandbox_rule files[] = {
	RULE(open, "the store"),
	RULE(openat, "the store"),
	RULE(stat, "the store's files"),
	RULE(lstat, "the store's files"),
	RULE(newfstatat, "the store's files"),
	RULE(statx, "the store's files"),
	RULE(access, "the store's files"),
	RULE(faccessat, "the store's files"),
	RULE(faccessat2, "the store's files"),
	RULE(fstatfs, "room on the store's disk"),
	RULE(statfs, "room on the store's disk"),
	RULE(getdents64, "clearing up temporary files"),
	RULE(mkdir, "the store's folder"),
	RULE(mkdirat, "the store's folder"),
	RULE(unlink, "temporary files"),
	RULE(unlinkat, "temporary files"),
	RULE(rename, "files that are replaced whole"),
	RULE(renameat, "files that are replaced whole"),
	RULE(renameat2, "files that are replaced whole"),
	RULE(fchmod, "modes of its own files"),
	RULE(fchmodat, "modes of its own files"),
	RULE(umask, "modes of its own files"),
	RULE(pwrite64, "LMDB's pages"),
	RULE(pwritev, "LMDB's pages"),
	RULE(preadv, "LMDB's pages"),
	RULE(fsync, "durability"),
	RULE(fdatasync, "durability"),
	RULE(msync, "durability of LMDB's map"),
	RULE(sync_file_range, "durability in pieces"),
	RULE(ftruncate, "LMDB's file grows; an export starts anew"),
	RULE(fallocate, "room for the store"),
	RULE(fadvise64, "read ahead"),
	RULE(flock, "one keeper per store"),
	RULE_EQ(fcntl, 1, F_SETLK, "LMDB's lock file"),
	RULE_EQ(fcntl, 1, F_SETLKW, "LMDB's lock file"),
	RULE_EQ(fcntl, 1, F_GETLK, "LMDB's lock file"),
	RULE(memfd_create, "a snapshot that has no name"),
};

/* A thread of the same process, and no process. */
static const struct sandbox_rule threads[] = {
	RULE_MASKED(clone, 0, CLONE_NAMESPACES | CLONE_THREAD | CLONE_VM, CLONE_THREAD | CLONE_VM,
		    "whoever waits for a disk, or for the kernel, does it beside the loop"),
};

/* Children: the keeper's parser, and the parser's jobs. */
static const struct sandbox_rule children[] = {
	RULE(wait4, "how a child ended"),
	RULE(waitid, "how a child ended"),
	RULE(pidfd_open, "a child's end on the loop"),
	RULE(pidfd_send_signal, "a child that takes too long"),
	RULE(kill, "a child that takes too long"),
	RULE(pipe2, "a job's answer"),
};

static const struct sandbox_rule zygote[] = {
	RULE_MASKED(clone, 0, CLONE_NAMESPACES | CLONE_VM, 0, "one process a file"),
	RULE(fork, "one process a file"),
	RULE(socketpair, "a job's answer"),
	RULE(dup2, "a job's descriptors"),
	RULE(dup3, "a job's descriptors"),
	RULE(close_range, "a job holds no other job's descriptors"),
	RULE(getppid, "a job whose parent is gone ends"),
	RULE(setrlimit, "a job's memory and processor time"),
	RULE_EQ(prlimit64, 0, 0, "a job's memory and processor time"),
	RULE(setitimer, "a job's time"),
	RULE(alarm, "a job's time"),
	RULE(seccomp, "a job enters its own, narrower profile"),
	RULE(landlock_create_ruleset, "a job enters its own, narrower profile"),
	RULE(landlock_restrict_self, "a job enters its own, narrower profile"),
	RULE_EQ(prctl, 0, PR_SET_NO_NEW_PRIVS, "a job enters its own, narrower profile"),
	RULE_EQ(prctl, 0, PR_SET_SECCOMP, "a job enters its own, narrower profile"),
	RULE_TWO(prctl, PR_SET_DUMPABLE, UINT64_MAX, 0, "a job enters its own, narrower profile"),
	RULE_EQ(prctl, 0, PR_SET_PDEATHSIG, "a job does not outlive the parser"),
};

/* HTTP and DNS outwards: nothing is bound, nothing listens. */
static const struct sandbox_rule client[] = {
	RULE_EQ(socket, 0, AF_INET, "a responder, a name server"),
	RULE_EQ(socket, 0, AF_INET6, "a responder, a name server"),
	RULE(connect, "a responder, a name server"),
	RULE(setsockopt, "no delay, keepalive"),
	RULE(getsockopt, "SO_ERROR"),
	RULE(getsockname, "how addresses are sorted"),
	RULE(getpeername, "libcurl's log of a connection"),
	RULE(shutdown, "an orderly end of a connection"),
	RULE_MASKED(sendmmsg, 3, MSG_FASTOPEN, 0, "two questions to a name server in one call"),
	RULE(uname, "the resolver's own domain"),
	RULE_TWO(socketpair, AF_UNIX, SOCKET_TYPE_MASK, SOCK_STREAM, "libcurl wakes itself"),
	RULE_MASKED(clone, 0, CLONE_NAMESPACES, 0,
		    "a child a question; a thread of the resolver's"),
	RULE(fork, "a child a question"),
	RULE(dup2, "a child has its pipe only"),
	RULE(close_range, "a child has its pipe only"),
	RULE(alarm, "a child's time"),
	RULE(setitimer, "a child's time"),
	RULE(open, "the resolver's files"),
	RULE(openat, "the resolver's files"),
	RULE(stat, "have the resolver's files changed"),
	RULE(newfstatat, "have the resolver's files changed"),
};

static const struct sandbox_rule job[] = {
	RULE(poll, "a passphrase comes through a pipe that may be non-blocking"),
};

/* Modules of PAM start helpers, which take the user that they have: without a capability nobody
 * becomes another one. */
static const struct sandbox_rule modules[] = {
	RULE(execve, "pam_unix's helper, pam_exec"),
	RULE(execveat, "helpers"),
	RULE(setuid, "pam_unix's helper, to the user that it has"),
	RULE(setgid, "helpers, to the group that they have"),
	RULE(setreuid, "pam_modutil_drop_priv, to the user that it has"),
	RULE(setregid, "pam_modutil_drop_priv, to the group that it has"),
	RULE(setresuid, "helpers, to the user that they have"),
	RULE(setresgid, "helpers, to the group that they have"),
	RULE(setfsuid, "files of a user, read as the user that it has"),
	RULE(setfsgid, "files of a user, read as the group that it has"),
	RULE(setgroups, "pam_modutil_drop_priv asks in vain"),
	RULE(capset, "helpers give up what they have not"),
};

static const int fatal_calls[] = {
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(kcmp),
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	SCMP_SYS(chroot),
	SCMP_SYS(move_mount),
	SCMP_SYS(open_tree),
	SCMP_SYS(fsopen),
	SCMP_SYS(fsmount),
	SCMP_SYS(fsconfig),
	SCMP_SYS(mount_setattr),
	SCMP_SYS(unshare),
	SCMP_SYS(setns),
	SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(delete_module),
	SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load),
	SCMP_SYS(reboot),
	SCMP_SYS(swapon),
	SCMP_SYS(swapoff),
	SCMP_SYS(acct),
	SCMP_SYS(iopl),
	SCMP_SYS(ioperm),
	SCMP_SYS(modify_ldt),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(name_to_handle_at),
	SCMP_SYS(keyctl),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(setuid),
	SCMP_SYS(setgid),
	SCMP_SYS(setreuid),
	SCMP_SYS(setregid),
	SCMP_SYS(setresuid),
	SCMP_SYS(setresgid),
	SCMP_SYS(setfsuid),
	SCMP_SYS(setfsgid),
	SCMP_SYS(setgroups),
	SCMP_SYS(capset),
	SCMP_SYS(mknod),
	SCMP_SYS(mknodat),
	SCMP_SYS(settimeofday),
	SCMP_SYS(clock_settime),
	SCMP_SYS(adjtimex),
	SCMP_SYS(quotactl),
	SCMP_SYS(syslog),
	SCMP_SYS(vhangup),
};

#define TABLE(rules)                                                                               \
	{                                                                                          \
		rules, ARRAY_SIZE(rules)                                                           \
	}

static const struct sandbox_profile_row rows[SANDBOX__MAX] = {
	[SANDBOX_SUPERVISOR] = {.name = "supervisor"},
	[SANDBOX_ENGINE] = {.name = "engine",
			    .is_filtered = true,
			    .is_signal_bound = true,
			    .tables = {TABLE(base), TABLE(loop), TABLE(internet), TABLE(engine),
				       TABLE(threads)}},
	[SANDBOX_KEEPER] = {.name = "keeper",
			    .is_filtered = true,
			    .tables = {TABLE(base), TABLE(loop), TABLE(files), TABLE(threads),
				       TABLE(children)}},
	[SANDBOX_PARSER] = {.name = "parser",
			    .is_filtered = true,
			    .is_signal_bound = true,
			    .tables = {TABLE(base), TABLE(loop), TABLE(children), TABLE(zygote)}},
	[SANDBOX_PARSER_JOB] = {.name = "parser-job",
				.is_filtered = true,
				.is_signal_bound = true,
				.tables = {TABLE(base), TABLE(job)}},
	[SANDBOX_FRONT] = {.name = "front",
			   .is_filtered = true,
			   .is_signal_bound = true,
			   .tables = {TABLE(base), TABLE(loop), TABLE(internet), TABLE(front)}},
	[SANDBOX_AUTH] = {.name = "auth",
			  .is_filtered = true,
			  .is_signal_bound = true,
			  .tables = {TABLE(base), TABLE(loop)}},
	[SANDBOX_FETCH] = {.name = "fetch",
			   .is_filtered = true,
			   .is_signal_bound = true,
			   .tables = {TABLE(base), TABLE(loop), TABLE(children), TABLE(client)}},
	[SANDBOX_RUNNER] = {.name = "runner"},
	[SANDBOX_PAM] = {.name = "pam",
			 .is_filtered = true,
			 .is_open = true,
			 .is_signal_bound = true,
			 .tables = {TABLE(modules)}},
};

const struct sandbox_profile_row *sandbox_profile_row(enum sandbox_profile profile)
{
	assert(profile < SANDBOX__MAX);
	return &rows[profile];
}

const char *sandbox_profile_name(enum sandbox_profile profile)
{
	return sandbox_profile_row(profile)->name;
}

const int *sandbox_fatal_calls(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(fatal_calls);
	return fatal_calls;
}
