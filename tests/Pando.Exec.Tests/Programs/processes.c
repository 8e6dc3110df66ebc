// fork, vfork, exec, waiting, groups, limits of descriptors, pipes between processes, orphans.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

int main(int argc, char **argv) {
    setvbuf(stdout, 0, _IONBF, 0);
    int status;
    if (argc > 1) { printf("executed with %s, descriptor 9 %s\n", argv[1], fcntl(9, F_GETFD) < 0 ? "closed" : "open"); return 6; }
    int v = 1;
    pid_t p = vfork();
    if (!p) { v = 2; _exit(3); }
    waitpid(p, &status, 0);
    printf("vfork: %d, child's store seen %d\n", WEXITSTATUS(status), v);
    if (dup2(1, 9) != 9 || fcntl(9, F_SETFD, FD_CLOEXEC)) return 1;
    char *args[] = {"me", "argument", 0};
    if (posix_spawn(&p, "/proc/self/exe", 0, 0, args, environ)) return 2;
    waitpid(p, &status, 0);
    printf("spawned: %d\n", WEXITSTATUS(status));
    printf("no program: %d\n", posix_spawn(&p, "/nowhere", 0, 0, args, environ) == ENOENT);
    printf("execve of a directory: %s\n", execve("/", args, environ) ? strerror(errno) : "");

    if (!(p = fork())) { setpgid(0, 0); pause(); _exit(0); }
    setpgid(p, p);
    printf("group killed: %d\n", kill(-p, SIGTERM));
    waitpid(p, &status, 0);
    printf("by signal %d\n", WTERMSIG(status));
    int go[2];
    if (pipe(go)) return 3;
    if (!(p = fork())) { char c; raise(SIGSTOP); _exit(read(go[0], &c, 1) == 1 ? 5 : 6); }
    waitpid(p, &status, WUNTRACED);
    printf("stopped %d by %d\n", WIFSTOPPED(status), WSTOPSIG(status));
    kill(p, SIGCONT);
    waitpid(p, &status, WCONTINUED);
    printf("continued %d\n", WIFCONTINUED(status));
    if (write(go[1], "g", 1) != 1) return 3;
    siginfo_t info;
    waitid(P_PID, p, &info, WEXITED | WNOWAIT);
    printf("waitid: code %d status %d\n", info.si_code, info.si_status);
    waitpid(p, &status, 0);
    printf("exited %d\n", WEXITSTATUS(status));
    printf("no child: %s\n", wait(&status) < 0 ? strerror(errno) : "");

    int pipes[2];
    if (pipe(pipes)) return 3;
    if (!fork()) { close(pipes[0]); for (int i = 0; i < 100; i++) if (write(pipes[1], argv, 1000) != 1000) _exit(1); _exit(0); }
    close(pipes[1]);
    char buffer[4096];
    long total = 0, n;
    while ((n = read(pipes[0], buffer, sizeof buffer)) > 0) total += n;
    wait(&status);
    printf("through a pipe: %ld\n", total);
    if (pipe(pipes)) return 3;
    close(pipes[0]);
    signal(SIGPIPE, SIG_IGN);
    printf("broken pipe: %s\n", write(pipes[1], "x", 1) < 0 ? strerror(errno) : "");

    struct rlimit limit = {20, 20};
    setrlimit(RLIMIT_NOFILE, &limit);
    int last = 0, d;
    while ((d = dup(0)) >= 0) last = d;
    printf("descriptors end at %d: %s\n", last, strerror(errno));
    for (d = 10; d < 20; d++) close(d);

    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) return 4;
    struct pollfd polled[2] = {{pair[0], POLLIN, 0}, {pair[1], POLLOUT, 0}};
    printf("poll: %d", poll(polled, 2, 10));
    printf(" %x %x\n", polled[0].revents, polled[1].revents);
    if (write(pair[1], "abc", 3) != 3) return 5;
    fd_set set; FD_ZERO(&set); FD_SET(pair[0], &set);
    printf("select: %d %d\n", select(pair[0] + 1, &set, 0, 0, 0), FD_ISSET(pair[0], &set));
    int e = epoll_create1(0);
    struct epoll_event event = {EPOLLIN, {.u64 = 0x123456789}}, got;
    epoll_ctl(e, EPOLL_CTL_ADD, pair[0], &event);
    d = epoll_wait(e, &got, 1, 100);
    printf("epoll: %d %lx\n", d, (long)got.data.u64);
    sigset_t mask; sigemptyset(&mask); sigaddset(&mask, SIGUSR2);
    sigprocmask(SIG_BLOCK, &mask, 0);
    int s = signalfd(-1, &mask, SFD_NONBLOCK);
    struct signalfd_siginfo si;
    printf("signalfd: %s\n", read(s, &si, sizeof si) < 0 ? strerror(errno) : "");
    event.data.u64 = 7;
    epoll_ctl(e, EPOLL_CTL_DEL, pair[0], 0);
    epoll_ctl(e, EPOLL_CTL_ADD, s, &event);
    kill(getpid(), SIGUSR2);
    d = epoll_wait(e, &got, 1, 1000);
    printf("epoll of it: %d %d\n", d, (int)got.data.u64);
    n = read(s, &si, sizeof si);
    printf("signalfd: %ld signal %d\n", n, si.ssi_signo);

    // A descriptor through a socket.
    int f = memfd_create("passed", 0);
    if (write(f, "content", 7) != 7) return 6;
    char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec v1 = {"y", 1};
    struct msghdr m = {.msg_iov = &v1, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET; c->cmsg_type = SCM_RIGHTS; c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &f, sizeof f);
    if (!fork()) { _exit(sendmsg(pair[0], &m, 0) != 1); }
    wait(&status);
    char byte[2];
    struct iovec v2 = {byte, 1};
    struct msghdr r = {.msg_iov = &v2, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    n = recvmsg(pair[1], &r, 0);
    memcpy(&f, CMSG_DATA(CMSG_FIRSTHDR(&r)), sizeof f);
    memset(buffer, 0, 10);
    d = pread(f, buffer, 7, 0);
    printf("passed: %ld %d %s\n", n, d, buffer);
    return 0;
}
