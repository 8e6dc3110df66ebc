// Handlers with information, on an alternate stack, restarted and interrupted calls, faults that are caught.
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

static sigjmp_buf back;
static volatile int seen, code, onstack;
static void *volatile where;
static volatile int *told;
static char stack[65536];

static void handler(int s, siginfo_t *i, void *c) { char here; seen = s; if (told) ++*told; code = i->si_code; where = i->si_addr; onstack = &here > stack && &here < stack + sizeof stack; (void)c; }
static void jump(int s, siginfo_t *i, void *c) { handler(s, i, c); siglongjmp(back, 1); }

int main(void) {
    struct sigaction a = {.sa_sigaction = jump, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    stack_t alt = {.ss_sp = stack, .ss_size = sizeof stack};
    sigaltstack(&alt, 0);
    sigaction(SIGSEGV, &a, 0); sigaction(SIGBUS, &a, 0); sigaction(SIGFPE, &a, 0); sigaction(SIGILL, &a, 0); sigaction(SIGTRAP, &a, 0);
    volatile int zero = 0, hundred = 100;
    volatile char *volatile null = (char *)8;
    char *none = mmap(0, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *ro = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!sigsetjmp(back, 1)) *null = 1;
    printf("null: %d code %d at %p on stack %d\n", seen, code, where, onstack);
    if (!sigsetjmp(back, 1)) *(volatile char *)(none + 5);
    printf("none: %d code %d offset %d\n", seen, code, (int)((char *)where - none));
    if (!sigsetjmp(back, 1)) *(volatile char *)(ro + 7) = 1;
    printf("read-only: %d code %d offset %d\n", seen, code, (int)((char *)where - ro));
    if (!sigsetjmp(back, 1)) printf("%d\n", hundred / zero);
    printf("division: %d code %d\n", seen, code);
    if (!sigsetjmp(back, 1)) __asm__ volatile("ud2");
    printf("ud2: %d code %d\n", seen, code);
    if (!sigsetjmp(back, 1)) __asm__ volatile("int3");
    printf("int3: %d code %d\n", seen, code);
    if (!sigsetjmp(back, 1)) *(volatile char *)0x8000000000000000 = 1;
    printf("not canonical: %d code %d\n", seen, code);

    int pipes[2];
    char c;
    // Again and again, so that no read begins after the last.
    struct itimerval soon = {.it_value = {0, 30000}, .it_interval = {0, 30000}}, never = {0};
    told = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (pipe(pipes)) return 1;
    a.sa_sigaction = handler; a.sa_flags = SA_SIGINFO;
    sigaction(SIGALRM, &a, 0);
    setitimer(ITIMER_REAL, &soon, 0);
    int r = read(pipes[0], &c, 1);
    printf("interrupted read: %d %s, signal %d\n", r, strerror(errno), seen);
    a.sa_flags = SA_SIGINFO | SA_RESTART;
    sigaction(SIGALRM, &a, 0);
    *told = seen = 0;
    if (!fork()) { while (*told < 3) usleep(1000); _exit(write(pipes[1], "x", 1) != 1); }
    r = read(pipes[0], &c, 1);
    setitimer(ITIMER_REAL, &never, 0);
    printf("restarted read: %d, signal %d\n", r, seen);

    sigset_t block, old;
    sigemptyset(&block); sigaddset(&block, SIGUSR1); sigaddset(&block, SIGRTMIN + 1);
    sigprocmask(SIG_BLOCK, &block, &old);
    sigaction(SIGUSR1, &a, 0);
    kill(getpid(), SIGUSR1); kill(getpid(), SIGUSR1);
    for (int i = 0; i < 3; i++) { union sigval v = {.sival_int = 40 + i}; sigqueue(getpid(), SIGRTMIN + 1, v); }
    sigset_t pending; sigpending(&pending);
    printf("pending: %d %d\n", sigismember(&pending, SIGUSR1), sigismember(&pending, SIGRTMIN + 1));
    for (int i = 0; i < 3; i++) { siginfo_t info; r = sigwaitinfo(&block, &info); printf("waited: %d value %d code %d\n", r == SIGUSR1 ? 10 : r - SIGRTMIN, r == SIGUSR1 ? 0 : info.si_value.sival_int, info.si_code); }
    struct timespec t = {0, 1000000};
    siginfo_t info;
    r = sigtimedwait(&block, &info, &t);
    printf("fourth: %d\n", r == SIGRTMIN + 1);
    r = sigtimedwait(&block, &info, &t);
    printf("none left: %d %s\n", r, strerror(errno));
    // The floating-point state survives a handler that changes it.
    double d = 1.5; volatile double e;
    sigprocmask(SIG_SETMASK, &old, 0);
    raise(SIGUSR1);
    e = d * 2;
    printf("floating: %g\n", e);
    return 0;
}
